"""How do time and memory grow with the number of particles?

    python benchmarks/growth.py

Every size runs in a process of its own, so that its peak memory is its own; training steps stop at --steps-to, predictions go on.
"""

import dataclasses
import tempfile
from pathlib import Path

import tyro
from common import Competitor, Worker, finish, measure, write_problem


@dataclasses.dataclass(frozen=True)
class Settings:
    """What to time.

    Attributes:
        particles: sizes, each rounded to a cube.
        steps_to: largest size that is trained.
        kernel: of the convolution.
        layers, l_max, channels: shape of the network.
        rounds: of every measurement.
        cores: to pin to.
        out: JSON file to write.
    """

    particles: tuple[int, ...] = (512, 4096, 32768, 262144, 1000000)
    steps_to: int = 262144
    kernel: str = "native"
    layers: int = 8
    l_max: int = 2
    channels: int = 8
    rounds: int = 3
    cores: str = "0,1"
    out: Path = Path("growth.json")


def main(settings: Settings) -> None:
    """Time every size and print the table."""
    shape = ["--layers", str(settings.layers), "--l-max", str(settings.l_max), "--channels", str(settings.channels)]
    competitor = Competitor(f"equijax, {settings.kernel}", "equijax_network.py", ("--kernel", settings.kernel))
    rows = []
    for particles in settings.particles:
        with tempfile.TemporaryDirectory() as folder:
            problem = Path(folder) / "problem.npz"
            about = write_problem(problem, particles)
            print(f"{about['particles']} particles, {about['edges']} edges")
            row = dict(about)
            for task in ("forward", "step") if particles <= settings.steps_to else ("forward",):
                with Worker(competitor, problem, shape, settings.cores) as worker:
                    row[task] = measure([worker], [task], settings.rounds)[worker.name][task]
        rows.append(row)
        finish(settings.out, settings, {"rows": rows})
    print("\n| particles | forward s | GiB | training step s | GiB |\n|---|---|---|---|---|")
    for row in rows:
        cells = [f"{row[task]['seconds']:.3f} | {row[task]['peak_gib']:.2f}" if task in row else "- | -" for task in ("forward", "step")]
        print(f"| {row['particles']} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main(tyro.cli(Settings))

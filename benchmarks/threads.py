"""What do more cores bring?

python benchmarks/threads.py --cores 1 0,1
"""

import dataclasses
import tempfile
from pathlib import Path

import tyro
from common import TASKS, Competitor, Worker, finish, measure, write_problem


@dataclasses.dataclass(frozen=True)
class Settings:
    """What to time.

    Attributes:
        cores: sets of cores to pin to, as taskset reads them; the first is the measure.
        kernels: of the convolution.
        data: a configuration in any format equijax reads; a lattice with noise if absent.
        particles: of the lattice.
        layers, l_max, channels: shape of the network.
        rounds: of every measurement.
        out: JSON file to write.
    """

    cores: tuple[str, ...] = ("1", "0,1")
    kernels: tuple[str, ...] = ("native", "xla")
    data: Path | None = None
    particles: int = 4096
    layers: int = 8
    l_max: int = 2
    channels: int = 8
    rounds: int = 5
    out: Path = Path("threads.json")


def main(settings: Settings) -> None:
    """Time every set of cores, in alternation, and print the table."""
    shape = ["--layers", str(settings.layers), "--l-max", str(settings.l_max), "--channels", str(settings.channels)]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        problem = Path(folder) / "problem.npz"
        about = write_problem(problem, settings.particles, settings.data)
        for kernel in settings.kernels:
            workers = [Worker(Competitor(f"{kernel} on {cores}", "equijax_network.py", ("--kernel", kernel)), problem, shape, cores) for cores in settings.cores]
            times = measure(workers, TASKS, settings.rounds)
            rows += [{"kernel": kernel, "cores": cores, "times": times[worker.name]} for cores, worker in zip(settings.cores, workers, strict=True)]
            for worker in workers:
                worker.__exit__()
    finish(settings.out, settings, {"problem": about, "rows": rows})
    print("\n| kernel | cores | forward s | step s | d/d positions s |\n|---|---|---|---|---|")
    for row in rows:
        base = next(other for other in rows if other["kernel"] == row["kernel"])
        cells = [f"{row['times'][task]['seconds']:.3f} ({base['times'][task]['seconds'] / row['times'][task]['seconds']:.2f}x)" for task in TASKS]
        print(f"| {row['kernel']} | {row['cores']} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main(tyro.cli(Settings))

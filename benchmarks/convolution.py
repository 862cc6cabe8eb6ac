"""How fast is the network against its peers on one core?

    python benchmarks/convolution.py --data CONFIGURATION --peers PEERS/bin/python --nequip-jax FOLDER

Every competitor has the same edges and the same core, and runs in alternation with the native kernel, which is the common measure. PEERS is an
environment with torch, e3nn and nequip (`pip install torch e3nn nequip`); FOLDER holds nequip-jax. Without them those rows are left out.
"""

import dataclasses
import tempfile
from pathlib import Path

import tyro
from common import TASKS, Competitor, Worker, finish, measure, write_problem

_ALLOCATOR = (("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=17179869184:glibc.malloc.trim_threshold=17179869184:glibc.malloc.hugetlb=1"),)


@dataclasses.dataclass(frozen=True)
class Settings:
    """What to time.

    Attributes:
        data: a configuration in any format equijax reads; a lattice with noise if absent.
        particles: of the lattice.
        layers, l_max, channels: shape of the networks.
        rounds: of every measurement.
        core: to pin everything to.
        peers: Python of an environment with torch, e3nn and nequip.
        nequip_jax: folder that holds the package nequip_jax.
        only: names of the competitors to run; all if empty.
        out: JSON file to write.
    """

    data: Path | None = None
    particles: int = 4096
    layers: int = 8
    l_max: int = 2
    channels: int = 8
    rounds: int = 3
    core: int = 1
    peers: Path | None = None
    nequip_jax: Path | None = None
    only: tuple[str, ...] = ()
    out: Path = Path("convolution.json")


def competitors(settings: Settings) -> list[Competitor]:
    """Return everyone that can run here, the measure first."""
    ours = [Competitor(f"equijax, {kernel}", "equijax_network.py", ("--kernel", kernel)) for kernel in ("native", "xla", "reference")]
    others = [Competitor("DeepMind 2020 (jraph)", "bapst_jax.py")]
    if settings.nequip_jax:
        others.append(Competitor("nequip-jax layers", "nequip_jax_layers.py", environment=(("PYTHONPATH", str(settings.nequip_jax)),)))
    if settings.peers:
        python = str(settings.peers)
        others += [
            Competitor("e3nn-PyTorch", "e3nn_torch.py", python=python),
            Competitor("e3nn-PyTorch, allocator tuned", "e3nn_torch.py", python=python, environment=_ALLOCATOR),
            Competitor("e3nn-PyTorch, compiled", "e3nn_torch.py", ("--compile",), python),
            Competitor("e3nn-PyTorch, compiled and tuned", "e3nn_torch.py", ("--compile",), python, _ALLOCATOR),
            Competitor("NequIP layers (PyTorch)", "nequip_torch.py", python=python),
        ]
    chosen = [one for one in ours[1:] + others if not settings.only or one.name in settings.only]
    return [ours[0], *chosen]


def main(settings: Settings) -> None:
    """Time everyone and print the table."""
    shape = ["--layers", str(settings.layers), "--l-max", str(settings.l_max), "--channels", str(settings.channels)]
    measure_of, *others = competitors(settings)
    with tempfile.TemporaryDirectory() as folder:
        problem = Path(folder) / "problem.npz"
        about = write_problem(problem, settings.particles, settings.data)
        print(f"{about['particles']} particles, {about['edges']} edges; {settings.layers} layers, l_max {settings.l_max}, {settings.channels} channels")
        rows = {}
        for other in others:
            with Worker(measure_of, problem, shape, str(settings.core)) as ours, Worker(other, problem, shape, str(settings.core)) as theirs:
                both = measure([ours, theirs], TASKS, settings.rounds)
                rows[other.name] = {"measure": both[measure_of.name], "times": both[other.name], "versions": theirs.versions}
            finish(settings.out, settings, {"problem": about, "rows": rows})
    print("\n| | forward s | native is faster by | step s | native is faster by | d/d positions s | native is faster by | GiB |\n|---|---|---|---|---|---|---|---|")
    for name, row in rows.items():
        cells = [f"{row['times'][task]['seconds']:.2f} | {row['times'][task]['seconds'] / row['measure'][task]['seconds']:.1f}" for task in TASKS]
        print(f"| {name} | {' | '.join(cells)} | {max(row['times'][task]['peak_gib'] for task in TASKS):.1f} |")


if __name__ == "__main__":
    main(tyro.cli(Settings))

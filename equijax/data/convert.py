"""Writing data sets, and saying what they hold."""

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from equijax.data.formats import read_snapshots
from equijax.data.formats.extxyz import write_extxyz
from equijax.data.splits import is_successor, singles
from equijax.data.store import StoreWriter
from equijax.errors import DataFormatError
from equijax.metrics import noise_ceiling
from equijax.snapshot import TYPE_NAMES, Snapshot


def write_snapshots(path: Path, snapshots: Iterable[Snapshot], single: bool = False) -> int:
    """Write a native store or an extxyz file by its suffix; return how many configurations there were.

    Raises:
        DataFormatError: no writer for that suffix, or single precision is asked of extxyz.
    """
    if path.suffix in {".h5", ".hdf5"}:
        with StoreWriter(path, single) as writer:
            for snapshot in snapshots:
                writer.append(snapshot)
        return writer.count
    if path.suffix in {".extxyz", ".xyz"}:
        if single:
            raise DataFormatError(f"{path}: single precision is for stores (.h5); extxyz has eight decimals.")
        return write_extxyz(path, snapshots)
    raise DataFormatError(f"{path}: no writer for this kind of file; expected .h5 or .extxyz.")


@dataclasses.dataclass
class _Point:
    """What configurations of one temperature, measured at the same times, have in common."""

    first: Snapshot
    count: int = 0
    single: int = 0
    successors: int = 0
    halves: list[np.ndarray] = dataclasses.field(default_factory=list)
    energy: list[float] = dataclasses.field(default_factory=list)
    mean: list[np.ndarray] = dataclasses.field(default_factory=list)

    def add(self, snapshot: Snapshot) -> None:
        self.count += 1
        self.single += len(singles([snapshot.name]))
        self.successors += is_successor(snapshot.name)
        chosen = snapshot.types == 0
        if snapshot.propensity is not None and chosen.any():
            self.mean.append(snapshot.propensity[chosen].mean(0))
        if snapshot.propensity_halves is not None and chosen.any():
            self.halves.append(snapshot.propensity_halves[:, chosen])
        if snapshot.inherent_energy is not None:
            self.energy.append(float(snapshot.inherent_energy.mean()))

    def lines(self) -> Iterator[str]:
        first, s = self.first, "s" if self.count != 1 else ""
        derived = [f", {n} of them {what}" for n, what in ((self.single, "known by single trajectories"), (self.successors, "successors of others")) if n]
        yield f"{self.count} configuration{s}{''.join(derived)}, the first is {first.name}"
        mixture = ", ".join(f"{n} {t}" for n, t in zip(np.bincount(first.types), TYPE_NAMES, strict=False))
        yield f"{len(first)} particles ({mixture}), box {first.box.tolist()}, density {_density(first)}, temperature {first.temperature}"
        known = "positions" if first.inherent_positions is not None else "none"
        yield f"inherent structures: {known}" + (f", energy per particle {np.mean(self.energy):.4f}" if self.energy else "")
        if first.times is None or not self.mean:
            yield "no measured propensity"
            return
        for t, time in enumerate(first.times):
            behind = "a number of trajectories that is not said" if first.trajectories is None else f"{first.trajectories[t]} trajectories"
            line = f"t = {time:g}: mean propensity of A {np.mean([mean[t] for mean in self.mean]):.4f} by {behind}"
            if self.halves:
                line += f", noise ceiling {noise_ceiling(*np.concatenate([half[:, :, t] for half in self.halves], axis=1)):.3f} pooled"
            yield line


def _density(snapshot: Snapshot) -> str:
    if np.ptp(snapshot.positions[:, 2]) == 0:
        return f"{len(snapshot) / float(np.prod(snapshot.box[:2])):.4f} in the plane"
    return f"{snapshot.density:.4f}"


def summary(path: Path) -> Iterator[str]:
    """Yield lines that say what a data set holds, for each temperature and set of times, reading one configuration at a time."""
    points: dict[tuple, _Point] = {}
    for snapshot in read_snapshots(path):
        times = () if snapshot.times is None else tuple(f"{time:.4g}" for time in snapshot.times)
        points.setdefault((snapshot.temperature, times), _Point(snapshot)).add(snapshot)
    if not points:
        yield f"{path}: no configuration."
    for point in points.values():
        yield from point.lines()

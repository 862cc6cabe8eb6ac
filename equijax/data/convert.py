"""Writing data sets, and saying what they hold."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from equijax.data.formats import read_snapshots
from equijax.data.formats.atoms import write_extxyz
from equijax.data.splits import origin
from equijax.data.store import StoreWriter
from equijax.errors import DataFormatError
from equijax.metrics import noise_ceiling
from equijax.snapshot import TYPE_NAMES, Snapshot


def write_snapshots(path: Path, snapshots: Iterable[Snapshot], single: bool = False) -> int:
    """Write a native store or an extxyz file by its suffix; return how many configurations there were.

    Raises:
        DataFormatError: no writer for that suffix.
    """
    if path.suffix in {".h5", ".hdf5"}:
        with StoreWriter(path, single) as writer:
            for snapshot in snapshots:
                writer.append(snapshot)
        return writer.count
    if path.suffix in {".extxyz", ".xyz"}:
        held = list(snapshots)
        write_extxyz(path, held)
        return len(held)
    raise DataFormatError(f"{path}: no writer for this kind of file; expected .h5 or .extxyz.")


def summary(path: Path) -> Iterator[str]:
    """Yield lines that say what a data set holds, reading one configuration at a time."""
    count, single, first, halves, energy, mean = 0, 0, None, [], [], []
    for snapshot in read_snapshots(path):
        first = first or snapshot
        count += 1
        single += snapshot.name != origin(snapshot.name)
        chosen = snapshot.types == 0
        if snapshot.propensity is not None:
            mean.append(snapshot.propensity[chosen].mean(0))
        if snapshot.propensity_halves is not None:
            halves.append(snapshot.propensity_halves[:, chosen])
        if snapshot.inherent_energy is not None:
            energy.append(snapshot.inherent_energy.mean())
    if first is None:
        yield f"{path}: no configuration."
        return
    kinds = np.bincount(first.types)
    yield f"{count} configuration{'s' if count != 1 else ''}" + (f", {single} of them known by single trajectories" if single else "") + f", the first is {first.name}"
    mixture = ", ".join(f"{n} {t}" for n, t in zip(kinds, TYPE_NAMES, strict=False))
    yield f"{len(first)} particles ({mixture}), box {first.box.tolist()}, density {first.density:.4f}, temperature {first.temperature}"
    yield f"inherent structures: {'positions' if first.inherent_positions is not None else 'none'}" + (f", energy per particle {np.mean(energy):.4f}" if energy else "")
    if first.times is None or not mean:
        yield "no measured propensity"
        return
    yield f"trajectories: {first.trajectories or 'not said'}"
    same = all(len(m) == len(mean[0]) for m in mean) and (not halves or all(h.shape[2] == len(mean[0]) for h in halves))
    for t, time in enumerate(first.times if same else []):
        line = f"t = {time:g}: mean propensity of A {np.mean([m[t] for m in mean]):.4f}"
        if halves:
            line += f", noise ceiling {noise_ceiling(*np.concatenate([h[:, :, t] for h in halves], axis=1)):.3f} pooled"
        yield line

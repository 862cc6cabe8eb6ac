"""Predictions as columns of a file that OVITO reads."""

from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from equijax.data.cache import Cache
from equijax.data.formats import read_snapshots
from equijax.data.formats.extxyz import write_extxyz
from equijax.data.samples import Quenches
from equijax.errors import DataFormatError
from equijax.model import Model
from equijax.snapshot import Snapshot


def column(time: float) -> str:
    """Name of the column with the predicted propensity at a time."""
    return f"predicted_propensity_t{time:g}"


def predict_file(source: Path, model: Model, out: Path, cache: Cache, quiet: bool = False) -> int:
    """Write every configuration of a file with a column of predictions per time; return how many there were.

    Args:
        source: file or folder in any format equijax reads.
        model: a network, a baseline, or the mean of several; where it reads inherent structures, configurations without them are quenched first.
        out: an extxyz file.
        cache: for quenches.
        quiet: no progress bar.

    Raises:
        DataFormatError: the name of the file to write is not that of an extxyz file.
        EquijaxError: the file or a configuration in it is not usable; nothing is written then.
    """
    if out.suffix not in {".extxyz", ".xyz"}:
        raise DataFormatError(f"{out}: predictions are written as extxyz; give a name that ends in .extxyz.")
    quench = Quenches(cache)
    done: list[Snapshot] = []
    columns = []
    for snapshot in tqdm(_each(source, model, quench), desc="predict", unit="configuration", disable=quiet):
        prediction = model.predict(snapshot)
        done.append(snapshot)
        columns.append({column(time): prediction.propensity[:, t] for t, time in enumerate(prediction.times)})
    write_extxyz(out, done, columns)
    return len(done)


def _each(source: Path, model: Model, quench: Quenches) -> Iterator[Snapshot]:
    for snapshot in read_snapshots(source):
        yield quench(snapshot) if model.needs_quench else snapshot

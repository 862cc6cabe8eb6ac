"""Predictions as columns of a file that OVITO reads."""

from pathlib import Path

import numpy as np

from equijax.bars import Bar
from equijax.data.cache import Cache
from equijax.data.completed import Completed
from equijax.data.formats import read_snapshots
from equijax.data.formats.extxyz import write_extxyz
from equijax.errors import DataFormatError
from equijax.model import Model
from equijax.snapshot import Snapshot


def column(time: float) -> str:
    """Name of the column with the predicted propensity at a time."""
    return f"predicted_propensity_t{time:.10g}"


def predict_file(source: Path, model: Model, out: Path, cache: Cache, quiet: bool = False, temperature: float | None = None) -> int:
    """Write every configuration of a file with a column of predictions per time; return how many there were.

    Args:
        source: file or folder in any format equijax reads.
        model: a network, a baseline, or the mean of several; inherent structures and cages that it reads are found where there are none.
        out: an extxyz file.
        cache: for quenches and cages.
        quiet: no progress bar.
        temperature: at which cages are found, for configurations that do not say theirs.

    Raises:
        DataFormatError: the name of the file to write is not that of an extxyz file.
        EquijaxError: the file or a configuration in it is not usable; nothing is written then.
    """
    if out.suffix not in {".extxyz", ".xyz"}:
        raise DataFormatError(f"{out}: predictions are written as extxyz; give a name that ends in .extxyz.")
    complete = Completed(model, cache, temperature)

    def columns(snapshot: Snapshot) -> dict[str, np.ndarray]:
        prediction = model.predict(snapshot)
        return {column(time): prediction.propensity[:, t] for t, time in enumerate(prediction.times)}

    return write_extxyz(out, Bar(map(complete, read_snapshots(source)), desc="predict", unit="configuration", disable=quiet), columns)

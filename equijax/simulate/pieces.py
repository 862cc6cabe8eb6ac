"""What a simulation has finished so far, kept in its folder so that it can go on after an interruption."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from equijax.data.files import read_arrays, require_space, write_arrays
from equijax.errors import DataFormatError, EquijaxError

SUFFIX = ".piece"
"""Of its files (NumPy's npz inside): none that equijax reads as data, so that the folder of configurations is a data set also after an interruption."""

MARGIN = 2**20


def save(path: Path, arrays: Mapping[str, np.ndarray | float | int]) -> None:
    """Write arrays, whole or not at all.

    Raises:
        EquijaxError: there is no room for them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    require_space(path, sum(np.asarray(value).nbytes for value in arrays.values()) + MARGIN)
    write_arrays(path, {key: np.asarray(value) for key, value in arrays.items()})


def load(path: Path) -> dict[str, np.ndarray] | None:
    """Return what `save` wrote, or None if there is nothing.

    Raises:
        DataFormatError: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        return read_arrays(path)
    except EquijaxError as error:
        raise DataFormatError(f"{error} Remove the file, and this part is simulated again.") from None

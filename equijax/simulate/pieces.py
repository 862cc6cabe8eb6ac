"""What a simulation has finished so far, kept in its folder so that it can go on after an interruption."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from equijax.data.files import require_space, whole_file
from equijax.errors import DataFormatError

MARGIN = 2**20


def save(path: Path, arrays: Mapping[str, np.ndarray | float | int]) -> None:
    """Write arrays, whole or not at all.

    Raises:
        EquijaxError: there is no room for them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    require_space(path, sum(np.asarray(value).nbytes for value in arrays.values()) + MARGIN)
    with whole_file(path) as temporary, open(temporary, "wb") as handle:
        np.savez(handle, **{key: np.asarray(value) for key, value in arrays.items()})  # type: ignore[arg-type]


def load(path: Path) -> dict[str, np.ndarray] | None:
    """Return what `save` wrote, or None if there is nothing.

    Raises:
        DataFormatError: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        with open(path, "rb") as handle, np.load(handle, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:
        raise DataFormatError(f"{path}: is damaged ({error}); remove it, and this part is simulated again.") from None

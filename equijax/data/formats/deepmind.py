"""The pickles of Bapst et al., Nature Physics 16, 448 (2020)."""

from pathlib import Path
from typing import Any

import numpy as np

from equijax.data.formats.numpy_files import propensity
from equijax.data.unpickle import load_arrays
from equijax.errors import DataFormatError
from equijax.snapshot import Snapshot


def read_deepmind(path: Path) -> Snapshot:
    """Read one `aggregated_data_{i}.pickle`: positions that leave the box, a box of its own, times not in order (the last is 1/e).

    Raises:
        DataFormatError: the pickle is damaged, unsafe, or lacks a key.
    """
    return _read(path)[0]


def read_deepmind_trajectories(path: Path) -> tuple[Snapshot, np.ndarray]:
    """Return the same and where its trajectories were at the measured times, (t, trajectories, n, 3).

    Raises:
        DataFormatError: as above, or the pickle keeps displacements only.
    """
    snapshot, ends = _read(path)
    if ends is None:
        raise DataFormatError(f"{path}: keeps no trajectories; it lacks trajectory_target_positions.")
    return snapshot, ends


def _read(path: Path) -> tuple[Snapshot, np.ndarray | None]:
    content = load_arrays(path)
    if not isinstance(content, dict):
        raise DataFormatError(f"{path}: holds a {type(content).__name__}; expected the dictionary of a DeepMind file.")
    missing = [key for key in ("positions", "types", "box", "time", "time_indices") if key not in content]
    if missing or not {"targets", "trajectory_target_positions"} & content.keys():
        missing = missing or ["trajectory_target_positions (or targets)"]
        raise DataFormatError(f"{path}: lacks {', '.join(missing)}; it has {', '.join(map(str, content))}.")
    positions = np.asarray(content["positions"], np.float64)
    ends = None
    metadata = content.get("metadata")
    temperature = content.get("temperature", metadata.get("temperature") if isinstance(metadata, dict) else None)
    try:
        temperature = None if temperature is None else float(temperature)
    except (ValueError, TypeError):
        raise DataFormatError(f"{path}: temperature is {temperature!r}; expected a number.") from None
    try:
        times = np.asarray(content["time"], np.float64)[np.asarray(content["time_indices"], int)]
        order = np.argsort(times)
        times = times[order]
        if "trajectory_target_positions" in content:
            target = content["trajectory_target_positions"]
            ends = np.array([target[i] for i in order], np.float64)
            measured = propensity(positions, ends)
        else:
            measured: dict[str, Any] = {"propensity": np.asarray(content["targets"], np.float64)[order].T}
    except (ValueError, IndexError, TypeError) as error:
        raise DataFormatError(f"{path}: times and target positions do not fit together ({error}).") from None
    snapshot = Snapshot(
        positions=positions,
        types=content["types"],
        box=content["box"],
        name=f"T{temperature:.2f}/{path.stem}" if temperature is not None else path.stem,
        temperature=temperature,
        times=times,
        **measured,
    )
    return snapshot, ends

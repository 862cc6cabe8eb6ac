"""The npz formats: BOTAN, GlassBench, and sets simulated with another program; told apart by their keys."""

import contextlib
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from equijax.data.kob_andersen_sets import cube_side, time_grid
from equijax.errors import DataFormatError
from equijax.snapshot import Snapshot

_BOTAN_NAME = re.compile(r"isoconfig_N(?P<n>\d+)T(?P<T>\d+(\.\d+)?)_(?P<i>\d+)_tc(?P<tc>\d+)\.npz$")
_GLASSBENCH_NAME = re.compile(r"N(?P<n>\d+)T(?P<T>\d+(\.\d+)?)_(?P<i>\d+)\.npz$")


def read_npz(source: Path | IO[bytes], name: str) -> Iterator[Snapshot]:
    """Yield the configurations of an npz file; `name` is its path, from which BOTAN and GlassBench files take temperature, number and time.

    Raises:
        DataFormatError: the archive is damaged, or its keys are those of no known format.
    """
    arrays = _load(source, name)
    if {"types", "initial_positions", "md_prop"} <= arrays.keys():
        yield _glassbench(arrays, name)
    elif {"types", "initial_positions", "positions"} <= arrays.keys():
        yield _botan(arrays, name)
    elif {"types", "positions", "box", "times", "propensity_halves"} <= arrays.keys():
        yield from _simulated(arrays, name)
    else:
        raise DataFormatError(
            f"{name}: keys {', '.join(sorted(arrays)) or '(none)'} belong to no known format; expected types and initial_positions with positions (BOTAN) "
            "or md_prop (GlassBench), or types, positions, box, times and propensity_halves (a simulated set)."
        )


def _load(source: Path | IO[bytes], name: str) -> Mapping[str, np.ndarray]:
    try:
        # Opened here: np.load leaves its own handle open when the archive is damaged.
        with open(source, "rb") if isinstance(source, Path) else contextlib.nullcontext(source) as handle, np.load(handle, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except FileNotFoundError:
        raise DataFormatError(f"{name}: there is no such file.") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError, AttributeError, TypeError) as error:
        raise DataFormatError(f"{name}: not a whole npz archive of plain arrays ({error}); fetch or write it again.") from None


def read_botan_trajectories(source: Path, name: str) -> tuple[Snapshot, np.ndarray]:
    """Return the configuration of a BOTAN file and where its trajectories ended, (1, trajectories, n, 3).

    Raises:
        DataFormatError: the archive is damaged, or of another format.
    """
    arrays = _load(source, name)
    if "md_prop" in arrays or not {"types", "initial_positions", "positions"} <= arrays.keys():
        raise DataFormatError(f"{name}: keeps no trajectories; BOTAN files do, under `positions`.")
    return _botan(arrays, name), arrays["positions"].astype(np.float64)[None]


def _botan(arrays: Mapping[str, np.ndarray], name: str) -> Snapshot:
    match = _BOTAN_NAME.search(name)
    if not match:
        raise DataFormatError(f"{name}: a BOTAN file is named isoconfig_N4096T0.44_1_tc07.npz; configuration, temperature and time are in the name only.")
    temperature, number = float(match["T"]), int(match["tc"])
    grid = time_grid(temperature, name)
    if not 1 <= number <= len(grid):
        raise DataFormatError(f"{name}: time index tc{number:02d} is outside 01 to {len(grid):02d}.")
    initial, final = arrays["initial_positions"], arrays["positions"]
    if final.ndim != 3 or final.shape[1:] != initial.shape:
        raise DataFormatError(f"{name}: positions have shape {final.shape}; expected (trajectories, particles, 3) with initial_positions {initial.shape}.")
    return Snapshot(
        positions=initial,
        types=arrays["types"],
        box=np.full(3, cube_side(len(initial))),
        name=f"T{match['T']}/N{match['n']}_{match['i']}",
        temperature=temperature,
        times=grid[number - 1 : number],
        **propensity(initial, final[None]),
    )


def propensity(initial: np.ndarray, final: np.ndarray) -> dict[str, Any]:
    """Return `propensity`, `propensity_halves` and `trajectories` of a Snapshot.

    Args:
        initial: (n, 3) unwrapped start.
        final: (t, trajectories, n, 3) unwrapped positions.
    """
    distance = np.linalg.norm(np.asarray(final, np.float64) - initial, axis=-1)
    trajectories = distance.shape[1]
    out: dict[str, Any] = {"propensity": distance.mean(1).T, "trajectories": trajectories}
    if trajectories > 1:
        halves = distance[:, : trajectories // 2], distance[:, trajectories // 2 :]
        out["propensity_halves"] = np.stack([half.mean(1).T for half in halves])
    return out


def _glassbench(arrays: Mapping[str, np.ndarray], name: str) -> Snapshot:
    match = _GLASSBENCH_NAME.search(name)
    if not match:
        raise DataFormatError(f"{name}: a GlassBench file is named N4096T0.44_1.npz; configuration and temperature are in the name only.")
    temperature = float(match["T"])
    positions, types = arrays["initial_positions"], arrays["types"]
    if not np.isin(types, (1, 2)).all():
        raise DataFormatError(f"{name}: types are {np.unique(types).tolist()}; GlassBench writes 1 for A and 2 for B.")
    return Snapshot(
        positions=positions,
        types=types.astype(np.int32) - 1,
        box=np.full(3, cube_side(len(positions))),
        name=f"T{match['T']}/N{match['n']}_{match['i']}",
        temperature=temperature,
        inherent_positions=arrays.get("initial_positions_inherent"),
        cage_positions=arrays.get("initial_positions_cage"),
        times=time_grid(temperature, name),
        propensity=arrays["md_prop"].T,
    )


def _simulated(arrays: Mapping[str, np.ndarray], name: str) -> Iterator[Snapshot]:
    halves, count = arrays["propensity_halves"], len(np.atleast_1d(arrays["positions"]))
    if halves.ndim != 4 or halves.shape[:2] != (2, count):
        raise DataFormatError(f"{name}: propensity_halves have shape {halves.shape}; expected (2, configurations, times, particles) with {count} configurations.")
    kept = [key for key in ("inherent_positions", "inherent_energy", "cage_positions") if key in arrays]
    for key in kept:
        if arrays[key].shape[:1] != (count,):
            raise DataFormatError(f"{name}: {key} have shape {arrays[key].shape}; expected {count} configurations along the first axis.")
    temperature = arrays.get("temperature")
    if temperature is not None and (temperature.size != 1 or temperature.dtype.kind not in "iuf"):
        raise DataFormatError(f"{name}: temperature is {temperature.tolist()}; expected one number.")
    for i, positions in enumerate(arrays["positions"]):
        half = np.asarray(halves[:, i], np.float64).swapaxes(1, 2)
        optional = {key: arrays[key][i] for key in kept}
        yield Snapshot(
            positions=positions,
            types=arrays["types"],
            box=arrays["box"],
            name=f"{Path(name).stem}/{i}",
            temperature=None if temperature is None else temperature.item(),
            trajectories=arrays.get("trajectories"),
            times=arrays["times"],
            propensity=half.mean(0),
            propensity_halves=half,
            **optional,
        )

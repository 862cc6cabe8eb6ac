"""Every reader behind two functions: `read_snapshots` for files, folders and archives, `read_snapshot` for one configuration."""

import io
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from equijax.data.formats.deepmind import read_deepmind, read_deepmind_trajectories
from equijax.data.formats.extxyz import read_extxyz
from equijax.data.formats.lammps_dump import read_dump
from equijax.data.formats.numpy_files import read_botan_trajectories, read_npz
from equijax.data.store import Store
from equijax.errors import DataFormatError
from equijax.snapshot import Snapshot

SUFFIXES = (".npz", ".pickle", ".pkl", ".extxyz", ".xyz", ".dump", ".lammpstrj", ".h5", ".hdf5", ".tar.gz", ".tgz")

_BOTAN_TIME = re.compile(r"_tc\d+\.npz$")


def read_snapshots(path: str | Path) -> Iterator[Snapshot]:
    """Yield every configuration of a file, a folder of files, or a GlassBench archive, one at a time.

    Formats: DeepMind pickles, BOTAN and GlassBench npz, GlassBench tar.gz, extxyz, LAMMPS text dumps (of any name, but in a folder), and the native store. Several BOTAN
    files of one configuration are joined into one snapshot with all their times.

    Raises:
        DataFormatError: a file is missing, empty, damaged, or of no known format.
        SnapshotError: what it holds is not a usable configuration.
    """
    empty = True
    for snapshot in _read(Path(path)):
        empty = False
        yield snapshot
    if empty:
        raise DataFormatError(f"{path}: holds no configuration that equijax reads; check that it was written to its end, and leave it out if it is empty.")


def _read(path: Path) -> Iterator[Snapshot]:
    suffix = path.suffix.lower()
    if not path.exists():
        raise DataFormatError(f"{path}: there is no such file or folder.")
    if path.is_dir():
        yield from _read_folder(path)
    elif path.name.endswith((".tar.gz", ".tgz")):
        yield from _read_archive(path)
    elif suffix == ".npz":
        yield from read_npz(path, str(path))
    elif suffix in {".pickle", ".pkl"}:
        yield read_deepmind(path)
    elif suffix in {".h5", ".hdf5"}:
        with Store(path) as store:
            yield from store
    elif suffix in {".dump", ".lammpstrj"} or _begins(path, b"ITEM:"):
        yield from read_dump(path)
    elif suffix in {".extxyz", ".xyz"}:
        yield from read_extxyz(path)
    elif suffix in {".zip", ".gz", ".bz2", ".xz"}:
        raise DataFormatError(f"{path}: unpack it first, and give what is inside (of GlassBench, a file such as KA_models/T0.44.tar.gz is read as it is).")
    else:
        raise DataFormatError(f"{path}: no reader for this kind of file; expected a folder or one of {', '.join(SUFFIXES)}.")


def _begins(path: Path, start: bytes) -> bool:
    """Whether a file begins so: LAMMPS's dumps have names of all kinds."""
    with path.open("rb") as file:
        return file.read(len(start)) == start


def read_trajectories(path: str | Path) -> Iterator[tuple[Snapshot, list[np.ndarray]]]:
    """Yield every configuration with the unwrapped positions (trajectories, n, 3), for each measured time, in which its trajectories were.

    Raises:
        DataFormatError: a file is missing or damaged, or of a format that keeps no trajectories.
    """
    for group in _groups(Path(path)):
        parts = [_trajectories(file) for file in group]
        snapshot = _joined([snapshot for snapshot, _ in parts]) if len(parts) > 1 else parts[0][0]
        yield snapshot, [ends for _, times in parts for ends in times]


def _trajectories(file: Path) -> tuple[Snapshot, np.ndarray]:
    if file.suffix == ".npz":
        return read_botan_trajectories(file, str(file))
    if file.suffix in {".pickle", ".pkl"}:
        return read_deepmind_trajectories(file)
    raise DataFormatError(f"{file}: keeps no trajectories; give BOTAN npz files or DeepMind pickles.")


def read_snapshot(path: str | Path) -> Snapshot:
    """Read the one configuration of a file.

    Raises:
        DataFormatError: there is none or more than one, or the file is of no known format.
    """
    snapshots = read_snapshots(path)
    first = next(snapshots, None)
    if first is None or next(snapshots, None) is not None:
        raise DataFormatError(f"{path}: holds {'no' if first is None else 'more than one'} configuration; read_snapshots gives them one at a time.")
    return first


def _natural(path: Path) -> list[int | str]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", str(path))]


def _groups(path: Path) -> list[list[Path]]:
    """Return a file, or the files of a folder with the times of one configuration together."""
    if not path.exists():
        raise DataFormatError(f"{path}: there is no such file or folder.")
    if not path.is_dir():
        return [[path]]
    named = (file for file in path.rglob("*") if file.is_file() and file.name.lower().endswith(SUFFIXES) and not file.name.startswith("."))
    files = sorted((file for file in named if not _in_a_store(file, path)), key=_natural)
    if not files:
        raise DataFormatError(f"{path}: holds no file that equijax reads ({', '.join(SUFFIXES)}).")
    together: dict[str, list[Path]] = {}
    for file in files:
        together.setdefault(_BOTAN_TIME.sub("", str(file)), []).append(file)
    return list(together.values())


def _in_a_store(file: Path, folder: Path) -> bool:
    """Whether a file of a simulation's T0.56/configurations, below the folder that is read, is in its T0.56.h5 already."""
    run = file.parent.parent
    return file.parent.name == "configurations" and folder in run.parents and run.with_name(f"{run.name}.h5").exists()


def _read_folder(folder: Path) -> Iterator[Snapshot]:
    for group in _groups(folder):
        if len(group) == 1:
            yield from read_snapshots(group[0])
        else:
            yield _joined([next(read_snapshots(file)) for file in group])


def _joined(parts: list[Snapshot]) -> Snapshot:
    """One snapshot with the times of all parts, which are the same configuration."""
    first = parts[0]
    for part in parts[1:]:
        if not np.array_equal(part.positions, first.positions):
            raise DataFormatError(f"{first.name}: the files of its times start from different positions; they are not one configuration.")
    parts = sorted(parts, key=lambda part: float(part.times[0]))  # type: ignore[index]
    halves, trajectories = [part.propensity_halves for part in parts], [part.trajectories for part in parts]
    return first.replace(
        times=np.concatenate([part.times for part in parts]),  # type: ignore[misc]
        propensity=np.concatenate([part.propensity for part in parts], axis=1),  # type: ignore[misc]
        propensity_halves=None if any(half is None for half in halves) else np.concatenate(halves, axis=2),  # type: ignore[arg-type]
        trajectories=None if any(count is None for count in trajectories) else np.concatenate(trajectories),  # type: ignore[arg-type]
    )


def _read_archive(path: Path) -> Iterator[Snapshot]:
    try:
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                if member.isfile() and member.name.endswith(".npz") and not Path(member.name).name.startswith("."):
                    if _BOTAN_TIME.search(member.name):
                        raise DataFormatError(f"{path}: holds BOTAN files, several a configuration; unpack it and give the folder of one temperature.")
                    handle = archive.extractfile(member)
                    if handle is not None:
                        yield from read_npz(io.BytesIO(handle.read()), f"{path}:{member.name}")
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise DataFormatError(f"{path}: the archive is damaged or cut off ({error}); fetch it again.") from None

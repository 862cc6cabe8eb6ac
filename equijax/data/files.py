"""Files appear whole or not at all."""

import contextlib
import json
import math
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from equijax.errors import EquijaxError


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it on success, remove it on any failure or interrupt.

    Raises:
        EquijaxError: the disk is full, the place cannot be written, or is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise EquijaxError(f"{path}: is a folder; give the name of a file.")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.filename is not None and Path(str(error.filename)) not in {path, temporary, *path.parents}:
            raise  # of another file, which was read meanwhile
        raise EquijaxError(f"{path}: cannot be written ({error.strerror or error}); free some space or choose another place.") from error
    finally:
        # Where the folder cannot be reached, there is nothing to remove either.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def require_space(path: Path, needed: int) -> None:
    """Check that a disk has room before a library writes to it that cannot fail gracefully.

    Raises:
        EquijaxError: fewer than `needed` bytes are free.
    """
    free = shutil.disk_usage(path.resolve().parent).free
    if free < needed:
        raise EquijaxError(f"{path}: cannot be written ({free / 2**20:.1f} MiB are free, {needed / 2**20:.1f} MiB needed); free some space or choose another place.")


def require_writable(folder: Path) -> None:
    """Check before long work that its results can be written.

    Raises:
        EquijaxError: the folder is not one, or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise EquijaxError(f"{folder}: cannot be written ({error.strerror or error}); choose another place.") from error


def write_json(path: Path, content: object) -> None:
    """Write JSON, whole or not at all; what is not a number becomes null, for JSON has no name for it."""
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(_plain(content), indent=1, allow_nan=False) + "\n")


def read_json(path: Path, kind: type[EquijaxError] = EquijaxError) -> dict:
    """Read what `write_json` wrote.

    Raises:
        EquijaxError: the file is not there or damaged, as an error of this kind.
    """
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise kind(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}).") from None
    if not isinstance(content, dict):
        raise kind(f"{path}: holds a {type(content).__name__}, not the mapping that is expected; it is damaged or another file.")
    return content


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays (npz), whole or not at all."""
    with whole_file(path) as temporary, open(temporary, "wb") as handle:
        np.savez(handle, **arrays)  # type: ignore[arg-type]


def read_arrays(path: Path, kind: type[EquijaxError] = EquijaxError) -> dict[str, np.ndarray]:
    """Read what `write_arrays` wrote; no code in it is run.

    Raises:
        EquijaxError: the file is not there or damaged, as an error of this kind.
    """
    try:
        with open(path, "rb") as handle, np.load(handle, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, KeyError, BadZipFile, RuntimeError) as error:  # whatever zipfile makes of damage
        raise kind(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}).") from None


def _plain(content: object) -> object:
    if isinstance(content, dict):
        return {key: _plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_plain(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content

"""Work that need not be done twice: quenches, neighbour pairs, cages and short dynamics, on disk, by the content they come from."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from equijax.data.files import read_arrays, write_arrays
from equijax.errors import EquijaxError


class Cache:
    """Arrays by kind and content; a damaged entry counts as absent.

    Args:
        folder: where to keep them; None keeps them in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._held: dict[tuple[str, str], Mapping[str, np.ndarray]] = {}

    def get(self, kind: str, key: str) -> Mapping[str, np.ndarray] | None:
        """Return the arrays stored under this key, or None."""
        if self.folder is None:
            return self._held.get((kind, key))
        try:
            return read_arrays(self._path(kind, key))
        except EquijaxError:
            return None

    def put(self, kind: str, key: str, **arrays: np.ndarray) -> None:
        """Store arrays under a key."""
        if self.folder is None:
            self._held[kind, key] = arrays
            return
        write_arrays(self._path(kind, key), arrays)

    def _path(self, kind: str, key: str) -> Path:
        assert self.folder is not None
        return self.folder / kind / f"{key}.npz"


def content_key(*parts: object) -> str:
    """Return a name for the content of arrays and settings."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(repr(part).encode())
        digest.update(b"|")
    return digest.hexdigest()[:32]

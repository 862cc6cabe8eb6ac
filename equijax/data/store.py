"""The native store: one HDF5 file, a group per configuration, read one at a time.

Layout, version 2: root attributes `format` = "equijax-store" and `version`; groups /configurations/000000, ... with attributes `name`,
`temperature`, `trajectories` (for each time; version 1 had one number), `dynamics` and one data set for each array of a Snapshot that is known. A
propensity that is the mean of its halves is left out and formed on reading.
"""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np

from equijax.data.files import require_space, whole_file
from equijax.errors import DataFormatError, EquijaxError
from equijax.snapshot import Snapshot

FORMAT = "equijax-store"
VERSION = 2
MARGIN = 2**20
_ARRAYS = ("positions", "types", "box", "inherent_positions", "inherent_energy", "cage_positions", "times", "propensity", "propensity_halves", "bond_breaking")
_ATTRIBUTES = ("temperature", "trajectories", "dynamics")


class Store:
    """A data set on disk as a sequence of snapshots; only the one asked for is in memory.

    Raises:
        DataFormatError: the file is no store, of a later version, or damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self._file = h5py.File(self.path, "r")
        except FileNotFoundError:
            raise DataFormatError(f"{self.path}: there is no such file.") from None
        except OSError as error:
            raise DataFormatError(f"{self.path}: not a whole HDF5 file ({error}).") from None
        attributes: Any = self._file.attrs
        kind, version = attributes.get("format"), attributes.get("version")
        self._configurations: Any = self._file.get("configurations")
        if kind != FORMAT or not isinstance(version, int | np.integer) or version > VERSION:
            self._file.close()
            raise DataFormatError(f"{self.path}: format {kind!r} version {version}; this equijax reads {FORMAT!r} up to version {VERSION}.")
        if not isinstance(self._configurations, h5py.Group):
            self._file.close()
            raise DataFormatError(f"{self.path}: has no group `configurations`; it is damaged.")
        self._groups = sorted(self._configurations)

    def __len__(self) -> int:
        return len(self._groups)

    def __getitem__(self, index: int) -> Snapshot:
        name = self._name(self._groups[index])
        group: Any = self._configurations[self._groups[index]]
        try:
            fields: dict = {key: group[key][()] for key in _ARRAYS if key in group}
            fields |= {key: group.attrs[key] for key in _ATTRIBUTES if key in group.attrs}
            if "propensity_halves" in fields and "propensity" not in fields:
                fields["propensity"] = fields["propensity_halves"].astype(np.float64).mean(0)
            return Snapshot(name=name, **fields)
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise DataFormatError(f"{self.path}: configuration {self._groups[index]} is damaged ({error}).") from None

    def __iter__(self) -> Iterator[Snapshot]:
        return (self[i] for i in range(len(self)))

    @property
    def names(self) -> list[str]:
        """Names of the configurations, without reading them."""
        return [self._name(group) for group in self._groups]

    def _name(self, group: str) -> str:
        try:
            return str(self._configurations[group].attrs["name"])
        except (OSError, KeyError, AttributeError) as error:
            raise DataFormatError(f"{self.path}: configuration {group} is damaged ({error}).") from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class StoreWriter:
    """Writes a store one configuration at a time; the file gets its name when the block ends without an error.

    Args:
        path: of the store.
        single: keep arrays in single precision (positions to 1e-6 in a box of 15): half the size.
    """

    def __init__(self, path: str | Path, single: bool = False) -> None:
        self.path, self.single, self.count = Path(path), single, 0
        self._whole = whole_file(self.path)

    def __enter__(self) -> "StoreWriter":
        self._file = h5py.File(self._whole.__enter__(), "w")
        self._file.attrs.update({"format": FORMAT, "version": VERSION})
        self._configurations: Any = self._file.create_group("configurations")
        return self

    def append(self, snapshot: Snapshot) -> None:
        """Add one configuration.

        Raises:
            EquijaxError: there is no room for it, or it could not be written.
        """
        # HDF5 brings the whole process down when a write fails, so the room is looked for beforehand.
        require_space(self.path, 2 * sum(value.nbytes for key in _ARRAYS if (value := getattr(snapshot, key)) is not None) + MARGIN)
        try:
            group = self._configurations.create_group(f"{self.count:06d}")
            group.attrs["name"] = snapshot.name
            for key in _ATTRIBUTES:
                if getattr(snapshot, key) is not None:
                    group.attrs[key] = getattr(snapshot, key)
            for key in _ARRAYS:
                value = getattr(snapshot, key)
                if value is not None and not (key == "propensity" and _is_mean_of_halves(snapshot)):
                    small = key == "types" or key in ("box", "times")
                    value = value.astype(np.int8) if key == "types" else value.astype(np.float32) if self.single and not small else value
                    group.create_dataset(key, data=value, **({} if small else {"compression": "gzip", "compression_opts": 9, "shuffle": True}))
        except (OSError, RuntimeError) as error:
            raise EquijaxError(f"{self.path}: configuration {snapshot.name} cannot be written ({error}).") from error
        self.count += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()
        self._whole.__exit__(kind, error, trace)


def _is_mean_of_halves(snapshot: Snapshot) -> bool:
    return snapshot.propensity_halves is not None and np.array_equal(snapshot.propensity_halves.mean(0), snapshot.propensity)  # type: ignore[arg-type]

"""A data set as a sequence of snapshots: stores are read one at a time, everything else is held in memory."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from equijax.data.formats import read_snapshots
from equijax.data.splits import ensembles
from equijax.data.store import Store
from equijax.errors import DataFormatError
from equijax.snapshot import Snapshot


class SnapshotSet(Sequence[Snapshot]):
    """Snapshots by number, with their names known beforehand.

    Args:
        names: of the configurations.
        load: gives the snapshot of a number.
    """

    def __init__(self, names: Sequence[str], load: Callable[[int], Snapshot]) -> None:
        self.names, self._load = tuple(names), load

    @classmethod
    def read(cls, paths: Iterable[str | Path]) -> "SnapshotSet":
        """Open files, folders and archives as one data set.

        Raises:
            DataFormatError: a path cannot be read, or two of them hold configurations of the same name.
        """
        names: list[str] = []
        loaders: list[Callable[[], Snapshot]] = []
        for path in map(Path, paths):
            if path.suffix in {".h5", ".hdf5"}:
                store = Store(path)
                names += store.names
                loaders += [lambda store=store, i=i: store[i] for i in range(len(store))]
            else:
                snapshots = list(read_snapshots(path))
                names += [snapshot.name for snapshot in snapshots]
                loaders += [lambda snapshot=snapshot: snapshot for snapshot in snapshots]
        if not names:
            raise DataFormatError("no data: give at least one file or folder.")
        twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if twice:
            raise DataFormatError(
                f"the configuration {twice[0]} is there twice ({len(twice)} such); give each file once, or, if they are others, another name to one of the files."
            )
        return cls(names, lambda i: loaders[i]())

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Snapshot:  # type: ignore[override]  (no slices)
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self._load(index % len(self))

    def chosen(self, names: Iterable[str]) -> "SnapshotSet":
        """Return the part with these names, in this order."""
        number = {name: i for i, name in enumerate(self.names)}
        picked = [number[name] for name in names]
        return SnapshotSet([self.names[i] for i in picked], lambda i: self._load(picked[i]))

    def ensembles(self) -> "SnapshotSet":
        """Return the part that was measured over ensembles of trajectories, without what single ones tell.

        Raises:
            DataFormatError: there is nothing else.
        """
        names = ensembles(self.names)
        if not names:
            raise DataFormatError(f"{self.names[0]} and all others stem from others (ends, links or successors), to train on; give these too.")
        return self.chosen(names)

    def mapped(self, change: Callable[[Snapshot], Snapshot]) -> "SnapshotSet":
        """Return the same set with a change applied to each snapshot when it is read."""
        return SnapshotSet(self.names, lambda i: change(self._load(i)))

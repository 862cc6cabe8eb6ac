"""Snapshots with all that a model reads: inherent structures and cages, from the file, the cache, or by finding them."""

from collections.abc import Callable
from typing import Protocol

from equijax.data.cache import Cache
from equijax.data.cages import Cages
from equijax.data.samples import Quenches
from equijax.snapshot import Snapshot


class Reader(Protocol):
    """What says which positions it reads: a model, or its config."""

    @property
    def needs_quench(self) -> bool:
        """Whether the inherent structure must be known."""
        ...

    @property
    def needs_cages(self) -> bool:
        """Whether the cage positions must be known."""
        ...


class Completed:
    """Gives snapshots what a model reads of them; what they have is kept.

    Args:
        reader: the model.
        cache: where finished quenches and cages are kept.
        temperature: at which cages are found, for configurations that do not say theirs.
        progress: called with steps and largest force while a quench runs.
    """

    def __init__(self, reader: Reader, cache: Cache, temperature: float | None = None, progress: Callable[[int, float], None] | None = None) -> None:
        self._steps: list[Callable[[Snapshot], Snapshot]] = []
        if reader.needs_quench:
            self._steps.append(Quenches(cache, progress=progress))
        if reader.needs_cages:
            self._steps.append(Cages(cache, temperature))

    def __call__(self, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot with its inherent structure and its cages, as far as they are read.

        Raises:
            ConvergenceError: a quench did not reach its minimum, or the dynamics blew up.
            SnapshotError: nothing says at which temperature its particles should move, or all of them lie in a plane.
        """
        for step in self._steps:
            snapshot = step(snapshot)
        return snapshot

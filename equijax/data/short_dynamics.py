"""Short dynamics from configurations of the Kob-Andersen mixture that are in files: what needs a temperature, and a program for each composition and box."""

import functools
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from equijax.errors import ConvergenceError, SnapshotError
from equijax.graph.neighbors import KEPT
from equijax.md.system import System
from equijax.snapshot import Snapshot


class ShortDynamics[Finder]:
    """Gives configurations to what moves the particles of one system at one temperature; systems that were used last stay compiled.

    Args:
        make: returns that, for a system and a temperature.
        temperature: of configurations that do not say theirs.
    """

    def __init__(self, make: Callable[[System, float], Finder], temperature: float | None = None) -> None:
        self.temperature, self._made = temperature, functools.lru_cache(maxsize=KEPT)(functools.partial(_made, make))

    def temperature_of(self, snapshot: Snapshot) -> float:
        """Return the temperature of the dynamics.

        Raises:
            SnapshotError: nothing says at which temperature it should be, or all particles lie in a plane.
        """
        temperature = snapshot.temperature or self.temperature
        if temperature is None:
            raise SnapshotError(f"{snapshot.name}: nothing says at which temperature its particles should move; give --temperature.")
        if not np.ptp(snapshot.positions, axis=0).all():
            raise SnapshotError(f"{snapshot.name}: all particles lie in a plane; these dynamics are of three-dimensional mixtures.")
        return temperature

    def __call__(self, snapshot: Snapshot, run: Callable[[Finder, Float[np.ndarray, "n 3"]], Float[np.ndarray, "*any n k"]]) -> Float[np.ndarray, "*any n k"]:
        """Return what is found from the positions, in the order of the snapshot's particles.

        Args:
            snapshot: where the particles start.
            run: called with what `make` returned and the positions, in order of their types: configurations of one composition share a program.

        Raises:
            SnapshotError: see `temperature_of`.
            ConvergenceError: the dynamics blew up.
        """
        order = np.argsort(snapshot.types, kind="stable")
        finder = self._made(snapshot.types[order].tobytes(), tuple(snapshot.box.tolist()), self.temperature_of(snapshot))
        try:
            return run(finder, snapshot.positions[order])[..., np.argsort(order), :]
        except ConvergenceError as error:
            raise ConvergenceError(f"{snapshot.name}: {error}") from None


def _made[Finder](make: Callable[[System, float], Finder], types: bytes, box: tuple[float, ...], temperature: float) -> Finder:
    return make(System(np.frombuffer(types, np.int32), np.array(box)), temperature)

"""Short dynamics from configurations of the Kob-Andersen mixture that are in files: what needs a temperature, and a program for each composition and box."""

import functools
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from equijax.errors import ConvergenceError, SnapshotError
from equijax.graph.neighbors import KEPT, Searches
from equijax.md.kob_andersen import KOB_ANDERSEN, particle_energies
from equijax.md.system import System
from equijax.snapshot import Snapshot

OTHER = 0.1
"""Relative difference of inherent energies from which they are another potential's; without the shift at the cut those of this one differ by 0.075."""


class ShortDynamics[Finder]:
    """Gives configurations to what moves the particles of one system at one temperature; systems that were used last stay compiled.

    Args:
        make: returns that, for a system and a temperature.
        temperature: of configurations that do not say theirs.
    """

    def __init__(self, make: Callable[[System, float], Finder], temperature: float | None = None) -> None:
        self._searches = Searches(KOB_ANDERSEN.cutoff)
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
            SnapshotError: see `temperature_of`; or the inherent energies that the snapshot has are of another potential.
            ConvergenceError: the dynamics blew up.
        """
        self._require_kob_andersen(snapshot)
        order = np.argsort(snapshot.types, kind="stable")
        finder = self._made(snapshot.types[order].tobytes(), tuple(snapshot.box.tolist()), self.temperature_of(snapshot))
        try:
            return run(finder, snapshot.positions[order])[..., np.argsort(order), :]
        except ConvergenceError as error:
            raise ConvergenceError(f"{snapshot.name}: {error}") from None

    def _require_kob_andersen(self, snapshot: Snapshot) -> None:
        if snapshot.inherent_energy is None or snapshot.inherent_positions is None:
            return
        given, ours = snapshot.inherent_energy.mean(), particle_energies(snapshot, snapshot.inherent_positions, self._searches).mean()
        if abs(given - ours) > OTHER * abs(ours):
            raise SnapshotError(
                f"{snapshot.name}: has the inherent energy {given:.3f} per particle, where the Kob-Andersen potential gives its inherent positions {ours:.3f}; "
                "it is of another potential, whose dynamics equijax does not run on files."
            )


def _made[Finder](make: Callable[[System, float], Finder], types: bytes, box: tuple[float, ...], temperature: float) -> Finder:
    return make(System(np.frombuffer(types, np.int32), np.array(box)), temperature)

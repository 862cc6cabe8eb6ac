"""Cage positions for configurations of the Kob-Andersen mixture that come without (`equijax.md.cage`)."""

import functools

from equijax.data.cache import Cache, content_key
from equijax.data.short_dynamics import ShortDynamics
from equijax.errors import ConfigError
from equijax.md.cage import DURATION, EVERY, RADIUS, RELAXATION, SETTLING, STRIDE, WALKERS, CageFinder
from equijax.snapshot import Snapshot


class Cages:
    """Gives snapshots their cage positions, from the file, the cache, or restricted dynamics.

    Args:
        cache: where they are kept.
        temperature: of configurations that do not say theirs.
        radius: how far a particle may go from where it is (sigma_AA).
        walkers: replicas to average over.

    Raises:
        ConfigError: the radius is not positive, or there are no walkers.
    """

    def __init__(self, cache: Cache, temperature: float | None = None, radius: float = RADIUS, walkers: int = WALKERS) -> None:
        if not 0 < radius < float("inf"):
            raise ConfigError(f"the radius of the cages is {radius}; expected a positive number.")
        if walkers < 1:
            raise ConfigError(f"walkers is {walkers}; at least one has to move in the cages.")
        self.radius, self.walkers, self._cache = radius, walkers, cache
        self._dynamics = ShortDynamics(functools.partial(CageFinder, radius=radius, walkers=walkers), temperature)

    def __call__(self, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot with its cage positions; those it has are kept.

        Raises:
            SnapshotError: nothing says at which temperature its particles should move, or all of them lie in a plane.
            ConvergenceError: the dynamics blew up.
        """
        if snapshot.cage_positions is not None:
            return snapshot
        temperature = self._dynamics.temperature_of(snapshot)
        key = content_key(snapshot.positions, snapshot.types, snapshot.box, temperature, self.radius, SETTLING, DURATION, EVERY, RELAXATION, STRIDE, self.walkers)
        known = self._cache.get("cages", key)
        if known is None:
            # The seed is of the content: the same numbers have the same cages, in whichever file they are.
            known = {"cage_positions": self._dynamics(snapshot, lambda find, positions: find(positions, int(key[:7], 16)))}
            self._cache.put("cages", key, **known)
        return snapshot.replace(temperature=temperature, **known)

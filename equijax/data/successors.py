"""What short trajectories from a configuration lead to, to predict from and to train on.

The mean over trajectories that makes a propensity may be taken in two steps: over those from the successors x(s) of a configuration, and over these,

    <|x(t) - x(0)|> = < <|x(t) - x(0)| given x(s)> > ~ < p(x(s), t) >    for s far below t, and t so long that vibrations are small beside |x(t) - x(0)|.

A snapshot caught its particles in vibrations that its propensity at long times hardly depends on. A model that is trained on successors too, with the
propensity of the configuration that they come from, sees the same structure in other vibrations.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Float

from equijax.data.cache import Cache, content_key
from equijax.data.short_dynamics import ShortDynamics
from equijax.data.splits import successor_of
from equijax.errors import ConfigError, DataFormatError
from equijax.md.successors import SuccessorFinder
from equijax.snapshot import Snapshot

DURATION = 20.0
"""Of the trajectories (Lennard-Jones units): many vibrations."""

SAMPLES = 4
"""Successors along each trajectory, the last at its end."""

SEPARATION = 100
"""Times that are longer than the trajectories by this factor at least are taken to have the same propensity."""


class Successors:
    """Finds the successors of configurations of the Kob-Andersen mixture.

    Args:
        trajectories: from each configuration; each gives four successors, evenly spaced in time.
        cache: where they are kept.
        temperature: of configurations that do not say theirs.
        duration: of the trajectories (Lennard-Jones units).

    Raises:
        ConfigError: there are no trajectories.
    """

    def __init__(self, trajectories: int, cache: Cache, temperature: float | None = None, duration: float = DURATION) -> None:
        if trajectories < 1:
            raise ConfigError(f"successors of {trajectories} trajectories; expected 1 or more.")
        self.trajectories, self.duration = trajectories, duration
        self._cache, self._dynamics = cache, ShortDynamics(SuccessorFinder, temperature)

    @property
    def settings(self) -> tuple[int, float, int]:
        """What decides which successors a configuration has: they are kept under it."""
        return self.trajectories, self.duration, SAMPLES

    @property
    def shortest(self) -> float:
        """The shortest time at which a configuration and its successors have the same propensity."""
        return SEPARATION * self.duration

    def __call__(self, snapshot: Snapshot) -> list[Snapshot]:
        """Return the successors of a configuration with nothing but positions, types, box and temperature: the same each time, from the cache.

        Raises:
            SnapshotError: nothing says at which temperature the trajectories should be, or all particles lie in a plane.
            ConvergenceError: the dynamics blew up.
        """
        temperature = self._dynamics.temperature_of(snapshot)
        key = content_key(snapshot.positions, snapshot.types, snapshot.box, temperature, *self.settings)
        known = self._cache.get("successors", key)
        if known is None:
            # The seed is of the content: the same numbers have the same velocities, in whichever file they are.
            known = {"positions": self._found(snapshot, int(key[:7], 16))}
            self._cache.put("successors", key, **known)
        names = (successor_of(snapshot.name, number) for number in range(len(known["positions"])))
        return [Snapshot(positions, snapshot.types, snapshot.box, name, temperature) for name, positions in zip(names, known["positions"], strict=True)]

    def _found(self, snapshot: Snapshot, seed: int) -> Float[np.ndarray, "k n 3"]:
        times = tuple(self.duration * k / SAMPLES for k in range(1, SAMPLES + 1))
        moved = self._dynamics(snapshot, lambda find, positions: find(positions, times, self.trajectories, seed))
        return moved.reshape(-1, *snapshot.positions.shape)


def snapshots_with_successors(snapshots: Iterable[Snapshot], successors: Successors) -> Iterator[Snapshot]:
    """Yield every configuration with what was measured of it at long times, and after it its successors with the same propensity.

    Args:
        snapshots: with measured propensities.
        successors: that finds them.

    Raises:
        DataFormatError: a configuration was not measured at a time that is long enough.
    """
    for snapshot in snapshots:
        times = np.zeros(0) if snapshot.times is None or snapshot.propensity is None else snapshot.times
        long = np.flatnonzero(times >= successors.shortest).tolist()
        if not long:
            last = f"was measured up to t = {times[-1]:g}" if len(times) else "is not measured"
            raise DataFormatError(
                f"{snapshot.name}: {last}; successors share its propensity at times of {successors.shortest:g} and more only: in a liquid that relaxes sooner, "
                "what the trajectories do is part of it."
            )
        found = successors(snapshot)
        snapshot = snapshot.at(long).replace(temperature=found[0].temperature)
        yield snapshot
        for successor in found:
            yield successor.replace(times=snapshot.times, propensity=snapshot.propensity, trajectories=snapshot.trajectories)

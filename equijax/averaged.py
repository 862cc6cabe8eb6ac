"""Predictions averaged over where short trajectories lead.

The mean over trajectories that makes a propensity may be taken in two steps: over those from the successors x(s) of a configuration, and over these,

    <|x(t) - x(0)|> = < <|x(t) - x(0)| given x(s)> > ~ < p(x(s), t) >    for s far below t and t long enough for vibrations to be small beside |x(t) - x(0)|.

What a model predicts varies with the vibrations in which a snapshot caught its particles, the propensity of long times hardly does: the mean of the
predictions for a configuration and its successors is closer to it.
"""

import functools

import numpy as np

from equijax.data.cache import Cache, content_key
from equijax.data.samples import Quenches
from equijax.errors import ConfigError, SnapshotError
from equijax.graph.neighbors import KEPT
from equijax.md.successors import SuccessorFinder
from equijax.md.system import System
from equijax.model import Model
from equijax.predictor import Prediction
from equijax.snapshot import Snapshot

DURATION = 5.0
"""Of the trajectories (Lennard-Jones units): several vibrations."""

SEPARATION = 100
"""Predictions are averaged for times that are longer than the trajectories by this factor at least."""


class Averaged:
    """A model whose predictions of long times are means over a configuration and its successors; of the Kob-Andersen mixture.

    Args:
        model: a network, a baseline, or the mean of several.
        trajectories: from each configuration; each gives a successor half way and one at its end.
        cache: for successors and quenches.
        temperature: of configurations that do not say theirs.
        duration: of the trajectories (Lennard-Jones units).

    Raises:
        ConfigError: there are no trajectories, or none of the predicted times is long enough.
    """

    def __init__(self, model: Model, trajectories: int, cache: Cache, temperature: float | None = None, duration: float = DURATION) -> None:
        if trajectories < 1:
            raise ConfigError(f"averaging over {trajectories} trajectories; expected 1 or more.")
        self.model, self.trajectories, self.temperature, self.duration = model, trajectories, temperature, duration
        self._long = model.times >= SEPARATION * duration
        if not self._long.any():
            raise ConfigError(
                f"the longest time that the model predicts is {model.times.max():g}; averaging over trajectories of {duration:g} is for times of "
                f"{SEPARATION * duration:g} and more: in a liquid that relaxes sooner they would take part in what is to be predicted."
            )
        self._cache, self._quench = cache, Quenches(cache)
        self._finder = functools.lru_cache(maxsize=KEPT)(_finder)

    @property
    def times(self) -> np.ndarray:
        """The times (t,) of the predictions."""
        return self.model.times

    @property
    def needs_quench(self) -> bool:
        """Whether the snapshot must have its inherent structure."""
        return self.model.needs_quench

    def predict(self, snapshot: Snapshot) -> Prediction:
        """Return the predicted propensity.

        Raises:
            SnapshotError: nothing says at which temperature the trajectories should be; see also `Predictor.predict`.
            ConvergenceError: the dynamics blew up, or a quench did not reach its minimum.
        """
        alone = self.model.predict(snapshot).propensity
        more = [self.model.predict(successor).propensity for successor in self.successors(snapshot)]
        return Prediction(np.where(self._long, np.mean([alone, *more], axis=0), alone), self.times)

    def successors(self, snapshot: Snapshot) -> list[Snapshot]:
        """Return the successors of a configuration, with inherent structures if the model reads them; the same each time."""
        temperature = snapshot.temperature or self.temperature
        if temperature is None:
            raise SnapshotError(f"{snapshot.name}: its temperature is not known, at which trajectories are to be averaged over; give --temperature.")
        key = content_key(snapshot.positions, snapshot.types, snapshot.box, temperature, self.trajectories, self.duration)
        known = self._cache.get("successors", key)
        if known is None:
            find = self._finder(snapshot.types.tobytes(), tuple(snapshot.box.tolist()), temperature)
            # Of the content: the same configuration has the same successors, whatever else is predicted.
            found = find(snapshot.positions, (self.duration / 2, self.duration), self.trajectories, seed=int(key[:7], 16))
            known = {"positions": found.reshape(-1, *snapshot.positions.shape)}
            self._cache.put("successors", key, **known)
        bare = Snapshot(snapshot.positions, snapshot.types, snapshot.box, snapshot.name, temperature)
        successors = [bare.replace(positions=positions) for positions in known["positions"]]
        return [self._quench(successor) for successor in successors] if self.needs_quench else successors


def _finder(types: bytes, box: tuple[float, ...], temperature: float) -> SuccessorFinder:
    return SuccessorFinder(System(np.frombuffer(types, np.int32), np.array(box)), temperature)

"""A model whose predictions are means over where short trajectories lead."""

import numpy as np

from equijax.data.cache import Cache
from equijax.data.completed import Completed
from equijax.data.successors import Successors
from equijax.errors import ConfigError
from equijax.model import Model
from equijax.predictor import Prediction
from equijax.snapshot import Snapshot


def refuse_unused(temperature: float | None, average: int, model: Model) -> None:
    """Raise ConfigError if a temperature is given that nothing asks for: neither trajectories to average over nor cages."""
    if temperature is not None and not average and not model.needs_cages:
        raise ConfigError("--temperature is that of the trajectories to average over, or of cages that the model reads; give --average too, or leave it out.")


class Averaged:
    """The mean of a model's predictions for a configuration and its successors, p(t) ~ mean of p(x(0), t) and p(x(s), t) (`equijax.data.successors`).

    Predictions of times that are not long enough for it are those of the configuration alone.

    Args:
        model: a network, a baseline, or the mean of several.
        successors: that finds them.
        cache: for their quenches and cages.

    Raises:
        ConfigError: none of the predicted times is long enough.
    """

    def __init__(self, model: Model, successors: Successors, cache: Cache) -> None:
        self.model, self.successors, self._complete = model, successors, Completed(model, cache)
        self._long = model.times >= successors.shortest
        if not self._long.any():
            raise ConfigError(
                f"the longest time that the model predicts is {model.times.max():g}; averaging over trajectories of {successors.duration:g} is for times of "
                f"{successors.shortest:g} and more: in a liquid that relaxes sooner, what they do is part of what is to be predicted."
            )

    @property
    def times(self) -> np.ndarray:
        """The times (t,) of the predictions."""
        return self.model.times

    @property
    def needs_quench(self) -> bool:
        """Whether the snapshot must have its inherent structure."""
        return self.model.needs_quench

    @property
    def needs_cages(self) -> bool:
        """Whether the snapshot must have its cage positions."""
        return self.model.needs_cages

    def predict(self, snapshot: Snapshot) -> Prediction:
        """Return the predicted propensity.

        Raises:
            SnapshotError: nothing says at which temperature the trajectories should be; see also `Predictor.predict`.
            ConvergenceError: the dynamics blew up, or a quench did not reach its minimum.
        """
        alone = self.model.predict(snapshot).propensity
        successors = map(self._complete, self.successors(snapshot))
        mean = np.mean([alone, *(self.model.predict(successor).propensity for successor in successors)], axis=0)
        return Prediction(np.where(self._long, mean, alone), self.times)

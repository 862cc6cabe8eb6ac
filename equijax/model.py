"""What every model can do, a network or a baseline, and the mean of several."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from jaxtyping import Float

from equijax.errors import ConfigError
from equijax.predictor import Prediction
from equijax.snapshot import Snapshot


class Model(Protocol):
    """Anything that predicts propensities from a snapshot."""

    @property
    def times(self) -> Float[np.ndarray, "t"]:
        """The times (t,) of the predictions."""
        ...

    @property
    def needs_quench(self) -> bool:
        """Whether the snapshot must have its inherent structure."""
        ...

    @property
    def needs_cages(self) -> bool:
        """Whether the snapshot must have its cage positions."""
        ...

    def predict(self, snapshot: Snapshot) -> Prediction:
        """Return the predicted propensity."""
        ...


class Ensemble:
    """The mean of the predictions of several models.

    Args:
        models: one or more, of the same times.

    Raises:
        ConfigError: they predict different times.
    """

    def __init__(self, models: Sequence[Model]) -> None:
        first = models[0].times
        for model in models:
            if model.times.shape != first.shape or not np.allclose(model.times, first, rtol=1e-6):
                raise ConfigError(f"the models predict different times, {first.tolist()} and {model.times.tolist()}; they have no mean.")
        self.models, self.times = tuple(models), first

    @property
    def needs_quench(self) -> bool:
        """Whether one of them needs the inherent structure."""
        return any(model.needs_quench for model in self.models)

    @property
    def needs_cages(self) -> bool:
        """Whether one of them needs the cage positions."""
        return any(model.needs_cages for model in self.models)

    def predict(self, snapshot: Snapshot) -> Prediction:
        """Return the mean of the predicted propensities."""
        return Prediction(np.mean([model.predict(snapshot).propensity for model in self.models], axis=0), self.times)

"""A baseline that was fitted to data: one interface for all of them."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from equijax.baselines.bapst import GraphNetwork
from equijax.baselines.config import BaselineConfig
from equijax.baselines.features import Features
from equijax.baselines.perceptron import Perceptron
from equijax.baselines.ridge import Ridge
from equijax.domain import require_composition
from equijax.errors import ConfigError
from equijax.predictor import Prediction
from equijax.snapshot import Snapshot
from equijax.statistics import Statistics
from equijax.targets import measure, restore, standardise


@dataclasses.dataclass(frozen=True)
class Baseline:
    """A fitted baseline: predicts like a network.

    Attributes:
        config: what it is.
        statistics: of its training set; energies and displacements in it are not used.
        model: the regression itself.
    """

    config: BaselineConfig
    statistics: Statistics
    model: "Regression"

    @property
    def times(self) -> Float[np.ndarray, "t"]:
        """The times (t,) of the predictions."""
        return np.array(self.statistics.times)

    @property
    def needs_quench(self) -> bool:
        """Whether the snapshot must have its inherent structure."""
        return self.config.needs_quench

    @property
    def needs_cages(self) -> bool:
        """Whether the snapshot must have its cage positions."""
        return self.config.needs_cages

    def predict(self, snapshot: Snapshot) -> Prediction:
        """Return the predicted propensity, in units of sigma_AA.

        Raises:
            SnapshotError: the box is too small, the composition is not at all that of the training set, or the snapshot lacks what the model reads.
        """
        require_composition(snapshot, self.statistics)
        return Prediction(restore(snapshot, self.model.outputs(snapshot), self.config.inputs, self.statistics), self.times)


class _OnDescriptors:
    """A regression on the descriptors of each particle."""

    def __init__(self, regression: Ridge | Perceptron, features: Features) -> None:
        self.regression, self.features = regression, features

    def fit(self, train: Sequence[Snapshot], train_targets: list[np.ndarray], held: Sequence[Snapshot], held_targets: list[np.ndarray]) -> None:
        tables = ([(*x, y) for x, y in zip(self.features.each(part), targets, strict=True)] for part, targets in ((train, train_targets), (held, held_targets)))
        self.regression.fit(*tables)

    def outputs(self, snapshot: Snapshot) -> Float[np.ndarray, "n t"]:
        return self.regression.outputs(self.features(snapshot), snapshot.types)

    def arrays(self) -> dict[str, np.ndarray]:
        return self.regression.arrays()

    def load(self, arrays: dict[str, np.ndarray]) -> None:
        self.regression.load(arrays)


Regression = GraphNetwork | _OnDescriptors


def regression(config: BaselineConfig, quiet: bool = False) -> Regression:
    """Return the regression of a config, not fitted yet."""
    if config.model == "graph_network":
        return GraphNetwork(config.graph_network, config.seed, quiet)
    return _OnDescriptors(Ridge() if config.model == "ridge" else Perceptron(config.perceptron, config.seed, quiet), Features(config, quiet))


def fit(config: BaselineConfig, train: Sequence[Snapshot], validation: Sequence[Snapshot], quiet: bool = False) -> Baseline:
    """Fit a baseline to measured propensities.

    Args:
        config: what it is.
        train: configurations to learn from.
        validation: by which penalties, widths and rates are chosen; where there are none, ridge regressions leave each training configuration out in turn, and
            for others the training set chooses.
        quiet: no progress bar.

    Raises:
        ConfigError: there is nothing to fit.
        SnapshotError: a configuration lacks what the model reads.
    """
    if not len(train):
        raise ConfigError(f"{config.model}: no training configurations.")
    statistics = measure((train[i] for i in range(len(train))), config.inputs, config.targets)
    model = regression(config, quiet)
    targets = [[standardise(part[i], config.targets, statistics) for i in range(len(part))] for part in (train, validation)]
    model.fit(train, targets[0], validation, targets[1])
    return Baseline(config, statistics, model)

"""Ridge regression on hand-written descriptors: the baseline a network has to beat."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from equijax.baselines.descriptors import CUTOFF, descriptors
from equijax.errors import ConfigError
from equijax.graph.neighbors import Searches
from equijax.inputs import InputConfig, TargetConfig, propensity, selected_halves
from equijax.metrics import Scored, pearson
from equijax.snapshot import N_TYPES, Snapshot

PENALTIES = np.logspace(-1, 5, 13)


class Ridge:
    """One ridge regression for each particle type and time, its penalty chosen on validation.

    y = w . x + b with standardised descriptors x, minimising |y - w x - b|^2 + penalty |w|^2.

    Args:
        inputs: which positions the descriptors are of, and whether they hold the inherent energy.
        targets: which times.
        quiet: no progress bar.
    """

    def __init__(self, inputs: InputConfig, targets: TargetConfig, quiet: bool = False) -> None:
        self.inputs, self.targets, self.quiet = inputs, targets, quiet
        self._searches = Searches(CUTOFF)
        self._known: dict[str, np.ndarray] = {}

    def fit(self, train: Sequence[Snapshot], validation: Sequence[Snapshot], times: Float[np.ndarray, "t"]) -> "Ridge":
        """Fit to measured propensities and choose penalties by the Pearson correlation on the validation set (on the training set if none).

        Raises:
            ConfigError: there is nothing to fit.
        """
        if not len(train):
            raise ConfigError("ridge regression: no training configurations.")
        self.times = np.asarray(times)
        self._models = {}
        for kind in range(N_TYPES):
            x, y = self._matrix(train, kind)
            if not len(x):
                continue
            held_x, held_y = self._matrix(validation, kind) if len(validation) else (x, y)
            mean, scale = x.mean(0), x.std(0)
            scale[scale == 0] = 1
            z, offset = (x - mean) / scale, y.mean(0)
            values, vectors = np.linalg.eigh(z.T @ z)
            projected = vectors.T @ (z.T @ (y - offset))
            solutions = [vectors @ (projected / (values + penalty)[:, None]) for penalty in PENALTIES]
            held = (held_x - mean) / scale
            scores = np.array([[pearson(held @ w[:, t], held_y[:, t]) for t in range(y.shape[1])] for w in solutions])
            best = np.nan_to_num(scores, nan=-2).argmax(0)
            self._models[kind] = mean, scale, np.stack([solutions[k][:, t] for t, k in enumerate(best)], 1), offset
        return self

    def predict(self, snapshot: Snapshot) -> Float[np.ndarray, "n t"]:
        """Return the predicted propensity."""
        x = self._descriptors(snapshot)
        out = np.full((len(snapshot), len(self.times)), np.nan)
        for kind, (mean, scale, weights, offset) in self._models.items():
            chosen = snapshot.types == kind
            out[chosen] = (x[chosen] - mean) / scale @ weights + offset
        return out

    def score(self, snapshots: Sequence[Snapshot]) -> list[Scored]:
        """Return predictions beside what was measured."""
        return [
            Scored(snapshot.name, snapshot.types, self.predict(snapshot), propensity(snapshot, self.targets, self.times), selected_halves(snapshot, self.targets))
            for snapshot in (snapshots[i] for i in range(len(snapshots)))
        ]

    def _matrix(self, snapshots: Sequence[Snapshot], kind: int) -> tuple[np.ndarray, np.ndarray]:
        xs, ys = [], []
        for i in tqdm(range(len(snapshots)), desc="ridge baseline: descriptors", unit="configuration", disable=self.quiet or kind > 0):
            snapshot = snapshots[i]
            chosen = snapshot.types == kind
            xs.append(self._descriptors(snapshot)[chosen])
            ys.append(propensity(snapshot, self.targets, self.times)[chosen])
        return np.concatenate(xs), np.concatenate(ys)

    def _descriptors(self, snapshot: Snapshot) -> np.ndarray:
        if snapshot.name not in self._known:
            self._known[snapshot.name] = descriptors(snapshot, self.inputs, self._searches)
        return self._known[snapshot.name]

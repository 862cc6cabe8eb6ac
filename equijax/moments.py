"""Moments of what particles carry, over a training set that is read one configuration at a time."""

import numpy as np
from jaxtyping import Float

from equijax.snapshot import N_TYPES


class Moments:
    """Counts, means and variances of per-particle values by configuration and type; no configuration is kept.

    Attributes:
        counts, means, variances: (2,), (2, k) and (2, k) of each configuration.
    """

    def __init__(self) -> None:
        self.counts: list[np.ndarray] = []
        self.means: list[np.ndarray] = []
        self.variances: list[np.ndarray] = []

    def add(self, values: Float[np.ndarray, "n k"], types: np.ndarray) -> None:
        """Take in the values of one configuration."""
        parts = [values[types == kind] for kind in range(N_TYPES)]
        self.counts.append(np.array([len(part) for part in parts]))
        self.means.append(np.stack([part.mean(0) if len(part) else np.zeros(values.shape[1]) for part in parts]))
        self.variances.append(np.stack([part.var(0) if len(part) else np.zeros(values.shape[1]) for part in parts]))

    def pooled(self) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation by type (2, k) over all particles together."""
        counts, means, variances = np.stack(self.counts)[..., None], np.stack(self.means), np.stack(self.variances)
        total = np.maximum(counts.sum(0), 1)
        mean = (counts * means).sum(0) / total
        return mean, _positive(np.sqrt((counts * (variances + (means - mean) ** 2)).sum(0) / total))

    def within(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean of the configurations' means by type, and the standard deviation within configurations."""
        there = np.stack(self.counts)[..., None] > 0
        number = np.maximum(there.sum(0), 1)
        return np.stack(self.means).sum(0) / number, _positive(np.sqrt(np.stack(self.variances).sum(0) / number))


def _positive(scale: np.ndarray) -> np.ndarray:
    return np.where(scale > 0, scale, 1.0)

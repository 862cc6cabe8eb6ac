"""Ridge regression on hand-written descriptors: the baseline a network has to beat."""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from equijax.metrics import pearson
from equijax.snapshot import N_TYPES

PENALTIES = np.logspace(-1, 5, 13)


Table = tuple[Float[np.ndarray, "n d"], Int[np.ndarray, "n"], Float[np.ndarray, "n t"]]
"""Descriptors, types and targets of the particles of one or more configurations."""


class Ridge:
    """One ridge regression for each particle type and time, its penalty chosen on validation.

    y = w . z + b with standardised descriptors z, minimising |y - w z - b|^2 + penalty |w|^2.
    """

    def __init__(self) -> None:
        self._models: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = {}

    def fit(self, train: Sequence[Table], validation: Sequence[Table]) -> None:
        """Fit to configurations, and choose penalties by the Pearson correlation on the validation set.

        Without a validation set, each training configuration is predicted from the others in turn (mean and scale of the descriptors are those of all),
        and the penalties chosen by all these predictions; a single configuration chooses by itself.
        """
        for kind in range(N_TYPES):
            parts, held = (_of_type(tables, kind) for tables in (train, validation))
            if not parts:
                continue
            x, y = joined(parts)
            mean, scale, offset = x.mean(0), x.std(0), y.mean(0)
            scale[scale == 0] = 1
            each = (_NormalEquations.of((one - mean) / scale, values - offset) for one, values in parts)
            # Kept one by one only where each is left out: a set of descriptors makes megabytes of them.
            sums = [] if held else list(each)
            whole = functools.reduce(_NormalEquations.together, sums or each)
            solutions = whole.solutions()
            if held or len(parts) == 1:
                held_x, held_y = joined(held or parts)
                predicted = (held_x - mean) / scale @ solutions
            else:
                held_y = y
                predicted = np.concatenate([(x - mean) / scale @ whole.without(own).solutions() for (x, _), own in zip(parts, sums, strict=True)], 1)
            scores = np.array([[pearson(one[:, t], held_y[:, t]) for t in range(y.shape[1])] for one in predicted])
            best = np.nan_to_num(scores, nan=-2).argmax(0)
            self._models[kind] = mean, scale, solutions[best, :, np.arange(len(best))].T, offset

    def outputs(self, x: Float[np.ndarray, "n d"], types: Int[np.ndarray, "n"]) -> Float[np.ndarray, "n t"]:
        """Return the predicted targets; not a number for types that were not there."""
        times = next(iter(self._models.values()))[3].shape[0]
        out = np.full((len(x), times), np.nan)
        for kind, (mean, scale, weights, offset) in self._models.items():
            chosen = types == kind
            out[chosen] = (x[chosen] - mean) / scale @ weights + offset
        return out

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what there is to keep."""
        names = ("mean", "scale", "weights", "offset")
        return {f"{kind}/{name}": value for kind, model in self._models.items() for name, value in zip(names, model, strict=True)}

    def load(self, arrays: dict[str, np.ndarray]) -> None:
        """Take up what was kept."""
        for kind in range(N_TYPES):
            if f"{kind}/mean" in arrays:
                self._models[kind] = tuple(arrays[f"{kind}/{name}"] for name in ("mean", "scale", "weights", "offset"))  # type: ignore[assignment]


@dataclasses.dataclass(frozen=True)
class _NormalEquations:
    """All that a ridge regression keeps of its data: Z^T Z (d, d) and Z^T y (d, t)."""

    gram: np.ndarray
    products: np.ndarray

    @staticmethod
    def of(z: np.ndarray, y: np.ndarray) -> "_NormalEquations":
        return _NormalEquations(z.T @ z, z.T @ y)

    def together(self, other: "_NormalEquations") -> "_NormalEquations":
        return _NormalEquations(self.gram + other.gram, self.products + other.products)

    def without(self, part: "_NormalEquations") -> "_NormalEquations":
        return _NormalEquations(self.gram - part.gram, self.products - part.products)

    def solutions(self) -> np.ndarray:
        """Return the weights (penalties, d, t) for every penalty."""
        values, vectors = self._spectrum
        projected = vectors.T @ self.products
        return np.stack([vectors @ (projected / (values + penalty)[:, None]) for penalty in PENALTIES])

    @functools.cached_property
    def _spectrum(self) -> tuple[np.ndarray, np.ndarray]:
        values, vectors = np.linalg.eigh(self.gram)
        return np.maximum(values, 0), vectors


def _of_type(tables: Sequence[Table], kind: int) -> list[tuple[np.ndarray, np.ndarray]]:
    parts = [(x[types == kind], y[types == kind]) for x, types, y in tables]
    return [(x, y) for x, y in parts if len(x)]


def joined(parts: Sequence[tuple[np.ndarray, ...]]) -> tuple[np.ndarray, ...]:
    """Return the tables of several configurations as one."""
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))

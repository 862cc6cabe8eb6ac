"""Ridge regression on hand-written descriptors: the baseline a network has to beat."""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from equijax.metrics import pearson
from equijax.snapshot import N_TYPES

PENALTIES = np.logspace(-1, 5, 13)
# Groups of configurations that are left out in turn, where there are more: a solution costs seconds, and of hundreds ten would choose the same.
MOST_GROUPS = 20


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

        Without a validation set, each training configuration (of more than twenty, each of twenty groups) is predicted from the others in turn (mean and
        scale of the descriptors are those of all), and the penalties chosen by all these predictions; a single configuration chooses by itself.
        """
        for kind in range(N_TYPES):
            parts, held = (_of_type(tables, kind) for tables in (train, validation))
            if not parts:
                continue
            mean, scale = _mean_and_scale([x for x, _ in parts])
            offset = np.concatenate([y for _, y in parts]).mean(0)
            groups = [[parts[i] for i in some] for some in np.array_split(np.arange(len(parts)), min(len(parts), 1 if held else MOST_GROUPS))]
            sums = [functools.reduce(_NormalEquations.together, (_NormalEquations.of((x - mean) / scale, y - offset) for x, y in group)) for group in groups]
            whole = functools.reduce(_NormalEquations.together, sums)
            solutions = whole.solutions()
            if held or len(parts) == 1:
                predicted = [((x - mean) / scale @ solutions, y) for x, y in held or parts]
            else:
                left_out = (whole.without(own).solutions() for own in sums)
                predicted = [((x - mean) / scale @ others, y) for group, others in zip(groups, left_out, strict=True) for x, y in group]
            held_y = np.concatenate([y for _, y in predicted])
            scores = np.array([[pearson(one[:, t], held_y[:, t]) for t in range(held_y.shape[1])] for one in np.concatenate([x for x, _ in predicted], 1)])
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


def _mean_and_scale(tables: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the standard deviation of each column, 1 where it is constant, without a copy of all tables in one."""
    count = sum(len(x) for x in tables)
    mean = np.sum([x.sum(0) for x in tables], 0) / count
    scale = np.sqrt(np.sum([((x - mean) ** 2).sum(0) for x in tables], 0) / count)
    scale[np.max([x.max(0) for x in tables], 0) == np.min([x.min(0) for x in tables], 0)] = 1
    return mean, scale

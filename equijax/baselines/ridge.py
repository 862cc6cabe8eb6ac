"""Ridge regression on hand-written descriptors: the baseline a network has to beat."""

import numpy as np
from jaxtyping import Float, Int

from equijax.metrics import pearson
from equijax.snapshot import N_TYPES

PENALTIES = np.logspace(-1, 5, 13)


class Ridge:
    """One ridge regression for each particle type and time, its penalty chosen on validation.

    y = w . z + b with standardised descriptors z, minimising |y - w z - b|^2 + penalty |w|^2.
    """

    def __init__(self) -> None:
        self._models: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = {}

    def fit(
        self,
        train: tuple[Float[np.ndarray, "n d"], Int[np.ndarray, "n"], Float[np.ndarray, "n t"]],
        validation: tuple[Float[np.ndarray, "m d"], Int[np.ndarray, "m"], Float[np.ndarray, "m t"]],
    ) -> None:
        """Fit to descriptors, types and targets, and choose penalties by the Pearson correlation on the validation set."""
        for kind in range(N_TYPES):
            (x, y), (held_x, held_y) = ((part[0][part[1] == kind], part[2][part[1] == kind]) for part in (train, validation))
            if not len(x):
                continue
            if not len(held_x):
                held_x, held_y = x, y
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

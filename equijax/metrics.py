"""Pearson correlations, pooled and per configuration, with the noise ceiling and bootstrap error bars beside them."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from equijax.snapshot import N_TYPES, TYPE_NAMES

RESAMPLES = 1000


def pearson(predicted: Float[np.ndarray, "n"], measured: Float[np.ndarray, "n"]) -> float:
    """Return Pearson's correlation coefficient; not a number when either side does not vary."""
    x, y = predicted - predicted.mean(), measured - measured.mean()
    scale = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / scale) if scale > 0 else float("nan")


def noise_ceiling(first: Float[np.ndarray, "n"], second: Float[np.ndarray, "n"]) -> float:
    """Return the correlation a perfect model would reach with a propensity averaged over a finite number of trajectories.

    With r the correlation between the two halves of the trajectories, the reliability of their mean is 2 r / (1 + r) (Spearman-Brown),
    and the ceiling its square root.
    """
    r = pearson(first, second)
    return float(np.sqrt(2 * r / (1 + r))) if r > 0 else float("nan")


@dataclasses.dataclass(frozen=True)
class Scored:
    """Predictions of one configuration beside what was measured."""

    name: str
    types: Int[np.ndarray, "n"]
    predicted: Float[np.ndarray, "n t"]
    measured: Float[np.ndarray, "n t"]
    halves: Float[np.ndarray, "2 n t"] | None


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the results: a particle type at a time.

    Attributes:
        pooled: Pearson over the particles of all configurations together; `pooled_error` its standard error.
        per_configuration: mean over configurations of the Pearson within each; `per_configuration_error` likewise.
        ceiling, per_configuration_ceiling: the noise ceilings of both; None where the data have no halves.
    """

    type: str
    time: float
    pooled: float
    pooled_error: float
    per_configuration: float
    per_configuration_error: float
    ceiling: float | None
    per_configuration_ceiling: float | None
    configurations: int
    particles: int


def table(scored: Sequence[Scored], times: Sequence[float], seed: int = 0) -> list[Row]:
    """Return a row for every particle type and time.

    Error bars are the standard deviation over bootstrap resamples, of configurations and of the particles within each; with a single
    configuration they show the spread between particles only.
    """
    rows = []
    for kind in range(N_TYPES):
        chosen = [s.types == kind for s in scored]
        if not any(c.any() for c in chosen):
            continue
        for t, time in enumerate(times):
            predicted = [s.predicted[c, t] for s, c in zip(scored, chosen, strict=True) if c.any()]
            measured = [s.measured[c, t] for s, c in zip(scored, chosen, strict=True) if c.any()]
            halves = None
            if all(s.halves is not None for s in scored):
                halves = [s.halves[:, c, t] for s, c in zip(scored, chosen, strict=True) if c.any()]  # type: ignore[index]
            rows.append(_row(TYPE_NAMES[kind], float(time), predicted, measured, halves, np.random.default_rng(seed)))
    return rows


def _both(predicted: list[np.ndarray], measured: list[np.ndarray]) -> tuple[float, float]:
    pooled = pearson(np.concatenate(predicted), np.concatenate(measured))
    return pooled, float(np.mean([pearson(p, m) for p, m in zip(predicted, measured, strict=True)]))


def _row(kind: str, time: float, predicted: list[np.ndarray], measured: list[np.ndarray], halves: list[np.ndarray] | None, rng: np.random.Generator) -> Row:
    pooled, per = _both(predicted, measured)
    spread = []
    for _ in range(RESAMPLES if sum(map(len, measured)) < 200_000 else RESAMPLES // 10):
        picked = rng.integers(len(predicted), size=len(predicted))
        inside = [rng.integers(len(measured[i]), size=len(measured[i])) for i in picked]
        spread.append(_both([predicted[i][k] for i, k in zip(picked, inside, strict=True)], [measured[i][k] for i, k in zip(picked, inside, strict=True)]))
    error = np.nanstd(spread, axis=0)
    ceiling = per_ceiling = None
    if halves is not None:
        ceiling = noise_ceiling(*np.concatenate(halves, axis=1))
        per_ceiling = float(np.mean([noise_ceiling(*half) for half in halves]))
    return Row(kind, time, pooled, float(error[0]), per, float(error[1]), ceiling, per_ceiling, len(predicted), sum(map(len, measured)))


def selection_score(scored: Sequence[Scored]) -> float:
    """Return what checkpoints are chosen by: the mean over times of the pooled and per-configuration Pearson of the A particles."""
    scores = []
    for t in range(scored[0].measured.shape[1]):
        chosen = [(s.predicted[s.types == 0, t], s.measured[s.types == 0, t]) for s in scored]
        scores.append(np.mean(_both([c[0] for c in chosen], [c[1] for c in chosen])))
    return float(np.mean(scores))

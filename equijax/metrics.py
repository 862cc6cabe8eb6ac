"""Pearson correlations, pooled and per configuration, with the noise ceiling and bootstrap error bars beside them."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from equijax.errors import ConfigError
from equijax.snapshot import N_TYPES, TYPE_NAMES

RESAMPLES = 1000


def pearson(predicted: Float[np.ndarray, "n"], measured: Float[np.ndarray, "n"]) -> float:
    """Return Pearson's correlation coefficient; not a number when either side does not vary."""
    x, y = predicted - predicted.mean(), measured - measured.mean()
    scale = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / scale) if scale > 0 else float("nan")


def noise_ceiling(first: Float[np.ndarray, "n"], second: Float[np.ndarray, "n"], share: float = 1.0) -> float:
    """Return the correlation a perfect model would reach with a propensity averaged over a finite number of trajectories.

    With r the correlation between the two halves of M trajectories, the reliability of the mean of m is q r / (1 + (q - 1) r), q = 2 m / M
    (Spearman and Brown), and the ceiling its square root; not a number where the halves do not correlate.

    Args:
        first: mean over the first half of the trajectories.
        second: over the second.
        share: m / M; 1 for the mean of all.
    """
    r, q = pearson(first, second), 2 * share
    return float(np.sqrt(q * r / (1 + (q - 1) * r))) if r > 0 else float("nan")


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

    Error bars are standard errors by the bootstrap: n configurations are resampled whole, for their particles are correlated, and the standard
    deviation over resamples is multiplied by sqrt(n / (n - 1)), which it lacks for few. A single configuration shows the spread between its
    particles only.
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
    error = _over_configurations(predicted, measured, rng) if len(predicted) > 1 else _over_particles(predicted[0], measured[0], rng)
    ceiling = per_ceiling = None
    if halves is not None:
        ceiling = noise_ceiling(*np.concatenate(halves, axis=1))
        per_ceiling = float(np.mean([noise_ceiling(*half) for half in halves]))
    return Row(kind, time, pooled, float(error[0]), per, float(error[1]), ceiling, per_ceiling, len(predicted), sum(map(len, measured)))


def _over_configurations(predicted: list[np.ndarray], measured: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Return the standard errors of both correlations from resampled configurations; sums of each configuration tell all that is needed."""
    x0, y0 = np.concatenate(predicted).mean(), np.concatenate(measured).mean()
    moved = [(x - x0, y - y0) for x, y in zip(predicted, measured, strict=True)]
    sums = np.array([(len(x), x.sum(), y.sum(), x @ x, y @ y, x @ y) for x, y in moved])
    own, n = np.array([pearson(x, y) for x, y in moved]), len(moved)
    picked = rng.integers(n, size=(RESAMPLES, n))
    count, x, y, xx, yy, xy = sums[picked].sum(1).T
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = (xy - x * y / count) / np.sqrt((xx - x * x / count) * (yy - y * y / count))
    return np.sqrt(n / (n - 1)) * np.array([np.std(pooled), np.std(own[picked].mean(1))])


def _over_particles(predicted: np.ndarray, measured: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the same from resampled particles of one configuration."""
    n = len(measured)
    spread = [pearson(predicted[picked], measured[picked]) for picked in (rng.integers(n, size=n) for _ in range(RESAMPLES))]
    return np.full(2, np.std(spread))


def selection_score(scored: Sequence[Scored]) -> float:
    """Return what checkpoints are chosen by: the mean over times of the pooled and per-configuration Pearson of the A particles.

    Raises:
        ConfigError: no configuration has two A particles.
    """
    scores, there = [], [s for s in scored if np.count_nonzero(s.types == 0) > 1]
    if not there:
        raise ConfigError("the configurations to choose by have no A particles (type 0); let the more frequent particles be A.")
    for t in range(there[0].measured.shape[1]):
        chosen = [(s.predicted[s.types == 0, t], s.measured[s.types == 0, t]) for s in there]
        scores.append(np.mean(_both([c[0] for c in chosen], [c[1] for c in chosen])))
    return float(np.mean(scores))

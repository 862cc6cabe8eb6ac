"""Correlations of models over seeds and configurations, their bars and a paired test."""

from collections.abc import Sequence

import numpy as np

from equijax.metrics import Scored, noise_ceiling, pearson


def by_seed(scored: Sequence[Sequence[Scored]], kind: int = 0) -> dict:
    """Return pooled and per-configuration Pearson correlations of one particle type, (seeds, t) and (seeds, configurations, t), with the ceiling (t,)."""
    chosen = [[(s.predicted[s.types == kind], s.measured[s.types == kind]) for s in one] for one in scored]
    times = range(chosen[0][0][0].shape[1])
    pooled = [[pearson(np.concatenate([p[:, t] for p, _ in one]), np.concatenate([m[:, t] for _, m in one])) for t in times] for one in chosen]
    per = [[[pearson(p[:, t], m[:, t]) for t in times] for p, m in one] for one in chosen]
    halves = [s.halves for s in scored[0]]
    ceiling = None
    if all(half is not None for half in halves):
        both = np.concatenate([half[:, s.types == kind] for half, s in zip(halves, scored[0], strict=True) if half is not None], 1)
        ceiling = [noise_ceiling(both[0, :, t], both[1, :, t]) for t in times]
    return {"pooled": pooled, "per_configuration": per, "configurations": [s.name for s in scored[0]], "ceiling": ceiling}


def bars(found: dict, what: str = "pooled") -> tuple[np.ndarray, np.ndarray]:
    """Return means (t,) and the distances to the worst and the best seed (2, t)."""
    values = np.array(found[what], float)
    if what == "per_configuration":
        values = values.mean(1)
    mean = values.mean(0)
    return mean, np.stack([mean - values.min(0), values.max(0) - mean])


def paired(first: dict, second: dict, seed: int = 0) -> dict:
    """Return the mean difference of the per-configuration correlations of two models (t,) and its p-values.

    The test flips the signs of the differences of whole configurations, each averaged over seeds: all flips where they are up to 2^14, random
    ones otherwise. p is the share of flips whose mean is as far from zero as the measured one; n configurations give no p below 2^(1-n).
    """
    if first["configurations"] != second["configurations"]:
        raise ValueError("the two models were scored on different configurations")
    difference = np.array(first["per_configuration"], float).mean(0) - np.array(second["per_configuration"], float).mean(0)
    n = len(difference)
    if n <= 14:
        signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    else:
        signs = np.concatenate([np.ones((1, n)), np.random.default_rng(seed).choice([-1, 1], (2**14, n))])
    means = signs @ difference / n
    p = np.where(np.isfinite(difference.mean(0)), (np.abs(means) >= np.abs(difference.mean(0)) - 1e-12).mean(0), np.nan)
    return {"difference": difference.mean(0).tolist(), "p": p.tolist(), "configurations": n}

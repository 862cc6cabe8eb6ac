"""Least squares with few samples."""

import itertools

import numpy as np
from jaxtyping import Float


def selected_slopes(x: Float[np.ndarray, "n k"], y: Float[np.ndarray, "n"]) -> Float[np.ndarray, "k"]:
    """Return the least-squares slopes of y on those columns of x that predict it best when each sample is left out in turn, and zero for the others.

    No column at all is among the choices. The error with sample i left out is e_i / (1 - h_ii), with residual e and leverage h of the whole fit
    (Allen, Technometrics 16, 125, 1974).

    Args:
        x: n samples of k columns, which may be constant.
        y: what they predict.
    """
    n, k = x.shape
    columns = [j for j in range(k) if np.ptp(x[:, j]) > 0]
    x, y, best, chosen = x - x.mean(0), y - y.mean(), np.inf, np.zeros(k)
    for size in range(max(0, min(len(columns), n - 3)) + 1):
        for some in map(list, itertools.combinations(columns, size)):
            scale = np.sqrt((x[:, some] ** 2).sum(0))
            inverse = np.linalg.pinv(x[:, some] / scale)
            leverage = np.minimum(1 / n + (x[:, some] / scale * inverse.T).sum(1), 1 - 1e-9)  # 1 where a sample alone decides a slope
            fitted = inverse @ y / scale
            error = (((y - x[:, some] @ fitted) / (1 - leverage)) ** 2).sum()
            if error < best:
                best, chosen = error, np.zeros(k)
                chosen[some] = fitted
    return chosen

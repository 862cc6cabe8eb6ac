"""Fields that particles carry, in space: correlation functions, correlation lengths, susceptibilities, and known order parameters."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.optimize import curve_fit
from scipy.spatial import KDTree

from equijax.periodic import minimum_image, wrap


def spatial_correlation(
    positions: Sequence[Float[np.ndarray, "n 3"]],
    boxes: Sequence[Float[np.ndarray, "3"]],
    fields: Sequence[Float[np.ndarray, "n"]],
    longest: float,
    bins: int = 20,
    again: Sequence[Float[np.ndarray, "n"]] | None = None,
) -> tuple[Float[np.ndarray, "k"], Float[np.ndarray, "k"]]:
    """Return distances and the correlation of a field with itself there, G(r) = <df_i df_j> / <df^2> over the pairs at distance r.

    Deviations df are from the mean of each configuration: how these means differ is the susceptibility.

    Args:
        positions: of the particles of each configuration (sigma_AA).
        boxes: their sides.
        fields: the value each particle carries.
        longest: distance to go to; half the smallest box if that is less.
        bins: of equal width.
        again: the same field measured a second time with independent noise, which then cancels: df_i of one with df_j of the other.
    """
    again = fields if again is None else again
    fields, again = ([field - np.mean(field) for field in side] for side in (fields, again))
    variance = np.mean(np.concatenate(fields) * np.concatenate(again))
    longest = min(longest, min(float(box.min()) for box in boxes) / 2)
    edges = np.linspace(0, longest, bins + 1)
    products, counts = np.zeros(bins), np.zeros(bins)
    for where, box, one, two in zip(positions, boxes, fields, again, strict=True):
        wrapped = wrap(where, box)
        first, second = KDTree(wrapped, boxsize=box).query_pairs(longest, output_type="ndarray").T
        distance = np.linalg.norm(minimum_image(wrapped[first] - wrapped[second], box), axis=1)
        products += np.histogram(distance, edges, weights=0.5 * (one[first] * two[second] + two[first] * one[second]))[0]
        counts += np.histogram(distance, edges)[0]
    filled = counts > 0
    return (0.5 * (edges[1:] + edges[:-1]))[filled], products[filled] / counts[filled] / variance


def correlation_length(distances: Float[np.ndarray, "k"], correlation: Float[np.ndarray, "k"], beyond: float = 1.4) -> float:
    """Return xi of the best fit of a exp(-r / xi) beyond the first shell of neighbours (sigma_AA); not a number where there is nothing to fit."""
    chosen = distances > beyond
    if chosen.sum() < 3 or not (correlation[chosen] > 0).any():
        return float("nan")
    try:
        (_, length), _ = curve_fit(lambda r, a, xi: a * np.exp(-r / xi), distances[chosen], correlation[chosen], p0=(1.0, 1.0), bounds=([0, 1e-2], [np.inf, 1e2]))
    except RuntimeError:
        return float("nan")
    return float(length)


def tetrahedrality(positions: Float[np.ndarray, "n 3"], box: Float[np.ndarray, "3"]) -> Float[np.ndarray, "n"]:
    """Return q_i = 1 - 3/8 sum_(j < k) (cos psi_jik + 1/3)^2 over the four nearest neighbours (Errington and Debenedetti, Nature 409, 318, 2001)."""
    wrapped = wrap(positions, box)
    nearest = np.asarray(KDTree(wrapped, boxsize=box).query(wrapped, k=5)[1])
    bonds = minimum_image(wrapped[nearest[:, 1:]] - wrapped[:, None], box)
    units = bonds / np.linalg.norm(bonds, axis=-1, keepdims=True)
    cosines = np.einsum("nax,nbx->nab", units, units)
    upper = np.triu_indices(4, 1)
    return 1 - 0.375 * ((cosines[:, upper[0], upper[1]] + 1 / 3) ** 2).sum(1)


def susceptibility(fields: Sequence[Float[np.ndarray, "n"]], again: Sequence[Float[np.ndarray, "n"]] | None = None) -> float:
    """Return N times the variance, over configurations, of the mean of a field.

    Of the propensity, it is what the initial configuration decides of the fluctuations of mobility.

    Args:
        fields: the value each particle carries, by configuration.
        again: the same measured a second time with independent noise, which then cancels.
    """
    means = [[field.mean() for field in side] for side in (fields, fields if again is None else again)]
    return float(np.mean([len(field) for field in fields]) * np.cov(np.array(means))[0, 1])


def principal_components(features: Float[np.ndarray, "n d"]) -> tuple[Float[np.ndarray, "d d"], Float[np.ndarray, "d"]]:
    """Return the principal directions of standardised features, one a row, and the share of the variance that each explains."""
    scale = features.std(0)
    centred = (features - features.mean(0)) / np.where(scale > 0, scale, 1.0)
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    return directions, singular**2 / (singular**2).sum()

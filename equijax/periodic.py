"""Periodic boundaries of an orthorhombic box, in float64 on the host."""

import numpy as np
from jaxtyping import Float


def wrap(positions: Float[np.ndarray, "n d"], box: Float[np.ndarray, "d"]) -> Float[np.ndarray, "n d"]:
    """Bring every coordinate into [0, L).

    `np.mod` of a tiny negative number rounds to L itself, which lies outside the half-open box and outside every cell of a cell list.

    Args:
        positions: (n, d), in units of sigma_AA.
        box: (d,) side lengths.
    """
    wrapped = np.mod(np.asarray(positions, np.float64), box)
    return np.where(wrapped >= box, 0.0, wrapped)


def minimum_image(vectors: Float[np.ndarray, "*any d"], box: Float[np.ndarray, "d"]) -> Float[np.ndarray, "*any d"]:
    """Return the shortest periodic image of each vector, r - L round(r / L)."""
    return vectors - box * np.round(vectors / box)

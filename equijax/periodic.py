"""Periodic boundaries of an orthorhombic box, in float64 on the host."""

import numpy as np
from jaxtyping import Float

from equijax._types import HostBox, HostPositions


def wrap(positions: HostPositions, box: HostBox) -> HostPositions:
    """Bring every coordinate into [0, L).

    `np.mod` of a tiny negative number rounds to L itself, which lies outside the half-open box and outside every cell of a cell list.

    Args:
        positions: (n, 3), in units of sigma_AA.
        box: (3,) side lengths.
    """
    wrapped = np.mod(np.asarray(positions, np.float64), box)
    return np.where(wrapped >= box, 0.0, wrapped)


def minimum_image(vectors: Float[np.ndarray, "*any 3"], box: HostBox) -> Float[np.ndarray, "*any 3"]:
    """Return the shortest periodic image of each vector, r - L round(r / L)."""
    return vectors - box * np.round(vectors / box)

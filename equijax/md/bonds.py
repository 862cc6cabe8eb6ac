"""Bond breaking: which particles lose their neighbours."""

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import KDTree

from equijax.md.system import System
from equijax.periodic import minimum_image, wrap

BONDED, BROKEN = 1.5, 1.7
"""Particles closer than the first number of sigma_ab are bonded; a bond is broken once it is longer than the second. The gap between the two keeps
vibrations from counting (Scalliet, Guiselin and Berthier, Phys. Rev. X 12, 041028, 2022, use 1.485 and 1.7)."""


class Bonds:
    """The bonds of one configuration, to be asked later which of them are left.

    Args:
        system: types, box and the lengths sigma_ab.
        positions: (n, d), where the bonds are made.
    """

    def __init__(self, system: System, positions: Float[np.ndarray, "n d"]) -> None:
        self.system = system
        wrapped = wrap(positions, system.box)
        sigma = np.asarray(system.potential.sigma)
        pairs = KDTree(wrapped, boxsize=system.box).query_pairs(BONDED * sigma.max(), output_type="ndarray")
        lengths = sigma[system.types[pairs[:, 0]], system.types[pairs[:, 1]]]
        bonded = _distances(system, wrapped, pairs) < BONDED * lengths
        self.pairs: Int[np.ndarray, "bonds 2"] = pairs[bonded]
        self._longest = BROKEN * lengths[bonded]
        self._count = np.bincount(self.pairs.ravel(), minlength=len(system))

    def broken(self, positions: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n"]:
        """Return the share of its bonds that each particle has lost; zero where it had none."""
        lost = _distances(self.system, positions, self.pairs) > self._longest
        counts = np.bincount(self.pairs.ravel(), weights=np.repeat(lost, 2), minlength=len(self.system))
        return counts / np.maximum(self._count, 1)


def _distances(system: System, positions: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    return np.linalg.norm(minimum_image(positions[pairs[:, 0]] - positions[pairs[:, 1]], system.box), axis=1)

"""Physics descriptors: densities, energies and the variance of energies, coarse-grained over several lengths.

After Jung, Biroli and Berthier (Phys. Rev. Lett. 130, 238202, 2023), without the perimeter of Voronoi cells: with weights w_ij = exp(-r_ij / xi)
over the inherent structure, the density of a type is sum_j w_ij, the mean energy sum_j w_ij e_j / sum_j w_ij, and the variance of e likewise.
"""

import numpy as np
from jaxtyping import Float

from equijax.errors import SnapshotError
from equijax.graph.neighbors import Searches
from equijax.inputs import graph_positions
from equijax.snapshot import N_TYPES, Snapshot

LENGTHS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0)
"""xi, in units of sigma_AA."""

REACH = 4.0
"""Of the averages (sigma_AA)."""


def densities(snapshot: Snapshot, searches: Searches) -> Float[np.ndarray, "n d"]:
    """Return the coarse-grained number of neighbours of each type at each length.

    Raises:
        SnapshotError: the box is too small, or there is no inherent structure.
    """
    weights, _, kinds, receivers = _weighted_pairs(snapshot, searches)
    n = len(snapshot)
    return np.stack([np.bincount(receivers, w * (kinds == kind), n) for w in weights for kind in range(N_TYPES)], 1)


def energies(snapshot: Snapshot, searches: Searches) -> Float[np.ndarray, "n d"]:
    """Return the particle's own energy, and mean and variance of the energies of each type around it at each length.

    Raises:
        SnapshotError: the box is too small, or there is no inherent structure.
    """
    own = snapshot.inherent_energy
    if own is None:
        raise SnapshotError(f"{snapshot.name}: has no inherent_energy; quench it first.")
    weights, senders, kinds, receivers = _weighted_pairs(snapshot, searches)
    n, out = len(snapshot), [own]
    # Energies from the mean of their type, so that the variance keeps its digits.
    level = np.array([own[snapshot.types == kind].mean() if (snapshot.types == kind).any() else 0.0 for kind in range(N_TYPES)])
    centred = own - level[snapshot.types]
    for w in weights:
        for kind in range(N_TYPES):
            chosen = w * (kinds == kind)
            total = np.bincount(receivers, chosen, n) + 1e-12
            mean = np.bincount(receivers, chosen * centred[senders], n) / total
            out += [level[kind] + mean, np.bincount(receivers, chosen * centred[senders] ** 2, n) / total - mean**2]
    return np.stack(out, 1)


def _weighted_pairs(snapshot: Snapshot, searches: Searches) -> tuple[list[np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    pairs = searches.pairs(snapshot, graph_positions(snapshot, "inherent"))
    distance = np.linalg.norm(pairs.vectors, axis=1)
    return [np.exp(-distance / length) for length in LENGTHS], pairs.senders, snapshot.types[pairs.senders], pairs.receivers

"""Hand-written descriptors of a particle's surroundings: radial densities, bond-order parameters, energy, and their neighbour averages.

As in Boattini, Smallenburg and Filion, Phys. Rev. Lett. 127, 088007 (2021): G(r0) counts neighbours of a type in a soft shell at r0,
q_l(r0) = [4 pi / (2l + 1) sum_m |sum_j w_j Y_lm(r_ij) / sum_j w_j|^2]^(1/2), with w_j = exp(-(r_ij - r0)^2 / 2 d^2), their angular order, and each
generation averages a descriptor over the neighbourhood, x_i' = (x_i + sum_j e^(-r_ij) x_j) / (1 + sum_j e^(-r_ij)).
"""

import dataclasses

import e3nn_jax as e3nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float
from scipy.sparse import csr_array

from equijax.errors import SnapshotError
from equijax.graph.neighbors import Searches
from equijax.graph.pairs import Pairs
from equijax.inputs import Positions, displacement, graph_positions
from equijax.snapshot import N_TYPES, Snapshot

CUTOFF = 2.5
RADIAL_SHELLS = np.linspace(0.7, 2.3, 33)
RADIAL_WIDTH = 0.05
ORDERS = range(1, 8)
ANGULAR_SHELLS = np.array([0.95, 1.25, 1.6, 2.0])
ANGULAR_WIDTH = 0.2
BLOCK = 65536


@dataclasses.dataclass(frozen=True)
class DescriptorConfig:
    """Which descriptors.

    Attributes:
        positions: sets of positions whose surroundings are described.
        energy: the particle's own energy in the inherent structure.
        displacements: lengths of the displacements from the thermal position to these.
        generations: averages over the neighbourhood, each of the one before.
    """

    positions: tuple[Positions, ...] = ("thermal",)
    energy: bool = True
    displacements: tuple[Positions, ...] = ()
    generations: int = 2

    @property
    def needs_quench(self) -> bool:
        """Whether the inherent structure must be known."""
        return self.energy or "inherent" in (*self.positions, *self.displacements)

    @property
    def needs_cages(self) -> bool:
        """Whether the cage positions must be known."""
        return "cage" in (*self.positions, *self.displacements)


def descriptors(snapshot: Snapshot, config: DescriptorConfig, searches: Searches | None = None) -> Float[np.ndarray, "n d"]:
    """Return the descriptors of every particle (for one set of positions: 366, and 3 for each further number of its own).

    Raises:
        SnapshotError: the box is too small for the cutoff of 2.5, or positions or energies are not there.
    """
    searches = searches or Searches(CUTOFF)
    own = []
    if config.energy:
        if snapshot.inherent_energy is None:
            raise SnapshotError(f"{snapshot.name}: has no inherent_energy; quench it first.")
        own.append(snapshot.inherent_energy[:, None])
    own += [np.linalg.norm(displacement(snapshot, end), axis=1, keepdims=True) for end in config.displacements]
    return np.concatenate([_described(snapshot, which, own if k == 0 else [], config.generations, searches) for k, which in enumerate(config.positions)], 1)


def _described(snapshot: Snapshot, which: Positions, own: list[np.ndarray], generations: int, searches: Searches) -> np.ndarray:
    pairs = searches.pairs(snapshot, graph_positions(snapshot, which))
    n = len(snapshot)
    distance = np.linalg.norm(pairs.vectors, axis=1)
    out = [np.concatenate([_radial(pairs, distance, snapshot.types, n), _angular(pairs, distance, snapshot.types, n), *own], 1)]
    weight = np.exp(-distance)
    neighbours = csr_array((weight, (pairs.receivers, pairs.senders)), (n, n))
    total = neighbours.sum(1) + 1
    for _ in range(generations):
        out.append((out[-1] + neighbours @ out[-1]) / total[:, None])
    return np.concatenate(out, 1)


def _sums(pairs: Pairs, chosen: Bool[np.ndarray, "e"], weight: Float[np.ndarray, "e"], n: int) -> csr_array:
    """Return the matrix (n, chosen) that sums values of the chosen pairs, times a weight each, over the neighbours of each particle."""
    receivers = pairs.receivers[chosen]
    return csr_array((weight[chosen], (receivers, np.arange(len(receivers)))), (n, len(receivers)))


def _radial(pairs: Pairs, distance: np.ndarray, types: np.ndarray, n: int) -> np.ndarray:
    shells = np.exp(-0.5 * ((distance[:, None] - RADIAL_SHELLS) / RADIAL_WIDTH) ** 2)
    of_type = types[pairs.senders]
    return np.concatenate([_sums(pairs, of_type == kind, np.ones(len(distance)), n) @ shells[of_type == kind] for kind in range(N_TYPES)], 1)


def _angular(pairs: Pairs, distance: np.ndarray, types: np.ndarray, n: int) -> np.ndarray:
    # Padded to whole blocks: one compilation serves every configuration of about this size.
    padded = np.ones((-(-len(distance) // BLOCK) * BLOCK, 3), np.float32)
    padded[: len(distance)] = pairs.vectors
    harmonics = np.asarray(_harmonics(padded))[: len(distance)].astype(float)
    irreps = e3nn.Irreps([(1, (order, (-1) ** order)) for order in ORDERS])
    of_type = types[pairs.senders]
    of_kind = [harmonics[of_type == kind] for kind in range(N_TYPES)]
    out = []
    for shell in ANGULAR_SHELLS:
        soft = np.exp(-0.5 * ((distance - shell) / ANGULAR_WIDTH) ** 2)
        for kind in range(N_TYPES):
            sums = _sums(pairs, of_type == kind, soft, n)
            summed, scale = sums @ of_kind[kind], sums.sum(1) + 1e-9
            out += [np.linalg.norm(summed[:, part], axis=1) / scale for part in irreps.slices()]
    return np.stack(out, 1)


@jax.jit
def _harmonics(vectors: Float[jax.Array, "e 3"]) -> Float[jax.Array, "e m"]:
    irreps = e3nn.Irreps([(1, (order, (-1) ** order)) for order in ORDERS])
    return e3nn.spherical_harmonics(irreps, e3nn.IrrepsArray("1o", jnp.asarray(vectors)), normalize=True, normalization="norm").array

"""The Kob-Andersen mixture: 80 % A and 20 % B Lennard-Jones particles (Kob and Andersen, Phys. Rev. E 51, 4626, 1995)."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from equijax.graph.neighbors import Searches
from equijax.snapshot import Snapshot


@dataclasses.dataclass(frozen=True)
class PairPotential:
    """Lennard-Jones energies and lengths by pair of types, each pair cut at `cut` sigma and shifted to zero there.

    u(r) = 4 epsilon [(sigma/r)^12 - (sigma/r)^6] - u(cut sigma), the convention of LAMMPS `pair_modify shift yes`.
    """

    epsilon: tuple[tuple[float, ...], ...] = ((1.0, 1.5), (1.5, 0.5))
    sigma: tuple[tuple[float, ...], ...] = ((1.0, 0.8), (0.8, 0.88))
    cut: float = 2.5

    @property
    def cutoff(self) -> float:
        """The largest distance at which any pair interacts."""
        return self.cut * max(max(row) for row in self.sigma)

    def energy(self, squared: Float[jax.Array, "e"], first: Int[jax.Array, "e"], second: Int[jax.Array, "e"]) -> Float[jax.Array, "e"]:
        """Return the energy of each pair from its squared distance and the two types; finite everywhere, zero beyond the cut."""
        epsilon, _, inside, sixth = self._reduced(squared, first, second)
        shift = 4 * (self.cut**-12 - self.cut**-6)
        return jnp.where(inside, epsilon * (4 * (sixth**2 - sixth) - shift), 0.0)

    def force_factor(self, squared: Float[jax.Array, "e"], first: Int[jax.Array, "e"], second: Int[jax.Array, "e"]) -> Float[jax.Array, "e"]:
        """Return -u'(r) / r of each pair, which times the vector from the second to the first is the force on the first; zero beyond the cut."""
        epsilon, safe, inside, sixth = self._reduced(squared, first, second)
        return jnp.where(inside, 24 * epsilon * (2 * sixth**2 - sixth) / safe, 0.0)

    def _reduced(self, squared: jax.Array, first: jax.Array, second: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
        """Return epsilon, a distance squared that is safe to divide by, whether the pair interacts, and (sigma / r)^6."""
        epsilon, sigma_squared = (self._of_pair(np.asarray(table, squared.dtype) ** power, first, second) for table, power in ((self.epsilon, 1), (self.sigma, 2)))
        inside = (squared < self.cut**2 * sigma_squared) & (squared > 0)
        safe = jnp.where(inside, squared, sigma_squared)
        return epsilon, safe, inside, (sigma_squared / safe) ** 3

    @staticmethod
    def _of_pair(table: np.ndarray, first: jax.Array, second: jax.Array) -> jax.Array:
        """Look a symmetric table up by choices, which run over vectors where an indexed load would not."""
        low, high = jnp.minimum(first, second), jnp.maximum(first, second)
        value = jnp.full(first.shape, table[0, 0])
        for i in range(len(table)):
            for j in range(i, len(table)):
                if (i, j) != (0, 0):
                    value = jnp.where((low == i) & (high == j), table[i, j], value)
        return value


KOB_ANDERSEN = PairPotential()


def particle_energies(
    snapshot: Snapshot,
    positions: Float[np.ndarray, "n 3"],
    searches: Searches | None = None,
    potential: PairPotential = KOB_ANDERSEN,
) -> Float[np.ndarray, "n"]:
    """Return the potential energy of each particle, half of each of its pairs, in float64.

    Args:
        snapshot: gives types and box.
        positions: (n, 3), thermal or inherent.
        searches: to reuse between configurations; made with the potential's cutoff when absent.
        potential: of the pairs.
    """
    pairs = (searches or Searches(potential.cutoff)).pairs(snapshot, positions)
    with jax.enable_x64(True):
        squared = jnp.asarray((pairs.vectors**2).sum(1))
        energy = potential.energy(squared, jnp.asarray(snapshot.types[pairs.receivers]), jnp.asarray(snapshot.types[pairs.senders]))
        return np.bincount(pairs.receivers, weights=0.5 * np.asarray(energy), minlength=len(snapshot))

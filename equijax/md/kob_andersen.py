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
        epsilon = jnp.asarray(self.epsilon, squared.dtype)[first, second]
        sigma = jnp.asarray(self.sigma, squared.dtype)[first, second]
        scaled = squared / sigma**2
        inside = (scaled < self.cut**2) & (scaled > 0)
        sixth = 1 / jnp.where(inside, scaled, 1.0) ** 3
        shift = 4 * (self.cut**-12 - self.cut**-6)
        return jnp.where(inside, epsilon * (4 * (sixth**2 - sixth) - shift), 0.0)


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

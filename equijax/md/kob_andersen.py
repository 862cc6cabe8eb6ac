"""The Kob-Andersen mixture: 80 % A and 20 % B Lennard-Jones particles (Kob and Andersen, Phys. Rev. E 51, 4626, 1995)."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from equijax.errors import ConfigError
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

    def __post_init__(self) -> None:
        for name in ("epsilon", "sigma"):
            rows = getattr(self, name)
            if not rows or any(len(row) != len(rows) for row in rows) or any(rows[i][j] != rows[j][i] for i in range(len(rows)) for j in range(i)):
                raise ConfigError(f"potential.{name} is {[list(row) for row in rows]}; expected a symmetric table with a row and a column for each type.")
        if len(self.epsilon) != len(self.sigma) or not all(0 < length < np.inf for row in self.sigma for length in row) or not 0 < self.cut < np.inf:
            raise ConfigError(f"potential: {len(self.epsilon)} rows of epsilon, {len(self.sigma)} of sigma, cut {self.cut}: as many rows of both, and positive lengths.")

    @property
    def cutoff(self) -> float:
        """The largest distance at which any pair interacts."""
        return self.cut * max(max(row) for row in self.sigma)

    @property
    def force_strengths(self) -> tuple[np.ndarray, np.ndarray]:
        """48 epsilon sigma^12 and 24 epsilon sigma^6, by pair of types."""
        epsilon, sigma = np.asarray(self.epsilon), np.asarray(self.sigma)
        return 48 * epsilon * sigma**12, 24 * epsilon * sigma**6

    @property
    def reach_squared(self) -> np.ndarray:
        """Squares of the distances at which pairs are cut, by pair of types."""
        return (self.cut * np.asarray(self.sigma)) ** 2

    def energy(self, squared: Float[jax.Array, "e"], first: Int[jax.Array, "e"], second: Int[jax.Array, "e"]) -> Float[jax.Array, "e"]:
        """Return the energy of each pair from its squared distance and the two types; finite everywhere, zero beyond the cut."""
        inside, inverse, (epsilon, sigma) = self._inverse_square(squared, first, second)
        sixth = (sigma * sigma * inverse) ** 3
        shift = 4 * (self.cut**-12 - self.cut**-6)
        return jnp.where(inside, epsilon * (4 * (sixth * sixth - sixth) - shift), 0.0)

    def force_factor(self, squared: Float[jax.Array, "e"], first: Int[jax.Array, "e"], second: Int[jax.Array, "e"]) -> Float[jax.Array, "e"]:
        """Return -u'(r) / r of each pair, which times the vector from the second to the first is the force on the first; zero beyond the cut.

        -u'(r) / r = 48 epsilon sigma^12 / r^14 - 24 epsilon sigma^6 / r^8.
        """
        inside, inverse, (repulsion, attraction) = self._inverse_square(squared, first, second, self.force_strengths)
        cubed = inverse * inverse * inverse
        return jnp.where(inside, (repulsion * cubed - attraction) * cubed * inverse, 0.0)

    def _inverse_square(
        self, squared: jax.Array, first: jax.Array, second: jax.Array, tables: tuple[np.ndarray, np.ndarray] | None = None
    ) -> tuple[jax.Array, jax.Array, tuple[jax.Array, jax.Array]]:
        """Return whether each pair interacts, 1 / r^2 where it does, and its entries of two tables by type: epsilon and sigma unless said otherwise."""
        one, other = tables or (np.asarray(self.epsilon), np.asarray(self.sigma))
        reach = self._of_pair(self.reach_squared, squared, first, second)
        inside = (squared < reach) & (squared > 0)
        return inside, 1 / jnp.where(inside, squared, reach), (self._of_pair(one, squared, first, second), self._of_pair(other, squared, first, second))

    @staticmethod
    def _of_pair(table: np.ndarray, like: jax.Array, first: jax.Array, second: jax.Array) -> jax.Array:
        """Look a symmetric table up by choices, which run over vectors where an indexed load would not."""
        # Unordered pairs of types have different sums of powers of two.
        code = (1 << first) + (1 << second)
        value = jnp.full(like.shape, table[0, 0], like.dtype)
        for i in range(len(table)):
            for j in range(i, len(table)):
                if (i, j) != (0, 0):
                    value = jnp.where(code == (1 << i) + (1 << j), jnp.asarray(table[i, j], like.dtype), value)
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

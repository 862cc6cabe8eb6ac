"""Forces and energies from a neighbour table: on a CPU by the package's own C++, elsewhere written for long vectors of particles."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from equijax.graph.tables import NUMBER_MASK, TYPE_SHIFT, choose_method, fixed_point
from equijax.md.kob_andersen import PairPotential
from equijax.native_library import NativeLibrary

LIBRARY = NativeLibrary("equijax.md._forces", "the native pair force", "C++ compiler (GCC 12 or Clang)", "cpu", ("equijax_forces",), "XLA's", batched=False)

UNROLL = 2
"""Slots taken at once on a CPU."""


def choose_native(tables: str) -> bool:
    """Return whether forces are native: beside native neighbour tables (`equijax.graph.tables.choose_method`), where they were built."""
    return choose_method(tables) == "native" and LIBRARY.why_not() is None


class PairForces:
    """Forces between all listed pairs of a system.

    Sums run over the slots of the table; in each, the vectors of all particles are taken at once. In single precision, coordinates are 32-bit fractions of
    the box, whose differences are exact and are nearest images by themselves; pair distances and forces are float32, and so exact to 1e-6.

    Args:
        box: (d,) side lengths.
        types: (n,).
        potential: of the pairs.
        double: take everything in float64 instead.
        native: take forces in single precision by C++ (`LIBRARY`).
    """

    def __init__(self, box: Float[np.ndarray, "d"], types: Int[np.ndarray, "n"], potential: PairPotential, double: bool = False, native: bool = False) -> None:
        self.box, self.types, self.potential, self.double = np.asarray(box, np.float64), np.asarray(types, np.int32), potential, double
        self.native = native and not double

    def forces(self, positions: Float[jax.Array, "n d"], table: Int[jax.Array, "k n"]) -> Float[jax.Array, "n d"]:
        """Return the force on every particle, in float64 (epsilon_AA / sigma_AA).

        Args:
            positions: float64, in any image of the box; of one replica, or of several one behind the other.
            table: of their neighbours; pairs beyond the cut add nothing.
        """

        def body(total: tuple, neighbours: jax.Array) -> tuple[tuple, None]:
            vectors, squared = self._separation(coordinates, neighbours)
            factor = self.potential.force_factor(squared, types, neighbours >> TYPE_SHIFT)
            return tuple(sum_ + factor * v for sum_, v in zip(total, vectors, strict=True)), None

        if self.native:
            return self._native(positions, table)
        coordinates, types, zero = self._prepare(positions)
        total, _ = jax.lax.scan(body, (zero,) * positions.shape[1], table, unroll=_unroll(table))
        return jnp.stack(total, axis=1).astype(positions.dtype)

    def energies(self, positions: Float[jax.Array, "n d"], table: Int[jax.Array, "k n"]) -> Float[jax.Array, "n"]:
        """Return the potential energy of every particle, half of each of its pairs, in float64."""

        def body(total: jax.Array, neighbours: jax.Array) -> tuple[jax.Array, None]:
            _, squared = self._separation(coordinates, neighbours)
            return total + 0.5 * self.potential.energy(squared, types, neighbours >> TYPE_SHIFT), None

        coordinates, types, zero = self._prepare(positions)
        total, _ = jax.lax.scan(body, zero, table, unroll=_unroll(table))
        return total.astype(positions.dtype)

    def _native(self, positions: jax.Array, table: jax.Array) -> jax.Array:
        LIBRARY.load()
        strengths = np.stack([*self.potential.force_strengths, self.potential.reach_squared]).astype(np.float32)
        call = jax.ffi.ffi_call("equijax_forces", jax.ShapeDtypeStruct(positions.shape, jnp.float64))
        return call(positions, jnp.asarray(self.types), table, jnp.asarray(self.box, jnp.float64), jnp.asarray(strengths))

    def _prepare(self, positions: jax.Array) -> tuple[tuple[jax.Array, ...], jax.Array, jax.Array]:
        kept = positions if self.double else fixed_point(positions, jnp.asarray(self.box))
        zero = jnp.zeros(len(positions), jnp.float64 if self.double else jnp.float32)
        return tuple(kept[:, a] for a in range(kept.shape[1])), jnp.tile(jnp.asarray(self.types), len(positions) // len(self.types)), zero

    def _separation(self, coordinates: tuple[jax.Array, ...], neighbours: jax.Array) -> tuple[list[jax.Array], jax.Array]:
        """Return the vectors from the neighbours, an array an axis, and their squared lengths."""
        vectors, neighbours = [], neighbours & NUMBER_MASK
        for x, side in zip(coordinates, self.box, strict=True):
            difference = x - x[neighbours]
            if self.double:
                vectors.append(difference - side * jnp.round(difference / side))
            else:
                vectors.append(difference.astype(jnp.float32) * np.float32(side / 2.0**32))
        return vectors, functools.reduce(jnp.add, [v * v for v in vectors])


def _unroll(table: Any) -> int:
    """On a CPU a few slots at once; elsewhere all of them, as one program over all pairs."""
    return UNROLL if jax.default_backend() == "cpu" else table.shape[0]

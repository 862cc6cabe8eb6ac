"""Neighbour tables for molecular dynamics: made again every few steps, inside the compiled program.

A table (k, r n) is slot-major: row k names the k-th neighbour of every particle of every replica, or the particle itself where it has none, so that the
sum over neighbours is a short loop over long vectors. Replicas stand one behind the other, and so do the numbers of their particles. A table comes
from jax-md on any device, and on a CPU from the package's own cell list, ten times faster.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from equijax.errors import ConfigError, SnapshotError
from equijax.graph.neighbors import DenseTables, check_cutoff
from equijax.native_library import NativeLibrary

LIBRARY = NativeLibrary("equijax.graph._tables", "the native neighbour table", "C++ compiler (GCC 12 or Clang)", "cpu", ("equijax_table",), "jax-md's", batched=False)
METHODS = ("auto", "native", "jax-md")
TYPE_SHIFT = 28
NUMBER_MASK = (1 << TYPE_SHIFT) - 1
"""An entry of a table is the number of the neighbour plus its type times 2^28: one load in place of two."""

MOST_TYPES = 8

ROOM = 6
"""Slots of a table beyond the largest number of neighbours in the configurations it is made for: each costs time, and more can be made."""


def choose_method(method: str) -> str:
    """Return which tables are used: the native ones on a CPU where they were built, else those of jax-md.

    Raises:
        ConfigError: there is no such method, or it cannot be used here.
    """
    if method not in METHODS:
        raise ConfigError(f"neighbour tables {method!r}; expected {', '.join(METHODS)}.")
    obstacle = LIBRARY.why_not() if jax.default_backend() == "cpu" else f"computations run on {jax.default_backend()}, native neighbour tables are for the cpu."
    if method == "native" and obstacle is not None:
        raise ConfigError(obstacle)
    return "native" if method != "jax-md" and obstacle is None else "jax-md"


class Tables:
    """Makes the tables of batches of configurations of one box and composition.

    Args:
        box: (d,) side lengths, d = 2 or 3.
        types: (n,).
        reach: (types, types), a pair is listed when it is closer than this.
        method: "auto", "native" or "jax-md" (which lists every pair up to the longest reach).

    Raises:
        SnapshotError: the longest reach is not below half the box.
    """

    def __init__(self, box: Float[np.ndarray, "d"], types: Int[np.ndarray, "n"], reach: Float[np.ndarray, "types types"], method: str = "auto") -> None:
        self.box, self.types, self.reach = np.asarray(box, np.float64), np.asarray(types, np.int32), np.asarray(reach, np.float32)
        self.method = choose_method(method)
        self.slots = 0
        check_cutoff(self.box, float(reach.max()))
        if self.types.max(initial=0) >= MOST_TYPES:
            raise SnapshotError(f"neighbour tables know {MOST_TYPES} types of particles; there is one of type {self.types.max()}.")

    def make_room(self, coordinates: Int[np.ndarray, "r n d"]) -> None:
        """Have slots for these configurations; tables that have them already stay as they are."""
        if self.slots and not bool(self(jnp.asarray(coordinates))[1]):
            return
        self.make_more_room(coordinates)

    def make_more_room(self, coordinates: Int[np.ndarray, "r n d"]) -> None:
        """Have more slots than before, and enough for these configurations.

        Raises:
            SnapshotError: they are too many.
        """
        _check_number(coordinates)
        if self.method == "native":
            _, largest = _native(jnp.asarray(coordinates), self.types, self.box, self.reach, slots=1)
            self.slots = max(self.slots, int(np.asarray(largest).max())) + ROOM
        else:
            positions = np.asarray(as_positions(jnp.asarray(coordinates), jnp.asarray(self.box)))
            self._jax_md = DenseTables(self.box, float(self.reach.max()), positions, more_than=self.slots)
            self.slots = self._jax_md.slots

    def __call__(self, coordinates: Int[jax.Array, "r n d"]) -> tuple[Int[jax.Array, "k m"], jax.Array]:
        """Return the table (k, r n), and whether it lacks pairs for want of slots.

        Args:
            coordinates: fractions of the box in units of 2^-32 (`fixed_point`).
        """
        if self.slots == 0:
            raise SnapshotError("neighbour tables were asked for before room was made for them; call make_room first.")
        _check_number(coordinates)
        if self.method == "native":
            table, largest = _native(coordinates, self.types, self.box, self.reach, slots=self.slots)
            return table, (largest > self.slots).any()
        tables, missing = self._jax_md(as_positions(coordinates, jnp.asarray(self.box)))
        r, k, n = tables.shape
        typed = jnp.asarray(self.types)[tables] << TYPE_SHIFT
        return (jnp.swapaxes(tables + typed, 0, 1) + jnp.arange(r, dtype=jnp.int32)[:, None] * n).reshape(k, r * n), missing


def _check_number(coordinates: Any) -> None:
    if coordinates.shape[0] * coordinates.shape[1] > NUMBER_MASK:
        raise SnapshotError(f"neighbour tables hold {NUMBER_MASK} particles at most; {coordinates.shape[0]} replicas of {coordinates.shape[1]} are more: use fewer.")


@functools.partial(jax.jit, static_argnames="slots")
def _native(coordinates: jax.Array, types: jax.Array, box: jax.Array, reach: jax.Array, slots: int) -> tuple[jax.Array, jax.Array]:
    LIBRARY.load()
    r, n, _ = coordinates.shape
    results = jax.ShapeDtypeStruct((slots, r * n), jnp.int32), jax.ShapeDtypeStruct((r,), jnp.int32)
    table, largest = jax.ffi.ffi_call("equijax_table", results)(coordinates, jnp.asarray(types), jnp.asarray(box, jnp.float32), jnp.asarray(reach))
    return table, largest


def fixed_point(positions: Float[jax.Array, "*any d"], box: Float[jax.Array, "d"]) -> Int[jax.Array, "*any d"]:
    """Return positions as 32-bit fractions of the box, x = round(2^32 r / L) mod 2^32: exact to 2e-9 in a box of 15, in whichever image.

    The difference of two such numbers, taken with 32 bits, is their nearest image.
    """
    turns = positions / box
    return ((turns - jnp.round(turns)) * 2.0**32).astype(jnp.int64).astype(jnp.int32)


def as_positions(coordinates: Int[jax.Array, "*any d"], box: Float[jax.Array, "d"]) -> Float[jax.Array, "*any d"]:
    """Return what `fixed_point` took, as positions in [0, L]."""
    return coordinates.astype(jnp.uint32).astype(jnp.float32) * jnp.asarray(box / 2.0**32, jnp.float32)

"""The calls into the compiled libraries, one function a gradient, for either device."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from equijax.nn.kernels.native.library import TARGETS

SPLITS = 16
"""Parts in which the CUDA kernel returns the cotangent of the table: warps that share the edges between two knots."""


class Edges(NamedTuple):
    """Indices of the neighbour list: senders and reverse (n, k), degrees (n,)."""

    senders: Any
    reverse: Any
    degrees: Any


class Problem(NamedTuple):
    """One convolution: its device, its arrays, and what describes them to the library.

    Attributes:
        device: "cpu" or "cuda".
        features: (n, f).
        table: (knots, 2, filters) values and slopes of the filters.
        distances: (n, k).
        harmonics: (n, m, k), zero in empty slots.
        edges: indices.
        attributes: chunks, blocks, paths, l_max and cutoff.
    """

    device: str
    features: Any
    table: Any
    distances: Any
    harmonics: Any
    edges: Edges
    attributes: dict[str, Any]

    def call(self, name: str, results: Any, *more: Any, **attributes: Any) -> Any:
        """Return the results of the library's function."""
        arrays = self.features, self.table, self.distances, self.harmonics, self.edges.senders, self.edges.degrees
        return jax.ffi.ffi_call(TARGETS[self.device][name], results, vmap_method="broadcast_all")(*arrays, *more, **self.attributes, **attributes)


def forward(problem: Problem, results: list[jax.ShapeDtypeStruct]) -> list[jax.Array]:
    """Return the messages, one array (n, 2l + 1, width) an output order."""
    return problem.call("forward", results)


def backward(problem: Problem, cotangent: list[jax.Array], with_table: bool) -> tuple[jax.Array, jax.Array]:
    """Return the cotangents of the features and of the table; that of the table is empty unless asked for."""
    features, table = _like(problem.features), _like(problem.table)
    nothing = jax.ShapeDtypeStruct((0,), table.dtype)
    if problem.device == "cpu":
        return problem.call("backward", (features, table if with_table else nothing), *cotangent, with_table=np.bool_(with_table))
    out = problem.call("backward", features, *cotangent)
    return out, _table_by_cuda(problem, cotangent) if with_table else jnp.zeros(0, table.dtype)


def geometry(problem: Problem, slopes: jax.Array, cotangent: list[jax.Array]) -> tuple[jax.Array, jax.Array]:
    """Return the cotangents of distances and harmonics, with a table (knots, 2, filters) of slopes and curvatures."""
    return problem.call("geometry", (_like(problem.distances), _like(problem.harmonics)), slopes, *cotangent)


def _table_by_cuda(problem: Problem, cotangent: list[jax.Array]) -> jax.Array:
    """Sum over the edges sorted by the knot below them; the order is the same in all layers, so XLA can sort once."""
    knots, _, columns = problem.table.shape
    cutoff = problem.attributes["cutoff"]
    below = jnp.minimum((jnp.clip(problem.distances, 0, cutoff) * ((knots - 1) / cutoff)).astype(jnp.int32), knots - 2)
    there = jnp.arange(below.shape[1]) < problem.edges.degrees[:, None]
    below = jnp.where(there, below, knots - 1).reshape(-1)
    order = jnp.argsort(below).astype(jnp.int32)
    first = jnp.searchsorted(below[order], jnp.arange(knots, dtype=jnp.int32)).astype(jnp.int32)
    parts = problem.call("table", jax.ShapeDtypeStruct((SPLITS, knots - 1, 4, columns), problem.table.dtype), order, first, *cotangent)
    total = parts.sum(0)
    return jnp.pad(total[:, :2], ((0, 1), (0, 0), (0, 0))) + jnp.pad(total[:, 2:], ((1, 0), (0, 0), (0, 0)))


def _like(array: jax.Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(array.shape, array.dtype)

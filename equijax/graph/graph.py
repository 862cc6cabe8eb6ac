"""The graph of one configuration, as a pytree of fixed-shape arrays; jraph at the border.

Edges are stored by receiver: slot k of row i is the edge j -> i with r_ij = r_j - r_i (minimum image), the pair strictly closer than
the cutoff. Rows are padded to a common number of slots, so every configuration of a data set has the same shape.
"""

from collections.abc import Iterable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import jraph
import numpy as np
from jaxtyping import Float, Int

from equijax._types import AnyArray, EdgeIndices, EdgeMask, EdgeVectors, NodeMask, NodeVectors
from equijax.errors import SnapshotError
from equijax.graph.pairs import Pairs

SLOT_MULTIPLE = 8
"""Rows are padded to a multiple of this: the inner products over the slots then fill whole vector registers."""


class Graph(flax.struct.PyTreeNode):
    """One configuration (or, with a leading axis b on every leaf, several) as the network sees it.

    Attributes:
        vectors: (n, k, 3) edge vectors r_j - r_i; a vector of length 2 cutoffs in empty slots, so that every function of it stays finite.
        senders: (n, k) index of j; the row's own index in empty slots.
        edge_mask: (n, k) true where there is an edge.
        reverse: (n, k) flat index i' k + slot of the edge i -> j; its own flat index in empty slots.
        types: (n,) particle types.
        node_mask: (n,) false for padding.
        scalars: (n, s) extra invariant inputs of the particles.
        arrows: (n, v, 3) extra vector inputs of the particles.
        other: a second graph of the same particles at other positions, where the network reads two.
    """

    vectors: EdgeVectors
    senders: EdgeIndices
    edge_mask: EdgeMask
    reverse: EdgeIndices
    types: Int[AnyArray, "n"]
    node_mask: NodeMask
    scalars: Float[AnyArray, "n s"]
    arrows: Float[AnyArray, "n v 3"]
    other: "Graph | None" = None


def paired(graphs: Iterable[Graph]) -> Graph:
    """Return the first graph with the second, if there is one, as its other."""
    first, *rest = graphs
    return first.replace(other=rest[0]) if rest else first


def build_graph(
    pairs: Pairs,
    types: Int[np.ndarray, "n"],
    cutoff: float,
    nodes: int | None = None,
    slots: int | None = None,
    scalars: Float[np.ndarray, "n s"] | None = None,
    arrows: Float[np.ndarray, "n v 3"] | None = None,
    dtype: type = np.float32,
    name: str = "snapshot",
) -> Graph:
    """Lay the pairs of one configuration out by receiver.

    Args:
        pairs: from `NeighborSearch.pairs`.
        types: (n,) particle types.
        cutoff: used to place the vectors of empty slots.
        nodes: rows to pad to.
        slots: slots a row to pad to; the largest degree, rounded up to a multiple of 8, when absent.
        scalars: (n, s) extra invariants.
        arrows: (n, v, 3) extra vectors.
        dtype: of the floating-point leaves; vectors are formed in float64 and rounded here.
        name: of the snapshot, for messages.

    Raises:
        SnapshotError: the capacity asked for is too small.
    """
    n = len(types)
    nodes = nodes or n
    degree = np.bincount(pairs.receivers, minlength=n)
    widest = int(degree.max()) if len(pairs.receivers) else 0
    slots = slots or slot_capacity(widest)
    if n > nodes or widest > slots:
        raise SnapshotError(f"{name}: {n} particles with up to {widest} neighbours do not fit a capacity of {nodes} and {slots}; give at least those numbers.")
    slot = np.arange(len(pairs.receivers)) - np.repeat(np.cumsum(degree) - degree, degree)
    at = (pairs.receivers, slot)
    vectors = np.zeros((nodes, slots, 3), dtype)
    vectors[..., 2] = 2 * cutoff
    vectors[at] = pairs.vectors
    senders = np.repeat(np.arange(nodes, dtype=np.int32)[:, None], slots, axis=1)
    senders[at] = pairs.senders
    edge_mask = np.zeros((nodes, slots), bool)
    edge_mask[at] = True
    reverse = np.arange(nodes * slots, dtype=np.int32).reshape(nodes, slots)
    # Pairs are sorted by (receiver, sender): sorted by (sender, receiver), the edge at place e is the mirror of edge e.
    mirrored = np.argsort(pairs.senders.astype(np.int64) * n + pairs.receivers)
    reverse[at] = pairs.receivers[mirrored] * slots + slot[mirrored]
    return Graph(
        vectors=vectors,
        senders=senders,
        edge_mask=edge_mask,
        reverse=reverse,
        types=_padded(types.astype(np.int32), nodes),
        node_mask=np.arange(nodes) < n,
        scalars=_padded(np.zeros((n, 0)) if scalars is None else scalars, nodes).astype(dtype),
        arrows=_padded(np.zeros((n, 0, 3)) if arrows is None else arrows, nodes).astype(dtype),
    )


def slot_capacity(widest: int) -> int:
    """Return the slots a row needs for a largest degree, rounded up."""
    return max(SLOT_MULTIPLE, -(-widest // SLOT_MULTIPLE) * SLOT_MULTIPLE)


def _padded(array: np.ndarray, nodes: int) -> np.ndarray:
    return np.concatenate([array, np.zeros((nodes - len(array), *array.shape[1:]), array.dtype)])


def displaced(graph: Graph, displacement: NodeVectors) -> Graph:
    """Return the graph after moving each particle by `displacement` (n, 3), neighbours unchanged.

    The way to differentiate with respect to positions: the positions themselves stay in float64 on the host, and the derivative with
    respect to a displacement at zero is the derivative with respect to the position. Exact as long as no pair crosses the cutoff, where
    the network's filters vanish smoothly.
    """
    moved = gather(displacement, graph.senders, graph.reverse) - displacement[:, None]
    return graph.replace(vectors=graph.vectors + jnp.where(graph.edge_mask[..., None], moved, 0))


@jax.custom_vjp
def gather(values: Float[jax.Array, "n f"], senders: EdgeIndices, reverse: EdgeIndices) -> Float[jax.Array, "n k f"]:
    """Return each edge's sender row, values[senders]; the transpose gathers over the reverse edges instead of scattering.

    Every edge j -> i has its mirror i -> j, so the cotangents that belong to j are those at the mirrors of j's own slots: no atomics, the
    same sum in the same order on every run. The cotangent of an empty slot must be zero.
    """
    return values[senders]


def _gather_forward(values, senders, reverse):  # noqa: ANN001, ANN202
    return values[senders], reverse


def _gather_backward(reverse, cotangent):  # noqa: ANN001, ANN202
    return cotangent.reshape(-1, cotangent.shape[-1])[reverse].sum(1), None, None


gather.defvjp(_gather_forward, _gather_backward)


def to_jraph(graph: Graph) -> jraph.GraphsTuple:
    """Return the real nodes and edges as a `jraph.GraphsTuple`: nodes {types, scalars, arrows}, edges {vectors}."""
    nodes = np.asarray(graph.node_mask)
    mask = np.asarray(graph.edge_mask)
    receivers = np.broadcast_to(np.arange(len(nodes))[:, None], mask.shape)[mask]
    features = {"types": graph.types, "scalars": graph.scalars, "arrows": graph.arrows}
    arrays: dict[str, Any] = {
        "nodes": {key: np.asarray(value)[nodes] for key, value in features.items()},
        "edges": {"vectors": np.asarray(graph.vectors)[mask]},
        "senders": np.asarray(graph.senders)[mask],
        "receivers": receivers,
        "n_node": np.array([nodes.sum()]),
        "n_edge": np.array([mask.sum()]),
    }
    return jraph.GraphsTuple(globals=None, **arrays)

"""What the edges look like to the layers: distances and spherical harmonics, computed once for all of them."""

import e3nn_jax as e3nn
import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Float

from equijax._types import EdgeIndices, EdgeMask
from equijax.graph.graph import Graph
from equijax.nn.triplets import filter_irreps


class Geometry(flax.struct.PyTreeNode):
    """Edges of a graph: distances (n, k), component-normalised real harmonics (n, k, (l_max + 1)^2) that vanish in empty slots, indices."""

    distances: Float[jax.Array, "n k"]
    harmonics: Float[jax.Array, "n k m"]
    senders: EdgeIndices
    reverse: EdgeIndices
    edge_mask: EdgeMask
    irreps: e3nn.Irreps = flax.struct.field(pytree_node=False)


def edge_geometry(graph: Graph, l_max: int, parity: bool) -> Geometry:
    """Return distances and harmonics of the graph's edges."""
    irreps = filter_irreps(l_max, parity)
    # The harmonics of a unit vector do not depend on the parity label; e3nn insists that an odd vector has odd l = 1.
    natural = filter_irreps(l_max, parity=True)
    harmonics = e3nn.spherical_harmonics(natural, e3nn.IrrepsArray("1o", jnp.asarray(graph.vectors)), normalize=True, normalization="component")
    return Geometry(
        distances=jnp.sqrt((graph.vectors**2).sum(-1)),
        harmonics=jnp.where(graph.edge_mask[..., None], harmonics.array, 0),
        senders=graph.senders,
        reverse=graph.reverse,
        edge_mask=graph.edge_mask,
        irreps=irreps,
    )

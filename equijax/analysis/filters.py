"""What the first layer has learned: its radial filters, which are the weights of density fields and bond-order parameters.

Before the self-interaction, the first convolution gives each particle B_lm = z^(-1/2) sum_j phi(r_ij) Y_lm(r_ij) over its neighbours of one type:
for l = 0 a density with the profile phi, for l > 0 a bond-orientational order parameter (paper, section on interpretability).
"""

import dataclasses
from typing import Any

import e3nn_jax as e3nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from equijax.graph.graph import Graph
from equijax.network import NetworkConfig
from equijax.nn.geometry import edge_geometry
from equijax.nn.radial import RadialBasis
from equijax.nn.triplets import triplets
from equijax.snapshot import N_TYPES, TYPE_NAMES


@dataclasses.dataclass(frozen=True)
class Filter:
    """One filter of the first layer: what it multiplies (the sender's type or another input), its order l, and phi (k,) at the distances."""

    input: str
    order: int
    values: Float[np.ndarray, "k"]


def first_filters(config: NetworkConfig, params: Any, distances: Float[np.ndarray, "k"]) -> list[Filter]:
    """Return the filters that act on the invariant inputs of the first layer.

    Args:
        config: of the network.
        params: its weights.
        distances: where to evaluate them (sigma_AA).
    """
    weights = params["first"]["convolution"]
    basis = RadialBasis(config.cutoff, config.bessel, config.radial_hidden, config.envelope_power)
    function: Any = basis.apply({"params": weights["radial"]}, jnp.float32, method=basis.__call__)
    values = np.asarray(function(jnp.asarray(distances, jnp.float32)) @ jnp.concatenate([weights["filters"], weights["filter_bias"]]))
    names = [f"type {name}" for name in TYPE_NAMES] + [f"scalar {k + 1}" for k in range(config.scalars)]
    found = []
    for path in triplets(config.input_irreps, config.l_max, config.parity):
        if path.input.l == 0:
            found += [Filter(names[c], path.filter.l, values[:, path.start + c]) for c in range(path.channels)]
    return found


def bond_order_weights(config: NetworkConfig) -> dict:
    """Return weights of a first convolution whose filters are all the cutoff envelope u(r): its outputs are then z^(-1/2) sum_j u(r_ij) Y_lm(r_ij).

    The lengths of these vectors are the bond-order parameters of Steinhardt, Nelson and Ronchetti (Phys. Rev. B 28, 784, 1983) with a smooth cutoff.
    """
    filters = sum(path.channels for path in triplets(config.input_irreps, config.l_max, config.parity))
    return {
        "radial": {"kernel": jnp.zeros((config.bessel, config.radial_hidden)), "bias": jnp.zeros(config.radial_hidden)},
        "filters": jnp.zeros((config.radial_hidden, filters)),
        "filter_bias": jnp.ones((1, filters)),
    }


def first_messages(config: NetworkConfig, weights: dict, graph: Graph) -> e3nn.IrrepsArray:
    """Return what the first convolution of a network that reads types alone gives each particle, an irrep for each order and type of neighbours."""
    types = e3nn.IrrepsArray(f"{N_TYPES}x0e", jax.nn.one_hot(jnp.asarray(graph.types), N_TYPES))
    messages: Any = config.convolution().apply({"params": weights}, types, edge_geometry(graph, config.l_max, config.parity))
    return messages

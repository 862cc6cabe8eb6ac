"""The convolution as it is written on paper, edge by edge, on e3nn-jax: what every faster kernel is tested against."""

import e3nn_jax as e3nn
import jax
import jax.numpy as jnp

from equijax.nn.geometry import Geometry
from equijax.nn.radial import Filters
from equijax.nn.triplets import Triplet, message_irreps


def convolve(features: e3nn.IrrepsArray, geometry: Geometry, filters: Filters, paths: tuple[Triplet, ...]) -> e3nn.IrrepsArray:
    """Return sum_j phi(r_ij) [Y(r_ij) x h_j]; arguments as `equijax.nn.kernels.convolve`."""
    n, slots = geometry.senders.shape
    harmonics = e3nn.IrrepsArray(geometry.irreps, geometry.harmonics.reshape(n * slots, -1))
    sent = features[geometry.senders.reshape(-1)]
    product = e3nn.tensor_product(sent, harmonics, filter_ir_out=sorted({path.output for path in paths}), regroup_output=False)
    kept = e3nn.IrrepsArray(message_irreps(paths), product.array)
    messages = kept * (filters.basis(geometry.distances) @ filters.weights).reshape(n * slots, -1)
    receivers = jnp.repeat(jnp.arange(n), slots)
    return e3nn.IrrepsArray(kept.irreps.simplify(), jax.ops.segment_sum(messages.array, receivers, n, indices_are_sorted=True))

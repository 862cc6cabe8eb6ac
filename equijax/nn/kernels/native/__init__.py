"""The convolution in C++ and CUDA: fused, with nothing of the size of all messages in memory; on CPUs on all threads of XLA's pool.

The CUDA kernels (kernel "cuda") are the same sums for NVIDIA GPUs. They compile and, run on a CPU by an emulator of warps, pass the same tests;
their speed on a GPU is unmeasured, and "auto" does not choose them. Indices are checked on CPUs only.

The filters are read from a table of the radial basis by cubic Hermite interpolation (their slopes from one of slope and curvature), so the
radial network is evaluated at its knots only. First derivatives (features, weights, distances, harmonics) are native too; second derivatives
go through the `xla` kernel on the same table.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import e3nn_jax as e3nn
import jax
import jax.numpy as jnp
import numpy as np

from equijax.nn.geometry import Geometry
from equijax.nn.kernels import xla
from equijax.nn.kernels.native import calls
from equijax.nn.kernels.native.calls import Edges
from equijax.nn.radial import Filters, interpolate
from equijax.nn.triplets import Triplet, message_irreps

L_MAX = 3


def convolve(features: e3nn.IrrepsArray, geometry: Geometry, filters: Filters, paths: tuple[Triplet, ...], device: str = "cpu") -> e3nn.IrrepsArray:
    """Return sum_j phi(r_ij) [Y(r_ij) x h_j]; arguments as `equijax.nn.kernels.convolve`, and the device, "cpu" or "cuda"."""
    shape = _Shape(features.irreps, geometry.irreps, paths, filters.cutoff, device)
    slots = jnp.arange(1, geometry.senders.shape[1] + 1, dtype=jnp.int32)
    edges = Edges(geometry.senders, geometry.reverse, jnp.where(geometry.edge_mask, slots, 0).max(1))
    harmonics = jnp.swapaxes(geometry.harmonics, 1, 2)
    messages = _convolve(shape, features.array, filters.table(), filters.weights, geometry.distances, harmonics, edges)
    return shape.unpack(messages)


class _Shape(NamedTuple):
    """What is fixed when the program is compiled."""

    inputs: e3nn.Irreps
    filters: e3nn.Irreps
    paths: tuple[Triplet, ...]
    cutoff: float
    device: str

    def blocks(self) -> list[tuple[int, e3nn.Irrep]]:
        """Messages lie by output, (n, 2l + 1, width) with the components before the (triplet, channel)s: ready for the product that mixes them."""
        return [(width, ir) for width, ir in message_irreps(self.paths).simplify()]

    def results(self, features: jax.Array) -> list[jax.ShapeDtypeStruct]:
        return [jax.ShapeDtypeStruct((len(features), ir.dim, width), features.dtype) for width, ir in self.blocks()]

    def unpack(self, messages: list[jax.Array]) -> e3nn.IrrepsArray:
        return e3nn.from_chunks(message_irreps(self.paths).simplify(), [jnp.swapaxes(block, 1, 2) for block in messages], (len(messages[0]),))

    def pack(self, messages: e3nn.IrrepsArray) -> list[jax.Array]:
        return [jnp.swapaxes(chunk, 1, 2) for chunk in messages.chunks if chunk is not None]

    def attributes(self) -> dict[str, Any]:
        chunks = [(mul, ir.l, rows.start) for (mul, ir), rows in zip(self.inputs, self.inputs.slices(), strict=True)]
        outputs = [ir for _, ir in self.blocks()]
        paths, used = [], dict.fromkeys(outputs, 0)
        for path in self.paths:
            paths.append((path.chunk, path.filter.l, path.output.l, path.start, outputs.index(path.output), used[path.output]))
            used[path.output] += path.channels
        return {
            "chunks": np.array(chunks, np.int64).reshape(-1),
            "blocks": np.array([(ir.l, width) for width, ir in self.blocks()], np.int64).reshape(-1),
            "paths": np.array(paths, np.int64).reshape(-1),
            "l_max": np.int64(max(ir.l for _, ir in self.filters)),
            "cutoff": np.float32(self.cutoff),
        }


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _convolve(shape, features, basis, weights, distances, harmonics, edges):  # noqa: ANN001, ANN202
    problem = calls.Problem(shape.device, features, basis[:, :2] @ weights, distances, harmonics, edges, shape.attributes())
    return calls.forward(problem, shape.results(features))


def _forward(shape, *primals):  # noqa: ANN001, ANN002, ANN202
    values = jax.tree.map(lambda p: p.value, primals, is_leaf=_is_primal)
    features, basis, weights, distances, harmonics, _ = jax.tree.map(lambda p: p.perturbed, primals, is_leaf=_is_primal)
    return _convolve(shape, *values), (values, _Wanted(features, basis or weights, distances or harmonics))


def _is_primal(node: Any) -> bool:
    return isinstance(node, jax.custom_derivatives.CustomVJPPrimal)


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class _Wanted:
    """Which gradients someone asked for: the others are not computed."""

    features: bool
    table: bool
    geometry: bool


def _backward(shape, residuals, cotangent):  # noqa: ANN001, ANN202
    values, wanted = residuals
    cotangent = [jnp.zeros(c.shape, jnp.float32) if isinstance(c, jax.custom_derivatives.SymbolicZero) else c for c in cotangent]
    *arrays, edges = values
    return *_gradients(shape, wanted, tuple(arrays), edges, cotangent), None


_convolve.defvjp(_forward, _backward, symbolic_zeros=True)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _gradients(shape, wanted, arrays, edges, cotangent):  # noqa: ANN001, ANN202
    features, basis, weights, distances, harmonics = arrays
    table, mix = jax.vjp(lambda basis, weights: basis[:, :2] @ weights, basis, weights)
    problem = calls.Problem(shape.device, features, table, distances, harmonics, edges, shape.attributes())
    out = [jnp.zeros_like(array) for array in arrays]
    if wanted.features or wanted.table:
        out[0], table_gradient = calls.backward(problem, cotangent, wanted.table)
        if wanted.table:
            out[1:3] = mix(table_gradient)
    if wanted.geometry:
        out[3:] = calls.geometry(problem, basis[:, 1:] @ weights, cotangent)
    return tuple(out)


def _by_xla(shape, edges, features, basis, weights, distances, harmonics):  # noqa: ANN001, ANN202
    geometry = Geometry(distances, jnp.swapaxes(harmonics, 1, 2), edges.senders, edges.reverse, jnp.ones(distances.shape, bool), shape.filters)
    filters = Filters(lambda r: _interpolant(basis, r, shape.cutoff), weights, shape.cutoff)
    return shape.pack(xla.convolve(e3nn.IrrepsArray(shape.inputs, features), geometry, filters, shape.paths))


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _interpolant(basis, distances, cutoff):  # noqa: ANN001, ANN202
    return interpolate(basis[:, :2], cutoff, distances)


@_interpolant.defjvp
def _interpolant_jvp(cutoff, primals, tangents):  # noqa: ANN001, ANN202
    # From the slopes, as the native gradient reads them: differences of the values would lose digits at every order.
    (basis, distances), (moved, further) = primals, tangents
    tangent = interpolate(moved[:, :2], cutoff, distances) + interpolate(basis[:, 1:], cutoff, distances) * further[..., None]
    return _interpolant(basis, distances, cutoff), tangent


def _gradients_by_xla(shape, edges, arrays, cotangent):  # noqa: ANN001, ANN202
    return jax.vjp(functools.partial(_by_xla, shape, edges), *arrays)[1](cotangent)


def _gradients_forward(shape, wanted, arrays, edges, cotangent):  # noqa: ANN001, ANN202
    return _gradients(shape, wanted, arrays, edges, cotangent), (arrays, edges, cotangent)


def _gradients_backward(shape, wanted, residuals, cotangents):  # noqa: ANN001, ANN202
    arrays, edges, cotangent = residuals
    arrays_out, cotangent_out = jax.vjp(functools.partial(_gradients_by_xla, shape, edges), arrays, cotangent)[1](cotangents)
    return arrays_out, None, cotangent_out


_gradients.defvjp(_gradients_forward, _gradients_backward)

"""The convolution for every platform, without anything of the size of all messages.

phi(r) = h(r) R is linear in the radial basis h, and the Clebsch-Gordan product is linear in Y x h_j, so both can wait until after the sum
over the neighbours. For a node i with slots k,

    A[f, s, q] = sum_k  x_k[f]  Y_k[s] h_q(r_k)                   one matrix product over the slots
    B[o, c, q] = sum_{i, s} C[i, s, o] A[(c, i), s, q]            Clebsch-Gordan, once a node
    out[o, c]  = sum_q  B[o, c, q] R[q, c]                        radial weights, once a node

Nodes go through in blocks, on a CPU so small that a block stays in cache, elsewhere so large that one fills the device, and each block is recomputed
in the backward pass. Only h is needed at every edge (17 numbers, not the hundreds of filters), so this kernel evaluates the radial network: reading h
from a table takes longer (`benchmarks/radial_table.py`).

On GPUs and TPUs, `jax.default_matmul_precision` decides how exact the products are (by default TF32 on NVIDIA's and bfloat16 on Google's); kernel
"xla-bf16" rounds the operands of the largest product, the sum over the slots, to bfloat16 on any device and adds in float32.
"""

from typing import Any

import e3nn_jax as e3nn
import jax
import jax.numpy as jnp
import numpy as np

from equijax.graph.graph import gather
from equijax.nn.geometry import Geometry
from equijax.nn.radial import Filters
from equijax.nn.triplets import Triplet, message_irreps

CACHED = 32
"""Most nodes of a block on a CPU."""

PARALLEL = 4096
"""Most nodes of a block on a GPU or TPU, where blocks follow one another: 350 MB at l_max 2 with 8 channels, 900 MB at l_max 3."""


def convolve(features: e3nn.IrrepsArray, geometry: Geometry, filters: Filters, paths: tuple[Triplet, ...], operands: Any = None) -> e3nn.IrrepsArray:
    """Return sum_j phi(r_ij) [Y(r_ij) x h_j]; arguments as `equijax.nn.kernels.convolve`, and the type that the sum over the slots multiplies in."""
    n = len(geometry.senders)
    couple = _coupling(features.irreps, geometry.irreps, paths)
    block = block_of(n)
    mixers = [_block_diagonal(filters.weights[:, path.start : path.start + path.channels]) for path in paths]

    @jax.checkpoint
    def one_block(arrays):  # noqa: ANN001, ANN202
        sent, harmonics, basis = arrays
        outer = (harmonics[..., :, None] * basis[..., None, :]).reshape(*basis.shape[:2], -1)
        factors = (outer, sent) if operands is None else (outer.astype(operands), sent.astype(operands))
        aggregated = jnp.einsum("nkg,nkf->nfg", *factors, preferred_element_type=sent.dtype).reshape(block, -1, harmonics.shape[-1], basis.shape[-1])
        coupled = couple(aggregated)
        mixed = [(part.reshape(block, part.shape[1], -1) @ mixer) for part, mixer in zip(coupled, mixers, strict=True)]
        return jnp.concatenate([jnp.swapaxes(part, 1, 2).reshape(block, -1) for part in mixed], axis=1)

    @jax.checkpoint
    def all_blocks(array, harmonics, distances):  # noqa: ANN001, ANN202 (what is gathered is as large as a layer's features forty times)
        sent = gather(array, geometry.senders, geometry.reverse)
        return jax.lax.map(one_block, tuple(_in_blocks(part, block) for part in (sent, harmonics, filters.basis(distances))))

    blocks = all_blocks(features.array, geometry.harmonics, geometry.distances)
    return e3nn.IrrepsArray(message_irreps(paths).simplify(), blocks.reshape(-1, blocks.shape[-1])[:n])


def block_of(nodes: int) -> int:
    """Return the number of nodes in a block: as few blocks as may be, and as alike."""
    most = CACHED if jax.default_backend() == "cpu" else PARALLEL
    return -(-nodes // -(-nodes // most))


def _in_blocks(array: jax.Array, block: int) -> jax.Array:
    missing = -len(array) % block
    padded = jnp.concatenate([array, jnp.zeros((missing, *array.shape[1:]), array.dtype)]) if missing else array
    return padded.reshape(-1, block, *array.shape[1:])


def _block_diagonal(weights: jax.Array) -> jax.Array:
    """Turn R (q, c) into the matrix ((c, q), c) that contracts q separately in each channel: a matrix product where a reduction would be slow."""
    q, c = weights.shape
    return (jnp.eye(c, dtype=weights.dtype)[:, None, :] * weights.T[:, :, None]).reshape(c * q, c)


def _coupling(inputs: e3nn.Irreps, filters: e3nn.Irreps, paths: tuple[Triplet, ...]):  # noqa: ANN202 (a function of one array)
    """Return the map A (n, f, s, q) -> [B (n, o, c, q) for each path], with its transpose written out: autodiff would make thousands of updates."""
    terms = [[(i, s, o, float(c[i, s, o])) for i, s, o in np.argwhere(np.abs(c) > 1e-9)] for c in (path.coupling for path in paths)]
    rows = inputs.slices()
    columns = dict(zip([ir for _, ir in filters], filters.slices(), strict=True))

    def split(aggregated: jax.Array) -> list[jax.Array]:
        return [aggregated[:, row].reshape(len(aggregated), mul, ir.dim, *aggregated.shape[2:]) for row, (mul, ir) in zip(rows, inputs, strict=True)]

    def apply(aggregated: jax.Array) -> list[jax.Array]:
        chunks = split(aggregated)
        out = []
        for path, table in zip(paths, terms, strict=True):
            source = chunks[path.chunk][:, :, :, columns[path.filter]]
            out.append(jnp.stack([sum(c * source[:, :, i, s] for i, s, o, c in table if o == m) for m in range(path.output.dim)], axis=1))
        return out

    def transpose(cotangents: list[jax.Array]) -> jax.Array:
        n, _, _, q = cotangents[0].shape
        zero = [jnp.zeros((n, mul, q), cotangents[0].dtype) for mul, _ in inputs]
        parts = []
        for chunk, (mul, ir) in enumerate(inputs):
            mine = [(columns[path.filter].start, table, cotangent) for path, table, cotangent in zip(paths, terms, cotangents, strict=True) if path.chunk == chunk]
            cells = [
                [
                    sum((c * cot[:, o] for start, table, cot in mine for i, s, o, c in table if i == row and start + s == column), start=zero[chunk])
                    for column in range(filters.dim)
                ]
                for row in range(ir.dim)
            ]
            parts.append(jnp.stack([jnp.stack(row, axis=2) for row in cells], axis=2).reshape(n, mul * ir.dim, filters.dim, q))
        return jnp.concatenate(parts, axis=1)

    couple = jax.custom_vjp(apply)
    couple.defvjp(lambda aggregated: (apply(aggregated), None), lambda _, cotangents: (transpose(cotangents),))
    return couple

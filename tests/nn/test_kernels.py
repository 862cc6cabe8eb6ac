"""Every kernel equals the reference, edge by edge on e3nn-jax, in values and gradients."""

import functools
from typing import cast

import e3nn_jax as e3nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from equijax.errors import ConfigError
from equijax.graph.graph import build_graph
from equijax.graph.neighbors import NeighborSearch
from equijax.network import Network, NetworkConfig
from equijax.nn.geometry import edge_geometry
from equijax.nn.kernels import KERNELS, choose, xla
from equijax.nn.radial import Filters
from equijax.nn.triplets import hidden_irreps, triplets
from equijax.snapshot import Snapshot
from equijax.testing import relative_difference, toy_snapshot
from tests.conftest import graph_of, needs

KNOTS = 256
TOLERANCE = 5e-6  # float32: sums of about forty terms, in another order
ROUNDED = 2e-2  # bfloat16 keeps eight bits of each factor


def ragged() -> Snapshot:
    """Degrees from 0 to about fifty: a dense cluster, a thin gas, and a particle alone."""
    rng = np.random.default_rng(0)
    lattice = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), -1).reshape(-1, 3) * 0.9
    gas = np.array([[9.0, 9, 9], [10.5, 9, 9], [15, 15, 15]])
    positions = np.concatenate([lattice + 0.05 * rng.standard_normal(lattice.shape), gas])
    return Snapshot(positions, rng.integers(0, 2, len(positions)), 20.0)


def smooth(distances):
    """Five functions of the distance that vanish at 2 with two derivatives."""
    return jnp.cos(distances[..., None] * jnp.arange(1.0, 6.0)) * jnp.maximum(2 - distances[..., None], 0) ** 3


OTHERS = [(channels, l_max, False) for channels in (1, 4, 8, 16) for l_max in range(4) if (channels, l_max) != (8, 2)] + [(8, 2, True), (20, 1, False)]
CASES = [(8, 2, False), *(pytest.param(*case, marks=pytest.mark.slow) for case in OTHERS)]


KERNELS_HERE = ["native", "xla", *(pytest.param(kernel, marks=pytest.mark.slow) for kernel in KERNELS if kernel not in ("native", "xla", "reference"))]


@pytest.mark.parametrize("kernel", KERNELS_HERE)
@pytest.mark.parametrize(("channels", "l_max", "parity"), CASES)
@pytest.mark.parametrize("shape", ["liquid", "ragged"])
def test_values_and_gradients_equal_the_reference(kernel, channels, l_max, parity, shape):
    needs(kernel)
    graph = graph_of(toy_snapshot(4, density=0.8, jitter=0.1) if shape == "liquid" else ragged())
    inputs = e3nn.concatenate([e3nn.zeros(hidden_irreps(channels, l_max, parity)), e3nn.zeros("2x0e")]).regroup().irreps
    paths = triplets(inputs, l_max, parity)
    keys = jax.random.split(jax.random.key(0), 4)
    features = jax.random.normal(keys[0], (len(graph.types), inputs.dim))
    weights = jax.random.normal(keys[1], (5, sum(path.channels for path in paths)))
    cotangent = jax.random.normal(keys[2], (len(graph.types), sum(path.channels * path.output.dim for path in paths)))

    @functools.partial(jax.jit, static_argnums=0)
    def value_and_gradients(kernel, *arguments):
        def value(features, weights, vectors):
            geometry = edge_geometry(graph.replace(vectors=vectors), l_max, parity)
            return KERNELS[kernel](e3nn.IrrepsArray(inputs, features), geometry, Filters(smooth, weights, 2.0, KNOTS), paths).array

        out, pull = jax.vjp(value, *arguments)
        return out, *pull(cotangent)

    arguments = features, weights, graph.vectors
    for ours, expected in zip(value_and_gradients(kernel, *arguments), value_and_gradients("reference", *arguments), strict=True):
        assert relative_difference(ours, expected) < (ROUNDED if kernel == "xla-bf16" else TOLERANCE)


@pytest.mark.parametrize("kernel", KERNELS_HERE)
def test_padding_changes_nothing(kernel):
    """Rows without a particle and more slots than neighbours: values and gradients are the reference's on the graph as it is, and none goes to the padding."""
    needs(kernel)
    snapshot = ragged()
    pairs = NeighborSearch(snapshot.box, 2.0).pairs(snapshot.positions)
    count = len(snapshot)
    plain, padded = (jax.tree.map(jnp.asarray, build_graph(pairs, snapshot.types, 2.0, nodes=nodes, slots=slots)) for nodes, slots in ((count, 64), (count + 13, 72)))
    inputs = hidden_irreps(4, 2, False)
    paths = triplets(inputs, 2, False)
    keys = jax.random.split(jax.random.key(0), 3)
    features = jax.random.normal(keys[0], (len(padded.types), inputs.dim))
    weights = jax.random.normal(keys[1], (5, sum(path.channels for path in paths)))
    cotangent = jax.random.normal(keys[2], (count, sum(path.channels * path.output.dim for path in paths)))

    @functools.partial(jax.jit, static_argnums=0)
    def value_and_gradients(kernel, graph, features):
        def value(features, weights, vectors):
            geometry = edge_geometry(graph.replace(vectors=vectors), 2, False)
            return KERNELS[kernel](e3nn.IrrepsArray(inputs, features), geometry, Filters(smooth, weights, 2.0, KNOTS), paths).array[:count]

        out, pull = jax.vjp(value, features, weights, graph.vectors)
        return out, *pull(cotangent)

    out, of_features, of_weights, of_vectors = value_and_gradients(kernel, padded, features)
    assert not of_features[count:].any()
    assert not of_vectors[~padded.edge_mask].any()
    ours = out, of_features[:count], of_weights, of_vectors[:count, :64]
    for one, expected in zip(ours, value_and_gradients("reference", plain, features[:count]), strict=True):
        assert relative_difference(one, expected) < (ROUNDED if kernel == "xla-bf16" else TOLERANCE)


@pytest.mark.parametrize("kernel", ["native", "cuda"])
def test_a_batch_is_convolved_graph_by_graph(kernel):
    """Under vmap, with filters of their own: values and gradients are those of each graph by itself."""
    needs(kernel)
    graphs = [graph_of(toy_snapshot(3, seed=seed, density=0.6), cutoff=1.5, slots=24) for seed in (0, 1)]
    inputs = e3nn.Irreps("2x0e + 3x1e")
    paths = triplets(inputs, 1, False)
    features = jax.random.normal(jax.random.key(0), (2, 27, inputs.dim))
    weights = jax.random.normal(jax.random.key(1), (2, 5, sum(path.channels for path in paths)))

    def value(features, weights, graph):
        geometry = edge_geometry(graph, 1, False)
        return jnp.sin(KERNELS[kernel](e3nn.IrrepsArray(inputs, features), geometry, Filters(smooth, weights, 1.5, 32), paths).array).sum()

    function = jax.value_and_grad(value, argnums=(0, 1, 2), allow_int=True)
    together = jax.jit(jax.vmap(function))(features, weights, jax.tree.map(lambda *leaves: jnp.stack(leaves), *graphs))
    for index, graph in enumerate(graphs):
        alone = jax.jit(function)(features[index], weights[index], graph)
        for ours, theirs in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
            if ours.dtype == jnp.float32:
                np.testing.assert_allclose(ours[index], theirs, rtol=1e-5, atol=1e-6)  # what XLA does around the kernel may round otherwise


@pytest.mark.parametrize(("nodes", "on_cpu", "on_gpu"), [(1, 1, 1), (32, 32, 32), (67, 23, 67), (4096, 32, 4096), (4097, 32, 2049), (12289, 32, 3073)])
def test_blocks_are_few_and_alike(nodes, on_cpu, on_gpu, monkeypatch):
    for backend, expected in (("cpu", on_cpu), ("gpu", on_gpu), ("tpu", on_gpu)):
        monkeypatch.setattr(jax, "default_backend", lambda backend=backend: backend)
        assert xla.block_of(nodes) == expected


@pytest.mark.parametrize("block", [1, 30, 67])
def test_blocks_do_not_change_what_is_computed(block, monkeypatch):
    """As small as a node, not dividing the nodes, and all of them at once as on a GPU."""
    graph = graph_of(ragged())
    inputs = hidden_irreps(4, 1, False)
    paths = triplets(inputs, 1, False)
    features = jax.random.normal(jax.random.key(0), (len(graph.types), inputs.dim))
    weights = jax.random.normal(jax.random.key(1), (5, sum(path.channels for path in paths)))

    def value(features, weights, vectors):
        geometry = edge_geometry(graph.replace(vectors=vectors), 1, False)
        return jnp.sin(xla.convolve(e3nn.IrrepsArray(inputs, features), geometry, Filters(smooth, weights, 2.0), paths).array).sum()

    def found():
        return jax.tree.leaves(jax.jit(jax.value_and_grad(lambda *arguments: value(*arguments), argnums=(0, 1, 2)))(features, weights, graph.vectors))

    expected = found()
    monkeypatch.setattr(xla, "CACHED", block)
    for ours, theirs in zip(found(), expected, strict=True):
        assert relative_difference(ours, theirs) < TOLERANCE


@pytest.mark.parametrize("kernel", ["xla", "xla-bf16"])
def test_gradients_lower_for_accelerators(kernel, monkeypatch):
    """Weights and positions, for a TPU and a GPU, without a custom call: nothing that only a CPU has; and in the blocks that these take."""
    monkeypatch.setattr(xla, "CACHED", xla.PARALLEL)
    graph = graph_of(toy_snapshot(4, density=0.8))
    model = Network(NetworkConfig(layers=3, l_max=2, channels=4, outputs=2, kernel=kernel))
    variables = jax.eval_shape(model.init, jax.random.key(0), graph)
    gradients = jax.jit(jax.grad(lambda v, vectors: jnp.square(cast(jax.Array, model.apply(v, graph.replace(vectors=vectors)))).sum(), argnums=(0, 1)))
    lowered = jax.export.export(gradients, platforms=["tpu", "cuda"])(variables, graph.vectors)
    assert lowered.platforms == ("tpu", "cuda")
    assert "custom_call" not in lowered.mlir_module()


def test_a_particle_alone_receives_nothing():
    snapshot = ragged()
    graph = graph_of(snapshot)
    inputs = e3nn.Irreps("2x0e")
    paths = triplets(inputs, 1, False)
    geometry = edge_geometry(graph, 1, False)
    for kernel in KERNELS:
        needs(kernel)
        out = KERNELS[kernel](e3nn.IrrepsArray(inputs, jnp.ones((len(snapshot), 2))), geometry, Filters(smooth, jnp.ones((5, 4)), 2.0, KNOTS), paths).array
        assert not out[-1].any()
        assert out[0].any()


def test_an_unknown_kernel_is_refused():
    assert choose("auto").kernel in KERNELS
    with pytest.raises(ConfigError, match="kernel is 'fast'; expected auto, reference"):
        choose("fast")

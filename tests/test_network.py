import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from equijax.errors import ConfigError
from equijax.graph.graph import build_graph
from equijax.graph.neighbors import NeighborSearch
from equijax.network import Network, NetworkConfig, count_weights
from equijax.testing import EQUIVARIANCE, cube_rotations, orthonormal, random_rotation, relative_difference, toy_snapshot
from tests.conftest import fresh, graph_of, needs

SMALL = NetworkConfig(layers=3, l_max=2, channels=4, outputs=3, cutoff=2.0)
RICH = dataclasses.replace(SMALL, activation="gate", inputs_everywhere=True, readout="all", scalars=2, arrows=1, decoder_hidden=(8,))


def features(snapshot, seed=0):
    rng = np.random.default_rng(seed)
    return {"scalars": rng.standard_normal((len(snapshot), 2)), "arrows": rng.standard_normal((len(snapshot), 1, 3))}


def start(config, graph):
    network = Network(config)
    return jax.jit(network.apply, static_argnames=("train", "mutable")), fresh(network, graph)


def test_the_default_network_has_50852_weights(toy):
    """The paper's network: a referee counts 50 thousand. By parts, for l_max = 3, C = 8, ten times:

    radial networks: 10 x 16 + 16 weights and biases in each of 8 layers, then 17 numbers for each filter, 4 triplets x 2 types in the first
    layer and 4 x (8 + 2) + 30 x 8 = 280 in the seven others; self-interactions: 8 weights a filter and 8 biases a layer; decoder: 2 x 10 x (8 + 1).
    """
    network = Network(NetworkConfig(kernel="reference"))
    shapes = jax.eval_shape(network.init, jax.random.key(0), graph_of(toy))
    by_hand = 8 * 176 + 17 * (8 + 7 * 280) + 8 * (8 + 7 * 280) + 8 * 8 + 20 * 9
    assert count_weights(shapes["params"]) == by_hand == 50852


@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        RICH,
        dataclasses.replace(RICH, square=True),
        pytest.param(dataclasses.replace(RICH, parity=True), marks=pytest.mark.slow),
        pytest.param(dataclasses.replace(RICH, parity=True, square=True), marks=pytest.mark.slow),
    ],
    ids=["small", "rich", "square", "parity", "parity-square"],
)
def test_predictions_do_not_change_under_rotations_of_the_edge_vectors(config, dtype):
    snapshot = toy_snapshot(4, density=0.8)
    with jax.enable_x64(dtype == np.float64):
        extra = features(snapshot) if config.scalars else {}
        graph = graph_of(snapshot, dtype=dtype, **extra)
        apply, variables = start(config, graph)
        plain = apply(variables, graph)
        improper = -1 if config.parity else 1
        for seed in range(5):
            turn = improper * orthonormal(random_rotation(seed)).T
            turned = {key: jnp.asarray(np.asarray(getattr(graph, key), np.float64) @ turn, dtype) for key in ("vectors", "arrows")}
            assert relative_difference(apply(variables, graph.replace(**turned)), plain) < EQUIVARIANCE[np.dtype(dtype)]


def test_se3_tells_left_from_right_and_e3_does_not():
    snapshot = toy_snapshot(4, density=0.8)
    graph = graph_of(snapshot)
    mirrored = graph.replace(vectors=graph.vectors * jnp.array([-1.0, 1, 1]))
    for parity in (False, True):
        apply, variables = start(dataclasses.replace(SMALL, parity=parity), graph)
        change = relative_difference(apply(variables, mirrored), apply(variables, graph))
        assert change < 1e-5 if parity else change > 1e-3


@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.slow)])
def test_predictions_do_not_change_through_wrap_and_neighbour_list(dtype):
    """The 24 rotations of the cube, random translations, whole-box images and another order of the particles."""
    snapshot = toy_snapshot(5)
    search = NeighborSearch(snapshot.box, 2.0)
    rng = np.random.default_rng(0)
    with jax.enable_x64(dtype == np.float64):

        def graph(positions, types):
            # One shape for all, so one compilation.
            return jax.tree.map(jnp.asarray, build_graph(search.pairs(positions), types, 2.0, slots=64, dtype=dtype))

        apply, variables = start(SMALL, graph(snapshot.positions, snapshot.types))
        plain = apply(variables, graph(snapshot.positions, snapshot.types))
        for rotation in cube_rotations():
            order = rng.permutation(len(snapshot))
            moved = snapshot.positions @ rotation.T + rng.uniform(-50, 50, 3) + rng.integers(-5, 6, (len(snapshot), 3)) * snapshot.box
            out = apply(variables, graph(moved[order], snapshot.types[order]))
            # float64: coordinates near 80 carry rounding of 1e-14, which distances and filters pass on.
            assert relative_difference(out, plain[order]) < EQUIVARIANCE[np.dtype(dtype)]


def test_padding_of_rows_and_slots_changes_nothing(toy):
    pairs = NeighborSearch(toy.box, 2.0).pairs(toy.positions)
    graphs = [jax.tree.map(jnp.asarray, build_graph(pairs, toy.types, 2.0, nodes=nodes, slots=slots)) for nodes, slots in ((125, 48), (157, 64))]
    apply, variables = start(dataclasses.replace(SMALL, batch_norm=True), graphs[0])
    small, large = (apply(variables, graph) for graph in graphs)
    assert relative_difference(large[:125], small) < 1e-5
    assert not large[125:].any()
    gradient = jax.grad(lambda vectors: apply(variables, graphs[1].replace(vectors=vectors)).sum())(graphs[1].vectors)
    assert np.isfinite(gradient).all()
    assert not gradient[~graphs[1].edge_mask].any()


def test_particle_types_matter(toy):
    graph = graph_of(toy)
    apply, variables = start(SMALL, graph)
    swapped = apply(variables, graph.replace(types=1 - graph.types))
    assert relative_difference(swapped, apply(variables, graph)) > 1e-3


@pytest.mark.parametrize("kernel", ["reference", "xla"])
def test_kernels_serve_one_set_of_weights(kernel, toy):
    graph = graph_of(toy)
    apply, variables = start(SMALL, graph)
    other = jax.jit(Network(dataclasses.replace(SMALL, kernel=kernel)).apply)(variables, graph)
    assert relative_difference(other, apply(variables, graph)) < 5e-6


def test_the_decoder_reads_both_graphs(toy):
    """Each moves the prediction, and each has weights of its own."""
    config = dataclasses.replace(SMALL, graphs=2, readout="all")
    graph = graph_of(toy)
    other = graph_of(toy_snapshot(5, seed=1).replace(types=toy.types))
    apply, variables = start(config, graph.replace(other=other))
    assert {"first", "later", "other_first", "other_later"} <= variables["params"].keys()
    plain = apply(variables, graph.replace(other=other))
    assert relative_difference(apply(variables, graph.replace(other=graph)), plain) > 1e-3
    assert relative_difference(apply(variables, other.replace(other=other)), plain) > 1e-3
    with pytest.raises(ConfigError, match="reads two graphs of each configuration, this one has one"):
        apply(variables, graph)


def test_inputs_that_do_not_fit_are_refused(toy):
    with pytest.raises(ConfigError, match="the graph carries 0 scalars and 0 vectors per particle, the network expects 2 and 1"):
        Network(RICH).init(jax.random.key(0), graph_of(toy))
    with pytest.raises(ConfigError, match="layers is 0; expected 1 or more"):
        NetworkConfig(layers=0)
    with pytest.raises(ConfigError, match=r"graphs is 3; expected 1 or 2"):
        NetworkConfig(graphs=3)


@pytest.mark.parametrize("kernel", ["native", pytest.param("xla", marks=pytest.mark.slow)])
def test_layers_computed_again_have_the_same_gradients(monkeypatch, toy, kernel):
    """As for large configurations, where what a layer needs in the backward pass is not kept."""
    needs(kernel)
    graph = graph_of(toy)
    config = dataclasses.replace(SMALL, kernel=kernel)
    apply, variables = start(config, graph)

    def gradients():
        def loss(variables, vectors):
            outputs, _ = apply(variables, graph.replace(vectors=vectors), train=True, mutable="batch_stats")
            return jnp.square(outputs).sum()

        return jax.jit(jax.grad(loss, argnums=(0, 1)))(variables, graph.vectors)

    kept = gradients()
    monkeypatch.setattr("equijax.network.LARGE", 10)
    for ours, theirs in zip(jax.tree.leaves(gradients()), jax.tree.leaves(kept), strict=True):
        assert relative_difference(ours, theirs) < 1e-5  # the same sums; XLA fuses what is around them otherwise


def test_products_need_something_to_multiply():
    with pytest.raises(ConfigError, match=r"network\.square multiplies features of l > 0"):
        NetworkConfig(l_max=0, square=True)


def test_a_deep_network_with_products_and_no_batch_norm_starts_with_predictions_of_moderate_size(toy):
    """Standardised propensities are of order one. Unbounded products give 1e14 after five layers, and then what is not finite."""
    graph = graph_of(toy, **features(toy))
    apply, variables = start(dataclasses.replace(RICH, layers=8, batch_norm=False, square=True), graph)
    assert np.abs(apply(variables, graph)).max() < 100


@pytest.mark.parametrize("arrows", [0, 1])
def test_products_serve_a_network_of_vectors_alone(toy, arrows):
    """With l_max = 1 what is added ends in vectors and what is multiplied begins with them; without vectors among its inputs a first layer has none of its own."""
    config = dataclasses.replace(RICH, layers=2, l_max=1, square=True, arrows=arrows)
    given = features(toy)
    graph = graph_of(toy, scalars=given["scalars"], arrows=given["arrows"][:, :arrows])
    apply, variables = start(config, graph)
    assert ("own" in variables["params"]["first"]) == bool(arrows)
    plain, weights = start(dataclasses.replace(config, square=False), graph)
    assert count_weights(variables["params"]) > count_weights(weights["params"])
    for outputs in (apply(variables, graph), plain(weights, graph)):
        assert outputs.shape == (len(toy), 3)
        assert np.isfinite(outputs).all()

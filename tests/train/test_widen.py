"""A wider network begins where the narrower one ended."""

import dataclasses

import jax
import numpy as np
import pytest

from equijax.graph.graph import build_graph, paired
from equijax.graph.neighbors import NeighborSearch
from equijax.network import Network, NetworkConfig
from equijax.train.widen import widened
from tests.conftest import fresh

SMALL = NetworkConfig(layers=3, l_max=2, channels=3, radial_hidden=6, outputs=2, scalars=2, arrows=1, kernel="xla")
OURS = dataclasses.replace(SMALL, batch_norm=False, square=True, activation="gate", inputs_everywhere=True, readout="all", decoder_hidden=(7,), graphs=2)
PARITY = dataclasses.replace(OURS, parity=True, graphs=1, decoder_hidden=())


@pytest.fixture(scope="module")
def graphs(toy):
    rng = np.random.default_rng(0)
    scalars, arrows = rng.standard_normal((len(toy), 2)), rng.standard_normal((len(toy), 1, 3))
    one = build_graph(NeighborSearch(toy.box, 2.0).pairs(toy.positions), toy.types, 2.0, scalars=scalars, arrows=arrows)
    return {count: paired([one] * count) for count in (1, 2)}


@pytest.mark.parametrize(("config", "factor"), [(SMALL, 2), (OURS, 3), (PARITY, 2)], ids=["paper", "ours", "parity"])
def test_a_wider_network_predicts_the_same(graphs, config, factor):
    """To rounding: sums over copies are in another order. With noise it does not, and no two channels are alike any more."""
    graph, wider = graphs[config.graphs], dataclasses.replace(config, channels=factor * config.channels)
    variables = {"batch_stats": {}} | fresh(Network(config), graph)
    names = jax.tree_util.tree_structure(jax.eval_shape(lambda: Network(wider).init(jax.random.key(0), graph)["params"]))
    predict = {one: jax.jit(Network(one).apply) for one in (config, wider)}
    expected = predict[config](variables, graph)
    same, noisy = widened(variables, config, factor, noise=0.0), widened(variables, config, factor)
    assert jax.tree_util.tree_structure(same["params"]) == names
    assert np.abs(predict[wider](same, graph) - expected).max() < 2e-5 * np.abs(expected).max()
    assert np.abs(predict[wider](noisy, graph) - expected).max() > 1e-2 * np.abs(expected).max()
    filters = noisy["params"]["later"]["layer"]["convolution"]["filters"][0].T
    assert len(np.unique(filters.round(6), axis=0)) == len(filters)

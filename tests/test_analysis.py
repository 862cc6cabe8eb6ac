"""Fields in space against what is known of them, and the first layer against bond-order parameters written by hand."""

import dataclasses

import jax
import numpy as np
import pytest
from scipy.special import eval_legendre

from equijax.analysis.fields import correlation_length, principal_components, spatial_correlation, susceptibility, tetrahedrality
from equijax.analysis.filters import bond_order_weights, first_filters, first_messages
from equijax.graph.neighbors import NeighborSearch
from equijax.network import Network, NetworkConfig
from equijax.nn.radial import envelope
from equijax.testing import toy_snapshot
from tests.conftest import fresh, graph_of

BOX = np.full(3, 12.0)


def test_the_correlation_of_a_wave_is_known():
    """f = cos(k x) has G(r) = sin(k r) / (k r) where particles lie everywhere alike."""
    positions = np.random.default_rng(0).uniform(0, 12, (6000, 3))
    k = 2 * np.pi / 12
    r, g = spatial_correlation([positions], [BOX], [np.cos(k * positions[:, 0])], longest=6.0)
    assert np.abs(g[2:] - np.sin(k * r[2:]) / (k * r[2:])).max() < 0.05  # 6000 particles: the noise of nearby bins is 1/sqrt(pairs), a few hundredths


def test_independent_values_have_no_correlation():
    rng = np.random.default_rng(1)
    r, g = spatial_correlation([rng.uniform(0, 12, (2000, 3))], [BOX], [rng.standard_normal(2000)], longest=6.0)
    assert np.abs(g[5:]).max() < 0.05
    assert len(r) == len(g)


def test_the_means_of_configurations_are_not_correlations_in_space():
    """Configurations that differ by a constant have the correlation of each, which has decayed at half the box and does not level off."""
    rng = np.random.default_rng(3)
    positions, k = [rng.uniform(0, 12, (4000, 3)) for _ in range(3)], 2 * np.pi / 12
    fields = [np.cos(k * where[:, 0]) for where in positions]
    _, alike = spatial_correlation(positions, [BOX] * 3, fields, longest=6.0)
    _, shifted = spatial_correlation(positions, [BOX] * 3, [field + 7 * n for n, field in enumerate(fields)], longest=6.0)
    assert np.abs(shifted - alike).max() < 1e-12


def test_noise_of_the_measurement_cancels_between_two_measurements():
    """White noise twice as strong as the field itself: with one measurement G is a fifth of what it is, with two it is right."""
    rng = np.random.default_rng(5)
    positions, k = rng.uniform(0, 12, (6000, 3)), 2 * np.pi / 12
    first, second = (np.cos(k * positions[:, 0]) + 2**0.5 * rng.standard_normal(6000) for _ in range(2))
    r, g = spatial_correlation([positions], [BOX], [first], longest=6.0, again=[second])
    exact = np.sin(k * r) / (k * r)
    assert np.abs(g[4:10] - exact[4:10]).max() < 0.15
    _, noisy = spatial_correlation([positions], [BOX], [first], longest=6.0)
    assert np.abs(noisy[4:10] - 0.2 * exact[4:10]).max() < 0.05


def test_the_length_of_an_exponential_comes_back():
    r = np.linspace(0.2, 6, 30)
    assert correlation_length(r, 0.7 * np.exp(-r / 1.7)) == pytest.approx(1.7, rel=1e-3)
    assert np.isnan(correlation_length(r, np.zeros(30)))


def test_diamond_is_tetrahedral_and_a_gas_is_not():
    cell = np.array([[0, 0, 0], [0, 2, 2], [2, 0, 2], [2, 2, 0], [1, 1, 1], [1, 3, 3], [3, 1, 3], [3, 3, 1]], float)
    shifts = 4 * np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), -1).reshape(-1, 3)
    diamond = (cell[None] + shifts[:, None]).reshape(-1, 3)
    assert np.abs(tetrahedrality(diamond, BOX) - 1).max() < 1e-12
    gas = np.random.default_rng(2).uniform(0, 12, (3000, 3))
    assert abs(tetrahedrality(gas, BOX).mean()) < 0.05  # zero for bonds in independent directions


def test_susceptibility_is_n_times_the_variance_of_the_mean():
    rng = np.random.default_rng(3)
    fields = list(rng.standard_normal((4000, 50)))
    assert susceptibility(fields) == pytest.approx(1.0, rel=0.1)  # independent values of variance one; 4000 samples of a variance
    assert susceptibility([np.full(50, level) for level in (1.0, 3.0)]) == pytest.approx(100.0)
    assert susceptibility(fields[:2000], fields[2000:]) == pytest.approx(0.0, abs=0.1)  # nothing in common


def test_principal_components_find_the_direction_that_varies_together():
    rng = np.random.default_rng(4)
    common = rng.standard_normal(2000)
    features = np.stack([common, common, rng.standard_normal(2000)], 1) * [1.0, 100.0, 5.0]
    directions, shares = principal_components(features)
    assert np.abs(directions[0]) == pytest.approx([2**-0.5, 2**-0.5, 0], abs=0.05)
    assert shares[0] == pytest.approx(2 / 3, abs=0.02)


def test_the_first_layer_is_a_bond_order_parameter():
    """By the addition theorem |sum_j u_j Y_l(r_j)|^2 = (2l + 1) sum_jk u_j u_k P_l(cos gamma_jk), in e3nn's component normalisation: no harmonics needed."""
    snapshot = toy_snapshot(6)
    config = NetworkConfig(l_max=3, kernel="reference", mean_degree=1.0)
    with jax.enable_x64(True):
        graph = graph_of(snapshot, dtype=np.float64)
        weights = jax.tree.map(lambda leaf: leaf.astype(np.float64), bond_order_weights(config))
        messages = first_messages(config, weights, graph)
        pairs = NeighborSearch(snapshot.box, config.cutoff).pairs(snapshot.positions)
        chunks = {(ir.l): np.asarray(chunk) for (_, ir), chunk in zip(messages.irreps, messages.chunks, strict=True)}
        for particle in (0, 50, 200):
            mine = pairs.receivers == particle
            vectors, kinds = np.asarray(pairs.vectors, float)[mine], snapshot.types[pairs.senders[mine]]
            distance = np.linalg.norm(vectors, axis=1)
            u = np.asarray(envelope(jax.numpy.asarray(distance), config.cutoff, config.envelope_power))
            cosines = np.clip((vectors @ vectors.T) / np.outer(distance, distance), -1, 1)
            for kind in (0, 1):
                own = u * (kinds == kind)
                for order in range(4):
                    by_hand = (2 * order + 1) * own @ eval_legendre(order, cosines) @ own
                    assert (chunks[order][particle, kind] ** 2).sum() == pytest.approx(by_hand, rel=1e-5, abs=1e-9)


def test_filters_are_those_the_network_uses(toy):
    """The filters that are shown, summed over the neighbours of a particle, are the first layer's l = 0 messages."""
    config = dataclasses.replace(NetworkConfig(), layers=1, l_max=1, channels=2, cutoff=2.0, kernel="reference", mean_degree=1.0)
    graph = graph_of(toy)
    variables = fresh(Network(config), graph)
    weights = variables["params"]["first"]["convolution"]
    messages = first_messages(config, weights, graph)
    densities = np.asarray(messages.filter(keep="0e").array)[3]
    pairs = NeighborSearch(toy.box, 2.0).pairs(toy.positions)
    mine = pairs.receivers == 3
    distance = np.linalg.norm(pairs.vectors[mine], axis=1)
    filters = [one for one in first_filters(config, variables["params"], distance) if one.order == 0]
    assert [one.input for one in filters] == ["type A", "type B"]
    by_hand = [one.values[toy.types[pairs.senders[mine]] == kind].sum() for kind, one in enumerate(filters)]
    assert densities == pytest.approx(by_hand, rel=1e-4)

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from equijax.errors import SnapshotError
from equijax.graph.graph import SLOT_MULTIPLE, build_graph, displaced, gather, slot_capacity, to_jraph
from equijax.graph.neighbors import NeighborSearch
from equijax.periodic import minimum_image
from tests.conftest import graph_of


def test_reverse_edges_are_mirror_images(toy):
    graph = graph_of(toy)
    flat = np.asarray(graph.reverse).reshape(-1)
    assert np.array_equal(flat[flat], np.arange(flat.size))
    vectors = np.asarray(graph.vectors).reshape(-1, 3)
    real = np.asarray(graph.edge_mask).reshape(-1)
    assert np.array_equal(vectors[flat][real], -vectors[real])


def test_gather_has_the_transpose_of_plain_indexing(toy):
    graph = graph_of(toy)
    values = jax.random.normal(jax.random.key(0), (len(toy), 5))
    weights = jax.random.normal(jax.random.key(1), (*graph.senders.shape, 5)) * graph.edge_mask[..., None]
    ours = jax.grad(lambda v: (gather(v, graph.senders, graph.reverse) * weights).sum())(values)
    plain = jax.grad(lambda v: (v[graph.senders] * weights).sum())(values)
    assert jnp.abs(ours - plain).max() < 1e-5  # another order of a sum of about forty numbers of order one


def test_displacements_move_the_edge_vectors_as_moved_particles_would(toy):
    moved = 1e-3 * np.random.default_rng(0).standard_normal(toy.positions.shape)
    graph = graph_of(toy)
    vectors = np.asarray(displaced(graph, jnp.asarray(moved, jnp.float32)).vectors)
    positions = toy.positions + moved
    mask = np.asarray(graph.edge_mask)
    expected = minimum_image(positions[np.asarray(graph.senders)] - positions[:, None], toy.box)
    assert np.abs(vectors - expected)[mask].max() < 1e-6  # float32 of numbers up to 2
    assert np.array_equal(vectors[~mask], np.asarray(graph.vectors)[~mask])


def test_padding_keeps_the_real_part_and_marks_the_rest(toy):
    pairs = NeighborSearch(toy.box, 2.0).pairs(toy.positions)
    small = build_graph(pairs, toy.types, 2.0)
    large = build_graph(pairs, toy.types, 2.0, nodes=140, slots=80)
    n, k = small.senders.shape
    assert np.array_equal(large.senders[:n, :k][small.edge_mask], small.senders[small.edge_mask])
    assert large.edge_mask.sum() == small.edge_mask.sum() == len(pairs.senders)
    assert large.node_mask.sum() == n
    assert k % SLOT_MULTIPLE == 0
    assert k == slot_capacity(int(small.edge_mask.sum(1).max()))


def test_too_small_a_capacity_is_refused_with_the_numbers(toy):
    pairs = NeighborSearch(toy.box, 2.0).pairs(toy.positions)
    with pytest.raises(SnapshotError, match=r"125 particles with up to \d+ neighbours do not fit a capacity of 125 and 8"):
        build_graph(pairs, toy.types, 2.0, slots=8)


def test_jraph_sees_the_real_nodes_and_edges(toy):
    pairs = NeighborSearch(toy.box, 2.0).pairs(toy.positions)
    graph = to_jraph(build_graph(pairs, toy.types, 2.0, nodes=130, slots=64))
    assert graph.n_node.tolist() == [125]
    assert graph.n_edge.tolist() == [len(pairs.senders)]
    assert np.array_equal(graph.senders, pairs.senders)
    assert np.array_equal(graph.receivers, pairs.receivers)
    assert np.allclose(graph.edges["vectors"], pairs.vectors, atol=1e-6)

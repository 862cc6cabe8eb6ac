import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from equijax.errors import SnapshotError
from equijax.graph import neighbors
from equijax.graph.blocks import Blocks
from equijax.graph.neighbors import NeighborSearch, check_cutoff
from equijax.periodic import minimum_image


def brute_force(positions, box, cutoff):
    vectors = minimum_image(positions[None] - positions[:, None], box)
    near = (np.linalg.norm(vectors, axis=-1) < cutoff) & ~np.eye(len(positions), dtype=bool)
    receivers, senders = np.nonzero(near)
    return receivers, senders, vectors[near]


def assert_same(positions, box, cutoff, search=None):
    pairs = (search or NeighborSearch(box, cutoff)).pairs(positions)
    receivers, senders, vectors = brute_force(positions, box, cutoff)
    assert np.array_equal(pairs.receivers, receivers)
    assert np.array_equal(pairs.senders, senders)
    assert np.abs(pairs.vectors - vectors).max(initial=0) < 1e-11


def spaced(rng, n, box, least):
    """Random points no closer than `least`, so that none count as overlapping."""
    points = np.zeros((0, 3))
    while len(points) < n:
        trial = rng.random(3) * box
        if not len(points) or np.linalg.norm(minimum_image(points - trial, box), axis=1).min() > least:
            points = np.vstack([points, trial])
    return points


def loose(rng, box, spacing=1.4):
    """A lattice with noise of half the spacing, from the origin to the end of the box."""
    counts = (box / spacing).astype(int)
    return (np.stack(np.meshgrid(*map(np.arange, counts), indexing="ij"), -1).reshape(-1, 3) + 0.25 + 0.5 * rng.random((counts.prod(), 3))) * box / counts


# Shapes repeat between examples, so a handful of compilations serve them all.
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10**6), side=st.sampled_from([4.1, 5.0, 7.3]), n=st.sampled_from([2, 17, 60]), images=st.booleans(), clustered=st.booleans())
def test_pairs_equal_brute_force_for_any_points_in_any_image(seed, side, n, images, clustered):
    rng = np.random.default_rng(seed)
    box = np.full(3, side)
    positions = spaced(rng, n, box * (0.62 if clustered else 1.0), 0.3)
    positions[0] = 0.0, side, -1e-9
    positions = positions[[True, *(np.linalg.norm(minimum_image(positions[1:] - positions[0], box), axis=1) > 0.2)]]
    if images:
        positions = positions + rng.integers(-20, 21, positions.shape) * box
    assert_same(positions, box, 2.0)


def test_boxes_need_not_be_cubes():
    rng = np.random.default_rng(1)
    box = np.array([4.5, 6.0, 9.1])
    assert_same(spaced(rng, 150, box, 0.3), box, 2.0)


def test_whole_box_images_give_the_same_pairs(liquid):
    search = NeighborSearch(liquid.box, 2.0)
    plain = search.pairs(liquid.positions)
    moved = search.pairs(liquid.positions + np.random.default_rng(0).integers(-20, 21, (len(liquid), 3)) * liquid.box)
    assert np.array_equal(plain.senders, moved.senders)
    assert np.abs(plain.vectors - moved.vectors).max() < 1e-12 * 20 * 9.4 * 10  # rounding of coordinates near 20 boxes


def test_a_full_list_is_noticed_and_made_larger():
    """A list sized for a sparse configuration must not drop the pairs of a dense one."""
    rng = np.random.default_rng(2)
    box = np.full(3, 12.0)
    search = NeighborSearch(box, 2.0)
    sparse = spaced(rng, 200, box, 1.2)
    assert_same(sparse, box, 2.0, search)
    dense = spaced(rng, 200, box * 0.4, 0.3)
    assert_same(dense, box, 2.0, search)
    assert search.reallocations == 1
    assert_same(sparse + 0.1, box, 2.0, search)
    assert search.reallocations == 1


@pytest.mark.parametrize("stretch", [(1, 1, 1), (1, 1.1, 0.9), (3, 0.3, 1.2)])
def test_a_box_searched_block_by_block_has_the_same_pairs(monkeypatch, stretch):
    """Also where one side is too short to be cut, and where half the box is empty."""
    box = 18.0 * np.array(stretch)
    rng = np.random.default_rng(3)
    whole = NeighborSearch(box, 2.0)
    for positions in (loose(rng, box), loose(rng, box * [1, 1, 0.5])):
        expected = whole.pairs(positions)
        monkeypatch.setattr(neighbors, "BLOCK", 200)
        search = NeighborSearch(box, 2.0)
        assert Blocks(box, 2.0, positions, 200).count > 1
        for ours, theirs in zip(search.pairs(positions), expected, strict=True):
            assert np.array_equal(ours, theirs)
        monkeypatch.undo()


@pytest.mark.parametrize("cutoff", [2.0, 2.5, 0.0, -1.0])
def test_a_cutoff_must_be_below_half_the_box(cutoff):
    with pytest.raises(SnapshotError, match=r"not below half the smallest box side \(2\)"):
        check_cutoff(np.array([4.0, 9.0, 9.0]), cutoff)


def test_a_box_that_is_nearly_empty_is_refused():
    """jax-md's cells would take gigabytes, and beyond 2^31 of them fail."""
    positions = np.random.default_rng(0).random((400, 3)) * 3263
    with pytest.raises(SnapshotError, match=r"400 particles in a box of \[3263.*check the box, and that lengths are in units of sigma_AA"):
        NeighborSearch(np.full(3, 3263.0), 2.0).pairs(positions)
    assert len(NeighborSearch(np.full(3, 100.0), 2.0).pairs(np.array([[1.0, 1, 1], [2, 1, 99.9]])).senders) == 2


def test_particles_on_top_of_each_other_are_named():
    positions = np.array([[1.0, 1, 1], [3, 3, 3], [1, 1, 1.001]])
    with pytest.raises(SnapshotError, match=r"particles 0 and 2 are 0.001 apart"):
        NeighborSearch(np.full(3, 6.0), 2.0).pairs(positions)

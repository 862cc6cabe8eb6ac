import numpy as np
import pytest
from scipy.special import eval_legendre

from equijax.baselines import physics
from equijax.baselines.descriptors import DescriptorConfig, descriptors
from equijax.errors import SnapshotError
from equijax.graph.neighbors import NeighborSearch, Searches
from equijax.metrics import pearson
from equijax.periodic import minimum_image
from equijax.testing import cube_rotations, toy_snapshot

THERMAL = DescriptorConfig(("thermal",), energy=False)
WIDE = {"cells": 6, "density": 1.2}  # the descriptors reach 2.5 far


def quenched(snapshot, seed=0):
    rng = np.random.default_rng(seed)
    return snapshot.replace(
        inherent_positions=snapshot.positions + 0.05 * rng.standard_normal(snapshot.positions.shape), inherent_energy=-5 + rng.standard_normal(len(snapshot))
    )


def test_descriptors_do_not_change_under_rotations_translations_and_images():
    snapshot = toy_snapshot(**WIDE)
    plain = descriptors(snapshot, THERMAL)
    assert plain.shape == (216, 3 * (66 + 56))
    moved = snapshot.positions @ cube_rotations()[5].T + 3.7 + 2 * snapshot.box
    turned = descriptors(snapshot.replace(positions=moved), THERMAL)
    assert np.abs(turned - plain).max() < 1e-4  # harmonics in single precision


def test_radial_descriptors_count_neighbours():
    """The shells are a width apart, so their sum times width over sqrt(2 pi) sigma is the number of neighbours inside them."""
    snapshot = toy_snapshot(**WIDE)
    radial = descriptors(snapshot, THERMAL)[:, :66]
    spacing = (2.3 - 0.7) / 32
    count = radial.sum(1) * spacing / (np.sqrt(2 * np.pi) * 0.05)
    pairs = NeighborSearch(snapshot.box, 2.5).pairs(snapshot.positions)
    distance = np.linalg.norm(pairs.vectors, axis=1)
    inside = np.bincount(pairs.receivers, (distance > 0.675) & (distance < 2.325), len(snapshot))
    assert count.mean() == pytest.approx(inside.mean(), rel=0.01)  # each shell stands for half a spacing on both sides
    assert pearson(count, inside) > 0.9  # soft shells at the two ends


def test_bond_order_parameters_equal_the_addition_theorem():
    """q_l^2 = sum_jk w_j w_k P_l(cos psi_jk) / (sum_j w_j)^2 over the neighbours of a type; to the single precision of the harmonics."""
    snapshot = toy_snapshot(**WIDE)
    angular = descriptors(snapshot, DescriptorConfig(("thermal",), energy=False, generations=0))[:, 66:].reshape(len(snapshot), 4, 2, 7)
    pairs = NeighborSearch(snapshot.box, 2.5).pairs(snapshot.positions)
    for particle in (0, 100):
        mine = pairs.receivers == particle
        vectors, kinds = pairs.vectors[mine], snapshot.types[pairs.senders[mine]]
        distance = np.linalg.norm(vectors, axis=1)
        cosines = np.clip((vectors @ vectors.T) / np.outer(distance, distance), -1, 1)
        for s, shell in enumerate((0.95, 1.25, 1.6, 2.0)):
            for kind in (0, 1):
                weight = np.exp(-((distance - shell) ** 2) / (2 * 0.2**2)) * (kinds == kind)
                for order in range(1, 8):
                    squared = weight @ eval_legendre(order, cosines) @ weight / weight.sum() ** 2
                    assert angular[particle, s, kind, order - 1] == pytest.approx(np.sqrt(max(squared, 0)), abs=2e-4)


def test_both_sets_of_positions_are_described_beside_each_other():
    snapshot = quenched(toy_snapshot(**WIDE))
    both = descriptors(snapshot, DescriptorConfig(("thermal", "inherent"), energy=True, displacements=("inherent",)))
    assert both.shape == (216, 3 * (66 + 56 + 2) + 3 * (66 + 56))
    lengths = np.linalg.norm(snapshot.inherent_positions - snapshot.positions, axis=1)
    assert np.abs(both[:, 122] - snapshot.inherent_energy).max() == 0
    assert np.abs(both[:, 123] - lengths).max() < 1e-12
    assert np.abs(both[:, 3 * 124 :] - descriptors(snapshot.replace(positions=snapshot.inherent_positions), THERMAL)).max() < 1e-5
    with pytest.raises(SnapshotError, match="has no inherent_energy; quench it first"):
        descriptors(toy_snapshot(**WIDE), DescriptorConfig(("thermal",), energy=True))


def test_physics_descriptors_equal_sums_over_all_pairs():
    snapshot = quenched(toy_snapshot(9))  # the averages reach 4 far
    n = len(snapshot)
    vectors = minimum_image(snapshot.inherent_positions[None] - snapshot.inherent_positions[:, None], snapshot.box)
    distance = np.linalg.norm(vectors, axis=-1)
    near = (distance < physics.REACH) & ~np.eye(n, dtype=bool)
    weights = np.where(near, np.exp(-distance / physics.LENGTHS[2]), 0.0)
    searches = Searches(physics.REACH)
    count = physics.densities(snapshot, searches)[:, 2 * 2 : 2 * 3]
    for kind in (0, 1):
        chosen = weights * (snapshot.types == kind)
        assert np.abs(count[:, kind] - chosen.sum(1)).max() < 1e-5  # pairs are kept in single precision
        energy = snapshot.inherent_energy - snapshot.inherent_energy[snapshot.types == kind].mean()
        mean = chosen @ snapshot.inherent_energy / chosen.sum(1)
        variance = chosen @ energy**2 / chosen.sum(1) - (chosen @ energy / chosen.sum(1)) ** 2
        column = 1 + 2 * 4 + 2 * kind
        found = physics.energies(snapshot, searches)[:, column : column + 2]
        assert np.abs(found - np.stack([mean, variance], 1)).max() < 1e-5

import numpy as np
import pytest

from equijax.baselines.descriptors import descriptors
from equijax.baselines.ridge import Ridge
from equijax.errors import ConfigError
from equijax.graph.neighbors import NeighborSearch
from equijax.inputs import InputConfig, TargetConfig
from equijax.metrics import pearson
from equijax.testing import cube_rotations, toy_snapshot

INPUTS = InputConfig("thermal", energy=False)
WIDE = {"cells": 6, "density": 1.2}  # the descriptors reach 2.5 far


def test_descriptors_do_not_change_under_rotations_translations_and_images():
    snapshot = toy_snapshot(**WIDE)
    plain = descriptors(snapshot, INPUTS)
    assert plain.shape == (216, 3 * (66 + 56))
    moved = snapshot.positions @ cube_rotations()[5].T + 3.7 + 2 * snapshot.box
    turned = descriptors(snapshot.replace(positions=moved), INPUTS)
    assert np.abs(turned - plain).max() < 1e-4  # harmonics in single precision


def test_radial_descriptors_count_neighbours():
    """The shells are a width apart, so their sum times width over sqrt(2 pi) sigma is the number of neighbours inside them."""
    snapshot = toy_snapshot(**WIDE)
    radial = descriptors(snapshot, INPUTS)[:, :66]
    spacing = (2.3 - 0.7) / 32
    count = radial.sum(1) * spacing / (np.sqrt(2 * np.pi) * 0.05)
    pairs = NeighborSearch(snapshot.box, 2.5).pairs(snapshot.positions)
    distance = np.linalg.norm(pairs.vectors, axis=1)
    inside = np.bincount(pairs.receivers, (distance > 0.675) & (distance < 2.325), len(snapshot))
    assert count.mean() == pytest.approx(inside.mean(), rel=0.01)  # each shell stands for half a spacing on both sides
    assert pearson(count, inside) > 0.9  # soft shells at the two ends


def labelled(seed):
    snapshot = toy_snapshot(seed=seed, **WIDE)
    density = descriptors(snapshot, INPUTS)[:, 12:20].sum(1)
    values = np.stack([density, -2 * density], 1) + 0.1 * np.random.default_rng(seed).standard_normal((216, 2))
    return snapshot.replace(times=[1.0, 2.0], propensity=values)


def test_ridge_learns_what_is_linear_in_the_descriptors():
    train, validation, test = [labelled(0), labelled(1), labelled(2)], [labelled(3)], [labelled(4)]
    ridge = Ridge(INPUTS, TargetConfig(), quiet=True).fit(train, validation, np.array([1.0, 2.0]))
    (scored,) = ridge.score(test)
    for kind in (0, 1):
        chosen = scored.types == kind
        assert pearson(scored.predicted[chosen, 0], scored.measured[chosen, 0]) > 0.9
    single = Ridge(INPUTS, TargetConfig(times=(1,)), quiet=True).fit(train, validation, np.array([2.0]))
    assert np.abs(single.predict(test[0])[:, 0] - ridge.predict(test[0])[:, 1]).max() < 1e-9


def test_ridge_needs_something_to_fit():
    with pytest.raises(ConfigError, match="no training configurations"):
        Ridge(INPUTS, TargetConfig()).fit([], [], np.array([1.0]))

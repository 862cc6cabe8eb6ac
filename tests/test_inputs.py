"""Inputs, and the statistics and targets that go with them."""

import numpy as np
import pytest

from equijax.errors import ConfigError, SnapshotError
from equijax.inputs import InputConfig, displacement, node_features
from equijax.snapshot import Snapshot
from equijax.targets import TargetConfig, measure, restore, standardise


def configurations(count=6, seed=0, slope=2.0, noise=0.0):
    """Snapshots whose mean propensity follows their mean inherent energy."""
    rng = np.random.default_rng(seed)
    out = []
    for i in range(count):
        n, level = 60, rng.normal(0, 0.01)
        types = (np.arange(n) % 5 == 0).astype(int)
        energy = np.where(types == 0, -5.0, -7.0) + level + 0.3 * rng.standard_normal(n)
        energy += level - (energy - np.where(types == 0, -5.0, -7.0)).mean()
        propensity = 0.5 + types[:, None] * 0.2 + slope * (energy.mean() + 5.4) + noise * rng.standard_normal() + 0.1 * rng.standard_normal((n, 2))
        positions = rng.random((n, 3)) * 9
        inherent = positions + 0.1 * rng.standard_normal((n, 3))
        out.append(Snapshot(positions, types, 9.0, f"c{i}", inherent_positions=inherent, inherent_energy=energy, times=[1.0, 2.0], propensity=propensity))
    return out


@pytest.mark.parametrize("centre", ["data", "configuration"])
def test_targets_are_standardised_by_type_and_time_and_come_back(centre):
    snapshots, inputs, targets = configurations(), InputConfig("inherent"), TargetConfig(centre=centre)
    statistics = measure(snapshots, inputs, targets)
    z = [standardise(s, targets, statistics) for s in snapshots]
    for kind in (0, 1):
        pooled = np.concatenate([values[s.types == kind] for values, s in zip(z, snapshots, strict=True)])
        assert np.abs(pooled.mean(0)).max() < 1e-12
        assert np.abs((pooled**2).mean(0) - 1).max() < 1e-12
    if centre == "data":
        assert np.abs(restore(snapshots[0], z[0], inputs, statistics) - snapshots[0].propensity).max() < 1e-12


def test_a_configurations_mean_is_predicted_from_its_energy():
    snapshots = configurations(count=12, slope=3.0)
    inputs = InputConfig("inherent")
    statistics = measure(snapshots, inputs, TargetConfig(centre="configuration"))
    assert np.abs(np.array(statistics.slope) - 3.0).max() < 1.5  # the mean of 12 particles scatters by 0.03, energies by 0.01
    unseen = configurations(seed=9, slope=3.0)
    errors = [np.abs(restore(s, np.zeros((60, 2)), inputs, statistics).mean() - s.propensity.mean()) for s in unseen]
    flat = [np.abs(np.array(statistics.target_mean)[s.types].mean() - s.propensity.mean()) for s in unseen]
    assert np.mean(errors) < np.mean(flat)


def test_a_slope_that_predicts_nothing_is_not_used():
    rng = np.random.default_rng(3)
    snapshots = [s.replace(propensity=s.propensity + rng.normal(0, 5)) for s in configurations(slope=0.0)]
    statistics = measure(snapshots, InputConfig("inherent"), TargetConfig(centre="configuration"))
    assert not np.array(statistics.slope).any()


def test_a_configurations_mean_is_predicted_from_its_displacements():
    """Exactly, where it is their mean square: 3e-13 of it is rounding; a configuration without noise within it leaves nothing else to fit."""
    rng = np.random.default_rng(4)

    def rattled(count):
        for s in configurations(count):
            inherent, cage = (s.positions + size * rng.standard_normal(s.positions.shape) for size in rng.uniform(0.02, 0.1, 2))
            squared = [((end - s.positions) ** 2).sum(1).mean() for end in (inherent, cage)]
            propensity = np.tile([0.3 + 5 * squared[0] - 2 * squared[1], 0.4 + 3 * squared[1]], (60, 1))
            yield s.replace(inherent_positions=inherent, cage_positions=cage, propensity=propensity)

    inputs, targets = InputConfig("thermal", displacement=True, cage_displacement=True), TargetConfig(centre="configuration")
    statistics = measure(rattled(10), inputs, targets)
    assert np.array(statistics.squared_slope)[:, 0] == pytest.approx(np.array([[5, 0], [-2, 3]]), abs=1e-9)
    for s in rattled(3):
        assert np.abs(restore(s, np.zeros((60, 2)), inputs, statistics) - s.propensity).max() < 3e-13


def test_inputs_are_standardised():
    snapshots, inputs = configurations(), InputConfig("thermal", energy=True, displacement=True)
    statistics = measure(snapshots, inputs, TargetConfig())
    scalars, arrows = zip(*(node_features(s, inputs, statistics) for s in snapshots), strict=True)
    assert scalars[0].shape == (60, 2)
    assert arrows[0].shape == (60, 1, 3)
    energy = np.concatenate([s[:, 0] for s in scalars])
    assert abs(energy.mean()) < 1e-12
    assert np.allclose(np.linalg.norm(arrows[0][:, 0], axis=1), scalars[0][:, 1])
    assert np.sqrt(np.mean([(a**2).sum(2).mean() for a in arrows])) == pytest.approx(1)


def test_cage_displacements_have_a_scale_of_their_own():
    rng = np.random.default_rng(5)
    snapshots = [s.replace(cage_positions=s.positions + 0.03 * rng.standard_normal(s.positions.shape)) for s in configurations()]
    inputs = InputConfig("thermal", energy=False, displacement=True, cage_displacement=True)
    assert inputs.reads == {"thermal", "inherent", "cage"}
    statistics = measure(snapshots, inputs, TargetConfig())
    assert statistics.cage_scale == pytest.approx(0.03 * 3**0.5, rel=0.05)
    arrows = np.concatenate([node_features(s, inputs, statistics)[1] for s in snapshots])
    assert np.sqrt((arrows**2).sum(2).mean(0)) == pytest.approx([1, 1])
    with pytest.raises(SnapshotError, match="has no cage positions; `equijax data cages` finds them"):
        measure(configurations(), inputs, TargetConfig())


def test_displacements_are_minimum_images():
    snapshot = configurations(1)[0]
    moved = snapshot.replace(inherent_positions=snapshot.inherent_positions + 18.0)
    assert np.abs(displacement(moved) - displacement(snapshot)).max() < 1e-12


def test_times_that_are_not_there_are_refused():
    snapshots = configurations()
    with pytest.raises(ConfigError, match=r"targets.times is \[2\]; c0 has 2 times"):
        measure(snapshots, InputConfig(), TargetConfig(times=(2,)))
    with pytest.raises(ConfigError, match=r"targets.times is \[1, 0\]; expected numbers in increasing order"):
        measure(snapshots, InputConfig(), TargetConfig(times=(1, 0)))
    odd = [*snapshots[:2], snapshots[2].replace(times=[1.0, 3.0])]
    with pytest.raises(ConfigError, match=r"c2: measured at \[1.0, 3.0\], the training set at \[1.0, 2.0\]"):
        measure(odd, InputConfig(), TargetConfig())
    with pytest.raises(ConfigError, match="no measured propensity"):
        measure([snapshots[0].replace(propensity=None)], InputConfig(), TargetConfig())
    with pytest.raises(ConfigError, match=r"have no A particles \(type 0\)"):
        measure([s.replace(types=np.ones(len(s), np.int32)) for s in snapshots], InputConfig(), TargetConfig())
    with pytest.raises(SnapshotError, match="has no inherent_energy; quench it first"):
        node_features(snapshots[0].replace(inherent_energy=None), InputConfig(), measure(snapshots, InputConfig(), TargetConfig()))

"""Successors of configurations: where they are, what they share with the configuration they come from, and on which side of a split they stand."""

import dataclasses

import numpy as np
import pytest

from equijax.data.cache import Cache
from equijax.data.convert import summary, write_snapshots
from equijax.data.snapshots import SnapshotSet
from equijax.data.splits import Split, singles, split_names, successor_of, with_derived
from equijax.data.successors import Successors, snapshots_with_successors
from equijax.errors import ConfigError, DataFormatError, SnapshotError
from equijax.inputs import InputConfig
from equijax.network import NetworkConfig
from equijax.train.config import TrainConfig
from equijax.train.prepare import prepare


def test_successors_rattle_in_their_cages_each_in_its_own_way(liquid):
    """Of two trajectories with velocities of their own, at four times each: about as far from the start as from each other."""
    found = [s.positions for s in Successors(2, Cache(None), duration=2.0)(liquid)]
    assert len(found) == 8
    for positions in found:
        assert 0.1 < np.linalg.norm(positions - liquid.positions, axis=1).mean() < 0.3
    between = [np.linalg.norm(found[i] - found[j], axis=1).mean() for i in range(8) for j in range(i)]
    assert min(between) > 0.1
    assert max(between) < 0.4


def test_the_same_configuration_has_the_same_successors(liquid, tmp_path):
    """Found, from the cache, and found anew by another process's cache: bitwise; from another configuration: others."""
    kept = Cache(tmp_path)
    first, cached, anew = (Successors(1, cache, duration=0.2)(liquid.replace(name=name)) for name, cache in (("a", kept), ("b", kept), ("c", Cache(None))))
    for one, two, three in zip(first, cached, anew, strict=True):
        assert np.array_equal(one.positions, two.positions)
        assert np.array_equal(one.positions, three.positions)
    moved = liquid.replace(positions=liquid.positions + 1e-9)
    assert not np.allclose(Successors(1, kept, duration=0.2)(moved)[0].positions, first[0].positions, atol=1e-3)


def test_a_data_set_gets_successors_at_its_long_times_alone(liquid, tmp_path):
    """They share propensity and number of trajectories, and carry nothing of the structure that they do not have any more."""
    measured = liquid.replace(times=liquid.times * 100)
    find = Successors(1, Cache(tmp_path), duration=2.0)
    first, *others = snapshots_with_successors([measured], find)
    long = measured.times >= 200
    assert 0 < long.sum() < len(long)
    assert len(others) == 4
    assert np.array_equal(first.propensity, measured.propensity[:, long])
    assert np.array_equal(first.propensity_halves, measured.propensity_halves[:, :, long])
    assert np.array_equal(first.inherent_positions, measured.inherent_positions)
    for number, other in enumerate(others):
        assert other.name == f"{measured.name}#successor{number:02d}"
        assert np.array_equal(other.propensity, first.propensity)
        assert np.array_equal(other.times, first.times)
        assert np.array_equal(other.trajectories, first.trajectories)
        assert other.temperature == first.temperature
        assert other.inherent_positions is other.inherent_energy is other.propensity_halves is None
    write_snapshots(tmp_path / "set.h5", [first, *others])
    assert "5 configurations, 4 of them successors of others, the first is" in next(iter(summary(tmp_path / "set.h5")))
    assert SnapshotSet.read([tmp_path / "set.h5"]).ensembles().names == (measured.name,)


def test_successors_are_trained_on_with_their_configuration_and_never_test(liquid, tmp_path):
    names = [name for c in "abcd" for name in (c, *(successor_of(c, k) for k in range(2)))]
    split = split_names(names, 1, 1, 0)
    held = {*split.validation, *split.test}
    assert len(held) == 2
    assert not singles(split.train)
    assert {name.split("#")[0] for name in split.train} == set("abcd") - held
    assert len(split.train) == 6
    with pytest.raises(ConfigError, match="a#successor00 stems from a; it can be trained on where that is, but neither test nor choose"):
        with_derived(Split(("b",), (), ("a#successor00",)), names)
    with pytest.raises(ConfigError, match="e#successor00 stems from e, which is not in the data"):
        split_names([*names, "e#successor00"], 1, 1, 0)
    one = liquid.replace(propensity_halves=None, bond_breaking=None)
    write_snapshots(tmp_path / "set.h5", [one.replace(name="a"), *(one.replace(name=successor_of("a", k), positions=one.positions + 0.1 * k + 0.1) for k in range(2))])
    config = TrainConfig(network=NetworkConfig(layers=1), inputs=InputConfig("thermal", energy=False), data=(str(tmp_path / "set.h5"),), validation=0, test=0)
    assert set(prepare(config, Cache(None), quiet=True).split.train) == {"a", "a#successor00", "a#successor01"}
    with pytest.raises(ConfigError, match="trajectory_noise changes nothing here"):
        prepare(dataclasses.replace(config, trajectory_noise=2.0), Cache(None), quiet=True)


def test_successors_are_of_the_temperature_given_and_in_the_order_of_the_particles(liquid):
    """Where the file says none; and particles of another order, with the same velocities only where they are sorted by type, stay who they are."""
    bare = liquid.replace(temperature=None, times=liquid.times * 100)
    first, *others = snapshots_with_successors([bare], Successors(1, Cache(None), 0.56, duration=0.2))
    assert {first.temperature, *(other.temperature for other in others)} == {0.56}
    order = np.random.default_rng(0).permutation(len(liquid))
    shuffled = liquid.replace(**dict.fromkeys(("times", "propensity", "propensity_halves", "trajectories", "bond_breaking", "inherent_positions", "inherent_energy")))
    shuffled = shuffled.replace(positions=liquid.positions[order], types=liquid.types[order])
    for successor in Successors(1, Cache(None), duration=0.2)(shuffled):
        assert np.array_equal(successor.types, shuffled.types)
        assert np.linalg.norm(successor.positions - shuffled.positions, axis=1).max() < 0.6


def test_what_has_no_successors_is_refused(liquid):
    with pytest.raises(ConfigError, match="successors of 0 trajectories"):
        Successors(0, Cache(None))
    find = Successors(2, Cache(None))
    with pytest.raises(SnapshotError, match=r"nothing says at which temperature its particles should move; give --temperature"):
        find(liquid.replace(temperature=None))
    with pytest.raises(SnapshotError, match="all particles lie in a plane"):
        find(liquid.replace(positions=liquid.positions * [1.0, 1.0, 0.0]))
    with pytest.raises(DataFormatError, match=r"was measured up to t = 25\.\d*; successors share its propensity at times of 2000 and more only"):
        next(snapshots_with_successors([liquid], find))
    with pytest.raises(DataFormatError, match="is not measured; successors share"):
        next(snapshots_with_successors([liquid.replace(times=None, propensity=None, propensity_halves=None, bond_breaking=None, trajectories=None)], find))

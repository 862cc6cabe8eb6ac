"""Ends of trajectories as further training configurations: labels, splits, weights, and that the labels are those of the reversed dynamics."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from equijax.data.cache import Cache
from equijax.data.convert import write_snapshots
from equijax.data.ends import snapshots_with_ends
from equijax.data.formats import read_snapshot, read_snapshots
from equijax.data.snapshots import SnapshotSet
from equijax.data.splits import Split, end_of, split_names, with_derived
from equijax.data.store import Store
from equijax.errors import ConfigError, DataFormatError
from equijax.evaluation import evaluate
from equijax.inputs import InputConfig
from equijax.md.dynamics import Dynamics
from equijax.md.integrators import Ensemble, maxwell
from equijax.md.kob_andersen import KOB_ANDERSEN
from equijax.md.system import System
from equijax.network import NetworkConfig
from equijax.targets import TargetConfig
from equijax.testing import toy_snapshot
from equijax.train.config import TrainConfig
from equijax.train.loop import train
from equijax.train.mesh import make_mesh
from equijax.train.prepare import prepare
from equijax.train.step import loss_and_gradient
from tests.conftest import fresh
from tests.data.test_formats import botan, deepmind


def test_ends_look_back_on_the_displacement_of_their_own_trajectory(tmp_path):
    path, initial, final = botan(tmp_path)
    itself, *ends = snapshots_with_ends(path, most=5)
    whole = read_snapshot(path)
    assert itself.name == whole.name
    assert np.array_equal(itself.propensity, whole.propensity)
    assert np.array_equal(itself.propensity_halves, whole.propensity_halves)
    assert len(ends) == 5
    for k, snapshot in enumerate(ends):
        assert snapshot.name == f"T0.44/N10_1#end{k}"
        assert snapshot.trajectories == 1
        assert snapshot.times == pytest.approx([4120.0])
        assert np.array_equal(snapshot.positions, final[k])
        assert np.allclose(snapshot.propensity[:, 0], np.linalg.norm(final[k] - initial, axis=1), rtol=1e-12)


def test_deepmind_files_have_ends_at_every_time(tmp_path):
    import pickle

    content, positions = deepmind()
    path = tmp_path / "aggregated_data_0.pickle"
    path.write_bytes(pickle.dumps(content))
    whole = read_snapshot(path)
    for number in (0, 2, -1):
        itself, first = list(snapshots_with_ends(path, time=number, most=1))
        assert itself.times == first.times == whole.times[[number]]
        assert np.array_equal(itself.propensity[:, 0], whole.propensity[:, number])
        assert first.propensity[:, 0] == pytest.approx(np.linalg.norm(first.positions - positions, axis=1))
        # The four trajectories of this file are alike.
        assert first.propensity[:, 0] == pytest.approx(whole.propensity[:, number])
    with pytest.raises(DataFormatError, match="none of number 9"):
        next(snapshots_with_ends(path, time=9))


def test_the_times_of_a_configuration_are_one_with_ends_at_each(tmp_path):
    paths = [botan(tmp_path, index=index) for index in (7, 3)]
    (tmp_path / "._isoconfig_N10T0.44_1_tc05.npz").write_bytes(b"what macOS leaves")
    itself, last = list(snapshots_with_ends(tmp_path, most=1))
    assert itself.times == last.times == read_snapshot(paths[0][0]).times
    _, first = list(snapshots_with_ends(tmp_path, time=0, most=1))
    assert first.times == read_snapshot(paths[1][0]).times
    assert np.array_equal(first.positions, paths[1][2][0])
    with pytest.raises(DataFormatError, match="no such file or folder"):
        next(snapshots_with_ends(tmp_path / "nowhere"))


def test_ends_never_test(mixed, tmp_path):
    """Not by a split that names them, and not in data that are given to be tested on."""
    names = [end_of("c0", 0), "c0", "c1"]
    with pytest.raises(ConfigError, match="neither test nor choose"):
        with_derived(Split(("c1",), (), (names[0],)), names)
    with pytest.raises(ConfigError, match="c0#end0 stems from c0; it can be trained on where that is"):
        with_derived(Split(("c1", names[0]), (), ("c0",)), names)
    run = tmp_path / "run"
    train(dataclasses.replace(mixed, epochs=1, patience=1), run, Cache(None), quiet=True)
    tested = [scored.name for scored in evaluate(run, Cache(None), part="train").scored]
    assert len(tested) == 4
    assert all("#end" not in name for name in tested)
    others = [s.replace(name=s.name.replace("toy", "other"), positions=1.01 * s.positions) for s in SnapshotSet.read(mixed.data)]
    write_snapshots(tmp_path / "others.h5", others)
    assert len(evaluate(run, Cache(None), [str(tmp_path / "others.h5")]).scored) == 6


def test_files_of_different_numbers_of_trajectories_keep_them_for_each_time(tmp_path):
    _, initial, final = botan(tmp_path, index=7)
    fewer, _, _ = botan(tmp_path, index=5)
    np.savez(fewer, types=np.load(fewer)["types"], initial_positions=initial, positions=final[:4])
    assert next(iter(read_snapshots(tmp_path))).trajectories.tolist() == [4, len(final)]
    assert next(snapshots_with_ends(tmp_path, time=0)).trajectories == 4
    assert next(snapshots_with_ends(tmp_path)).trajectories == len(final)


def test_fewer_than_one_end_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="most is -1; expected 1 or more"):
        next(snapshots_with_ends(botan(tmp_path)[0], most=-1))


def test_files_without_trajectories_are_refused(tmp_path):
    store = tmp_path / "toy.h5"
    write_snapshots(store, [toy_snapshot(4)])
    with pytest.raises(DataFormatError, match="keeps no trajectories"):
        next(snapshots_with_ends(store))


def test_what_stems_from_a_configuration_stays_on_its_side_and_never_tests():
    names = [f"c{i}" for i in range(10)]
    more = [end_of(name, k) for name in names for k in range(3)]
    alone, both = split_names(names, 2, 3, seed=4), split_names(names + more, 2, 3, seed=4)
    assert both.validation == alone.validation
    assert both.test == alone.test
    assert set(both.train) == {*alone.train, *(end_of(name, k) for name in alone.train for k in range(3))}
    with pytest.raises(ConfigError, match="c0#end0 stems from c0, which is not in the data"):
        split_names([end_of("c0", 0), "c1", "c2"], 1, 0, seed=0)
    assert len(split_names(["run#1/a", "run#2/a", "run#end/a"], 1, 0, seed=0).train) == 2  # names that users may give


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Six configurations of 32 trajectories, with two ends of one trajectory each."""
    folder = tmp_path_factory.mktemp("mixed")
    time = {"times": np.array([1.0])}
    main = [toy_snapshot(4, seed=i) for i in range(6)]
    main = [s.replace(propensity=np.abs(s.positions[:, :1] - i), trajectories=32, **time) for i, s in enumerate(main)]
    ends = [toy_snapshot(4, seed=10 + k).replace(name=end_of(s.name, k), propensity=s.propensity, trajectories=1, **time) for s in main for k in range(2)]
    write_snapshots(folder / "main.h5", main)
    write_snapshots(folder / "ends.h5", ends)
    network = NetworkConfig(layers=1, l_max=0, channels=2, cutoff=1.6, batch_norm=False)
    data = (str(folder / "main.h5"), str(folder / "ends.h5"))
    return TrainConfig(data=data, validation=1, test=1, network=network, inputs=InputConfig(energy=False), trajectory_noise=12.0)


def test_configurations_weigh_by_their_trajectories_and_one_on_average(mixed):
    prepared = prepare(mixed, Cache(None), quiet=True)
    assert len(prepared.split.train) == 4 + 8
    assert len(prepared.split.validation) == len(prepared.split.test) == 1
    source = prepared.source(mixed, prepared.split.train)
    weights = np.array([source[i].weights.max() for i in range(len(source))])
    alone = np.array(["#end" in name for name in prepared.split.train])
    assert weights.mean() == pytest.approx(1)
    assert weights[~alone] / weights[alone].mean() == pytest.approx((1 + 12 / 1) / (1 + 12 / 32))
    alike = dataclasses.replace(mixed, data=mixed.data[:1], trajectory_noise=0.0)
    plain = prepare(alike, Cache(None), quiet=True)
    assert {float(plain.source(alike, plain.split.train)[i].weights.max()) for i in range(4)} == {1.0}
    with pytest.raises(ConfigError, match="must not weigh as much as ensembles"):
        prepare(dataclasses.replace(mixed, trajectory_noise=0.0), Cache(None), quiet=True)
    with pytest.raises(ConfigError, match="trajectory_noise changes nothing here"):
        prepare(dataclasses.replace(mixed, data=mixed.data[:1]), Cache(None), quiet=True)


def test_targets_are_standardised_by_ensembles_alone(mixed):
    """Ends widen the spread of the labels, not that of the propensity."""
    alone = dataclasses.replace(mixed, data=mixed.data[:1], trajectory_noise=0.0)
    assert prepare(mixed, Cache(None), quiet=True).statistics == prepare(alone, Cache(None), quiet=True).statistics


def test_a_configuration_weighs_by_the_times_that_are_trained_on(liquid):
    some = liquid.replace(trajectories=[50, 50, *[2] * (len(liquid.times) - 2)])
    config = TrainConfig(trajectory_noise=2.0)
    assert config.weight(some) == 0.5
    assert dataclasses.replace(config, targets=TargetConfig(times=(0, 1))).weight(some) == pytest.approx(50 / 52)


def test_validation_need_not_say_how_many_trajectories_it_had(mixed, tmp_path):
    chosen = prepare(mixed, Cache(None), quiet=True).split.validation
    unsaid = [snapshot.replace(trajectories=None) if snapshot.name in chosen else snapshot for snapshot in SnapshotSet.read(mixed.data)]
    write_snapshots(tmp_path / "unsaid.h5", unsaid)
    train(dataclasses.replace(mixed, data=(str(tmp_path / "unsaid.h5"),), epochs=1, patience=1), tmp_path / "run", Cache(None), quiet=True)


def test_the_loss_is_proportional_to_the_weight(mixed):
    """With one configuration in a step a weight must not cancel."""
    from equijax.network import Network

    prepared = prepare(mixed, Cache(None), quiet=True)
    sample = prepared.source(mixed, prepared.split.train)[0]
    network = Network(prepared.network)
    variables = fresh(network, sample.graph)
    differentiate = jax.jit(loss_and_gradient(network, make_mesh(1, 1)))
    batch = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], sample)
    loss, _, gradient = differentiate(variables["params"], variables.get("batch_stats", {}), batch)
    twice, _, double = differentiate(variables["params"], variables.get("batch_stats", {}), batch.replace(weights=2 * batch.weights))
    assert float(twice) == pytest.approx(2 * float(loss), rel=1e-6)
    for one, two in zip(jax.tree.leaves(gradient), jax.tree.leaves(double), strict=True):
        assert np.allclose(two, 2 * one, rtol=1e-5, atol=1e-7)


def test_a_number_of_trajectories_is_needed_to_weigh_by_it(mixed, tmp_path):
    with Store(mixed.data[0]) as store:
        write_snapshots(tmp_path / "unsaid.h5", [snapshot.replace(trajectories=None) for snapshot in store])
    with pytest.raises(ConfigError, match="does not say how many trajectories"):
        prepare(dataclasses.replace(mixed, data=(str(tmp_path / "unsaid.h5"),)), Cache(None), quiet=True)


@pytest.mark.slow
def test_the_reversed_displacement_is_that_of_the_ends_own_ensemble():
    """|x_k - x_0| against the propensity that x_k itself has when it is given new velocities: slope one, equal means, for ends well after the start.

    6400 particles at T = 1 (tau_alpha about 1), trajectories of one time unit: where a single label has ten times the variance of the propensity, the slope
    is known to .04, and the mean to 1 %; three to four of these errors are allowed.
    """
    n, temperature, steps = 200, 1.0, 200
    rng = np.random.default_rng(0)
    types = (np.arange(n) >= 0.8 * n).astype(np.int32)
    box = np.full(3, (n / 1.2) ** (1 / 3))
    system = System(types, box, KOB_ANDERSEN)
    side = int(np.ceil(n ** (1 / 3)))
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3), -1).reshape(-1, 3)[rng.permutation(side**3)[:n]] * box / side
    hot = Dynamics(system, Ensemble("langevin", 2.0, 0.002))
    replicas = 32
    moving = hot.advance(hot.start(np.stack([grid] * replicas), maxwell(1, (replicas, n, 3), 2.0)), 2000)
    cool = Dynamics(system, Ensemble("langevin", temperature, 0.005))
    moving = cool.advance(cool.start(np.asarray(moving.positions), np.asarray(moving.momenta)), 4000)
    free = Dynamics(system, Ensemble("nve", temperature, 0.005))

    def run(positions):
        start = free.start(positions, maxwell(int(rng.integers(2**31)), positions.shape, temperature))
        return np.asarray(free.advance(start, steps).positions)

    starts = np.asarray(moving.positions)
    ends = run(starts)
    labels = np.linalg.norm(ends - starts, axis=-1)
    own = np.stack([np.linalg.norm(run(ends) - ends, axis=-1) for _ in range(24)])
    halves = own[:12].mean(0).ravel(), own[12:].mean(0).ravel()
    assert labels.mean() == pytest.approx(own.mean(), rel=0.03)
    # One half of the trajectories is an instrument for the other: its noise does not lower the slope.
    centred = [half - half.mean() for half in halves]
    slope = (centred[0] * (labels.ravel() - labels.mean())).mean() / (centred[0] * centred[1]).mean()
    assert slope == pytest.approx(1, abs=0.15)

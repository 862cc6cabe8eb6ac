import contextlib
import dataclasses
import json
import shutil

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from equijax.data.convert import write_snapshots
from equijax.data.pipeline import Batches, stack
from equijax.data.splits import split_names
from equijax.data.store import Store
from equijax.errors import CheckpointError, ConfigError, TrainingError
from equijax.evaluation import evaluate
from equijax.inputs import InputConfig
from equijax.metrics import pearson
from equijax.network import Network
from equijax.predictor import Predictor
from equijax.targets import TargetConfig
from equijax.train.checkpoint import Checkpoints
from equijax.train.config import OptimizerConfig
from equijax.train.log import read_log
from equijax.train.loop import train
from equijax.train.mesh import make_mesh, replicated, spread
from equijax.train.optimizer import make_optimizer
from equijax.train.prepare import prepare
from equijax.train.step import AXIS, initial_state, loss_and_gradient, make_step
from tests.train.conftest import changed


def losses(folder):
    return [line["loss"] for line in read_log(folder / "metrics.jsonl") if "loss" in line]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, toy_set, cache):
    """An uninterrupted run of four epochs."""
    from tests.train.conftest import TINY, InputConfig, OptimizerConfig, TrainConfig

    folder = tmp_path_factory.mktemp("runs") / "whole"
    config = TrainConfig(
        data=(str(toy_set),), validation=2, test=2, network=TINY, inputs=InputConfig("thermal", energy=False),
        optimizer=OptimizerConfig(learning_rate=1e-2, warmup_steps=5), epochs=4, batch=2, checkpoint_every=1, checkpoint_seconds=0,
    )  # fmt: skip
    train(config, folder, cache, quiet=True)
    return config, folder


def test_a_run_folder_holds_what_a_reader_needs(whole):
    _, folder = whole
    assert {"config.json", "run.json", "metrics.jsonl", "checkpoints", "tensorboard"} <= {path.name for path in folder.iterdir()}
    run = json.loads((folder / "run.json").read_text())
    assert {"jax", "equijax", "python"} <= run["versions"].keys()
    assert len(run["split"]["train"]) == 8
    assert len(losses(folder)) == 16
    assert any((folder / "tensorboard").iterdir())


def test_the_loss_falls(whole):
    values = losses(whole[1])
    assert np.mean(values[-4:]) < 0.9 * np.mean(values[:4])


@pytest.mark.parametrize("stop", [1, 3])
def test_a_resumed_run_has_exactly_the_losses_of_a_whole_one(tmp_path, whole, cache, stop, monkeypatch):
    config, folder = whole
    from equijax.train import loop

    real = loop._Loop._validate
    seen = []

    def dies(self, *arguments):
        if len(seen) == stop:
            raise KeyboardInterrupt
        seen.append(0)
        return real(self, *arguments)

    monkeypatch.setattr(loop._Loop, "_validate", dies)
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "cut", cache, quiet=True)
    monkeypatch.setattr(loop._Loop, "_validate", real)
    assert len(losses(tmp_path / "cut")) == 4 * (stop + 1)  # lines beyond the checkpoint are there, and are written again
    resumed = train(config, tmp_path / "cut", cache, resume=True, quiet=True)
    assert losses(tmp_path / "cut") == losses(folder)
    validations = [[line["validation"] for line in read_log(f / "metrics.jsonl") if "validation" in line] for f in (tmp_path / "cut", folder)]
    assert validations[0] == validations[1]
    assert resumed.epoch == 4
    states = [Checkpoints(f) for f in (tmp_path / "cut", folder)]
    assert states[0].latest() == states[1].latest() == 16


def test_the_predictor_of_a_run_gives_the_numbers_of_its_evaluation(whole, cache):
    _, folder = whole
    evaluation = evaluate(folder, cache)
    assert evaluation.part == "test"
    assert {s.name for s in evaluation.scored}.isdisjoint(json.loads((folder / "run.json").read_text())["split"]["train"])
    predictor = Predictor.load(folder)
    for scored, snapshot in zip(evaluation.scored, evaluation.snapshots, strict=True):
        prediction = predictor.predict(snapshot)
        assert np.abs(prediction.propensity - scored.predicted).max() < 1e-5
    assert prediction.times.tolist() == [1.0, 10.0]


def test_training_data_are_not_evaluated_as_unseen(tmp_path, whole, cache, toy_set):
    with pytest.raises(ConfigError, match="10 of the configurations were used to train or to choose"):
        evaluate(whole[1], cache, [str(toy_set)])
    split = json.loads((whole[1] / "run.json").read_text())["split"]
    with Store(toy_set) as store:
        by_name = {snapshot.name: snapshot for snapshot in store}
    # Under another name, in another image of the box, rounded as a text file would.
    hidden = by_name[split["validation"][0]]
    write_snapshots(tmp_path / "renamed.extxyz", [hidden.replace(name="new", positions=hidden.positions + 2 * hidden.box)])
    with pytest.raises(ConfigError, match="1 of the configurations were used"):
        evaluate(whole[1], cache, [str(tmp_path / "renamed.extxyz")])
    write_snapshots(tmp_path / "fresh.h5", [by_name[name] for name in split["test"]])
    assert len(evaluate(whole[1], cache, [str(tmp_path / "fresh.h5")]).scored) == 2


def test_a_run_is_not_resumed_on_other_data(tmp_path, config, cache, toy_set):
    """One file more would shuffle the split, and train on what was kept for the test."""
    data = tmp_path / "data"
    with Store(toy_set) as store:
        snapshots = list(store)
    for number, snapshot in enumerate(snapshots[:10]):
        write_snapshots(data / f"{number}.h5", [snapshot])
    config = changed(config, data=(str(data),), epochs=1)
    train(config, tmp_path / "run", cache, quiet=True)
    write_snapshots(data / "more.h5", snapshots[10:])
    with pytest.raises(CheckpointError, match=r"the data are not those the run began with \(their split"):
        train(config, tmp_path / "run", cache, resume=True, quiet=True)


def test_a_run_is_resumed_where_data_moved_and_settings_were_added(tmp_path, whole, cache, toy_set):
    """The data are known by what they hold, and a setting that is newer than the run has its default."""
    config, folder = whole
    shutil.copytree(folder, tmp_path / "run")
    shutil.copy(toy_set, tmp_path / "moved.h5")
    stored = json.loads((tmp_path / "run" / "config.json").read_text())
    del stored["trajectory_noise"], stored["network"]["readout"]
    (tmp_path / "run" / "config.json").write_text(json.dumps(stored))
    moved = changed(config, data=(str(tmp_path / "moved.h5"),))
    assert train(moved, tmp_path / "run", cache, resume=True, quiet=True).epoch == config.epochs
    (tmp_path / "run" / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"config\.json"):
        train(moved, tmp_path / "run", cache, resume=True, quiet=True)


def test_one_configuration_under_two_names_is_not_put_apart(tmp_path, config, cache, toy_set):
    with Store(toy_set) as store:
        snapshots = list(store)
    write_snapshots(tmp_path / "copy.h5", [snapshots[0].replace(name="copy", positions=snapshots[0].positions.astype(np.float32))])
    data = (str(toy_set), str(tmp_path / "copy.h5"))
    splits = {seed: split_names([*(s.name for s in snapshots), "copy"], 2, 2, seed) for seed in range(20)}
    together = {seed: any({snapshots[0].name, "copy"} <= set(part) for part in (split.train, split.validation, split.test)) for seed, split in splits.items()}
    assert {*together.values()} == {True, False}
    for here in (True, False):
        twice = changed(config, data=data, split_seed=next(seed for seed, one in together.items() if one == here))
        with contextlib.nullcontext() if here else pytest.raises(ConfigError, match="are the same configuration"):
            prepare(twice, cache, quiet=True)


def train_in_two_goes(config, folder, cache, monkeypatch):
    """The first ends before there is a checkpoint."""
    from equijax.train import loop

    def dies(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop._Loop, "_epoch", dies)
        with pytest.raises(KeyboardInterrupt):
            train(config, folder, cache, quiet=True)
    train(config, folder, cache, resume=True, quiet=True)


def test_a_run_that_was_stopped_before_its_first_checkpoint_starts_again(tmp_path, whole, cache, monkeypatch):
    config, folder = whole
    train_in_two_goes(config, tmp_path / "run", cache, monkeypatch)
    assert losses(tmp_path / "run") == losses(folder)


def test_and_from_the_weights_it_was_to_start_from(tmp_path, whole, cache, monkeypatch):
    config, folder = whole
    start = dataclasses.replace(config, start_from=str(folder), epochs=1)
    train(start, tmp_path / "whole", cache, quiet=True)
    train_in_two_goes(start, tmp_path / "run", cache, monkeypatch)
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")
    seen = [json.loads((tmp_path / run / "run.json").read_text())["seen_before"] for run in ("run", "whole")]
    assert seen[0] == seen[1]
    assert len(seen[0]) == 10


def test_a_validation_that_cannot_be_scored_stops_the_run(tmp_path, config, cache, toy_set):
    with Store(toy_set) as store:
        write_snapshots(tmp_path / "flat.h5", [s.replace(propensity=s.propensity * [1.0, 0.0]) for s in store])
    with pytest.raises(TrainingError, match="validation correlation is nan"):
        train(changed(config, data=(str(tmp_path / "flat.h5"),)), tmp_path / "run", cache, quiet=True)


def test_one_compilation_an_epoch(config, cache):
    """Configurations with different numbers of edges have one shape."""
    prepared = prepare(config, cache, quiet=True)
    source = prepared.source(config, prepared.split.train)
    network = Network(prepared.network, AXIS)
    optimizer = make_optimizer(config.optimizer, 10)
    mesh = make_mesh(2, 1)
    state = jax.device_put(initial_state(network, optimizer, source[0].graph, 0), replicated(mesh))
    step = make_step(network, optimizer, 0.9, mesh, True, 0)
    edges = {int(source[i].graph.edge_mask.sum()) for i in range(len(source))}
    assert len(edges) > 1
    for batch in Batches(source, 2, 1, 0).from_step(0):
        state, _ = step(state, jax.device_put(batch, spread(mesh)))
    assert step._cache_size() == 1


def test_batches_are_the_same_from_any_step_and_differ_between_epochs(config, cache):
    prepared = prepare(config, cache, quiet=True)
    batches = Batches(prepared.source(config, prepared.split.train), 2, 3, seed=1)
    order = [batches.members(step).tolist() for step in range(12)]
    assert sorted(number for members in order[:4] for number in members) == list(range(8))
    assert order[:4] != order[4:8]
    late = next(batches.from_step(7))
    expected = stack([batches._source[i] for i in order[7]])
    chex.assert_trees_all_equal(late, expected)
    with pytest.raises(ConfigError, match="a batch of 9 does not fit a training set of 8"):
        Batches(batches._source, 9, 1, 0)


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_configuration(tmp_path, config, cache):
    bad = changed(config, optimizer=dataclasses.replace(config.optimizer, learning_rate=1e30, warmup_steps=0, clip=1e30))
    with pytest.raises(TrainingError, match=r"step \d+ \(epoch \d\): the loss of toy/\d+, toy/\d+ is not finite; .*lower optimizer.learning_rate"):
        train(bad, tmp_path / "run", cache, quiet=True)
    assert not (tmp_path / "run" / "config.json").exists(), "nothing is worth resuming, and the next try may have the folder"


def test_a_loss_that_is_not_finite_is_noticed_within_an_epoch(tmp_path, config, cache, monkeypatch):
    """An epoch may take many minutes; the steps before are in the log."""
    monkeypatch.setattr("equijax.train.loop.LOOK", 3)
    bad = changed(config, optimizer=dataclasses.replace(config.optimizer, learning_rate=1e30, warmup_steps=0, clip=1e30))
    with pytest.raises(TrainingError, match=r"step 2 \(epoch 1\)"):
        train(bad, tmp_path / "run", cache, quiet=True)
    assert len(losses(tmp_path / "run")) == 1


def test_a_step_with_a_loss_that_is_not_finite_keeps_the_state(config, cache):
    prepared = prepare(config, cache, quiet=True)
    source = prepared.source(config, prepared.split.train)
    network = Network(prepared.network, AXIS)
    optimizer = make_optimizer(config.optimizer, 10)
    state = initial_state(network, optimizer, source[0].graph, 0)
    before = jax.tree.map(np.array, state)
    batch = stack([source[0], source[1]])
    spoiled = batch.replace(targets=np.where(batch.targets > 1, np.nan, batch.targets))
    after, loss = make_step(network, optimizer, 0.9, make_mesh(2, 1), False, 0)(state, spoiled)
    assert np.isnan(loss)
    chex.assert_trees_all_equal(jax.tree.map(np.array, after), before)


def test_the_loss_is_a_mean_over_times(config, cache):
    """Against the errors of each time, differentiated one by one: the gradient is that of their arithmetic mean, or of the mean of their logarithms times the loss."""
    prepared = prepare(config, cache, quiet=True)
    source = prepared.source(config, prepared.split.train)
    network = Network(prepared.network, AXIS)
    state = initial_state(network, make_optimizer(config.optimizer, 10), source[0].graph, 0)
    batch = jax.tree.map(jnp.asarray, stack([source[0], source[1]]))

    def means(params):
        outputs = jax.vmap(
            lambda graph: network.apply({"params": params, "batch_stats": state.batch_stats}, graph, train=True, mutable=["batch_stats"])[0], axis_name=AXIS
        )
        squared = (outputs(batch.graph) - batch.targets) ** 2
        return jnp.where(batch.weights[..., None] > 0, squared, 0).sum((0, 1)) / (batch.weights > 0).sum()

    m, jacobian = means(state.params), jax.jacobian(means)(state.params)
    for geometric in (False, True):
        differentiate = loss_and_gradient(network, make_mesh(2, 1), geometric)
        loss, _, gradient = jax.jit(differentiate)(state.params, state.batch_stats, batch)
        expected = jnp.exp(jnp.log(m).mean()) if geometric else m.mean()
        weights = expected / m if geometric else jnp.ones(len(m))
        assert float(loss) == pytest.approx(float(expected), rel=1e-5)
        by_hand = jax.tree.map(lambda j, w=weights: jnp.tensordot(w, j, 1) / len(m), jacobian)
        chex.assert_trees_all_close(gradient, by_hand, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_shuffled_targets_are_not_predicted(tmp_path, config, cache, toy_set):
    """A control: what is learned from targets that belong to other particles stays at zero on unseen configurations."""
    rng = np.random.default_rng(0)
    with Store(toy_set) as store:
        write_snapshots(tmp_path / "shuffled.h5", [s.replace(propensity=rng.permuted(s.propensity, axis=0)) for s in store])
    train(changed(config, data=(str(tmp_path / "shuffled.h5"),), epochs=10), tmp_path / "run", cache, quiet=True)
    rows = evaluate(tmp_path / "run", cache).rows
    assert all(abs(row.pooled) < 0.3 for row in rows if row.type == "A")  # three standard errors of 104 particles


@pytest.mark.slow
def test_a_small_set_can_be_learned_by_heart(tmp_path, config, cache):
    """The network has the capacity and the optimiser the strength to reach r > 0.99 on what it has seen."""
    heart = changed(
        config, validation=0, test=10, batch=1, epochs=500, checkpoint_every=500, network=dataclasses.replace(config.network, channels=12, l_max=2, batch_norm=False)
    )
    train(heart, tmp_path / "run", cache, quiet=True)
    for scored in evaluate(tmp_path / "run", cache, part="train").scored:
        chosen = scored.types == 0
        assert pearson(scored.predicted[chosen, 0], scored.measured[chosen, 0]) > 0.99


def test_early_stopping_keeps_the_best_weights(tmp_path, config, cache):
    done = train(changed(config, epochs=30, patience=3, optimizer=dataclasses.replace(config.optimizer, learning_rate=1e-9)), tmp_path / "run", cache, quiet=True)
    assert done.epoch < 30
    assert done.epoch - done.best_epoch == 3


def test_a_folder_is_not_written_over(whole, cache):
    config, folder = whole
    with pytest.raises(ConfigError, match="already holds a run; resume it with --resume"):
        train(config, folder, cache, quiet=True)
    with pytest.raises(CheckpointError, match="made with epochs = 4, now it is 5"):
        train(changed(config, epochs=5), folder, cache, resume=True, quiet=True)
    with pytest.raises(CheckpointError, match="holds no run to resume"):
        train(config, folder / "nothing", cache, resume=True, quiet=True)


@pytest.mark.slow
def test_quenched_inputs_come_from_the_snapshot_set(tmp_path, cache, liquid):
    """A configuration measured at one time only, with inherent structure as input: uni-variate training end to end."""
    from equijax.data.embedded import embedded_path
    from equijax.inputs import InputConfig
    from equijax.network import NetworkConfig
    from equijax.targets import TargetConfig
    from equijax.train.config import TrainConfig

    config = TrainConfig(
        data=(str(embedded_path()),), validation=2, test=16, epochs=1, network=NetworkConfig(layers=1, l_max=1, channels=2, activation="gate"),
        inputs=InputConfig("inherent", energy=True, displacement=True), targets=TargetConfig(times=(5,), centre="configuration"), mirror=True,
    )  # fmt: skip
    train(config, tmp_path / "run", cache, quiet=True)
    evaluation = evaluate(tmp_path / "run", cache, part="validation")
    assert [row.time for row in evaluation.rows] == pytest.approx([25.825, 25.825])
    assert evaluation.rows[0].ceiling == pytest.approx(0.83, abs=0.06)  # of two configurations; 0.83 of all


def same_layers(one, other) -> bool:
    names = one.keys() - {"decoder"}
    return all(np.abs(a - b).max() < 1e-6 for name in names for a, b in zip(*map(jax.tree.leaves, (one[name], other[name])), strict=True))


def test_a_run_can_start_from_another(tmp_path, whole, cache):
    """With a vanishing learning rate it keeps the weights it was given, and predicts what they predict."""
    config, folder = whole
    still = dataclasses.replace(config, start_from=str(folder), epochs=1, optimizer=OptimizerConfig(learning_rate=1e-12, warmup_steps=0))
    train(still, tmp_path / "run", cache, quiet=True)
    with Store(config.data[0]) as store:
        snapshot = store[0]
    given, kept = (Predictor.load(run).predict(snapshot).propensity for run in (folder, tmp_path / "run"))
    assert np.abs(kept - given).max() < 0.1 * given.std()  # batch norm goes on averaging over the batches it sees
    # With fewer times the heads of the last ones are taken, with more they begin anew; the layers are taken in both.
    train(dataclasses.replace(still, targets=TargetConfig(times=(0,))), tmp_path / "one", cache, quiet=True)
    was, found = (Predictor.load(run).variables["params"] for run in (folder, tmp_path / "one"))
    assert np.abs(found["decoder"]["kernel"] - was["decoder"]["kernel"][..., 1:]).max() < 1e-6
    assert same_layers(was, found)
    train(dataclasses.replace(config, epochs=1, targets=TargetConfig(times=(0,))), tmp_path / "single", cache, quiet=True)
    train(dataclasses.replace(still, start_from=str(tmp_path / "single")), tmp_path / "two", cache, quiet=True)
    was, found = (Predictor.load(tmp_path / run).variables["params"] for run in ("single", "two"))
    assert found["decoder"]["kernel"].shape[-1] == 2
    assert same_layers(was, found)
    # One with twice the channels begins from copies of them; by three halves it cannot.
    train(dataclasses.replace(still, network=dataclasses.replace(config.network, channels=8)), tmp_path / "twice", cache, quiet=True)
    wide = Predictor.load(tmp_path / "twice").predict(snapshot).propensity
    assert np.corrcoef(wide[:, 0], given[:, 0])[0, 1] > 0.8
    wider = dataclasses.replace(config, start_from=str(folder), network=dataclasses.replace(config.network, channels=5))
    with pytest.raises(CheckpointError, match=r"cannot be started from: network\.channels is 4 there and 5 here"):
        train(wider, tmp_path / "wider", cache, quiet=True)
    with pytest.raises(ConfigError, match="which is kept for validation or test here"):
        train(dataclasses.replace(still, split_seed=1), tmp_path / "leak", cache, quiet=True)
    # Together they are scored on what both kept; one validation set may have chosen both.
    for part in ("train", "validation", "test"):
        assert evaluate([folder, tmp_path / "run"], cache, part=part).part == part
    # What the first run has seen is no test of the second, whatever this one was trained on.
    assert len(json.loads((tmp_path / "run" / "run.json").read_text())["seen_before"]) == 10


def test_a_run_does_not_start_from_one_of_other_inputs(tmp_path, whole, cache):
    """Their shapes are alike: weights for thermal positions would be carried on with centres of cages."""
    config, folder = whole
    with Store(config.data[0]) as store:
        write_snapshots(tmp_path / "cages.h5", [snapshot.replace(cage_positions=snapshot.positions) for snapshot in store])
    cages = dataclasses.replace(config, data=(str(tmp_path / "cages.h5"),), start_from=str(folder), inputs=InputConfig("cage", energy=False))
    with pytest.raises(CheckpointError, match=r"cannot be started from: inputs\.positions is thermal there and cage here"):
        train(cages, tmp_path / "run", cache, quiet=True)


@pytest.mark.slow
def test_two_graphs_and_cages_train_and_come_back(tmp_path, toy_set, cache, config):
    """A propensity that is the distance from thermal to inherent position, seen through two graphs and as a vector."""
    rng = np.random.default_rng(0)
    snapshots = []
    with Store(toy_set) as store:
        for snapshot in (store[i] for i in range(len(store))):
            moved = 0.05 * rng.standard_normal(snapshot.positions.shape)
            length = np.linalg.norm(moved, axis=1)
            snapshots.append(
                snapshot.replace(
                    inherent_positions=snapshot.positions + moved, inherent_energy=np.zeros(len(snapshot)), cage_positions=snapshot.positions + 0.5 * moved,
                    propensity=np.stack([length, 2 * length], 1),
                )
            )  # fmt: skip
    write_snapshots(tmp_path / "data.h5", snapshots)
    inputs = InputConfig("both", energy=False, displacement=True, cage_displacement=True)
    both = changed(config, data=(str(tmp_path / "data.h5"),), inputs=inputs, epochs=12, mirror=True, network=dataclasses.replace(config.network, readout="all"))
    train(both, tmp_path / "run", cache, quiet=True)
    evaluation = evaluate(tmp_path / "run", cache)
    assert all(row.pooled > 0.8 for row in evaluation.rows)

"""Every baseline learns what it can, comes back from its folder, and refuses what it cannot."""

import dataclasses
import json

import numpy as np
import pytest

from equijax.baselines.config import BASELINES, BaselineConfig, GraphNetworkConfig, PerceptronConfig
from equijax.baselines.descriptors import DescriptorConfig, descriptors
from equijax.baselines.fitted import fit
from equijax.baselines.ridge import MOST_GROUPS, PENALTIES, Ridge
from equijax.baselines.run import open_baseline, train_baseline
from equijax.data.cache import Cache
from equijax.data.convert import write_snapshots
from equijax.data.splits import end_of
from equijax.errors import CheckpointError, ConfigError
from equijax.evaluation import evaluate, score
from equijax.metrics import pearson, selection_score
from equijax.model import Ensemble
from equijax.runs import open_model
from equijax.targets import TargetConfig
from equijax.testing import toy_snapshot

PLAIN = DescriptorConfig(("thermal",), energy=False)
CONFIGS = {
    "ridge": BaselineConfig("ridge", descriptors=PLAIN),
    "perceptron": BaselineConfig("perceptron", descriptors=PLAIN, perceptron=PerceptronConfig(((8,),), (1e-3,), epochs=30, batch=32)),
    "graph_network": BaselineConfig("graph_network", graph_network=GraphNetworkConfig(cutoff=1.6, width=16, passes=1, learning_rates=(1e-2,), epochs=60)),
}


def labelled(seed):
    """A propensity that is the number of neighbours in the first shells, with a little noise."""
    snapshot = toy_snapshot(6, seed=seed)
    density = descriptors(snapshot, PLAIN)[:, 12:20].sum(1)
    values = np.stack([density, -2 * density], 1) + 0.1 * np.random.default_rng(seed).standard_normal((216, 2))
    return snapshot.replace(times=[1.0, 2.0], propensity=values)


LEARNED = [pytest.param(name, marks=[pytest.mark.slow] * (name != "ridge")) for name in CONFIGS]
"""Of networks the slow tests."""


@pytest.fixture(scope="module")
def snapshots():
    return [labelled(seed) for seed in range(8)]


@pytest.fixture(scope="module")
def store(snapshots, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "toy.h5"
    write_snapshots(path, snapshots)
    return path


@pytest.mark.parametrize("name", LEARNED)
def test_a_baseline_learns_what_its_inputs_say(name, snapshots):
    baseline = fit(CONFIGS[name], snapshots[:5], snapshots[5:7], quiet=True)
    (scored,) = score(baseline, snapshots[7:], TargetConfig())
    # The descriptors hold the answer; a small message passing network finds most of it from edge vectors.
    least = 0.5 if name == "graph_network" else 0.9
    for t in (0, 1):
        chosen = scored.types == 0
        assert pearson(scored.predicted[chosen, t], scored.measured[chosen, t]) > least


@pytest.mark.parametrize("name", LEARNED)
def test_shuffled_targets_teach_nothing(name, snapshots):
    rng = np.random.default_rng(0)
    shuffled = [s.replace(propensity=rng.permutation(s.propensity)) for s in snapshots]
    baseline = fit(CONFIGS[name], shuffled[:5], shuffled[5:7], quiet=True)
    (scored,) = score(baseline, shuffled[7:], TargetConfig())
    chosen = scored.types == 0
    # 173 particles: the correlation of independent numbers has a standard deviation of 0.08.
    assert abs(pearson(scored.predicted[chosen, 0], scored.measured[chosen, 0])) < 0.3


@pytest.mark.parametrize("name", LEARNED)
def test_a_run_folder_gives_the_same_predictions(name, store, tmp_path):
    quick = dataclasses.replace(
        CONFIGS[name], data=(str(store),), validation=2.0, test=1.0, graph_network=dataclasses.replace(CONFIGS["graph_network"].graph_network, epochs=2)
    )
    value = train_baseline(quick, tmp_path / "run", Cache(None), quiet=True)
    baseline, meta = open_baseline(tmp_path / "run")
    chosen = evaluate(tmp_path / "run", Cache(None), part="validation")
    assert value == pytest.approx(selection_score(chosen.scored), abs=1e-6)
    assert baseline.config == quick
    evaluation = evaluate(tmp_path / "run", Cache(None))
    assert evaluation.part == "test"
    assert [scored.name for scored in evaluation.scored] == meta["split"]["test"]
    again, _ = open_model(tmp_path / "run")
    snapshot = evaluation.snapshots[0]
    assert np.array_equal(again.predict(snapshot).propensity, evaluation.scored[0].predicted)
    with pytest.raises(ConfigError, match="already holds a run"):
        train_baseline(quick, tmp_path / "run", Cache(None), quiet=True)


@pytest.mark.parametrize("count", [6, MOST_GROUPS + 5])
def test_without_validation_a_ridge_leaves_configurations_out(count):
    """Noise common to the particles of a configuration: only configurations that were left out, alone or in groups, show that it teaches nothing."""
    rng = np.random.default_rng(1)

    def table(own):
        x = rng.standard_normal((40, 30)) + 3 * rng.standard_normal((1, 30))
        return x, np.zeros(40, np.int32), (x[:, :1] + 5 * rng.standard_normal() + own * rng.standard_normal((40, 1)))

    tables = [table(1.0) for _ in range(count)]
    group = np.concatenate([[k] * len(part) for k, part in enumerate(np.array_split(np.arange(count), min(count, MOST_GROUPS)))])
    ridge = Ridge()
    ridge.fit(tables, [])
    x, y = (np.concatenate([part[k] for part in tables]) for k in (0, 2))
    mean, scale, offset = x.mean(0), x.std(0), y.mean(0)
    left_out = []
    for penalty in PENALTIES:
        predicted = []
        for i, (one, _, _) in enumerate(tables):
            others_x, others_y = (np.concatenate([part[k] for j, part in enumerate(tables) if group[j] != group[i]]) for k in (0, 2))
            z = (others_x - mean) / scale
            predicted.append((one - mean) / scale @ np.linalg.solve(z.T @ z + penalty * np.eye(30), z.T @ (others_y - offset)))
        left_out.append(pearson(np.concatenate(predicted)[:, 0], y[:, 0]))
    z = (x - mean) / scale
    weights = np.linalg.solve(z.T @ z + PENALTIES[int(np.argmax(left_out))] * np.eye(30), z.T @ (y - offset))
    assert np.allclose(ridge.outputs(x, np.zeros(len(x), np.int32)), z @ weights + offset, rtol=1e-8)
    assert np.argmax(left_out) > 0


def test_baselines_leave_the_ends_of_single_trajectories_out(store, snapshots, tmp_path):
    """Whether they are in the data or not, a baseline is the same, on the split that a network has."""
    ends = tmp_path / "ends.h5"
    write_snapshots(ends, [snapshot.replace(name=end_of(snapshot.name, 0), trajectories=1, propensity=2 * snapshot.propensity) for snapshot in snapshots])
    for name, data in {"with": (str(store), str(ends)), "without": (str(store),)}.items():
        train_baseline(BaselineConfig("ridge", data, 2.0, 1.0, descriptors=PLAIN), tmp_path / name, Cache(None), quiet=True)
    (one, its), (other, others) = (open_baseline(tmp_path / name) for name in ("with", "without"))
    assert its["split"] == others["split"]
    assert np.array_equal(one.predict(snapshots[0]).propensity, other.predict(snapshots[0]).propensity)
    with pytest.raises(ConfigError, match="which is not in the data"):
        train_baseline(BaselineConfig("ridge", (str(ends),), 2.0, 1.0, descriptors=PLAIN), tmp_path / "only", Cache(None), quiet=True)


def test_the_mean_of_several_runs(store, tmp_path):
    folders = []
    for name, chosen in {"near": PLAIN, "far": dataclasses.replace(PLAIN, generations=0)}.items():
        folders.append(tmp_path / name)
        train_baseline(BaselineConfig("ridge", (str(store),), 2.0, 1.0, descriptors=chosen), folders[-1], Cache(None), quiet=True)
    together = evaluate(folders, Cache(None))
    single = [evaluate(folder, Cache(None)) for folder in folders]
    mean = np.mean([one.scored[0].predicted for one in single], axis=0)
    assert np.abs(together.scored[0].predicted - mean).max() < 1e-12
    assert together.run["together_with"] == [str(folders[1])]
    train_baseline(BaselineConfig("ridge", (str(store),), 2.0, 1.0, descriptors=PLAIN, split_seed=3), tmp_path / "other", Cache(None), quiet=True)
    with pytest.raises(ConfigError, match="were used to train"):
        evaluate([folders[0], tmp_path / "other"], Cache(None))


def test_models_of_other_times_have_no_mean(snapshots):
    first = fit(CONFIGS["ridge"], snapshots[:5], snapshots[5:7], quiet=True)
    second = fit(dataclasses.replace(CONFIGS["ridge"], targets=TargetConfig(times=(0,))), snapshots[:5], snapshots[5:7], quiet=True)
    with pytest.raises(ConfigError, match="predict different times"):
        Ensemble([first, second])


def test_single_times_are_those_of_all_times(snapshots):
    whole = fit(CONFIGS["ridge"], snapshots[:5], snapshots[5:7], quiet=True)
    single = fit(dataclasses.replace(CONFIGS["ridge"], targets=TargetConfig(times=(1,))), snapshots[:5], snapshots[5:7], quiet=True)
    assert np.abs(single.predict(snapshots[7]).propensity[:, 0] - whole.predict(snapshots[7]).propensity[:, 1]).max() < 1e-9


def test_other_times_are_compared_in_order_only_when_asked(snapshots, store, tmp_path):
    train_baseline(BaselineConfig("ridge", (str(store),), 2.0, 1.0, descriptors=PLAIN), tmp_path / "run", Cache(None), quiet=True)
    write_snapshots(tmp_path / "cold.h5", [labelled(20).replace(times=[10.0, 20.0], name="cold/0")])
    with pytest.raises(ConfigError, match=r"measured at \[10.0, 20.0\]"):
        evaluate(tmp_path / "run", Cache(None), [str(tmp_path / "cold.h5")])
    evaluation = evaluate(tmp_path / "run", Cache(None), [str(tmp_path / "cold.h5")], align="order")
    assert [row.time for row in evaluation.rows if row.type == "A"] == [10.0, 20.0]
    assert all(row.pooled > 0.9 for row in evaluation.rows)


def test_what_cannot_be_fitted_or_opened(snapshots, tmp_path):
    with pytest.raises(ConfigError, match="ridge: no training configurations"):
        fit(CONFIGS["ridge"], [], [], quiet=True)
    with pytest.raises(ConfigError, match="needs inherent structures"):
        BaselineConfig(descriptors=PLAIN, targets=TargetConfig(centre="configuration"))
    (tmp_path / "run.json").write_text(json.dumps({"config": {"model": "forest"}}))
    with pytest.raises(CheckpointError, match="config is not understood by this version"):
        open_baseline(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(CheckpointError, match="cannot be read"):
        open_baseline(tmp_path)


def test_presets_read_what_they_say():
    assert BASELINES["ridge"].needs_quench
    assert not BASELINES["ridge-thermal"].needs_quench
    assert not BASELINES["bapst"].needs_quench
    assert BASELINES["energy"].needs_quench

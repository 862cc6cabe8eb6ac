"""What an evaluation refuses: configurations that are not the run's own, times that do not belong together."""

import dataclasses
import json

import numpy as np
import pytest

from equijax.baselines.config import BaselineConfig
from equijax.baselines.descriptors import DescriptorConfig
from equijax.baselines.run import train_baseline
from equijax.data.cache import Cache
from equijax.data.convert import write_snapshots
from equijax.errors import CheckpointError, ConfigError
from equijax.evaluation import baseline_rows, evaluate, score
from equijax.predictor import Prediction
from equijax.targets import TargetConfig
from equijax.testing import toy_snapshot

RIDGE = BaselineConfig(descriptors=DescriptorConfig(("thermal",), energy=False, generations=0), validation=2.0, test=2.0)


@pytest.fixture(scope="module")
def snapshots():
    made = []
    for seed in range(6):
        snapshot = toy_snapshot(6, seed=seed)
        moved = np.linalg.norm(snapshot.positions - toy_snapshot(6, seed=seed, jitter=0.0).positions, axis=1)
        made.append(snapshot.replace(times=np.array([1.0, 10.0]), propensity=np.stack([moved, 3 * moved], 1)))
    return made


@pytest.fixture
def run(snapshots, tmp_path):
    write_snapshots(tmp_path / "data.h5", snapshots)
    train_baseline(dataclasses.replace(RIDGE, data=(str(tmp_path / "data.h5"),)), tmp_path / "run", Cache(None), quiet=True)
    return tmp_path / "run"


def test_configurations_that_changed_their_names_are_not_scored_as_unseen(run, snapshots, tmp_path):
    """The same file with its frames in reverse order: what is called a test configuration was trained on."""
    assert evaluate(run, Cache(None)).part == "test"
    write_snapshots(tmp_path / "data.h5", [s.replace(name=other.name) for s, other in zip(snapshots[::-1], snapshots, strict=True)])
    with pytest.raises(CheckpointError, match=r"toy/\d in .*data\.h5 is not the configuration that it was in training \(2 such\); put it back, or give --data"):
        evaluate(run, Cache(None))


def test_a_baseline_beside_a_run_needs_what_the_run_was_trained_on(run, snapshots, tmp_path):
    evaluation = evaluate(run, Cache(None))
    assert [row.time for row in baseline_rows(evaluation, RIDGE, Cache(None), quiet=True)] == [row.time for row in evaluation.rows]
    write_snapshots(tmp_path / "data.h5", snapshots[:1])
    with pytest.raises(CheckpointError, match=r"a baseline beside .*run is fitted to what that was trained on: .* hold no toy/\d \(\d such\)"):
        baseline_rows(evaluation, RIDGE, Cache(None), quiet=True)
    (tmp_path / "data.h5").unlink()
    with pytest.raises(CheckpointError, match=r"data\.h5 is not there; leave the baseline out"):
        baseline_rows(evaluation, RIDGE, Cache(None), quiet=True)
    with pytest.raises(CheckpointError, match=r"data\.h5 is not there; give --data"):
        evaluate(run, Cache(None))


class Constant:
    """Predicts the same for all particles, at two times."""

    times, needs_quench, needs_cages = np.array([1.0, 10.0]), False, False

    def predict(self, snapshot):
        return Prediction(np.ones((len(snapshot), 2)), self.times)


def test_a_model_of_some_times_is_scored_on_configurations_of_more(snapshots):
    more = snapshots[0].replace(times=[0.1, 1.0, 3.0, 10.0], propensity=np.arange(4.0) + snapshots[0].propensity[:, :1])
    (scored,) = score(Constant(), [more], TargetConfig())
    assert np.array_equal(scored.measured, more.propensity[:, [1, 3]])
    with pytest.raises(ConfigError, match=r"measured at \[0\.1, 1\.0\], the training set at \[1\.0, 10\.0\]"):
        score(Constant(), [more.at([0, 1])], TargetConfig())


def test_a_run_of_chosen_times_is_scored_wherever_these_stand(snapshots):
    more = snapshots[0].replace(times=[0.1, 1.0, 3.0, 10.0], propensity=np.arange(4.0) + snapshots[0].propensity[:, :1])
    (scored,) = score(Constant(), [more], TargetConfig(times=(0, 1)))
    assert np.array_equal(scored.measured, more.propensity[:, [1, 3]])


def test_another_configuration_of_the_same_name_is_told_apart_by_its_message(run, tmp_path):
    used = json.loads((run / "run.json").read_text())["split"]["train"][0]
    other = toy_snapshot(6, seed=99).replace(name=used, times=np.array([1.0, 10.0]), propensity=np.ones((216, 2)))
    write_snapshots(tmp_path / "other.h5", [other])
    with pytest.raises(ConfigError, match=f"the first is {used}, known by its name alone: if it is another, give its file another name"):
        evaluate(run, Cache(None), [str(tmp_path / "other.h5")])


def test_averaged_predictions_are_not_compared_in_order(run):
    with pytest.raises(ConfigError, match="with --align order they are compared with others"):
        evaluate(run, Cache(None), align="order", average=2)


def test_in_order_only_configurations_of_the_same_times_are_scored_together(snapshots):
    hotter = [s.replace(times=times) for s, times in zip(snapshots[:2], ([0.3, 3.0], [0.3, 3.03]), strict=True)]
    assert len(score(Constant(), hotter, TargetConfig(), "order")) == 2
    with pytest.raises(ConfigError, match=r"toy/2: was measured at the times \[1\.0, 10\.0\], toy/0 at \[0\.3, 3\.0\]; in order only one state point"):
        score(Constant(), [*hotter, snapshots[2]], TargetConfig(), "order")
    with pytest.raises(ConfigError, match="was measured at 1 times, the model predicts 2; in order they do not pair"):
        score(Constant(), [snapshots[0].replace(times=[1.0], propensity=snapshots[0].propensity[:, :1])], TargetConfig(), "order")

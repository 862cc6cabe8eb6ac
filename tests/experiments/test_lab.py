"""What the studies share: scores over seeds, the paired test, and models that are trained once."""

import dataclasses

import numpy as np
import pytest

from equijax.baselines.config import BaselineConfig
from equijax.baselines.descriptors import DescriptorConfig
from equijax.data.cache import Cache
from equijax.data.convert import write_snapshots
from equijax.data.formats import read_snapshots
from equijax.data.splits import Split
from equijax.errors import CheckpointError, ConfigError, TrainingError
from equijax.inputs import InputConfig
from equijax.metrics import Scored, table
from equijax.targets import TargetConfig
from equijax.testing import toy_snapshot
from experiments.accuracy import joined, mean_of
from experiments.lab import Lab
from experiments.scales import SCALES
from experiments.scores import bars, by_seed, paired

THERMAL = {"inputs": InputConfig("thermal", energy=False), "targets": TargetConfig()}
"""Of a training that quenches nothing."""


def scored(noise, seed, configurations=6):
    rng = np.random.default_rng(seed)
    out = []
    for i in range(configurations):
        truth = np.random.default_rng(100 + i).standard_normal((300, 2))
        halves = truth + 0.3 * rng.standard_normal((2, 300, 2))
        out.append(Scored(f"c{i}", np.arange(300) % 5 // 4, truth + noise * rng.standard_normal((300, 2)), truth, halves))
    return out


def test_scores_by_seed_are_those_of_the_tables():
    runs = [scored(1.0, seed) for seed in range(3)]
    found = by_seed(runs)
    for one, pooled, per in zip(runs, found["pooled"], found["per_configuration"], strict=True):
        rows = [row for row in table(one, [1.0, 2.0]) if row.type == "A"]
        assert pooled == pytest.approx([row.pooled for row in rows])
        assert np.mean(per, 0) == pytest.approx([row.per_configuration for row in rows])
    mean, error = bars(found)
    values = np.array(found["pooled"])
    assert mean - error[0] == pytest.approx(values.min(0))
    assert mean + error[1] == pytest.approx(values.max(0))


def test_the_paired_test_finds_a_difference_and_no_other():
    good, bad = (by_seed([scored(noise, seed) for seed in range(2)]) for noise in (0.5, 1.5))
    found = paired(good, bad)
    assert min(found["difference"]) > 0.2
    assert found["p"] == pytest.approx([2 / 2**6] * 2)  # all six of one sign: two of the 64 flips are as far from zero
    same = paired(by_seed([scored(1.0, 0)]), by_seed([scored(1.0, 9)]))
    assert min(same["p"]) > 2 / 2**6
    none = paired(good, good)
    assert none["difference"] == [0, 0]
    assert none["p"] == [1, 1]


def test_a_seed_that_fails_is_named_and_the_others_go_on(data, tmp_path, monkeypatch):
    def training(config, run, *_, **__):
        if config.seed == 1:
            raise TrainingError("step 7: the loss is not finite")
        run.mkdir(parents=True)

    monkeypatch.setattr("experiments.lab.train", training)
    monkeypatch.setattr("experiments.lab.open_run", lambda run: (run.name, {}))
    scale = dataclasses.replace(SCALES["toy"], seeds=(0, 1, 2))
    lab = Lab(scale, [data / "0.5.h5"], tmp_path, Cache(None))
    assert len(lab.networks(scale.network, lab.points[0], "toy")) == 2
    assert lab.failed == [{"networks": "toy", "seed": 1, "error": "step 7: the loss is not finite"}]
    scale = dataclasses.replace(scale, seeds=(1,))
    with pytest.raises(TrainingError, match="step 7"):
        Lab(scale, [data / "0.5.h5"], tmp_path, Cache(None)).networks(scale.network, lab.points[0], "toy")


def test_many_configurations_are_flipped_at_random():
    rng = np.random.default_rng(0)
    names = {"configurations": list(range(20))}
    first = {"per_configuration": rng.normal(0.05, 0.05, (1, 20, 1)).tolist()} | names
    zero = {"per_configuration": np.zeros((1, 20, 1)).tolist()} | names
    assert paired(first, zero)["p"][0] < 0.01
    null = [paired({"per_configuration": rng.normal(0, 0.05, (1, 20, 1)).tolist()} | names, zero)["p"][0] for _ in range(40)]
    assert 0.3 < np.mean(null) < 0.7  # p is uniform where there is no difference: 0.5 +- 0.05


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for temperature in (0.5, 0.6):
        snapshots = []
        for seed in range(7):
            snapshot = toy_snapshot(6, seed=seed + round(100 * temperature))
            moved = np.linalg.norm(snapshot.positions - toy_snapshot(6, seed=seed, jitter=0.0).positions, axis=1)
            snapshots.append(snapshot.replace(temperature=temperature, times=[1.0, 2.0], propensity=np.stack([moved, 2 * moved], 1)))
        write_snapshots(folder / f"{temperature}.h5", snapshots)
    return folder


@pytest.mark.slow
def test_models_are_trained_once_for_each_configuration_and_split(data, tmp_path, monkeypatch):
    scale = dataclasses.replace(SCALES["toy"], network=dataclasses.replace(SCALES["toy"].network, **THERMAL, epochs=1))
    lab = Lab(scale, [data / "0.5.h5", data / "0.6.h5"], tmp_path / "runs", Cache(None))
    assert [point.label for point in lab.points] == ["T = 0.5", "T = 0.6"]
    first, second = lab.points
    parts = [set(getattr(first.split, name)) for name in ("train", "validation", "test")]
    assert sum(map(len, parts)) == 7
    assert len(set.union(*parts)) == 7
    model = lab.train(scale.network, first, 0)
    made = []

    def untrained(_, folder, *__, **___):
        folder.mkdir(parents=True)
        made.append(folder)

    monkeypatch.setattr("experiments.lab.train", untrained)
    again = lab.train(scale.network, first, 0)
    snapshot = toy_snapshot(6, seed=1)
    assert np.array_equal(again.predict(snapshot).propensity, model.predict(snapshot).propensity)
    assert not made
    fewer = Split(first.split.train[:2], first.split.validation, first.split.test)
    # Nothing is trained here any more, so nothing can be opened: another seed, point or split is another model.
    for changed in ({"seed": 1, "point": first}, {"seed": 0, "point": second}, {"seed": 0, "point": first, "split": fewer}):
        with pytest.raises(CheckpointError, match="is not the folder of a run"):
            lab.train(scale.network, **changed)
    assert len(set(made)) == 3


@pytest.mark.slow
def test_an_interrupted_training_goes_on(data, tmp_path):
    scale = dataclasses.replace(SCALES["toy"], network=dataclasses.replace(SCALES["toy"].network, **THERMAL, epochs=2))
    whole = Lab(scale, [data / "0.5.h5"], tmp_path / "whole", Cache(None))
    expected = whole.train(scale.network, whole.points[0], 0)
    lab = Lab(scale, [data / "0.5.h5"], tmp_path / "runs", Cache(None))
    lab.train(scale.network, lab.points[0], 0)
    linked = tmp_path / "0.5.h5"  # the same data by another path
    linked.symlink_to(data / "0.5.h5")
    lab = Lab(scale, [linked], tmp_path / "runs", Cache(None))
    (run,) = (tmp_path / "runs").iterdir()
    (run / "finished").unlink()  # as if it had been killed after its last checkpoint
    snapshot = toy_snapshot(6, seed=1)
    assert np.array_equal(lab.train(scale.network, lab.points[0], 0).predict(snapshot).propensity, expected.predict(snapshot).propensity)


def test_a_start_is_known_by_its_weights(data, tmp_path, monkeypatch):
    """Whatever lies in the folder that a training is to start from: another network there is another start."""
    from experiments import lab as module

    lab = Lab(SCALES["toy"], [data / "0.5.h5"], tmp_path / "runs", Cache(None))
    point = lab.points[0]

    class Start:
        def __init__(self, weight):
            self.variables = {"params": {"w": np.full(3, weight)}}

    def key(weight):
        monkeypatch.setattr(module, "open_run", lambda _: (Start(weight), {}))
        return module._key(dataclasses.replace(SCALES["toy"].network, start_from="somewhere"), point, point.split)

    assert key(1.0) == key(1.0) != key(2.0)


def test_baselines_are_kept_likewise(data, tmp_path):
    lab = Lab(SCALES["toy"], [data / "0.5.h5"], tmp_path / "runs", Cache(None))
    config = BaselineConfig(descriptors=DescriptorConfig(energy=False))
    first = lab.fit(config, lab.points[0], 0)
    again = lab.fit(config, lab.points[0], 0)
    snapshot = toy_snapshot(6, seed=1)
    assert np.array_equal(first.predict(snapshot).propensity, again.predict(snapshot).propensity)
    assert len(list((tmp_path / "runs").iterdir())) == 1


def test_one_data_set_for_each_temperature(data, tmp_path):
    with pytest.raises(ConfigError, match=r"two data sets are of T = 0\.5"):
        Lab(SCALES["toy"], [data / "0.5.h5", data / "0.5.h5"], tmp_path, Cache(None))


def test_scores_of_folds_are_pooled_within_each():
    """Each fold has a model of its own, here one that is better and one whose scale is another: both are scored alone, then averaged."""
    second = [[dataclasses.replace(s, name=f"{s.name}b", predicted=5 + 3 * s.predicted) for s in scored(2.0, seed, 2)] for seed in range(2)]
    parts = [by_seed([scored(1.0, seed, 2) for seed in range(2)]), by_seed(second)]
    both = joined(parts)
    assert np.allclose(both["pooled"], (np.array(parts[0]["pooled"]) + np.array(parts[1]["pooled"])) / 2)
    assert np.array(parts[0]["pooled"]).min() > np.array(parts[1]["pooled"]).max() + 0.1
    assert np.shape(both["per_configuration"]) == (2, 4, 2)
    assert len(both["configurations"]) == 4
    assert both["ceiling"] == pytest.approx(parts[0]["ceiling"])


def test_the_mean_of_scores_is_that_of_the_predictions():
    runs = [scored(1.0, seed, configurations=2) for seed in range(3)]
    for mean, *parts in zip(mean_of(runs), *runs, strict=True):
        np.testing.assert_allclose(mean.predicted, sum(part.predicted for part in parts) / 3, rtol=1e-14)
        np.testing.assert_array_equal(mean.measured, parts[0].measured)
        assert mean.name == parts[0].name


def test_stores_have_no_ends_of_trajectories(data, tmp_path):
    lab = Lab(SCALES["toy"], [data / "0.5.h5"], tmp_path, Cache(None))
    assert lab.ends(lab.points[0], 1) is None


def test_a_model_belongs_to_the_content_of_its_data(data, tmp_path):
    """The same file name with other propensities is another state point."""
    lab = Lab(SCALES["toy"], [data / "0.5.h5"], tmp_path / "runs", Cache(None))
    point = lab.points[0]
    copy = tmp_path / "copy.h5"
    read = list(read_snapshots(data / "0.5.h5"))
    write_snapshots(copy, read)
    assert point.written(copy).content == point.content
    write_snapshots(copy, [s.replace(propensity=2 * s.propensity) for s in read])
    assert point.written(copy).content != point.content

"""Predictions averaged over successors: what the mean is of, which times it is taken at, and what is refused."""

import dataclasses
import json

import numpy as np
import pytest

from equijax.averaged import Averaged
from equijax.baselines.config import BASELINES
from equijax.baselines.descriptors import DescriptorConfig
from equijax.cli import main
from equijax.data.cache import Cache
from equijax.data.convert import write_snapshots
from equijax.data.embedded import embedded_path
from equijax.data.formats import read_snapshot
from equijax.data.samples import Quenches
from equijax.data.store import Store
from equijax.data.successors import Successors
from equijax.errors import ConfigError
from equijax.evaluation import baseline_rows, evaluate
from equijax.predictor import Prediction


@dataclasses.dataclass(frozen=True)
class Probe:
    """Predicts where the particles are, at a short and at a long time."""

    needs_quench: bool = False
    needs_cages: bool = False
    times: np.ndarray = dataclasses.field(default_factory=lambda: np.array([4.0, 4120.0]))

    def predict(self, snapshot):
        read = snapshot.inherent_positions if self.needs_quench else snapshot.positions
        return Prediction(np.repeat(read[:, :1], 2, axis=1), self.times)


@pytest.mark.parametrize("needs_quench", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_long_times_are_means_over_a_configuration_and_its_successors(liquid, needs_quench):
    cache = Cache(None)
    find = Successors(1, cache, duration=1.0)
    predicted = Averaged(Probe(needs_quench), find, cache).predict(liquid).propensity
    all_of_them = [liquid, *find(liquid)]
    read = [Quenches(cache)(s).inherent_positions for s in all_of_them] if needs_quench else [s.positions for s in all_of_them]
    assert len(read) == 5
    assert np.array_equal(predicted[:, 0], read[0][:, 0])
    assert np.allclose(predicted[:, 1], np.mean(read, 0)[:, 0], rtol=0, atol=1e-12)
    assert np.abs(predicted[:, 1] - predicted[:, 0]).max() > 1e-2


def test_a_model_of_short_times_is_refused():
    with pytest.raises(ConfigError, match=r"longest time that the model predicts is 25; averaging over trajectories of 20 is for times of 2000 and more"):
        Averaged(Probe(times=np.array([1.0, 25.0])), Successors(2, Cache(None)), Cache(None))


@pytest.mark.slow
def test_the_commands_take_successors(tmp_path, capsys, monkeypatch):
    """A set with its successors is trained on; evaluate and predict average over those of what they are given."""
    monkeypatch.setenv("EQUIJAX_CACHE", str(tmp_path / "cache"))
    with Store(embedded_path()) as store:
        snapshots = [store[i].replace(propensity_halves=None, bond_breaking=None) for i in range(3)]
    measured = [s.at([-1]).replace(times=s.times[-1:] * 100) for s in snapshots]
    write_snapshots(tmp_path / "late.h5", measured)
    write_snapshots(tmp_path / "frame.extxyz", [snapshots[0].replace(times=None, propensity=None, trajectories=None, temperature=None)])
    main(["data", "successors", str(tmp_path / "late.h5"), "--out", str(tmp_path / "wide.h5"), "--trajectories", "1"])
    assert "15 configurations, successors included" in capsys.readouterr().out
    run, wide = tmp_path / "run", tmp_path / "network"
    main(["train", "ridge-inherent", "--data", str(tmp_path / "late.h5"), "--out", str(run), "--validation", "1", "--test", "1", "--set", "descriptors.generations=0"])
    small = ["--set", "network.layers=1", "network.channels=2", "start_from=''"]
    main(["train", "successors", "--data", str(tmp_path / "wide.h5"), "--out", str(wide), "--test", "1", *small])
    split = json.loads((wide / "run.json").read_text())["split"]
    assert len(split["train"]) == 10
    assert split["test"][0] not in {name.split("#")[0] for name in split["train"]}
    main(["evaluate", str(run)])
    alone = json.loads((run / "evaluation" / "results.json").read_text())
    main(["evaluate", str(run), "--average", "1"])
    mean = json.loads((run / "evaluation-averaged" / "results.json").read_text())
    assert mean["run"]["averaged_over_trajectories"] == 1
    cache, same = Cache(tmp_path / "cache"), dataclasses.replace(BASELINES["ridge-inherent"], descriptors=DescriptorConfig(("inherent",), generations=0))
    beside = baseline_rows(evaluate(run, cache, average=1), same, cache, quiet=True)
    assert [row.pooled for row in beside] == pytest.approx([row["pooled"] for row in mean["rows"]], abs=1e-9), "the same ridge, averaged too"
    assert "averaged_over_trajectories" not in alone["run"]
    assert max(abs(one["pooled"] - other["pooled"]) for one, other in zip(mean["rows"], alone["rows"], strict=True)) > 1e-3
    predict = ["predict", str(tmp_path / "frame.extxyz"), "--model", str(run), "--out", str(tmp_path / "out.extxyz"), "--average", "1"]
    with pytest.raises(SystemExit):
        main(predict)
    assert "give --temperature" in capsys.readouterr().err
    assert not (tmp_path / "out.extxyz").exists()
    main([*predict, "--temperature", "0.56"])
    assert len(read_snapshot(tmp_path / "out.extxyz")) == 1000

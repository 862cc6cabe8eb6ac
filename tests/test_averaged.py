"""Predictions averaged over successors: what the mean is of, which times it is taken at, and what is refused."""

import dataclasses
import json

import numpy as np
import pytest

from equijax.averaged import Averaged
from equijax.cli import main
from equijax.data.cache import Cache
from equijax.data.convert import write_snapshots
from equijax.data.embedded import embedded_path
from equijax.data.formats import read_snapshot
from equijax.data.store import Store
from equijax.errors import ConfigError, SnapshotError
from equijax.predictor import Prediction


@dataclasses.dataclass(frozen=True)
class Probe:
    """Predicts where the particles are, at a short and at a long time."""

    needs_quench: bool = False
    times: np.ndarray = dataclasses.field(default_factory=lambda: np.array([4.0, 4120.0]))

    def predict(self, snapshot):
        read = snapshot.inherent_positions if self.needs_quench else snapshot.positions
        return Prediction(np.repeat(read[:, :1], 2, axis=1), self.times)


@pytest.mark.parametrize("needs_quench", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_long_times_are_means_over_a_configuration_and_its_successors(liquid, tmp_path, needs_quench):
    averaged = Averaged(Probe(needs_quench), 2, Cache(tmp_path), duration=0.5)
    successors = averaged.successors(liquid)
    read = [s.inherent_positions if needs_quench else s.positions for s in (liquid, *successors)]
    predicted = averaged.predict(liquid).propensity
    assert len(read) == 5
    assert np.array_equal(predicted[:, 0], read[0][:, 0])
    assert np.allclose(predicted[:, 1], np.mean(read, 0)[:, 0], rtol=0, atol=1e-12)
    again = Averaged(Probe(needs_quench), 2, Cache(None), duration=0.5).successors(liquid)
    assert all(np.array_equal(one.positions, other.positions) for one, other in zip(successors, again, strict=True)), "from the cache and anew"


def test_successors_rattle_in_their_cages_each_in_its_own_way(liquid):
    """Two trajectories with velocities of their own, half way and at their ends: as far from the start as from each other, or farther."""
    successors = [s.positions for s in Averaged(Probe(), 2, Cache(None), duration=1.0).successors(liquid)]
    for positions in successors:
        assert 0.1 < np.linalg.norm(positions - liquid.positions, axis=1).mean() < 0.3
    between = [np.linalg.norm(successors[i] - successors[j], axis=1).mean() for i in range(4) for j in range(i)]
    assert min(between) > 0.1
    assert max(between) < 0.4


def test_what_cannot_be_averaged_is_refused(liquid):
    with pytest.raises(ConfigError, match="averaging over 0 trajectories"):
        Averaged(Probe(), 0, Cache(None))
    with pytest.raises(ConfigError, match=r"longest time that the model predicts is 25; averaging over trajectories of 5 is for times of 500 and more"):
        Averaged(Probe(times=np.array([1.0, 25.0])), 2, Cache(None))
    with pytest.raises(SnapshotError, match=r"its temperature is not known.* give --temperature"):
        Averaged(Probe(), 2, Cache(None)).predict(liquid.replace(temperature=None))


@pytest.mark.slow
def test_evaluate_and_predict_average(tmp_path, capsys, monkeypatch):
    """Both commands give the same averaged predictions, others than without."""
    monkeypatch.setenv("EQUIJAX_CACHE", str(tmp_path / "cache"))
    with Store(embedded_path()) as store:
        snapshots = [store[i].replace(propensity_halves=None, bond_breaking=None) for i in range(3)]
    measured = [s.replace(times=s.times[-1:] * 100, propensity=s.propensity[:, -1:]) for s in snapshots]
    write_snapshots(tmp_path / "late.h5", measured)
    write_snapshots(tmp_path / "frame.extxyz", [snapshots[0].replace(times=None, propensity=None, trajectories=None, temperature=None)])
    run = tmp_path / "run"
    main(["train", "ridge-inherent", "--data", str(tmp_path / "late.h5"), "--out", str(run), "--validation", "1", "--test", "1", "--set", "descriptors.generations=0"])
    main(["evaluate", str(run)])
    alone = json.loads((run / "evaluation" / "results.json").read_text())
    main(["evaluate", str(run), "--average", "1"])
    mean = json.loads((run / "evaluation" / "results.json").read_text())
    assert mean["run"]["averaged_over_trajectories"] == 1
    assert "averaged_over_trajectories" not in alone["run"]
    assert abs(mean["rows"][0]["pooled"] - alone["rows"][0]["pooled"]) > 1e-3
    predict = ["predict", str(tmp_path / "frame.extxyz"), "--model", str(run), "--out", str(tmp_path / "out.extxyz")]
    main([*predict, "--average", "1", "--temperature", "0.56"])
    assert len(read_snapshot(tmp_path / "out.extxyz")) == 1000
    (tmp_path / "out.extxyz").unlink()
    with pytest.raises(SystemExit):
        main([*predict, "--average", "1"])
    assert "give --temperature" in capsys.readouterr().err
    assert not (tmp_path / "out.extxyz").exists()

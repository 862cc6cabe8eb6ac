"""What a model reads is found before it predicts: inherent structures and cages, and nothing that it does not read."""

import json

import numpy as np
import pytest

from equijax.cli import main
from equijax.data.cache import Cache
from equijax.data.completed import Completed
from equijax.data.convert import write_snapshots
from equijax.data.embedded import embedded_path
from equijax.data.store import Store
from equijax.inputs import InputConfig
from equijax.train.presets import PRESETS


@pytest.fixture
def _quick_cages(monkeypatch):
    """What cages are is tested elsewhere; here points beside the thermal positions stand for them."""
    monkeypatch.setattr("equijax.data.short_dynamics.ShortDynamics.__call__", lambda _, snapshot, __: snapshot.positions + 0.05 * np.sin(snapshot.positions[:, ::-1]))


@pytest.mark.usefixtures("_quick_cages")
def test_what_is_read_is_found_and_nothing_else(liquid, tmp_path):
    cache = Cache(tmp_path)
    bare = liquid.replace(inherent_positions=None, inherent_energy=None)
    assert Completed(InputConfig("thermal", energy=False), cache)(bare) is bare
    caged = Completed(InputConfig("cage", energy=False), cache)(bare)
    assert caged.inherent_positions is None
    assert np.array_equal(caged.cage_positions, bare.positions + 0.05 * np.sin(bare.positions[:, ::-1]))
    both = Completed(PRESETS["cages"].inputs, cache)(bare)
    assert np.array_equal(both.cage_positions, caged.cage_positions)
    assert np.abs(both.inherent_energy - liquid.inherent_energy).max() < 1e-3  # another quench to the same minimum
    assert Completed(PRESETS["cages"].inputs, cache)(both) is both
    assert Completed(InputConfig("cage", energy=False), cache, temperature=0.5)(bare.replace(temperature=None)).temperature == 0.5


@pytest.mark.slow
@pytest.mark.usefixtures("_quick_cages")
def test_the_commands_find_cages_by_themselves(tmp_path, capsys, monkeypatch):
    """Trained, tested beside a ridge that reads cages too, and used on a file that says no temperature."""
    monkeypatch.setenv("EQUIJAX_CACHE", str(tmp_path / "cache"))
    with Store(embedded_path()) as store:
        snapshots = [store[k] for k in range(4)]
    write_snapshots(tmp_path / "data.h5", snapshots)
    write_snapshots(tmp_path / "frame.extxyz", [snapshots[0].replace(times=None, propensity=None, propensity_halves=None, trajectories=None, temperature=None)])
    run = tmp_path / "run"
    small = ["network.layers=1", "network.l_max=1", "network.channels=2"]
    main(["train", "cages", "--data", str(tmp_path / "data.h5"), "--out", str(run), "--epochs", "1", "--validation", "1", "--test", "1", "--set", *small])
    main(["evaluate", str(run), "--ridge"])
    assert "ridge-cage, on the same configurations" in capsys.readouterr().out
    assert np.isfinite([row["pooled"] for row in json.loads((run / "evaluation" / "results.json").read_text())["rows"]]).all()
    predict = ["predict", str(tmp_path / "frame.extxyz"), "--model", str(run), "--out", str(tmp_path / "out.extxyz")]
    with pytest.raises(SystemExit):
        main(predict)
    assert "give --temperature" in capsys.readouterr().err
    assert not (tmp_path / "out.extxyz").exists()
    main([*predict, "--temperature", "0.56"])
    assert (tmp_path / "out.extxyz").exists()

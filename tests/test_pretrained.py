"""The networks that ship: they open by name, predict what they did when they were made, and are what a preset starts from."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from equijax.cli import main
from equijax.configs import stored
from equijax.data.cache import Cache
from equijax.data.embedded import embedded_path
from equijax.data.store import Store
from equijax.evaluation import evaluate
from equijax.metrics import pearson
from equijax.predictor import Predictor
from equijax.pretrained import ABOUT, run_folder
from equijax.train.config import TrainConfig
from equijax.train.load import open_run
from equijax.train.presets import PRESETS
from tests.conftest import LAMMPS, needs

CAGES = Path(__file__).parent / "regression" / "cages.npz"
"""Cage positions of the first embedded configuration, as `equijax data cages` found them: what it finds is of dynamics that no other machine repeats."""

SCORES = {
    "ka-0.56": (4, [0.9183, 0.8116, 0.8260, 0.7949, 0.7975, 0.7856]),
    "ka-0.64": (4, [0.9185, 0.8177, 0.8250, 0.7954, 0.7953, 0.7875]),
    "ka-0.44": (4, [0.6715]),
    "ka-0.56-cages": (1, [0.9344, 0.8447, 0.8831, 0.8380, 0.7805, 0.7490]),
    "ka-0.64-cages": (1, [0.9243, 0.8350, 0.8715, 0.8213, 0.7660, 0.7389]),
}
"""Pearson correlations of A particles at each time, pooled over the first embedded configurations (T = 0.56), which none of them was trained on;
what has one time is compared with the last."""


@pytest.mark.parametrize("name", ABOUT)
def test_a_network_that_ships_predicts_what_it_did(name):
    predictor = Predictor.load(name)
    count, scores = SCORES[name]
    with Store(embedded_path()) as store:
        snapshots = [store[k] for k in range(count)]
    if predictor.needs_cages:
        snapshots = [snapshots[0].replace(cage_positions=np.load(CAGES)["cage_positions"].astype(float))]
    predicted, measured = [], []
    for snapshot in snapshots:
        chosen = snapshot.types == 0
        predicted.append(predictor.predict(snapshot).propensity[chosen])
        measured.append(snapshot.propensity[chosen][:, -len(scores) :])
    found = [pearson(p, m) for p, m in zip(np.concatenate(predicted).T, np.concatenate(measured).T, strict=True)]
    assert np.abs(np.array(found) - scores).max() < 1e-4  # of float32 predictions by another kernel, in another order of sums


@pytest.mark.slow
def test_the_table_of_the_readme_can_be_repeated(tmp_path):
    """The row of `ka-0.56` on twenty configurations that LAMMPS made; its three digits, as another order of sums rounds them."""
    found = evaluate(run_folder("ka-0.56"), Cache(tmp_path), [str(LAMMPS)], align="order")
    pooled = [row.pooled for row in found.rows if row.type == "A"]
    assert np.abs(np.array(pooled) - [0.943, 0.816, 0.836, 0.819, 0.805, 0.787]).max() < 6e-4


@pytest.mark.slow
def test_it_predicts_the_same_whichever_kernel_serves_it():
    """Weights that were trained with the radial table, also by kernels that evaluate the radial network itself."""
    needs("native")
    served = Predictor.load("ka-0.56")
    with Store(embedded_path()) as store:
        snapshot = store[0]
    found = {}
    for kernel in ("native", "xla", "reference"):
        shape = dataclasses.replace(served.network, kernel=kernel)
        found[kernel] = Predictor(shape, served.variables["params"], served.variables["batch_stats"], served.inputs, served.statistics).predict(snapshot).propensity
    spread = found["native"].std(0)
    # Of the spread over particles: float32 through five layers, and the table, which takes 1.3e-5 by benchmarks/radial_table.py.
    assert (np.abs(found["xla"] - found["reference"]).max(0) / spread).max() < 1e-4
    assert (np.abs(found["native"] - found["reference"]).max(0) / spread).max() < 1e-3


@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if preset.start_from])
def test_a_preset_starts_from_one(name):
    """What it starts from must have the preset's network and read the preset's inputs."""
    preset = PRESETS[name]
    made = stored(open_run(Path(preset.start_from))[1], "config", TrainConfig)
    assert made.network == preset.network
    assert made.inputs == preset.inputs


def test_its_files_name_no_place_and_take_little_room():
    for name in ABOUT:
        files = [path for path in run_folder(name).rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in files) < 1e6
        for config in (json.loads((run_folder(name) / "config.json").read_text()), json.loads((run_folder(name) / "run.json").read_text())["config"]):
            assert not any("/" in path for path in (*config["data"], config["start_from"]))


def test_a_folder_of_that_name_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_folder("ka-0.56").is_absolute()
    (tmp_path / "ka-0.56").mkdir()
    assert run_folder("ka-0.56") == Path("ka-0.56")


def test_its_results_need_a_folder(capsys):
    with pytest.raises(SystemExit):
        main(["evaluate", "ka-0.56", "--data", str(embedded_path())])
    assert "give --out" in capsys.readouterr().err

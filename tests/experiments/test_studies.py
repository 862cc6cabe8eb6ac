"""Every study runs at toy size from data to figure, and its figure comes from its JSON alone."""

import dataclasses
import importlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import experiments
from equijax.data.cache import Cache
from equijax.data.convert import write_snapshots
from equijax.data.embedded import embedded_path
from equijax.data.files import write_json
from equijax.data.store import Store
from equijax.errors import ConfigError, EquijaxError
from equijax.periodic import minimum_image
from equijax.simulate.config import Mixture, SimulateConfig
from equijax.simulate.pipeline import simulate
from equijax.testing import toy_snapshot
from equijax.train.loop import train
from equijax.train.presets import PRESETS
from experiments.scales import SCALES
from experiments.scores import bars
from experiments.study import Study, drawn_from, perform, published, redraw

FOLDER = Path(experiments.__file__).parent
STUDIES = sorted(path.stem for path in FOLDER.glob("*.py") if "STUDY = " in path.read_text())


def study(name) -> Study:
    return importlib.import_module(f"experiments.{name}").STUDY


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("EQUIJAX_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module")
def two_temperatures(tmp_path_factory):
    """Small and hot liquids, which are soon in equilibrium."""
    config = SimulateConfig((1.5, 1.0), Mixture(216), configurations=6, trajectories=4, times=(0.1, 1.0), replicas=6, bonds=False)
    return tuple(one.store for one in simulate(config, tmp_path_factory.mktemp("liquids") / "data"))


def test_every_study_has_a_row_in_the_table():
    readme = (FOLDER / "README.md").read_text()
    for name in STUDIES:
        assert study(name).name == name
        assert f"experiments.{name}" in readme
    assert len(STUDIES) == 10


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in STUDIES if study(name).points == 1])
def test_a_study_of_one_temperature_runs(name, tmp_path, runs):
    _runs(study(name), (embedded_path(),), tmp_path, runs)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in STUDIES if study(name).points == 2])
def test_a_study_of_several_temperatures_runs(name, two_temperatures, tmp_path, runs):
    _runs(study(name), two_temperatures, tmp_path, runs)


@pytest.mark.slow
def test_inputs_compares_cage_positions_where_they_are_known(tmp_path, runs):
    """What cages are is tested elsewhere; here the points half way to the inherent structure stand for them."""
    with Store(embedded_path()) as store:
        snapshots = [store[k] for k in range(6)]
    half_way = (s.positions + 0.5 * minimum_image(s.inherent_positions - s.positions, s.box) for s in snapshots)
    write_snapshots(tmp_path / "caged.h5", (s.replace(cage_positions=points) for s, points in zip(snapshots, half_way, strict=True)))
    _runs(study("inputs"), (tmp_path / "caged.h5",), tmp_path / "out", runs)
    (found,) = json.loads((tmp_path / "out" / "inputs-toy.json").read_text())["found"].values()
    caged = set(found["against ridge-cage"])
    assert len(caged) == 3
    assert {*caged, "ridge", "ridge-cage"} <= found["multi-variate"].keys()
    assert len({str(scores["pooled"]) for scores in found["multi-variate"].values()}) == len(found["multi-variate"])


@pytest.mark.slow
def test_accuracy_starts_from_a_trained_network_and_adds_ends_and_successors(tmp_path, runs, monkeypatch):
    first = dataclasses.replace(SCALES["toy"].few, data=(str(embedded_path()),), validation=2, test=2)
    train(first, tmp_path / "first", Cache(tmp_path / "cache"), quiet=True)
    toy = {"network": first.network, "inputs": first.inputs, "start_from": str(tmp_path / "first"), "epochs": 1, "patience": 1}
    kinds = {field: dataclasses.replace(PRESETS[name], **toy) for field, name in (("few", "fine-tune"), ("few_with_ends", "ends"), ("few_with_successors", "successors"))}
    monkeypatch.setitem(SCALES, "toy", dataclasses.replace(SCALES["toy"], **kinds, seeds=(0,)))
    folder = tmp_path / "T0.44"
    folder.mkdir()
    for i in range(5):
        snapshot = toy_snapshot(6, seed=i, jitter=0.05)
        final = snapshot.positions + 0.05 * np.random.default_rng(i).standard_normal((4, *snapshot.positions.shape))
        np.savez(folder / f"isoconfig_N216T0.44_{i}_tc07.npz", types=snapshot.types, initial_positions=snapshot.positions, positions=final)
    _runs(study("accuracy"), (folder,), tmp_path / "out", runs)
    found = json.loads((tmp_path / "out" / "accuracy-toy.json").read_text())["found"]
    assert found["ends"] == 1
    taught = [split for split in (json.loads(path.read_text())["split"] for path in runs.glob("*/run.json")) if any("#successor" in name for name in split["train"])]
    assert taught
    for split in taught:
        assert not {name.split("#")[0] for name in split["train"]} & {*split["test"]}
    names = {"one network", "one network, with ends of trajectories", "one network, from random weights in as many steps", "first, frozen, with a linear decoder"}
    names |= {f"one network, {how}" for how in ("averaged over successors", "trained on successors", "trained on successors and averaged over them")}
    assert names <= found["scores"].keys()
    for name in names:
        scores = found["scores"][name]
        assert sorted(scores["configurations"]) == sorted(found["configurations"])
        assert np.shape(scores["pooled"]) == (1, 1)
    assert len({found["scores"][name]["pooled"][0][0] for name in names}) == len(names)


def _runs(one, data, folder, runs):
    path = perform(one, "toy", data, folder, runs)
    content = json.loads(path.read_text())
    assert content["versions"]["jax"]
    assert content["settings"]["seeds"] == list(SCALES["toy"].seeds)
    for split in content["splits"].values():
        names = [*split["train"], *split["validation"], *split["test"]]
        assert len(names) == len(set(names))
    figure = path.with_suffix(".png")
    first = figure.read_bytes()
    assert first.startswith(b"\x89PNG")
    figure.unlink()
    redraw(one, path)
    assert figure.read_bytes() == first


def test_committed_figures_and_numbers_belong_together():
    """Every result has its figure, drawn from it by the code as it is, and says with what it was made."""
    for path in sorted((FOLDER / "results").glob("*.json")):
        content = json.loads(path.read_text())
        assert {"study", "scale", "settings", "data", "splits", "found", "versions", "machine"} <= content.keys()
        with Image.open(path.with_suffix(".png")) as figure:
            assert figure.info["Source"] == drawn_from(study(content["study"]), path), (
                f"draw it again: python -m experiments.{content['study']} {content['scale']} --figure"
            )
        study(content["study"]).draw(content)


def test_shuffled_targets_taught_nothing():
    """In the committed comparison: the correlation of independent numbers has a standard deviation of 1/sqrt(3200 particles) = 0.018."""
    path = FOLDER / "results" / "comparison-small.json"
    for one in json.loads(path.read_text())["found"].values():
        mean, _ = bars(one["network trained on shuffled targets"])
        assert np.abs(mean).max() < 0.08


def test_what_is_no_result_is_not_drawn(tmp_path):
    for content in ({}, {"study": "depth", "found": {}}):
        write_json(tmp_path / "collective-toy.json", content)
        with pytest.raises(ConfigError, match=r"collective-toy\.json: is not a result of this study"):
            redraw(study("collective"), tmp_path / "collective-toy.json")


def test_where_results_go_is_tried_before_anything_is_trained(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EquijaxError, match="cannot be written"):
        perform(study("comparison"), "toy", (), tmp_path / "file" / "results", tmp_path / "runs")


def test_several_temperatures_are_asked_for(tmp_path):
    with pytest.raises(ConfigError, match="compares 2 temperatures or more, and got 1 data set; make some with"):
        perform(study("temperatures"), "toy", (embedded_path(),), tmp_path, tmp_path)


def test_published_numbers_are_whole():
    for one in published()["temperatures"].values():
        for series in one["pooled"].values():
            assert len(series) == len(one["times"])

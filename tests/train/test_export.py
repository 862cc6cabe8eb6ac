"""An exported run predicts with the bits of the run, starts others, and says what it cannot do."""

import dataclasses
import json
import re

import numpy as np
import pytest

from equijax.cli import main
from equijax.data.store import Store
from equijax.errors import CheckpointError, ConfigError
from equijax.train.export import NETWORK
from equijax.train.load import export_run, open_run
from equijax.train.loop import train


@pytest.fixture
def run(config, cache, tmp_path):
    train(dataclasses.replace(config, epochs=1), tmp_path / "run", cache, quiet=True)
    export_run(tmp_path / "run", tmp_path / "exported")
    return tmp_path / "run"


def test_the_command_says_what_it_wrote(run, capsys):
    main(["export", str(run), "--out", str(run.parent / "shared")])
    assert re.match(r".*shared: weights of \d+ kB; equijax predict, evaluate and --set start_from take it", capsys.readouterr().out)
    assert {path.name for path in (run.parent / "shared").iterdir()} == {NETWORK, "run.json", "config.json"}


@pytest.fixture
def exported(run):
    return run.parent / "exported"


def test_predictions_are_those_of_the_run(run, exported, toy_set):
    with Store(toy_set) as store:
        snapshot = store[0]
    (first, meta), (second, known) = open_run(run), open_run(exported)
    assert np.array_equal(first.predict(snapshot).propensity, second.predict(snapshot).propensity)
    data = known["config"].pop("data"), meta["config"].pop("data")
    assert known == json.loads(json.dumps(meta))
    assert data == ([toy_set.name], [str(toy_set)])  # a folder to give away does not say where its maker keeps things


def test_another_run_starts_from_it_and_knows_what_it_has_seen(run, exported, config, cache, tmp_path):
    start = dataclasses.replace(config, epochs=1, start_from=str(exported))
    train(start, tmp_path / "second", cache, quiet=True)
    fingerprints, split = (open_run(run)[1][key] for key in ("fingerprints", "split"))
    assert {*open_run(tmp_path / "second")[1]["seen_before"]} == {fingerprints[name] for name in (*split["train"], *split["validation"])}
    with pytest.raises(ConfigError, match="has seen"):
        train(dataclasses.replace(start, split_seed=1), tmp_path / "third", cache, quiet=True)


def test_what_it_cannot_do_is_said(run, exported, config, cache):
    with pytest.raises(CheckpointError, match="is an exported run, without what training needs"):
        train(dataclasses.replace(config, epochs=1), exported, cache, resume=True, quiet=True)
    with pytest.raises(ConfigError, match="already holds a run"):
        train(config, exported, cache, quiet=True)
    with pytest.raises(ConfigError, match="already holds a run"):
        export_run(run, exported)


def test_damage_and_other_architectures_are_refused(exported):
    whole = (exported / NETWORK).read_bytes()
    (exported / NETWORK).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match=r"network\.npz: cannot be read"):
        open_run(exported)
    (exported / NETWORK).write_bytes(whole)
    meta = json.loads((exported / "run.json").read_text())
    (exported / "run.json").write_text(json.dumps(meta | {"schema": meta["schema"] + 1}))
    with pytest.raises(CheckpointError, match=r"run\.json has schema \d+; this equijax reads schema"):
        open_run(exported)
    meta["network"]["layers"] += 1
    (exported / "run.json").write_text(json.dumps(meta))
    with pytest.raises(CheckpointError, match=r"is of another architecture or precision: .* is float32\[1, 4\], the config gives float32\[2, 4\]"):
        open_run(exported)

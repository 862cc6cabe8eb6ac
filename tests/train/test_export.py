"""An exported run predicts with the bits of the run, starts others, and says what it cannot do."""

import dataclasses
import json

import numpy as np
import pytest

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


@pytest.fixture
def exported(run):
    return run.parent / "exported"


def test_predictions_are_those_of_the_run(run, exported, toy_set):
    with Store(toy_set) as store:
        snapshot = store[0]
    (first, meta), (second, known) = open_run(run), open_run(exported)
    assert np.array_equal(first.predict(snapshot).propensity, second.predict(snapshot).propensity)
    assert known == json.loads(json.dumps(meta))


def test_another_run_starts_from_it_and_knows_what_it_has_seen(run, exported, config, cache, tmp_path):
    start = dataclasses.replace(config, epochs=1, start_from=str(exported))
    train(start, tmp_path / "second", cache, quiet=True)
    assert set(open_run(tmp_path / "second")[1]["seen_before"]) <= {*open_run(run)[1]["fingerprints"].values()}
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
    meta["network"]["layers"] += 1
    (exported / "run.json").write_text(json.dumps(meta))
    with pytest.raises(CheckpointError, match=r"is of another architecture or precision: .* is float32\[1, 4\], the config gives float32\[2, 4\]"):
        open_run(exported)

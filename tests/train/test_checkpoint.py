import shutil

import jax.numpy as jnp
import numpy as np
import pytest

from equijax.errors import CheckpointError
from equijax.train import checkpoint
from equijax.train.checkpoint import Checkpoints

STATE = {"weights": jnp.arange(6.0).reshape(2, 3), "step": jnp.array(4)}


@pytest.fixture
def saved(tmp_path):
    checkpoints = Checkpoints(tmp_path, writable=True)
    checkpoints.save(4, STATE, {"note": "first"})
    yield checkpoints
    checkpoints.close()


def test_what_is_saved_comes_back(saved):
    back = saved.restore(STATE)
    assert np.array_equal(back["weights"], STATE["weights"])
    assert back["weights"].dtype == STATE["weights"].dtype
    assert saved.meta() == {"note": "first", "schema": 2}


@pytest.mark.parametrize(
    ("like", "message"),
    [
        (STATE | {"weights": jnp.zeros((2, 4))}, r"weights is float32\[2, 3\], the config gives float32\[2, 4\]"),
        (STATE | {"weights": jnp.zeros((2, 3), jnp.bfloat16)}, r"weights is float32\[2, 3\], the config gives bfloat16\[2, 3\]"),
        (STATE | {"more": jnp.zeros(2)}, r"more is absent, the config gives float32\[2\]"),
        ({"weights": STATE["weights"]}, r"step is int32\[\], the config gives none"),
    ],
)
def test_another_architecture_or_precision_is_refused(saved, like, message):
    with pytest.raises(CheckpointError, match=message):
        saved.restore(like)


@pytest.mark.parametrize("part", ["state", "state/_METADATA", "state/manifest.ocdbt", "state/d"])
def test_a_checkpoint_that_lost_a_part_is_damaged(saved, tmp_path, part):
    lost = tmp_path / "checkpoints" / "4" / part
    shutil.rmtree(lost) if lost.is_dir() else lost.unlink()
    reader = Checkpoints(tmp_path)
    with pytest.raises(CheckpointError, match=r"checkpoint 4 is damaged \(.*\); take a copy"):
        reader.restore(STATE)
    reader.close()


def test_another_schema_is_refused(saved, monkeypatch):
    monkeypatch.setattr(checkpoint, "SCHEMA", 3)
    with pytest.raises(CheckpointError, match="has schema 2; this equijax reads schema 3"):
        saved.meta()


def test_an_unfinished_checkpoint_is_ignored(tmp_path, saved):
    saved.save(8, STATE, {"note": "second"})
    saved.close()
    (tmp_path / "checkpoints" / "12.orbax-checkpoint-tmp").mkdir()
    reader = Checkpoints(tmp_path)
    assert reader.latest() == 8
    assert (tmp_path / "checkpoints" / "12.orbax-checkpoint-tmp").exists()  # it may be a running training's
    reader.close()
    again = Checkpoints(tmp_path, writable=True)
    assert again.latest() == 8
    assert again.meta()["note"] == "second"
    again.close()


def test_an_empty_folder_says_so(tmp_path):
    checkpoints = Checkpoints(tmp_path, writable=True)
    with pytest.raises(CheckpointError, match="holds no whole checkpoint; train first"):
        checkpoints.meta()
    checkpoints.close()

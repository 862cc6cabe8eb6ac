import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from equijax.errors import ConfigError
from equijax.train import loop
from equijax.train.checkpoint import Checkpoints
from equijax.train.config import OptimizerConfig
from equijax.train.log import read_log
from equijax.train.loop import train
from equijax.train.optimizer import RMS, make_optimizer
from tests.train.conftest import changed


def test_clipping_leaves_weights_their_meaning():
    """Gradients beyond the largest norm go into Adam's averages in proportion to their weights; smaller ones as they are."""
    optimizer = make_optimizer(OptimizerConfig(clip=1.0), 10)
    params = {"w": jnp.zeros(2)}

    def average(gradient, weight):
        _, state = optimizer.update({"w": jnp.array(gradient)}, optimizer.init(params), params, weight=jnp.array(weight))
        return 10 * optax.tree.get(state, "mu")["w"]

    assert np.allclose(average([30.0, 40.0], 1.0), [0.6, 0.8], rtol=1e-6)
    assert np.allclose(average([300.0, 400.0], 10.0), [6.0, 8.0], rtol=1e-6)
    assert np.allclose(average([3.0, 4.0], 10.0), [3.0, 4.0], rtol=1e-6)


def test_muon_steps_along_orthogonal_matrices_and_leaves_biases_to_adam():
    """Every matrix of a stack by itself: all singular values of a step alike, whatever those of the gradient are."""
    config = OptimizerConfig(method="muon", learning_rate=0.1, warmup_steps=0, clip=1e9)
    rng = np.random.default_rng(0)
    gradients = {
        "stacked": rng.standard_normal((3, 20, 8)) * [[[1.0]], [[10.0]], [[100.0]]],
        "row": rng.standard_normal((1, 8)),
        "bias": rng.standard_normal(8),
        "filter_bias": rng.standard_normal((3, 4, 8)),
        "b[0] 8x0e": rng.standard_normal((3, 8)),
    }
    gradients = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), gradients)
    params = jax.tree.map(jnp.zeros_like, gradients)

    optimizer, adam = make_optimizer(config, 10), optax.nadam(0.1)
    ours = optimizer.update(gradients, optimizer.init(params), params, weight=jnp.array(1.0))[0]
    adams = adam.update(gradients, adam.init(params), params)[0]
    sizes = np.linalg.svd(np.asarray(ours["stacked"]), compute_uv=False) / (0.1 * RMS * np.sqrt(20))
    assert sizes.shape == (3, 8)
    assert 0.6 < sizes.min() <= sizes.max() < 1.3  # five Newton-Schulz iterations bring them to one within about .3 (Jordan 2024)
    for name in ("row", "bias", "filter_bias", "b[0] 8x0e"):
        assert np.allclose(ours[name], adams[name], rtol=1e-5)
    assert np.sqrt((np.asarray(ours["stacked"]) ** 2).mean()) == pytest.approx(0.1 * RMS, rel=0.3)


def test_a_resumed_run_with_muon_has_exactly_the_losses_of_a_whole_one(tmp_path, config, cache, monkeypatch):
    network, optimizer = dataclasses.replace(config.network, layers=3), dataclasses.replace(config.optimizer, method="muon")
    muon = changed(config, network=network, optimizer=optimizer, epochs=2, checkpoint_every=1, checkpoint_seconds=0)
    train(muon, tmp_path / "whole", cache, quiet=True)
    real = loop._Loop._validate

    def dies(self, state, progress, epoch, *rest):
        if epoch == 2:
            raise KeyboardInterrupt
        return real(self, state, progress, epoch, *rest)

    monkeypatch.setattr(loop._Loop, "_validate", dies)
    with pytest.raises(KeyboardInterrupt):
        train(muon, tmp_path / "cut", cache, quiet=True)
    monkeypatch.setattr(loop._Loop, "_validate", real)
    assert Checkpoints(tmp_path / "cut").latest() == 4
    train(muon, tmp_path / "cut", cache, resume=True, quiet=True)
    logs = [[line["loss"] for line in read_log(tmp_path / name / "metrics.jsonl") if "loss" in line] for name in ("whole", "cut")]
    assert len(logs[0]) == 8
    assert logs[0] == logs[1]


def test_another_method_is_refused():
    with pytest.raises(ConfigError, match=r"optimizer\.method is 'sgd'; expected adam or muon"):
        OptimizerConfig(method="sgd")  # pyright: ignore[reportArgumentType]

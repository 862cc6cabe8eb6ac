"""From a gradient to a change of the weights."""

from typing import Any

import jax
import optax
from optax.contrib import MuonDimensionNumbers, muon

from equijax.train.config import OptimizerConfig

RMS = 0.2
"""Root mean square of a step of Muon at learning rate 1: about that of Adam's, so that one learning rate serves both (Liu et al., arXiv 2502.16982)."""


def make_optimizer(config: OptimizerConfig, steps: int) -> optax.GradientTransformationExtraArgs:
    """Return AdamW or Muon with clipped gradients, warm-up and cosine decay over `steps`; updates take the mean `weight` of the batch."""
    warmup = min(config.warmup_steps, max(steps - 1, 0))
    schedule = optax.warmup_cosine_decay_schedule(
        0.0 if warmup else config.learning_rate, config.learning_rate, warmup, steps, config.learning_rate * config.final_fraction
    )
    if config.method == "adam":
        change = optax.adamw(schedule, weight_decay=config.weight_decay)
    else:
        decay = config.weight_decay
        change = muon(schedule, weight_decay=decay, adam_weight_decay=decay, muon_weight_dimension_numbers=_matrices, consistent_rms=RMS)
    return optax.chain(_clipped_by_weight(config.clip), change)


def _matrices(params: optax.Params) -> Any:
    """Return which axes of each weight are a matrix: the last two, of what is no bias. Layers and heads are stacked along the first: so are their biases."""

    def axes(path: tuple, leaf: jax.Array) -> MuonDimensionNumbers | None:
        name = path[-1].key
        bias = "bias" in name or name.startswith("b[")
        return None if bias or min(leaf.shape[-2:]) == 1 else MuonDimensionNumbers(leaf.ndim - 2, leaf.ndim - 1)

    return jax.tree_util.tree_map_with_path(axes, params)


def _clipped_by_weight(largest: float) -> optax.GradientTransformationExtraArgs:
    """Return what clips the gradient of each unit of weight: clipped as a whole, configurations would pull alike whatever they weigh."""
    clip = optax.clip_by_global_norm(largest)

    def update(updates: optax.Updates, state: optax.OptState, params: optax.Params | None = None, **extra: Any) -> tuple[optax.Updates, optax.OptState]:
        weight = extra["weight"]
        clipped, state = clip.update(jax.tree.map(lambda leaf: leaf / weight, updates), state, params)
        return jax.tree.map(lambda leaf: leaf * weight, clipped), state

    return optax.GradientTransformationExtraArgs(clip.init, update)

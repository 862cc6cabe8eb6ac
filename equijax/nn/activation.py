"""Equivariant nonlinearities: scalars through silu, the other irreps scaled by a function of scalars."""

from collections.abc import Callable
from typing import cast

import e3nn_jax as e3nn
import jax
import jax.numpy as jnp


def gate_irreps(hidden: e3nn.Irreps, activation: str) -> e3nn.Irreps:
    """Return what a layer must produce before the activation: with `gate`, an extra scalar for every channel of l > 0."""
    gates = sum(mul for mul, ir in hidden if ir.l > 0) if activation == "gate" else 0
    return e3nn.Irreps([(mul + (gates if ir.l == 0 else 0), ir) for mul, ir in hidden])


def activate(features: e3nn.IrrepsArray, hidden: e3nn.Irreps, activation: str) -> e3nn.IrrepsArray:
    """Return silu(s) for the scalars and v * sigmoid(g) for the rest, both scaled to keep unit variance.

    Args:
        features: (n, gate_irreps(hidden, activation)).
        hidden: the irreps to return.
        activation: "gate" takes a gate g of its own for each channel of l > 0; "shared_gate" takes the scalar of the same channel,
            which needs no weights; "none" is the identity.
    """
    if activation == "none":
        return features
    channels = next(iter(hidden)).mul
    scalars, *rest = cast(list[jax.Array], features.chunks)
    scalars = scalars[..., 0]
    silu, sigmoid = _unit_variance(jax.nn.silu), _unit_variance(jax.nn.sigmoid)
    out = [silu(scalars[..., :channels])[..., None]]
    for order, chunk in enumerate(rest, start=1 if activation == "gate" else 0):
        first = order * channels if activation == "gate" else 0
        out.append(chunk * sigmoid(scalars[..., first : first + channels])[..., None])
    return e3nn.IrrepsArray(hidden, jnp.concatenate([chunk.reshape(*chunk.shape[:-2], -1) for chunk in out], -1))


def _unit_variance(function: Callable[[jax.Array], jax.Array]) -> Callable[[jax.Array], jax.Array]:
    return cast(Callable[[jax.Array], jax.Array], e3nn.normalize_function(cast(Callable[[float], float], function)))

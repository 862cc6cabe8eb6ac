"""A network with several times as many channels that predicts what a narrower one does, to train on (Net2Net: Chen, Goodfellow and Shlens, ICLR 2016)."""

import re
from collections.abc import Iterable
from typing import Any, cast

import e3nn_jax as e3nn
import flax.traverse_util
import numpy as np

from equijax.network import NetworkConfig
from equijax.nn.triplets import hidden_irreps, triplets
from equijax.snapshot import N_TYPES

NOISE = 0.3
"""Of the weights that lead to a copied channel, in standard deviations of the layer's weights: copies that are alike would stay so."""

Block = tuple[int, int]
"""Neighbours along an axis of weights: how many hidden channels, which have copies, and how many inputs after them, which have none."""


def widened(variables: dict, config: NetworkConfig, factor: int, seed: int = 0, noise: float = NOISE) -> dict:
    """Return the weights and statistics of a network with `factor` times as many channels.

    Channel c is copied to c + C, c + 2C, ...; what is read from copies is divided by their number. Without noise the predictions are the same, as
    every operation of the network between its linear maps is of each channel alone, or a mean over all.

    Args:
        variables: `params` and `batch_stats` of the network.
        config: of the network.
        factor: a whole number.
        seed: of the noise.
        noise: added to weights that lead to the copies.
    """
    rng = np.random.default_rng(seed)
    params = {}
    for path, values in flax.traverse_util.flatten_dict(variables["params"]).items():
        values = np.asarray(values)
        read, written = _blocks(config, path, values.shape)
        new, shared = values, np.ones(1)
        if read is not None:
            source, copies, _ = _spread(read, factor)
            shared = copies[:, None]
            new = new[..., source, :] / shared
        if written is not None:
            source, _, repeated = _spread(written, factor)
            added = noise * values.std() * repeated * rng.standard_normal((*new.shape[:-1], len(source)))
            new = new[..., source] + added / shared
        params[_renamed(path, new.shape)] = new.astype(values.dtype)
    stats = {path: np.tile(np.asarray(cast(Any, values)), factor) for path, values in flax.traverse_util.flatten_dict(variables["batch_stats"]).items()}
    return {"params": flax.traverse_util.unflatten_dict(params), "batch_stats": flax.traverse_util.unflatten_dict(stats)}


def _spread(blocks: Iterable[Block], factor: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return, along the wider axis, where each entry is copied from, how many share that, and whether it is a copy beyond the first."""
    source, copies, repeated, start = [], [], [], 0
    for hidden, extra in blocks:
        source += [*np.tile(np.arange(start, start + hidden), factor), *range(start + hidden, start + hidden + extra)]
        copies += [factor] * (factor * hidden) + [1] * extra
        repeated += [False] * hidden + [True] * ((factor - 1) * hidden) + [False] * extra
        start += hidden + extra
    return np.array(source, int), np.array(copies), np.array(repeated)


def _blocks(config: NetworkConfig, path: tuple[str, ...], shape: tuple[int, ...]) -> tuple[list[Block] | None, list[Block] | None]:
    """Return what stands along the axes of an array of weights that are read from and written to; None for axes without channels."""
    channels, (part, kind, name) = config.channels, (path[0], path[-2], path[-1])
    if kind == "radial":
        return None, None
    if part == "decoder":
        first = ("decoder", "Dense_0", "kernel") if config.decoder_hidden else ("decoder", "kernel")
        inputs = sum(mul for mul, _ in config.input_irreps) if config.inputs_everywhere else 0
        return [(channels, 0)] * ((shape[-2] - inputs) // channels) + [(0, inputs)] if path == first else None, None
    features = _features(config, first="later" not in part)
    messages = [(path.output, features[path.input]) for path in triplets(_irreps(features), config.l_max, config.parity)]
    if kind == "convolution":
        return None, [block for _, block in messages]
    written = [(channels, 0)] * (shape[-1] // channels)
    if name.startswith("b["):
        return None, written
    irrep = next(iter(e3nn.Irreps(name.rsplit(",", 1)[1]))).ir
    if "self_interaction" in path:
        return [block for output, block in messages if output == irrep], written
    return [features[irrep]] if "own" in path else [(channels, 0)] * (shape[-2] // channels), written


def _features(config: NetworkConfig, first: bool) -> dict[e3nn.Irrep, Block]:
    """Return what a layer's convolution reads: hidden channels and inputs of each irrep."""
    inputs = config.input_irreps if first or config.inputs_everywhere else e3nn.Irreps(f"{N_TYPES}x0e")
    hidden = e3nn.Irreps([]) if first else hidden_irreps(config.channels, config.l_max, config.parity)
    return {irrep: (hidden.count(irrep), inputs.count(irrep)) for irrep in sorted({irrep for _, irrep in [*hidden, *inputs]})}


def _irreps(features: dict[e3nn.Irrep, Block]) -> e3nn.Irreps:
    return e3nn.Irreps([(sum(block), irrep) for irrep, block in features.items()])


def _renamed(path: tuple[str, ...], shape: tuple[int, ...]) -> tuple[str, ...]:
    """Return the path of an array; e3nn-jax writes numbers of channels into the names of linear maps."""
    sizes: Any = iter(shape[-2:] if path[-1].startswith("w[") else shape[-1:])
    return (*path[:-1], re.sub(r"\d+(?=x\d)", lambda _: str(next(sizes)), path[-1]))

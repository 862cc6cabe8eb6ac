"""The training state and the one jitted step that changes it."""

from collections.abc import Callable
from typing import Any, cast

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh, PartitionSpec

from equijax.data.samples import Sample
from equijax.graph.graph import Graph
from equijax.network import Network
from equijax.train.mesh import DATA, replicated, spread

AXIS = "graph"

LEAST = 1e-9
"""Added to the mean squared error of a time, by which is divided."""


class TrainState(flax.struct.PyTreeNode):
    """Everything a run needs to go on exactly where it was.

    `average` is the exponential average of the weights; `best` and `best_batch_stats` are those of the best validation so far.
    """

    step: Any
    params: Any
    batch_stats: Any
    optimizer: Any
    average: Any
    best: Any
    best_batch_stats: Any


def initial_state(network: Network, optimizer: optax.GradientTransformationExtraArgs, graph: Graph, seed: int) -> TrainState:
    """Return the state before the first step; `graph` is one configuration, for the shapes."""
    variables = jax.jit(Network(network.config).init)(jax.random.key(seed), graph)
    params, stats = variables["params"], variables.get("batch_stats", {})
    return TrainState(jnp.zeros((), jnp.int32), params, stats, optimizer.init(params), own_copy(params), own_copy(params), own_copy(stats))


def own_copy(tree: Any) -> Any:
    """Return a copy in memory of its own: the jitted step gives the memory of its input away."""
    return jax.tree.map(lambda leaf: leaf.copy(), tree)


def predict_batch(network: Network, params: Any, batch_stats: Any, graphs: Graph) -> jax.Array:
    """Return the outputs (b, n, t) of a batch of graphs with fixed statistics."""
    return jax.vmap(lambda graph: cast(jax.Array, network.apply({"params": params, "batch_stats": batch_stats}, graph)), axis_name=AXIS)(graphs)


def loss_and_gradient(network: Network, mesh: Mesh, geometric: bool = False) -> Callable[[Any, Any, Sample], tuple[jax.Array, Any, Any]]:
    """Return the function params, batch_stats, batch -> loss, new batch_stats, gradient, each device at work on its own part of the batch.

    The loss is the squared error, times the weights, averaged over all real particles of the whole batch, and over times: m = (m_1 + ... + m_T) / T, or
    the geometric mean g = (m_1 ... m_T)^(1/T), whose gradient is that of (w_1 m_1 + ... + w_T m_T) / T with fixed w_t = g / m_t. Every device
    differentiates its share of it; the sums over devices are written out, so that compiled kernels, which XLA cannot divide, are called with one device's
    graphs.

    Args:
        network: to train.
        mesh: of devices.
        geometric: the mean over times.
    """
    network = Network(network.config, (AXIS, DATA))

    def local(params: Any, batch_stats: Any, batch: Sample) -> tuple[jax.Array, Any, Any]:
        particles = jax.lax.psum((batch.weights > 0).sum(), DATA)

        def share(params: Any) -> tuple[jax.Array, Any]:
            def apply(graph: Graph):  # noqa: ANN202 (predictions and updated collections)
                return network.apply({"params": params, "batch_stats": batch_stats}, graph, train=True, mutable=["batch_stats"])

            outputs, updated = jax.vmap(apply, axis_name=AXIS, out_axes=(0, None))(batch.graph)
            squared = (outputs - batch.targets) ** 2
            if geometric:
                each = (jax.lax.stop_gradient(squared) * batch.weights[..., None]).sum((0, 1)) / particles
                each = jax.lax.psum(each, DATA) + LEAST
                squared = squared * jnp.exp(jnp.log(each).mean()) / each
            return (squared.mean(-1) * batch.weights).sum() / particles, updated.get("batch_stats", {})

        (loss, stats), gradient = jax.value_and_grad(share, has_aux=True)(params)
        loss, gradient = jax.lax.psum((loss, gradient), DATA)
        return loss, stats, gradient

    whole = PartitionSpec()
    return jax.shard_map(local, mesh=mesh, in_specs=(whole, whole, PartitionSpec(DATA)), out_specs=(whole, whole, whole), check_vma=False)


def make_step(
    network: Network, optimizer: optax.GradientTransformationExtraArgs, ema: float, mesh: Mesh, mirror: bool, seed: int, geometric: bool = False
) -> Callable[[TrainState, Sample], tuple[TrainState, jax.Array]]:
    """Return the jitted step: state, batch -> state, loss.

    A step whose loss or gradient is not finite leaves the state as it was; the loss it returns says so.
    """
    differentiate = loss_and_gradient(network, mesh, geometric)

    def step(state: TrainState, batch: Sample) -> tuple[TrainState, jax.Array]:
        if mirror:
            batch = _mirrored(batch, jax.random.fold_in(jax.random.key(seed), state.step))
        loss, stats, gradient = differentiate(state.params, state.batch_stats, batch)
        weight = batch.weights.sum() / (batch.weights > 0).sum()
        updates, opt = optimizer.update(gradient, state.optimizer, state.params, weight=weight)
        params = optax.apply_updates(state.params, updates)
        count = state.step.astype(loss.dtype)
        decay = jnp.minimum(ema, (1 + count) / (10 + count))  # a short memory at first, or the average would carry the initial weights along
        average = jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, state.average, params)
        new = state.replace(step=state.step + 1, params=params, batch_stats=stats, optimizer=opt, average=average)
        fine = jnp.isfinite(loss) & jnp.isfinite(optax.tree.norm(gradient))
        return jax.tree.map(lambda a, b: jnp.where(fine, a, b), new, state), jnp.where(fine, loss, jnp.nan)

    whole, parts = replicated(mesh), spread(mesh)
    return jax.jit(step, in_shardings=(whole, parts), out_shardings=(whole, whole), donate_argnums=0)


def _mirrored(batch: Sample, key: jax.Array) -> Sample:
    sign = jnp.where(jax.random.bernoulli(key, shape=batch.weights.shape[:1]), -1.0, 1.0).astype(batch.graph.vectors.dtype)
    flip = jnp.stack([sign, jnp.ones_like(sign), jnp.ones_like(sign)], -1)[:, None, None]
    graph = _flipped(batch.graph, flip)
    if graph.other is not None:
        graph = graph.replace(other=_flipped(graph.other, flip))
    return batch.replace(graph=graph)


def _flipped(graph: Graph, flip: jax.Array) -> Graph:
    return graph.replace(vectors=graph.vectors * flip, arrows=graph.arrows * flip)

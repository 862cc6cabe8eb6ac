"""DeepMind's graph network of 2020, on jraph (Bapst et al., Nature Physics 16, 448, Methods).

Edges carry r_j - r_i, nodes their type; encoders, recurrent passes of messages that see the encoded graph beside the one before, and a
decoder, each a perceptron of two layers. It is not equivariant: every training step turns the configuration at random.
"""

import functools
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import flax.traverse_util
import jax
import jax.numpy as jnp
import jraph
import numpy as np
import optax
from jaxtyping import Float

from equijax.bars import Bar
from equijax.baselines.config import GraphNetworkConfig
from equijax.graph.neighbors import Searches
from equijax.inputs import graph_positions
from equijax.metrics import pearson
from equijax.snapshot import N_TYPES, Snapshot

EMA = 0.99
"""Decay of the exponential average of the weights, which is what is validated and kept."""


class Block(nn.Module):
    """Two layers with ReLU."""

    width: int

    @nn.compact
    def __call__(self, *parts: Any) -> jax.Array:
        """Return the activations of the last layer."""
        x = jnp.concatenate(parts, -1)
        for _ in range(2):
            x = nn.relu(nn.Dense(self.width)(x))
        return x


class MessagePassing(nn.Module):
    """Encoder, recurrent passes, decoder: from a graph to a number for each node and time."""

    width: int
    passes: int
    outputs: int

    @nn.compact
    def __call__(self, graph: jraph.GraphsTuple) -> jax.Array:
        """Return the outputs (n, t)."""
        edge_block, node_block = Block(self.width), Block(self.width)
        one_pass = jraph.GraphNetwork(
            lambda edges, sent, received, _: edge_block(edges, sent, received),
            lambda nodes, _, received, __: node_block(nodes, received),
        )
        encoded = graph = graph._replace(nodes=Block(self.width)(graph.nodes), edges=Block(self.width)(graph.edges))
        for _ in range(self.passes):
            beside = jax.tree.map(lambda a, b: jnp.concatenate([a, b], -1), (graph.nodes, graph.edges), (encoded.nodes, encoded.edges))
            graph = one_pass(graph._replace(nodes=beside[0], edges=beside[1]))
        return nn.Dense(self.outputs)(Block(self.width)(graph.nodes))


class GraphNetwork:
    """The network with its training.

    Args:
        config: shape and rates.
        seed: of weights, order and rotations.
        quiet: no progress bar.
    """

    def __init__(self, config: GraphNetworkConfig, seed: int, quiet: bool = False) -> None:
        self.config, self.seed, self.quiet = config, seed, quiet
        self._searches = Searches(config.cutoff)
        self._params: Any = None

    def fit(self, train: Sequence[Snapshot], train_targets: list[np.ndarray], held: Sequence[Snapshot], held_targets: list[np.ndarray]) -> None:
        """Train with every learning rate, and keep the weights with the best validation of the A particles at any epoch.

        Without a validation set, the training set chooses among the last weights of each rate.
        """
        config, best, validated = self.config, -np.inf, len(held) > 0
        if not validated:
            held, held_targets = train, train_targets
        graphs = [self._graph(train[i]) for i in range(len(train))]
        edges, nodes = max(int(g.n_edge[0]) for g in graphs) + 1, max(int(g.n_node[0]) for g in graphs) + 1
        padded = [_padded(graph, targets, nodes, edges) for graph, targets in zip(graphs, train_targets, strict=True)]
        module = self._module(train_targets[0].shape[1])
        bar = Bar(total=len(config.learning_rates) * config.epochs * len(padded), desc="graph network", unit="step", disable=self.quiet)
        for number, rate in enumerate(config.learning_rates):
            rng = np.random.default_rng([self.seed, number])
            optimizer = optax.adam(optax.cosine_decay_schedule(rate, config.epochs * len(padded)))
            params = module.init(jax.random.key(self.seed + number), padded[0][0])["params"]
            state = params, optimizer.init(params), params
            for epoch in range(1, config.epochs + 1):
                for i in rng.permutation(len(padded)):
                    turn, triangle = np.linalg.qr(rng.standard_normal((3, 3)))
                    turn *= np.sign(np.diag(triangle))  # uniform over rotations and mirror images
                    state = _step(module, optimizer, state, jnp.asarray(turn, jnp.float32), *padded[i])
                    bar.update()
                if not validated and epoch < config.epochs:
                    continue
                score = self._score(module, state[2], held, held_targets)
                if score > best:
                    best, self._params = score, jax.tree.map(np.asarray, state[2])
                bar.set_postfix_str(f"validation r {score:.3f}, best {best:.3f}")
        bar.close()

    def _score(self, module: MessagePassing, params: Any, held: Sequence[Snapshot], targets: list[np.ndarray]) -> float:
        outputs = [np.asarray(_apply(module, params, self._graph(held[i]))) for i in range(len(held))]
        kinds = [held[i].types == 0 for i in range(len(held))]
        predicted, measured = (np.concatenate([values[kind] for values, kind in zip(side, kinds, strict=True)]) for side in (outputs, targets))
        # A network that gives a constant has no correlation; it is the worst, not nothing.
        return float(np.mean(np.nan_to_num([pearson(predicted[:, t].astype(float), measured[:, t]) for t in range(measured.shape[1])], nan=-2)))

    def outputs(self, snapshot: Snapshot) -> Float[np.ndarray, "n t"]:
        """Return the predicted targets of a configuration."""
        times = self._params["Dense_0"]["bias"].shape[0]
        return np.asarray(_apply(self._module(times), self._params, self._graph(snapshot)), np.float64)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what there is to keep."""
        return {name: np.asarray(value) for name, value in flax.traverse_util.flatten_dict(self._params, sep="/").items()}

    def load(self, arrays: dict[str, np.ndarray]) -> None:
        """Take up what was kept."""
        self._params = flax.traverse_util.unflatten_dict(arrays, sep="/")

    def _module(self, outputs: int) -> MessagePassing:
        return MessagePassing(self.config.width, self.config.passes, outputs)

    def _graph(self, snapshot: Snapshot) -> jraph.GraphsTuple:
        pairs = self._searches.pairs(snapshot, graph_positions(snapshot, self.config.positions))
        arrays: dict[str, Any] = {
            "nodes": np.eye(N_TYPES, dtype=np.float32)[snapshot.types],
            "edges": np.asarray(pairs.vectors, np.float32),
            "senders": np.asarray(pairs.senders, np.int32),
            "receivers": np.asarray(pairs.receivers, np.int32),
            "n_node": np.array([len(snapshot)]),
            "n_edge": np.array([len(pairs.senders)]),
        }
        return jraph.GraphsTuple(globals=None, **arrays)


def _padded(graph: jraph.GraphsTuple, targets: np.ndarray, nodes: int, edges: int) -> tuple[jraph.GraphsTuple, np.ndarray, np.ndarray]:
    missing = nodes - len(targets)
    weights = np.pad(np.ones(len(targets), np.float32), (0, missing))
    return jraph.pad_with_graphs(graph, nodes, edges), np.pad(targets.astype(np.float32), ((0, missing), (0, 0))), weights


@functools.partial(jax.jit, static_argnums=0)
def _apply(module: MessagePassing, params: Any, graph: jraph.GraphsTuple) -> Any:
    return module.apply({"params": params}, graph)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _step(module: MessagePassing, optimizer: optax.GradientTransformation, state: Any, turn: jax.Array, graph: Any, targets: jax.Array, weights: jax.Array) -> Any:
    params, memory, average = state

    def loss(params: Any) -> jax.Array:
        outputs: Any = module.apply({"params": params}, graph._replace(edges=graph.edges @ turn.T))
        return (((outputs - targets) ** 2).mean(-1) * weights).sum() / weights.sum()

    updates, memory = optimizer.update(jax.grad(loss)(params), memory, params)
    params = optax.apply_updates(params, updates)
    return params, memory, jax.tree.map(lambda old, new: EMA * old + (1 - EMA) * new, average, params)

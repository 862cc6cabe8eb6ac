"""The network of Pezzicoli, Charpiat and Landes (SciPost Phys. 16, 136, 2024): read it beside their figure 4."""

import dataclasses
import math
from typing import Any, Literal

import e3nn_jax as e3nn
import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Float

from equijax._types import NodeMask
from equijax.errors import ConfigError
from equijax.graph.graph import Graph
from equijax.nn.activation import activate, gate_irreps
from equijax.nn.batch_norm import BatchNorm
from equijax.nn.convolution import Convolution
from equijax.nn.decoder import Decoder
from equijax.nn.geometry import Geometry, edge_geometry
from equijax.nn.self_interaction import SelfInteraction
from equijax.nn.square import square
from equijax.nn.triplets import hidden_irreps
from equijax.snapshot import N_TYPES

_SCALARS = e3nn.Irreps("0e")

SMOOTH = 1e-4
"""Added to the squares of lengths, which have a derivative at zero then."""

LARGE = 16384
"""Above this many particles, training computes each layer again in the backward pass: a quarter slower, with half of the memory."""


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """Shape of the network; the defaults are the paper's, with 50,852 weights for ten times.

    Attributes:
        layers: convolution layers.
        l_max: largest rotational order of features and filters.
        channels: per rotational order.
        cutoff: of the graph, in sigma_AA.
        bessel: Bessel functions of the distance.
        radial_hidden: width of the radial network's hidden layer.
        envelope_power: of the smooth cutoff; larger keeps more of the outer distances.
        mean_degree: neighbour sums are divided by its square root; a training measures it.
        parity: use parity to remove triplets, E(3) instead of SE(3).
        activation: after the self-interaction.
        batch_norm: equivariant batch norm between layers.
        residual: add each layer to the one before.
        square: add products of two features of the particle to what the self-interaction makes of its messages.
        inputs_everywhere: give every layer and the decoder all node inputs, not the types to every layer only.
        readout: what the decoder reads: the scalars of the last layer, or the scalars and the lengths of all other features of every layer.
        decoder_hidden: widths of hidden layers in the decoder; none is a linear decoder.
        scalars: extra invariant inputs per particle.
        arrows: extra vector inputs per particle.
        graphs: of each configuration, 1 or 2; each has layers of its own, and the decoder reads the invariants of both.
        outputs: times predicted.
        table_knots: knots of the table from which fast kernels read the radial network; 0 evaluates the network at every edge.
        kernel: implementation of the convolution; "auto" takes the fastest.
    """

    layers: int = 8
    l_max: int = 3
    channels: int = 8
    cutoff: float = 2.0
    bessel: int = 10
    radial_hidden: int = 16
    envelope_power: int = 6
    mean_degree: float = 40.6
    parity: bool = False
    activation: Literal["shared_gate", "gate", "none"] = "shared_gate"
    batch_norm: bool = True
    residual: bool = True
    square: bool = False
    inputs_everywhere: bool = False
    readout: Literal["last", "all"] = "last"
    decoder_hidden: tuple[int, ...] = ()
    scalars: int = 0
    arrows: int = 0
    graphs: int = 1
    outputs: int = 10
    table_knots: int = 256
    kernel: str = "auto"

    def __post_init__(self) -> None:
        for field, least in {"layers": 1, "l_max": 0, "channels": 1, "bessel": 1, "radial_hidden": 1, "envelope_power": 2, "outputs": 1}.items():
            if getattr(self, field) < least:
                raise ConfigError(f"network.{field} is {getattr(self, field)}; expected {least} or more.")
        if self.graphs not in (1, 2):
            raise ConfigError(f"network.graphs is {self.graphs}; expected 1 or 2.")
        if self.table_knots < 0 or self.table_knots == 1:
            raise ConfigError(f"network.table_knots is {self.table_knots}; expected 0 (no table), or 2 or more.")
        if self.square and self.l_max == 0:
            raise ConfigError("network.square multiplies features of l > 0, with network.l_max = 0 there are none; leave it out.")
        if not all(0 < number < math.inf for number in (self.cutoff, self.mean_degree)):
            raise ConfigError(f"network.cutoff is {self.cutoff} and mean_degree {self.mean_degree}; both must be positive numbers.")

    @property
    def input_irreps(self) -> e3nn.Irreps:
        """Of what each particle carries: its type as one of N_TYPES scalars, the extra scalars, the vectors."""
        irreps = e3nn.Irreps(f"{N_TYPES + self.scalars}x0e + {self.arrows}x1{'o' if self.parity else 'e'}")
        return irreps.remove_zero_multiplicities()

    def convolution(self, name: str | None = None) -> Convolution:
        """Return the convolution of every layer."""
        return Convolution(
            self.cutoff,
            self.bessel,
            self.radial_hidden,
            self.envelope_power,
            self.l_max,
            self.parity,
            self.mean_degree,
            self.table_knots,
            self.kernel,
            name=name,
        )


class Layer(nn.Module):
    """Convolution, self-interaction and activation: from features (n, irreps) to (n, hidden irreps)."""

    config: NetworkConfig

    @nn.compact
    def __call__(self, features: e3nn.IrrepsArray, geometry: Geometry) -> e3nn.IrrepsArray:
        """Return the new features."""
        config = self.config
        hidden = hidden_irreps(config.channels, config.l_max, config.parity)
        messages = config.convolution(name="convolution")(features, geometry)
        wanted = gate_irreps(hidden, config.activation)
        if not config.square:
            return activate(SelfInteraction(wanted, name="self_interaction")(messages), hidden, config.activation)
        factors = e3nn.Irreps([(mul, ir) for mul, ir in hidden if ir.l > 0])
        # One map reads the messages for both what is added and what is multiplied: they are most of a layer's memory.
        both = SelfInteraction([*wanted, *factors], name="self_interaction")(messages)
        mixed, directed = both[..., : wanted.dim], both[..., wanted.dim :]
        products = square(directed + _mixed(features, factors, "own"), hidden)
        return activate(mixed + _mixed(products, wanted, "products"), hidden, config.activation)


def _mixed(features: e3nn.IrrepsArray, wanted: e3nn.Irreps, name: str) -> e3nn.IrrepsArray:
    """Return a self-interaction of the features; irreps that they cannot reach are zero."""
    reached = [(mul, ir) for mul, ir in wanted if ir in features.irreps]
    if not reached:
        return e3nn.zeros(wanted, features.shape[:-1], features.array.dtype)
    return SelfInteraction(reached, name=name)(features).extend_with_zeros(wanted)


class LaterLayer(nn.Module):
    """A layer after the first: batch norm before it, the particles' inputs beside the features, a residual around it."""

    config: NetworkConfig
    axis_name: str | tuple[str, ...] | None
    train: bool

    @nn.compact
    def __call__(self, features: e3nn.IrrepsArray, surroundings: tuple[e3nn.IrrepsArray, Geometry, NodeMask]) -> tuple[e3nn.IrrepsArray, Float[jax.Array, "n c"] | None]:
        """Return the new features, and what `nn.scan` is to stack of them: their invariants where the decoder reads every layer."""
        again, geometry, mask = surroundings
        normed = BatchNorm(self.axis_name, name="norm")(features, mask, self.train) if self.config.batch_norm else features
        new = Layer(self.config, name="layer")(e3nn.concatenate([normed, again]).regroup(), geometry)
        features = features + new if self.config.residual else new
        return features, _invariants(features) if self.config.readout == "all" else None


class Network(nn.Module):
    """Maps the graph of one configuration to the (standardised) propensity of each particle at each time.

    Map it over a batch with `jax.vmap(..., axis_name=...)` and give the axis name here, so that batch norm sees the whole batch. The layers
    after the first are one layer, compiled once and scanned: their weights are stacked along a leading axis (layers - 1).
    """

    config: NetworkConfig
    axis_name: str | tuple[str, ...] | None = None

    @nn.compact
    def __call__(self, graph: Graph, train: bool = False) -> Float[jax.Array, "n t"]:
        """Return predictions (n, t); rows of padding are zero."""
        config = self.config
        invariants = self._invariants(graph, train, "first", "later")
        if config.graphs == 2:
            if graph.other is None:
                raise ConfigError("the network reads two graphs of each configuration, this one has one; build graphs and network from one config.")
            invariants = jnp.concatenate([invariants, self._invariants(graph.other, train, "other_first", "other_later")], -1)
        if config.inputs_everywhere:
            invariants = jnp.concatenate([invariants, _invariants(self._node_inputs(graph), squared=True)], -1)
        predictions = Decoder(config.outputs, N_TYPES, config.decoder_hidden, name="decoder")(invariants, jnp.asarray(graph.types))
        return jnp.where(graph.node_mask[:, None], predictions, 0)

    def _invariants(self, graph: Graph, train: bool, first: str, rest: str) -> Float[jax.Array, "n c"]:
        """Return what the decoder reads of one graph."""
        config = self.config
        geometry = edge_geometry(graph, config.l_max, config.parity)
        inputs = self._node_inputs(graph)
        types = inputs.filter(keep=_SCALARS)[..., :N_TYPES]
        again = inputs if config.inputs_everywhere else types
        features = Layer(config, name=first)(inputs, geometry)
        invariants = _invariants(features)
        if config.layers > 1:
            stacked: Any = {"params": 0, "batch_stats": 0}
            once: Any = nn.broadcast
            layer = nn.remat(LaterLayer, prevent_cse=False) if len(graph.types) > LARGE else LaterLayer
            later = nn.scan(layer, variable_axes=stacked, split_rngs={"params": True}, in_axes=once, length=config.layers - 1)
            features, each = later(config, self.axis_name, train, name=rest)(features, (again, geometry, jnp.asarray(graph.node_mask)))
            if each is not None:
                invariants = jnp.concatenate([invariants, jnp.moveaxis(each, 0, 1).reshape(len(each[0]), -1)], -1)
        if config.readout == "last":
            invariants = features.filter(keep=_SCALARS).array
        self.sow("intermediates", "invariants", invariants)
        return invariants

    def _node_inputs(self, graph: Graph) -> e3nn.IrrepsArray:
        config = self.config
        if graph.scalars.shape[-1] != config.scalars or graph.arrows.shape[-2] != config.arrows:
            raise ConfigError(
                f"the graph carries {graph.scalars.shape[-1]} scalars and {graph.arrows.shape[-2]} vectors per particle, "
                f"the network expects {config.scalars} and {config.arrows}; build graphs and network from one config."
            )
        types = jax.nn.one_hot(graph.types, N_TYPES, dtype=graph.vectors.dtype)
        arrows = graph.arrows.reshape(len(types), -1)
        return e3nn.IrrepsArray(config.input_irreps, jnp.concatenate([types, graph.scalars, arrows], -1))


def _invariants(features: e3nn.IrrepsArray, squared: bool = False) -> Float[jax.Array, "n c"]:
    """Return the scalars, and the (squared) lengths of everything else."""
    parts = []
    for (_, irrep), chunk in zip(features.irreps, features.chunks, strict=True):
        assert chunk is not None
        length = (chunk**2).sum(-1)
        parts.append(chunk[..., 0] if irrep.is_scalar() else length if squared else jnp.sqrt(length + SMOOTH) - SMOOTH**0.5)
    return jnp.concatenate(parts, -1)


def count_weights(params: object) -> int:
    """Return the number of trainable numbers in a tree of parameters."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))

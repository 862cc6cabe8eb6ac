"""From a trained run to predictions and their derivatives with respect to positions."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from equijax.domain import require_composition, require_density, require_energies
from equijax.errors import SnapshotError
from equijax.graph.graph import Graph, build_graph, displaced, paired
from equijax.graph.neighbors import Searches
from equijax.inputs import InputConfig, Positions, graph_positions, length_scale, node_features
from equijax.network import Network, NetworkConfig
from equijax.snapshot import Snapshot
from equijax.statistics import Statistics
from equijax.targets import mean_gradient, restore


@dataclasses.dataclass(frozen=True)
class Prediction:
    """Predicted propensity (n, t) of every particle at every time, and the times (t,)."""

    propensity: Float[np.ndarray, "n t"]
    times: Float[np.ndarray, "t"]


class Predictor:
    """A trained network with everything it needs to read a snapshot; `Predictor.load` opens a run.

    Args:
        network: shape of the network.
        params, batch_stats: its weights and running statistics.
        inputs: what it reads.
        statistics: of its training set.
        dtype: of the arithmetic; float64 needs `jax.enable_x64(True)` around every call.
    """

    def __init__(self, network: NetworkConfig, params: Any, batch_stats: Any, inputs: InputConfig, statistics: Statistics, dtype: type = np.float32) -> None:
        self.network, self.inputs, self.statistics, self.dtype = network, inputs, statistics, dtype
        self.variables = {"params": params, "batch_stats": batch_stats}
        self._module = Network(network)
        self._searches = Searches(network.cutoff)
        self._apply = jax.jit(self._outputs)
        self._watched = jax.jit(lambda variables, graph: self._module.apply(variables, graph, mutable=["intermediates"]))
        self._backward = jax.jit(jax.grad(self._weighted, argnums=2))

    @classmethod
    def load(cls, run: str | Path) -> "Predictor":
        """Open a run folder, or a network that ships with equijax by its name, with the weights of its best validation.

        Raises:
            CheckpointError: there is no whole checkpoint, or it is of another schema, architecture or precision.
        """
        from equijax.train.load import load_predictor  # the trainer stands on this module

        return load_predictor(Path(run))

    @property
    def times(self) -> Float[np.ndarray, "t"]:
        """The times (t,) of the predictions."""
        return np.array(self.statistics.times)

    @property
    def needs_quench(self) -> bool:
        """Whether the snapshot must have its inherent structure."""
        return self.inputs.needs_quench

    @property
    def needs_cages(self) -> bool:
        """Whether the snapshot must have its cage positions."""
        return self.inputs.needs_cages

    def predict(self, snapshot: Snapshot) -> Prediction:
        """Return the predicted propensity, in units of sigma_AA.

        Raises:
            SnapshotError: the box is too small, density, composition or inherent energies are not at all those of the training set, or the model reads
                inherent structures and the snapshot has none (`equijax.quench` adds them).
        """
        outputs = self._apply(self.variables, self.graph(snapshot))
        return Prediction(restore(snapshot, np.asarray(outputs, np.float64), self.inputs, self.statistics), self.times)

    def gradient(self, snapshot: Snapshot, weights: Float[np.ndarray, "n t"], of: Positions | None = None) -> Float[np.ndarray, "n 3"]:
        """Return d(sum of weights * propensity) / d(positions), in float64 from derivatives of the network's precision.

        What moves, and what is held fixed: the positions asked for move; the other sets of positions, the inherent energies (the particle's
        own and the configuration's mean) and the particle types stay. By default the positions of the (first) graph move. A model that reads the
        displacement from thermal to inherent positions depends on both sets through it, and through its mean square.

        Args:
            snapshot: where to differentiate.
            weights: (n, t) of each prediction.
            of: "thermal", "inherent" or "cage".

        Raises:
            SnapshotError: the weights have another shape, or the model does not read the positions asked for.
        """
        weights = np.asarray(weights, np.float64)
        if weights.shape != (len(snapshot), len(self.times)):
            raise SnapshotError(f"{snapshot.name}: weights have shape {weights.shape}; expected {(len(snapshot), len(self.times))}, one for each prediction.")
        of = of or self.inputs.sets[0]
        if of not in self.inputs.reads:
            raise SnapshotError(f"{snapshot.name}: the model reads {' and '.join(sorted(self.inputs.reads))} positions only; it does not depend on the {of} ones.")
        scaled = weights * np.array(self.statistics.target_scale)[snapshot.types]
        still = {which: jnp.zeros((len(snapshot), 3), self.dtype) for which in self.inputs.reads}
        through_network = self._backward(self.variables, self.graph(snapshot), still, jnp.asarray(scaled, self.dtype))[of]
        return np.asarray(through_network, np.float64) + mean_gradient(snapshot, weights, of, self.inputs, self.statistics)

    def graph(self, snapshot: Snapshot) -> Graph:
        """Return the graph the network reads.

        Raises:
            SnapshotError: see `predict`.
        """
        require_composition(snapshot, self.statistics)
        scalars, arrows = node_features(snapshot, self.inputs, self.statistics)
        if self.inputs.energy:
            require_energies(snapshot, scalars[:, 0])
        found = [self._searches.pairs(snapshot, graph_positions(snapshot, which)) for which in self.inputs.sets]
        require_density(snapshot, len(found[0].receivers) / len(snapshot), self.network.mean_degree, self.network.cutoff)
        graph = paired(
            build_graph(
                pairs,
                snapshot.types,
                self.network.cutoff,
                scalars=scalars,
                arrows=arrows,
                dtype=self.dtype,
                name=snapshot.name,
            )
            for pairs in found
        )
        return jax.tree.map(jnp.asarray, graph)

    def invariants(self, snapshot: Snapshot) -> Float[np.ndarray, "n c"]:
        """Return the invariant features that the decoder reads (`NetworkConfig.readout`): the learned description of each particle's surroundings."""
        _, kept = self._watched(self.variables, self.graph(snapshot))
        return np.concatenate([np.asarray(part) for part in kept["intermediates"]["invariants"]], -1)

    def _outputs(self, variables: Any, graph: Graph) -> jax.Array:
        return self._module.apply(variables, graph)  # type: ignore[return-value]

    def _weighted(self, variables: Any, graph: Graph, moved: dict[Positions, jax.Array], weights: jax.Array) -> jax.Array:
        arrows, scalars = jnp.asarray(graph.arrows), jnp.asarray(graph.scalars)
        for k, end in enumerate(self.inputs.displaced_to):
            arrow = arrows[:, k] + (moved[end] - moved["thermal"]) / length_scale(self.statistics, end)
            squared = (arrow**2).sum(-1)
            length = jnp.where(squared > 0, jnp.sqrt(jnp.where(squared > 0, squared, 1.0)), 0.0)
            arrows, scalars = arrows.at[:, k].set(arrow), scalars.at[:, int(self.inputs.energy) + k].set(length)
        graphs = [graph] if graph.other is None else [graph, graph.other]
        shifted = [displaced(one, moved[which]).replace(arrows=arrows, scalars=scalars) for one, which in zip(graphs, self.inputs.sets, strict=True)]
        return (self._outputs(variables, paired(one.replace(other=None) for one in shifted)) * weights).sum()

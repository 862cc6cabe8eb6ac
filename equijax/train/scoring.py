"""Predictions of whole configurations beside what was measured."""

from typing import Any

import jax
import numpy as np

from equijax.data.samples import SampleSource
from equijax.metrics import Scored
from equijax.network import Network
from equijax.targets import propensity, restore, selected_halves
from equijax.train.step import predict_batch


class Scorer:
    """Scores a source of samples again and again with one compilation.

    Args:
        network: with the axis name of the training step.
        source: what to predict.
    """

    def __init__(self, network: Network, source: SampleSource) -> None:
        self._predict = jax.jit(lambda params, stats, graphs: predict_batch(network, params, stats, graphs))
        self._source = source

    def __call__(self, params: Any, batch_stats: Any) -> list[Scored]:
        """Return the predictions with these weights, in units of sigma_AA."""
        source, out = self._source, []
        times = np.array(source.statistics.times)
        for i, snapshot in enumerate(source.snapshots):
            graphs = jax.tree.map(lambda leaf: leaf[None], source[i].graph)
            outputs = np.asarray(self._predict(params, batch_stats, graphs), np.float64)[0, : len(snapshot)]
            measured = propensity(snapshot, source.targets, times)
            out.append(
                Scored(snapshot.name, snapshot.types, restore(snapshot, outputs, source.inputs, source.statistics), measured, selected_halves(snapshot, source.targets))
            )
        return out

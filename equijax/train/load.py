"""Opening a finished run."""

from pathlib import Path

import jax
import numpy as np
from jax.sharding import SingleDeviceSharding

from equijax.configs import stored
from equijax.errors import CheckpointError
from equijax.graph.graph import build_graph, paired
from equijax.graph.pairs import Pairs
from equijax.network import Network, NetworkConfig
from equijax.predictor import Predictor
from equijax.pretrained import ABOUT, run_folder
from equijax.statistics import Statistics
from equijax.train.checkpoint import Checkpoints, check_arrays
from equijax.train.config import TrainConfig
from equijax.train.export import NETWORK, read_exported, write_exported
from equijax.train.optimizer import make_optimizer
from equijax.train.step import initial_state


def open_run(folder: Path) -> tuple[Predictor, dict]:
    """Return the predictor of a run with its best weights, and what is stored about the run.

    Args:
        folder: of a run or of an exported one, or the name of a network that ships with equijax.

    Raises:
        CheckpointError: the folder holds no run, or one that this version cannot use.
    """
    folder = run_folder(folder)
    if (folder / NETWORK).exists():
        variables, meta = read_exported(folder)
        config, network, statistics = _stored(meta)
        like = _like(config, network)
        check_arrays(str(folder / NETWORK), variables, {"params": like.best, "batch_stats": like.best_batch_stats})
        variables = jax.tree.map(jax.numpy.asarray, variables)
        return Predictor(network, variables["params"], variables["batch_stats"], config.inputs, statistics), meta
    if not folder.exists():
        raise CheckpointError(f"{folder}: there is no such folder, nor does a network of that name ship with equijax (these do: {', '.join(ABOUT)}).")
    if not (folder / "checkpoints").is_dir():
        raise CheckpointError(
            f"{folder}: is not the folder of a run of a network (it has no checkpoints); baselines are opened by equijax.runs.open_model and shared as they are."
        )
    checkpoints = Checkpoints(folder)
    try:
        meta = checkpoints.meta()
        config, network, statistics = _stored(meta)
        state = checkpoints.restore(_like(config, network))
    finally:
        checkpoints.close()
    return Predictor(network, state.best, state.best_batch_stats, config.inputs, statistics), meta


def load_predictor(folder: Path) -> Predictor:
    """Return the predictor of a run with its best weights."""
    return open_run(folder)[0]


def export_run(folder: Path, out: Path) -> None:
    """Write what predicting needs of a run to a folder of its own: it opens as the run does, and another may start from it, but it cannot be resumed.

    Raises:
        CheckpointError: the folder holds no run, or one that this version cannot use.
        ConfigError: the other folder already holds one.
    """
    predictor, meta = open_run(folder)
    write_exported(out, predictor.variables, meta)


def _stored(meta: dict) -> tuple[TrainConfig, NetworkConfig, Statistics]:
    return stored(meta, "config", TrainConfig), stored(meta, "network", NetworkConfig), stored(meta, "statistics", Statistics)


def _like(config: TrainConfig, network: NetworkConfig):  # noqa: ANN202 (a state of the run's shapes and types, without values)
    nothing = Pairs(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 3)))
    graph = build_graph(nothing, np.zeros(2, np.int32), network.cutoff, scalars=np.zeros((2, network.scalars)), arrows=np.zeros((2, network.arrows, 3)))
    graph = paired([graph] * network.graphs)
    optimizer = make_optimizer(config.optimizer, 2)
    state = jax.eval_shape(lambda graph: initial_state(Network(network), optimizer, graph, 0), graph)
    place = SingleDeviceSharding(jax.devices()[0])
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place), state)

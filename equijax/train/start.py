"""A training that begins with the weights of an earlier run."""

from pathlib import Path

from equijax.configs import to_dict
from equijax.errors import CheckpointError, ConfigError
from equijax.inputs import InputConfig
from equijax.network import NetworkConfig
from equijax.predictor import Predictor
from equijax.train.load import open_run
from equijax.train.prepare import Prepared
from equijax.train.step import TrainState, own_copy
from equijax.train.widen import widened

FREE = {"outputs", "mean_degree", "kernel", "table_knots"}
"""Settings of a network that another may have otherwise and take its weights."""


def started_from(state: TrainState, prepared: Prepared, inputs: InputConfig, run: Path, seed: int) -> tuple[TrainState, list[str]]:
    """Return the state with the best weights of an earlier run in the place of random ones, and the fingerprints of what that run has seen.

    For fewer times than that run has, the linear heads of its last ones are taken; for more they stay random. A network with several times as many
    channels begins as one that predicts nearly the same (`equijax.train.widen`).

    Args:
        state: before the first step.
        prepared: the data, and the network that fits them.
        inputs: of the network.
        run: its folder.
        seed: of the noise of a wider network.

    Raises:
        CheckpointError: its network or its inputs are others.
        ConfigError: it has seen configurations that are to be unseen here.
    """
    predictor, meta = open_run(run)
    factor = _require_alike(run, predictor, prepared.network, inputs)
    trained, chosen = ({meta["fingerprints"][name] for name in meta["split"][part]} for part in ("train", "validation"))
    trained |= {*meta.get("seen_before", ())}
    prints, split = prepared.fingerprints, prepared.split
    # One validation set may choose twice; nothing else may be seen again.
    unseen = [name for name in split.validation if prints[name] in trained] + [name for name in split.test if prints[name] in trained | chosen]
    if unseen:
        raise ConfigError(f"{run}: has seen {unseen[0]} ({len(unseen)} such), which is kept for validation or test here; start from a run on other configurations.")
    variables = widened(predictor.variables, predictor.network, factor, seed) if factor > 1 else predictor.variables
    weights, stats = variables["params"], variables["batch_stats"]
    times = prepared.network.outputs
    if predictor.network.outputs != times:
        # One head a time; all that they read is taken.
        decoder = weights["decoder"]
        heads = {name: decoder[name][..., -times:] if predictor.network.outputs > times else state.params["decoder"][name] for name in ("kernel", "bias")}
        weights = {**weights, "decoder": {**decoder, **heads}}
    state = state.replace(params=own_copy(weights), average=own_copy(weights), best=own_copy(weights), batch_stats=own_copy(stats), best_batch_stats=own_copy(stats))
    return state, sorted(trained | chosen)


def _require_alike(run: Path, predictor: Predictor, network: NetworkConfig, inputs: InputConfig) -> int:
    """Return how many times as many channels the network has as that of the run, which is like it otherwise."""
    factor, odd = divmod(network.channels, predictor.network.channels)
    # Inputs of the same shapes may mean other things: weights for thermal positions would be carried on with inherent ones.
    for part, one, other in (("network", predictor.network, network), ("inputs", predictor.inputs, inputs)):
        theirs, mine = to_dict(one), to_dict(other)
        for name in mine.keys() - FREE - (set() if odd else {"channels"}):
            if theirs[name] != mine[name]:
                difference = f"{part}.{name} is {theirs[name]} there and {mine[name]} here"
                raise CheckpointError(f"{run}: cannot be started from: {difference}; use the same network and inputs, or several times as many channels.")
    return factor

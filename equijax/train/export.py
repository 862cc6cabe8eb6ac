"""What predicting needs of a run, in a folder of its own: a few hundred kilobytes to share."""

from pathlib import Path

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from equijax.data.files import read_arrays, read_json, write_arrays, write_json
from equijax.errors import CheckpointError, ConfigError
from equijax.train.checkpoint import check_schema

NETWORK = "network.npz"
"""The best weights and running statistics, float32 arrays named by their place in the network."""


def write_exported(folder: Path, variables: dict, meta: dict) -> None:
    """Write weights and what is stored about a run; of the places of its data and of what it started from, the names alone.

    Raises:
        ConfigError: the folder already holds a run.
    """
    if (folder / "config.json").exists():
        raise ConfigError(f"{folder}: already holds a run; choose another folder.")
    config = meta["config"]
    named = {"data": [Path(path).name for path in config["data"]], "start_from": Path(config["start_from"]).name}
    meta = meta | {"config": config | named}
    write_json(folder / "run.json", meta)
    write_arrays(folder / NETWORK, {name: np.asarray(leaf) for name, leaf in flatten_dict(variables, sep="/").items()})
    write_json(folder / "config.json", meta["config"])


def read_exported(folder: Path) -> tuple[dict, dict]:
    """Return the variables of the network and what is stored about its run.

    Raises:
        CheckpointError: a file is missing or damaged, or of another schema.
    """
    meta = read_json(folder / "run.json", CheckpointError)
    check_schema(f"{folder / 'run.json'}", meta)
    variables = unflatten_dict(read_arrays(folder / NETWORK, CheckpointError), sep="/")
    return {"params": {}, "batch_stats": {}} | variables, meta

"""Baselines in run folders, like networks: the same commands, the same splits."""

import dataclasses
from pathlib import Path

from equijax.baselines.config import BaselineConfig
from equijax.baselines.fitted import Baseline, fit, regression
from equijax.configs import stored, to_dict
from equijax.data.cache import Cache
from equijax.data.completed import Completed
from equijax.data.files import read_arrays, read_json, write_arrays, write_json
from equijax.data.fingerprints import fingerprints
from equijax.data.snapshots import SnapshotSet
from equijax.data.splits import Split, ensembles_or_all, split_names
from equijax.errors import CheckpointError, ConfigError
from equijax.metrics import Scored, selection_score
from equijax.statistics import Statistics
from equijax.targets import propensity
from equijax.versions import machine, versions

WEIGHTS = "baseline.npz"


def train_baseline(config: BaselineConfig, folder: Path, cache: Cache, quiet: bool = False, split: Split | None = None) -> float | None:
    """Fit a baseline to ensembles of trajectories and leave config, split and weights in a run folder; return its score on the validation set.

    Where there are ensembles, what stems from them (ends, links, successors) is left out: single trajectories would outweigh them in a regression without
    weights.

    Args:
        config: of the run.
        folder: of the run; must be new.
        cache: for quenches and cages.
        quiet: no progress bar.
        split: of the configurations, where it is not to be drawn at random.

    Raises:
        ConfigError: the folder already holds a run, or config and data do not fit.
    """
    if (folder / "config.json").exists():
        raise ConfigError(f"{folder}: already holds a run; choose another folder.")
    snapshots = SnapshotSet.read(config.data)
    snapshots = snapshots.chosen(ensembles_or_all(snapshots.names))
    split = split or split_names(snapshots.names, config.validation, config.test, config.split_seed)
    prints = fingerprints(snapshots.chosen([*split.train, *split.validation, *split.test]))
    snapshots = snapshots.mapped(Completed(config, cache))
    # Held in memory: every regression reads each configuration several times.
    held = [[part[i] for i in range(len(part))] for part in (snapshots.chosen(names) for names in (split.train, split.validation))]
    baseline = fit(config, *held, quiet=quiet)
    meta = {
        "config": to_dict(config),
        "statistics": dataclasses.asdict(baseline.statistics),
        "split": dataclasses.asdict(split),
        "fingerprints": prints,
        "versions": versions(),
        "machine": machine(),
    }
    write_arrays(folder / WEIGHTS, baseline.model.arrays())
    write_json(folder / "run.json", meta)
    write_json(folder / "config.json", to_dict(config))
    if not held[1]:
        return None
    scored = [Scored(s.name, s.types, baseline.predict(s).propensity, propensity(s, config.targets, baseline.times), None) for s in held[1]]
    return selection_score(scored)


def open_baseline(folder: Path) -> tuple[Baseline, dict]:
    """Return a fitted baseline, and what is stored about the run.

    Raises:
        CheckpointError: the folder holds none, or one that this version cannot use.
    """
    meta = read_json(folder / "run.json", CheckpointError)
    config, statistics = stored(meta, "config", BaselineConfig), stored(meta, "statistics", Statistics)
    arrays = read_arrays(folder / WEIGHTS, CheckpointError)
    try:
        model = regression(config, quiet=True)
        model.load(arrays)
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{folder}: the baseline cannot be opened by this version ({error}).") from None
    return Baseline(config, statistics, model), meta

"""Opening finished runs: of networks and of baselines, one or several together."""

from collections.abc import Sequence
from pathlib import Path

from equijax.baselines.run import WEIGHTS, open_baseline
from equijax.model import Ensemble, Model
from equijax.train.load import open_run


def open_model(folders: Path | Sequence[Path]) -> tuple[Model, list[dict]]:
    """Return the model of a run, or the mean of several, and what is stored about each.

    Raises:
        CheckpointError: a folder holds no run, or one that this version cannot use.
        ConfigError: the models predict different times.
    """
    several = [folders] if isinstance(folders, Path) else folders
    opened = [open_baseline(folder) if (folder / WEIGHTS).exists() else open_run(folder) for folder in several]
    models = [model for model, _ in opened]
    return models[0] if len(models) == 1 else Ensemble(models), [meta for _, meta in opened]

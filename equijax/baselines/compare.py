"""A baseline on the split of a run: fitted to its training part, its penalty chosen on its validation part."""

import numpy as np

from equijax.baselines.ridge import Ridge
from equijax.configs import from_dict
from equijax.data.cache import Cache
from equijax.data.samples import Quenches
from equijax.data.snapshots import SnapshotSet
from equijax.metrics import Row, table
from equijax.train.config import TrainConfig
from equijax.train.evaluate import Evaluation


def ridge_rows(evaluation: Evaluation, cache: Cache, quiet: bool = False) -> list[Row]:
    """Return the scores of a ridge regression on the configurations a run was evaluated on.

    Args:
        evaluation: of the run, whose data, split, inputs and times the regression shares.
        cache: for quenches.
        quiet: no progress bar.
    """
    config = from_dict(evaluation.run["config"], TrainConfig, "stored config")
    split = evaluation.run["split"]
    snapshots = SnapshotSet.read(config.data)
    if config.inputs.needs_quench:
        snapshots = snapshots.mapped(Quenches(cache))
    times = np.array(sorted({row.time for row in evaluation.rows}))
    ridge = Ridge(config.inputs, config.targets, quiet).fit(snapshots.chosen(split["train"]), snapshots.chosen(split["validation"]), times)
    return table(ridge.score(evaluation.snapshots), times.tolist())

"""The test of a finished run: opened once, on configurations it has not seen."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from equijax.analysis import plots
from equijax.data.cache import Cache
from equijax.data.files import write_json
from equijax.data.samples import Capacity, PairFinder, Quenches, SampleSource
from equijax.data.snapshots import SnapshotSet
from equijax.errors import CheckpointError, ConfigError
from equijax.metrics import Row, Scored, table
from equijax.network import Network
from equijax.train.load import open_run
from equijax.train.loop import config_of
from equijax.train.prepare import fingerprint
from equijax.train.scoring import Scorer
from equijax.train.step import AXIS
from equijax.versions import machine, versions


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Scores of a run on one part of its data, with the predictions behind them, the snapshots they are of, and the run's config and split."""

    part: str
    rows: list[Row]
    scored: list[Scored]
    snapshots: SnapshotSet
    run: dict


def evaluate(run: Path, cache: Cache, data: Sequence[str] = (), part: str | None = None) -> Evaluation:
    """Score the best weights of a run.

    Args:
        run: its folder.
        cache: for quenches and graphs.
        data: files with other configurations; by default the run's own test part, or its validation part where no test was kept.
        part: "test", "validation" or "train" of the run's own data.

    Raises:
        CheckpointError: the run cannot be used.
        ConfigError: the data hold configurations the run was trained on, or the part is empty.
    """
    predictor, meta = open_run(run)
    config, split = config_of(meta), meta["split"]
    if data:
        snapshots, part = SnapshotSet.read(data), "data"
        _refuse_seen(snapshots, split, meta["fingerprints"])
    else:
        part = part or ("test" if split["test"] else "validation")
        if part not in split or not split[part]:
            raise ConfigError(f"{run}: the run kept no configurations for {part}; give --data, or train with {part} above 0.")
        missing = [path for path in config.data if not Path(path).exists()]
        if missing:
            raise CheckpointError(f"{run}: the run's data {missing[0]} is not there any more; give --data.")
        snapshots = SnapshotSet.read(config.data)
        gone = sorted(set(split[part]) - set(snapshots.names))
        if gone:
            raise CheckpointError(f"{run}: the run's data no longer hold {gone[0]}; put it back, or give --data.")
        snapshots = snapshots.chosen(split[part])
    if config.inputs.needs_quench:
        snapshots = snapshots.mapped(Quenches(cache))
    pairs = PairFinder(predictor.network.cutoff, cache)
    capacity = Capacity.of(snapshots, pairs, config.inputs)
    source = SampleSource(snapshots, pairs, config.inputs, config.targets, predictor.statistics, capacity)
    scored = Scorer(Network(predictor.network, AXIS), source)(predictor.variables["params"], predictor.variables["batch_stats"])
    return Evaluation(part, table(scored, predictor.times.tolist()), scored, snapshots, {"folder": str(run), "config": meta["config"], "split": split})


def _refuse_seen(snapshots: SnapshotSet, split: dict, fingerprints: dict[str, str]) -> None:
    """Raise if a configuration was used, known by its name or by its positions, whatever its file is called."""
    used = {*split["train"], *split["validation"]}
    prints = {fingerprints[name] for name in used}
    seen = [name for i, name in enumerate(snapshots.names) if name in used or fingerprint(snapshots[i]) in prints]
    if seen:
        raise ConfigError(f"{len(seen)} of the configurations were used to train or to choose the checkpoint (the first is {seen[0]}); evaluate on others.")


def write_evaluation(evaluation: Evaluation, folder: Path, others: dict[str, list[Row]] | None = None) -> list[Path]:
    """Write results.json and the plots; return the plots.

    Args:
        evaluation: of the run.
        folder: where to.
        others: rows of baselines on the same configurations, by name.
    """
    content = {
        "run": evaluation.run,
        "part": evaluation.part,
        "configurations": [scored.name for scored in evaluation.scored],
        "rows": [dataclasses.asdict(row) for row in evaluation.rows],
        "baselines": {name: [dataclasses.asdict(row) for row in rows] for name, rows in (others or {}).items()},
        "versions": versions(),
        "machine": machine(),
    }
    write_json(folder / "results.json", content)
    times = [row.time for row in evaluation.rows if row.type == "A"]
    if not times:
        raise ConfigError("the configurations have no A particles; there is nothing to draw.")
    representative = len(times) - 1
    return [
        plots.correlation(evaluation.rows, folder / "correlation.png", others or {}),
        plots.scatter(evaluation.scored, evaluation.rows, representative, folder / "scatter.png"),
        plots.box_slice(evaluation.snapshots[0], evaluation.scored[0], representative, folder / "slice.png"),
    ]

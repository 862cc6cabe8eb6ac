"""The test of a finished run, or of several together: opened once, on configurations they have not seen."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from equijax.analysis import plots
from equijax.baselines.config import BaselineConfig
from equijax.baselines.fitted import fit
from equijax.configs import stored
from equijax.data.cache import Cache
from equijax.data.files import write_json
from equijax.data.samples import Quenches
from equijax.data.snapshots import SnapshotSet
from equijax.data.splits import ensembles_or_all
from equijax.errors import CheckpointError, ConfigError
from equijax.inputs import TargetConfig, propensity, selected_halves, selected_times
from equijax.metrics import Row, Scored, table
from equijax.model import Model
from equijax.runs import open_model
from equijax.snapshot import Snapshot
from equijax.train.prepare import fingerprints
from equijax.versions import machine, versions

Align = Literal["times", "order"]
"""How predicted and measured times are paired: equal times, or the first with the first and so on."""


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Scores of a run on one part of its data, with the predictions behind them, the snapshots they are of, and the run's config and split."""

    part: str
    rows: list[Row]
    scored: list[Scored]
    snapshots: SnapshotSet
    run: dict


def evaluate(runs: Path | Sequence[Path], cache: Cache, data: Sequence[str] = (), part: str | None = None, align: Align = "times") -> Evaluation:
    """Score the best weights of a run, or the mean prediction of several, on ensembles of trajectories; ends of single ones are left out.

    Args:
        runs: their folders.
        cache: for quenches.
        data: files with other configurations; by default the (first) run's own test part, or its validation part where no test was kept.
        part: "test", "validation" or "train" of the run's own data.
        align: "order" compares the first predicted time with the first measured one and so on: across temperatures, where times are
            multiples of each relaxation time.

    Raises:
        CheckpointError: a run cannot be used.
        ConfigError: the data hold configurations a run was trained on, the part is empty, or the times do not fit.
    """
    folders = [runs] if isinstance(runs, Path) else list(runs)
    model, metas = open_model(folders)
    config, split, targets = metas[0]["config"], metas[0]["split"], stored(metas[0]["config"], "targets", TargetConfig)
    if data:
        snapshots, part = SnapshotSet.read(data).ensembles(), "data"
        _refuse_seen(snapshots, metas)
    else:
        part = part or ("test" if split["test"] else "validation")
        snapshots = _own_part(folders[0], config, split, part)
        _refuse_seen(snapshots, metas[1:], ("train", "validation") if part == "test" else ("train",) if part == "validation" else ())
    if model.needs_quench:
        snapshots = snapshots.mapped(Quenches(cache))
    scored = score(model, snapshots, targets, align)
    times = selected_times(snapshots[0], targets) if align == "order" else model.times
    run = {"folder": str(folders[0]), "config": config, "split": split}
    if len(folders) > 1:
        run["together_with"] = [str(folder) for folder in folders[1:]]
    return Evaluation(part, table(scored, times.tolist()), scored, snapshots, run)


def score(model: Model, snapshots: Sequence[Snapshot], targets: TargetConfig, align: Align = "times") -> list[Scored]:
    """Return predictions beside what was measured.

    Raises:
        ConfigError: a configuration was not measured at the times that are predicted.
    """
    out = []
    for snapshot in (snapshots[i] for i in range(len(snapshots))):
        times = selected_times(snapshot, targets) if align == "order" else model.times
        if len(times) != len(model.times):
            raise ConfigError(f"{snapshot.name}: was measured at {len(times)} times, the model predicts {len(model.times)}; in order they do not pair.")
        measured = propensity(snapshot, targets, times)
        out.append(Scored(snapshot.name, snapshot.types, model.predict(snapshot).propensity, measured, selected_halves(snapshot, targets)))
    return out


def _own_part(folder: Path, config: dict, split: dict, part: str) -> SnapshotSet:
    if part not in split or not split[part]:
        raise ConfigError(f"{folder}: the run kept no configurations for {part}; give --data, or train with {part} above 0.")
    missing = [path for path in config["data"] if not Path(path).exists()]
    if missing:
        raise CheckpointError(f"{folder}: the run's data {missing[0]} is not there any more; give --data.")
    snapshots = SnapshotSet.read(config["data"])
    gone = sorted(set(split[part]) - set(snapshots.names))
    if gone:
        raise CheckpointError(f"{folder}: the run's data no longer hold {gone[0]}; put it back, or give --data.")
    return snapshots.chosen(split[part]).ensembles()


def _refuse_seen(snapshots: SnapshotSet, metas: Sequence[dict], parts: Sequence[str] = ("train", "validation")) -> None:
    """Raise if a run used a configuration, known by its name or by its positions, whatever its file is called."""
    used, prints = set(), set()
    if not metas:
        return
    for meta in metas:
        names = {name for part in parts for name in meta["split"][part]}
        used |= names
        prints |= {meta["fingerprints"][name] for name in names} | {*meta.get("seen_before", ())}
    seen = [name for name, known in fingerprints(snapshots).items() if name in used or known in prints]
    if seen:
        raise ConfigError(f"{len(seen)} of the configurations were used to train or to choose the checkpoint (the first is {seen[0]}); evaluate on others.")


def baseline_rows(evaluation: Evaluation, config: BaselineConfig, cache: Cache, quiet: bool = False, align: Align = "times") -> list[Row]:
    """Return the scores of a baseline on the configurations a run was evaluated on.

    Args:
        evaluation: of the run, whose data, split and targets the baseline shares.
        config: of the baseline.
        cache: for quenches.
        quiet: no progress bar.
        align: how times are paired, as in `evaluate`.
    """
    run, split = evaluation.run["config"], evaluation.run["split"]
    config = dataclasses.replace(config, targets=stored(run, "targets", TargetConfig))
    snapshots = SnapshotSet.read(run["data"])
    tested = evaluation.snapshots
    if config.needs_quench:
        snapshots, tested = (part.mapped(Quenches(cache)) for part in (snapshots, tested))
    parts = [[part[i] for i in range(len(part))] for part in (snapshots.chosen(ensembles_or_all(split[name])) for name in ("train", "validation"))]
    baseline = fit(config, *parts, quiet=quiet)
    return table(score(baseline, tested, config.targets, align), sorted({row.time for row in evaluation.rows}))


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

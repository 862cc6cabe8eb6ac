"""The test of a finished run, or of several together: opened once, on configurations they have not seen."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from equijax.analysis import plots
from equijax.averaged import Averaged, refuse_unused
from equijax.baselines.config import BaselineConfig
from equijax.baselines.fitted import fit
from equijax.configs import stored
from equijax.data.cache import Cache
from equijax.data.completed import Completed
from equijax.data.files import write_json
from equijax.data.fingerprints import fingerprints, require_comparable
from equijax.data.snapshots import SnapshotSet
from equijax.data.splits import ensembles_or_all
from equijax.data.successors import Successors
from equijax.errors import CheckpointError, ConfigError
from equijax.metrics import Row, Scored, table
from equijax.model import Model
from equijax.runs import open_model
from equijax.snapshot import Snapshot
from equijax.targets import TargetConfig, propensity, selected_halves, selected_times
from equijax.versions import machine, versions

Align = Literal["times", "order"]
"""How predicted and measured times are paired: equal times, or the first with the first and so on."""

ROUNDED = 0.02
"""How much the times of one state point may differ, relatively: multiples of a measured relaxation time are rounded to steps."""


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Scores of a run on one part of its data, with the predictions behind them, the snapshots they are of, and the run's config and split.

    Attributes:
        fingerprints: of the configurations in the run's split, by name.
        successors: over which predictions are averaged, those of baselines too.
        temperature: of configurations that do not say theirs.
        needs_cages: whether the run reads cage positions.
    """

    part: str
    rows: list[Row]
    scored: list[Scored]
    snapshots: SnapshotSet
    run: dict
    fingerprints: dict[str, str]
    successors: Successors | None = None
    temperature: float | None = None
    needs_cages: bool = False


def evaluate(
    runs: Path | Sequence[Path],
    cache: Cache,
    data: Sequence[str] = (),
    part: str | None = None,
    align: Align = "times",
    average: int = 0,
    temperature: float | None = None,
) -> Evaluation:
    """Score the best weights of a run, or the mean prediction of several, on ensembles of trajectories; ends of single ones and successors are left out.

    Args:
        runs: their folders.
        cache: for quenches and cages.
        data: files with other configurations; by default the (first) run's own test part, or its validation part where no test was kept.
        part: "test", "validation" or "train" of the run's own data.
        align: "order" compares the first predicted time with the first measured one and so on: across temperatures, where times are
            multiples of each relaxation time.
        average: trajectories from each configuration over which predictions are averaged (`equijax.averaged.Averaged`); none by default.
        temperature: of these, and at which cages are found, for configurations that do not say theirs.

    Raises:
        CheckpointError: a run cannot be used, or its data are not what they were.
        ConfigError: a part is asked for and other data are given, nothing asks for the temperature, the data hold configurations a run was trained on,
            the part is empty, or the times do not fit.
    """
    if data and part:
        raise ConfigError(f"{part} is a part of the run's own data; leave --part out, or --data.")
    if average and align == "order":
        raise ConfigError("predictions are averaged where the times that are predicted are long enough; with --align order they are compared with others.")
    folders = [runs] if isinstance(runs, Path) else list(runs)
    model, metas = open_model(folders)
    refuse_unused(temperature, average, model)
    successors = Successors(average, cache, temperature) if average else None
    model = Averaged(model, successors, cache) if successors else model
    config, split, targets = metas[0]["config"], metas[0]["split"], stored(metas[0]["config"], "targets", TargetConfig)
    if data:
        snapshots, part = SnapshotSet.read(data).ensembles(), "data"
        _refuse_seen(snapshots, metas)
    else:
        part = part or ("test" if split["test"] else "validation")
        if not split.get(part):
            raise ConfigError(f"{folders[0]}: the run kept no configurations for {part}; give --data, or train with {part} above 0.")
        snapshots = _own_data(f"{folders[0]}", config, metas[0]["fingerprints"], split[part], "give --data").ensembles()
        if part != "train":
            _refuse_seen(snapshots, metas[1:], ("train", "validation") if part == "test" else ("train",))
    snapshots = snapshots.mapped(Completed(model, cache, temperature))
    scored = score(model, snapshots, targets, align)
    times = selected_times(snapshots[0], targets) if align == "order" else model.times
    run = {"folder": str(folders[0]), "config": config, "split": split}
    if len(folders) > 1:
        run["together_with"] = [str(folder) for folder in folders[1:]]
    if successors:
        run |= {"averaged_over_trajectories": average, "temperature_given": temperature}
    return Evaluation(part, table(scored, times.tolist()), scored, snapshots, run, metas[0]["fingerprints"], successors, temperature, model.needs_cages)


def score(model: Model, snapshots: Sequence[Snapshot], targets: TargetConfig, align: Align = "times") -> list[Scored]:
    """Return predictions beside what was measured.

    Raises:
        ConfigError: a configuration was not measured at the times that are predicted, or in order: as many times, the same for all configurations.
    """
    out, common = [], None
    # Equal times are found by their values, wherever they stand among those that were measured.
    chosen = targets if align == "order" else dataclasses.replace(targets, times=None)
    for snapshot in (snapshots[i] for i in range(len(snapshots))):
        times = selected_times(snapshot, targets) if align == "order" else model.times
        if len(times) != len(model.times):
            raise ConfigError(f"{snapshot.name}: was measured at {len(times)} times, the model predicts {len(model.times)}; in order they do not pair.")
        common = times if common is None else common
        if not np.allclose(times, common, rtol=ROUNDED):
            raise ConfigError(
                f"{snapshot.name}: was measured at the times {times.tolist()}, {snapshots[0].name} at {common.tolist()}; in order only one state point is scored at once."
            )
        if align == "times":
            snapshot = _measured_at(snapshot, times)
        measured = propensity(snapshot, chosen, times)
        out.append(Scored(snapshot.name, snapshot.types, model.predict(snapshot).propensity, measured, selected_halves(snapshot, chosen)))
    return out


def _measured_at(snapshot: Snapshot, times: np.ndarray) -> Snapshot:
    """Return the snapshot with what was measured at some of its times, or as it is where it was not measured at all of them."""
    equal = np.isclose(selected_times(snapshot, TargetConfig())[None], times[:, None], rtol=1e-6, atol=0)
    return snapshot.at(equal.argmax(1).tolist()) if equal.any(1).all() else snapshot


def _own_data(about: str, config: dict, prints: dict[str, str], names: Sequence[str], advice: str) -> SnapshotSet:
    """Return some of the configurations a run was made of, known by their names and by their positions."""
    missing = [path for path in config["data"] if not Path(path).exists()]
    if missing:
        raise CheckpointError(f"{about}: the run's data {missing[0]} is not there; {advice}.")
    snapshots = SnapshotSet.read(config["data"])
    gone = sorted(set(names) - set(snapshots.names))
    if gone:
        raise CheckpointError(f"{about}: the run's data {config['data'][0]} hold no {gone[0]} ({len(gone)} such); put it back, or {advice}.")
    chosen = snapshots.chosen(names)
    require_comparable(about, prints)
    other = [name for name, found in fingerprints(chosen).items() if found != prints[name]]
    if other:
        raise CheckpointError(
            f"{about}: {other[0]} in {config['data'][0]} is not the configuration that it was in training ({len(other)} such); put it back, or {advice}."
        )
    return chosen


def _refuse_seen(snapshots: SnapshotSet, metas: Sequence[dict], parts: Sequence[str] = ("train", "validation")) -> None:
    """Raise if a run used a configuration, known by its name or by its positions, whatever its file is called."""
    used, prints = set(), set()
    if not metas:
        return
    for meta in metas:
        names = {name for part in parts for name in meta["split"][part]}
        used |= names
        earlier = {*meta.get("seen_before", ())}
        if "validation" not in parts:
            # What chose an earlier run may be what chooses this one; it was not trained on by either.
            earlier -= {meta["fingerprints"][name] for name in meta["split"]["validation"]}
        prints |= {meta["fingerprints"][name] for name in names} | earlier
    found = fingerprints(snapshots)
    seen = [name for name, known in found.items() if name in used or known in prints]
    if seen:
        by_name = "" if found[seen[0]] in prints else ", known by its name alone: if it is another, give its file another name"
        raise ConfigError(f"{len(seen)} of the configurations were used to train or to choose the checkpoint (the first is {seen[0]}{by_name}); evaluate on others.")


def baseline_rows(evaluation: Evaluation, config: BaselineConfig, cache: Cache, quiet: bool = False, align: Align = "times") -> list[Row]:
    """Return the scores of a baseline on the configurations a run was evaluated on.

    Args:
        evaluation: of the run, whose data, split and targets the baseline shares.
        config: of the baseline.
        cache: for quenches and cages.
        quiet: no progress bar.
        align: how times are paired, as in `evaluate`.

    Raises:
        CheckpointError: the configurations that the run was trained on are not at hand.
    """
    run, split = evaluation.run["config"], evaluation.run["split"]
    config = dataclasses.replace(config, targets=stored(run, "targets", TargetConfig))
    names = {part: ensembles_or_all(split[part]) for part in ("train", "validation")}
    about = f"a baseline beside {evaluation.run['folder']} is fitted to what that was trained on"
    snapshots = _own_data(about, run, evaluation.fingerprints, [*names["train"], *names["validation"]], "leave the baseline out")
    tested = evaluation.snapshots
    complete = Completed(config, cache, evaluation.temperature)
    snapshots, tested = snapshots.mapped(complete), tested.mapped(complete)
    parts = [[part[i] for i in range(len(part))] for part in (snapshots.chosen(names[name]) for name in ("train", "validation"))]
    baseline: Model = fit(config, *parts, quiet=quiet)
    if evaluation.successors:
        baseline = Averaged(baseline, evaluation.successors, cache)
    return table(score(baseline, tested, config.targets, align), list(dict.fromkeys(row.time for row in evaluation.rows)))


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
    times = [row.time for row in evaluation.rows if row.type == "A"]
    if not times:
        raise ConfigError("the configurations have no A particles (type 0), of which there are pictures; let the more frequent particles be A.")
    write_json(folder / "results.json", content)
    representative, others = len(times) - 1, others or {}
    name = evaluation.run["config"].get("model", "network")
    name += ", this run" if name in others else ""
    return [
        plots.correlation({name: evaluation.rows, **others}, folder / "correlation.png"),
        plots.scatter(evaluation.scored, evaluation.rows, representative, folder / "scatter.png"),
        plots.box_slice(evaluation.snapshots[0], evaluation.scored[0], representative, folder / "slice.png"),
    ]

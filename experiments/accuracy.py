"""How well are real configurations predicted from a few others, by cross-validation: one network, means of several, and with ridge?"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from equijax.averaged import Averaged
from equijax.baselines.config import BASELINES
from equijax.data.splits import Split, ensembles
from equijax.data.successors import Successors
from equijax.errors import ConfigError
from equijax.metrics import Scored
from equijax.model import Model
from equijax.predictor import Predictor
from equijax.targets import TargetConfig
from equijax.train.config import TrainConfig
from equijax.train.load import open_run
from experiments.lab import Lab, StatePoint, refitted
from experiments.scores import by_seed, paired
from experiments.study import Study, legend_below, main, published

RIDGE = dataclasses.replace(BASELINES["ridge-inherent"], targets=TargetConfig(centre="configuration"))
"""On inherent structures alone, with the configurations' means predicted apart like the network's."""

AVERAGED = "averaged over successors"

BOTH = dataclasses.replace(BASELINES["ridge"], targets=TargetConfig(centre="configuration"))
"""On what the network reads, likewise."""


def run(lab: Lab) -> dict:
    """Leave every part of the configurations out in turn; nothing of what is left out chooses anything."""
    point = lab.points[0]
    names = [str(name) for name in np.random.default_rng(0).permutation(ensembles(point.snapshots.names))]
    folds = lab.scale.folds
    if len(names) < folds:
        raise ConfigError(f"{folds} folds need as many configurations, there are {len(names)}; give more.")
    more, find = lab.ends(point, lab.scale.ends), Successors(lab.scale.successors, lab.cache)
    first = point.snapshots[0]
    wide = lab.successors(point) if first.temperature and first.times[0] >= find.shortest else None  # type: ignore[index]
    start = open_run(Path(lab.scale.few.start_from))[0] if lab.scale.few.start_from else None
    parts: dict[str, list[dict]] = {}
    for fold in range(folds):
        test = tuple(names[fold::folds])
        split = Split(tuple(name for name in names if name not in test), (), test)
        part = dataclasses.replace(point, split=split)
        with_ends, with_successors = (one and dataclasses.replace(one, split=split) for one in (more, wide))
        networks, ridges = lab.networks(_on_all(lab.scale.few), part, f"fold {fold + 1} of {folds}"), [lab.fit(config, part, 0) for config in (RIDGE, BOTH)]
        found = _scored(lab, part, with_ends, start, networks, ridges)
        if with_successors:
            found |= _with_successors(lab, part, with_successors, find, networks, ridges)
        for name, scores in found.items():
            parts.setdefault(name, []).append(scores)
    scores = {name: joined(one) for name, one in parts.items()}
    tests = {name: paired(found, scores["ridge, inherent"]) for name, found in scores.items() if name != "ridge, inherent"}
    found = {
        "point": point.label,
        "time": float(first.times[-1]),  # type: ignore[index]
        "folds": folds,
        "configurations": names,
        "ends": lab.scale.ends if more else 0,
        "scores": scores,
        "against ridge, inherent": tests,
    }
    also = f"ridge, inherent, {AVERAGED}"
    if also in scores:
        found[f"against {also}"] = {name: paired(one, scores[also]) for name, one in scores.items() if AVERAGED in name and name != also}
    return found


def _on_all(config: TrainConfig) -> TrainConfig:
    """Return the training without configurations kept apart: the folds do that."""
    return dataclasses.replace(config, validation=0, test=0)


def _scored(lab: Lab, part: StatePoint, more: StatePoint | None, start: Predictor | None, networks: list[Predictor], ridges: list[Model]) -> dict[str, dict]:
    """Return the scores of everything that is compared, on one fold: the network with all seeds, changes of its recipe with the first."""
    few, seed, count = _on_all(lab.scale.few), lab.scale.seeds[0], len(lab.scale.seeds)
    of_networks, of_ridges = lab.scored(networks, part), lab.scored(ridges, part)
    found = {"one network": by_seed(of_networks)}
    if more:
        found["one network, with ends of trajectories"] = by_seed(lab.scored([lab.train(_on_all(lab.scale.few_with_ends), more, seed)], part))
    if start:
        found["one network, from random weights in as many steps"] = by_seed(lab.scored([lab.train(dataclasses.replace(few, start_from=""), part, seed)], part))
        found[f"{Path(few.start_from).name}, frozen, with a linear decoder"] = by_seed([refitted(start, part, few.targets)])
    found[f"mean of {count} networks"] = by_seed([mean_of(of_networks)])
    # What `equijax predict --model` gives for several: each counts once.
    found[f"mean of {count} networks and {len(ridges)} ridges"] = by_seed([mean_of([*of_networks, *of_ridges])])
    return found | {f"ridge, {name}": by_seed([scored]) for name, scored in zip(("inherent", "both"), of_ridges, strict=True)}


def _with_successors(lab: Lab, part: StatePoint, more: StatePoint, find: Successors, networks: list[Predictor], ridges: list[Model]) -> dict[str, dict]:
    """Return the scores of models that are averaged over successors, and of a network that was trained on them, on one fold."""
    taught = lab.train(_on_all(lab.scale.few_with_successors), more, lab.scale.seeds[0])
    # Each predicts once: the mean of all is that of their predictions.
    averaged = lab.scored([Averaged(model, find, lab.cache) for model in (*networks, *ridges)], part)
    return {
        f"one network, {AVERAGED}": by_seed(averaged[: len(networks)]),
        "one network, trained on successors": by_seed(lab.scored([taught], part)),
        "one network, trained on successors and averaged over them": by_seed(lab.scored([Averaged(taught, find, lab.cache)], part)),
        f"mean of {len(networks)} networks and {len(ridges)} ridges, {AVERAGED}": by_seed([mean_of(averaged)]),
        f"ridge, inherent, {AVERAGED}": by_seed([averaged[len(networks)]]),
    }


def mean_of(scored: Sequence[Sequence[Scored]]) -> list[Scored]:
    """Return the scores of the mean prediction of several models of the same configurations."""
    return [dataclasses.replace(one[0], predicted=np.mean([s.predicted for s in one], axis=0)) for one in zip(*scored, strict=True)]


def joined(parts: Sequence[dict]) -> dict:
    """Return the scores of all folds: pooled within each and averaged, since each fold has a model of its own, and every configuration's own."""
    ceilings = [part["ceiling"] for part in parts]
    return {
        "pooled": np.mean([part["pooled"] for part in parts], 0).tolist(),
        "per_configuration": np.concatenate([part["per_configuration"] for part in parts], 1).tolist(),
        "configurations": [name for part in parts for name in part["configurations"]],
        "ceiling": None if None in ceilings else np.mean(ceilings, 0).tolist(),
    }


def draw(content: dict) -> Figure:
    """Draw both correlations of every model, each seed a point."""
    found = content["found"]
    figure = Figure(figsize=(10, 1.6 + 0.42 * len(found["scores"])), layout="constrained")
    axes = figure.subplots()
    for row, scores in enumerate(found["scores"].values()):
        pooled = np.array(scores["pooled"], float)[:, -1]
        per = np.array(scores["per_configuration"], float).mean(1)[:, -1]
        axes.plot(pooled, [row + 0.1] * len(pooled), "o", color="C0", label=None if row else "pooled")
        axes.plot(per, [row - 0.1] * len(per), "s", color="C1", label=None if row else "per configuration")
    ceiling = next(iter(found["scores"].values()))["ceiling"]
    title = f"{found['point']}: {len(found['configurations'])} configurations, {found['folds']} folds" + (
        f"; noise ceiling {ceiling[-1]:.3f}" if ceiling and ceiling[-1] else ""
    )
    known = published()["temperatures"].get(f"{float(found['point'].split('=')[1]):.2f}") if "T =" in found["point"] else None
    if known and found["time"] in known["times"]:
        at = known["times"].index(found["time"])
        for style, name in (("--", "SE3"), (":", "EIGNN-inherent"), ("-.", "BOTAN")):
            files = published()["training_configurations"][name]
            axes.axvline(known["pooled"][name][at], color="0.5", linestyle=style, linewidth=1, label=f"{name}, pooled, published ({files} files; other tests)")
    axes.set_yticks(range(len(found["scores"])), list(found["scores"]))
    axes.invert_yaxis()
    axes.set(xlabel="Pearson correlation, A particles", title=title)
    axes.grid(alpha=0.3)
    legend_below(axes)
    return figure


STUDY = Study("accuracy", "How well can real configurations be predicted from a few others, by cross-validation?", run, draw, split=False)

if __name__ == "__main__":
    main(STUDY)

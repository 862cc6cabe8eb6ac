"""How well can ten real configurations be predicted from the other eight, by cross-validation: single networks, means of several, and with ridge?"""

import dataclasses

import numpy as np
from matplotlib.figure import Figure

from equijax.baselines.config import BASELINES, BaselineConfig
from equijax.baselines.descriptors import DescriptorConfig
from equijax.data.splits import Split
from equijax.errors import ConfigError
from equijax.inputs import TargetConfig
from equijax.metrics import Scored
from equijax.model import Ensemble
from equijax.train.presets import PRESETS
from experiments.lab import Lab, by_seed
from experiments.study import Study, main

RIDGE = dataclasses.replace(BASELINES["ridge-inherent"], targets=TargetConfig(centre="configuration"))
"""On what the network reads, with the configurations' means predicted apart like the network's."""

BOTH = BaselineConfig(descriptors=DescriptorConfig(("thermal", "inherent"), energy=True, displacements=("inherent",)), targets=TargetConfig(centre="configuration"))


def run(lab: Lab) -> dict:
    """Leave every part of the configurations out in turn; nothing of what is left out chooses anything."""
    point = lab.points[0]
    names = [str(name) for name in np.random.default_rng(0).permutation(point.snapshots.names)]
    folds = lab.scale.folds
    if len(names) < folds:
        raise ConfigError(f"{folds} folds need as many configurations, there are {len(names)}; give more.")
    base = dataclasses.replace(PRESETS["inherent"], validation=0)
    if lab.scale.network.epochs < 10:  # toy
        base = dataclasses.replace(base, epochs=2, network=lab.scale.network.network)
    seeds = lab.scale.seeds
    scored: dict[str, list[list[Scored]]] = {}
    for fold in range(folds):
        test = tuple(names[fold::folds])
        train = tuple(name for name in names if name not in test)
        part = dataclasses.replace(point, split=Split(train, (), test))
        networks = lab.networks(base, part, f"fold {fold + 1} of {folds}")
        # Penalties are chosen on two of the training configurations.
        chosen = dataclasses.replace(part, split=Split(train[2:], train[:2], test))
        ridges = [lab.fit(config, chosen, 0) for config in (RIDGE, BOTH)]
        ensemble = Ensemble(networks)
        for name, models in {
            "one network": networks,
            f"mean of {len(seeds)} networks": [ensemble],
            "ridge, inherent": ridges[:1],
            "ridge, both": ridges[1:],
            "mean of networks and ridge": [Ensemble([ensemble, Ensemble(ridges)])],
        }.items():
            found = lab.scored(models, part)
            collected = scored.setdefault(name, [[] for _ in found])
            for all_of_one, new in zip(collected, found, strict=True):
                all_of_one += new
    scores = {name: by_seed(one) for name, one in scored.items()}
    return {"point": point.label, "folds": folds, "configurations": names, "scores": scores}


def draw(content: dict) -> Figure:
    """Draw both correlations of every model, each seed a point."""
    found = content["found"]
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    for row, scores in enumerate(found["scores"].values()):
        pooled = np.array(scores["pooled"], float)[:, -1]
        per = np.array(scores["per_configuration"], float).mean(1)[:, -1]
        axes.plot(pooled, [row + 0.1] * len(pooled), "o", color="C0", label=None if row else "pooled")
        axes.plot(per, [row - 0.1] * len(per), "s", color="C1", label=None if row else "per configuration")
    ceiling = next(iter(found["scores"].values()))["ceiling"]
    title = f"{found['point']}: {len(found['configurations'])} configurations, {found['folds']} folds" + (f"; noise ceiling {ceiling[-1]:.3f}" if ceiling else "")
    axes.set_yticks(range(len(found["scores"])), list(found["scores"]))
    axes.invert_yaxis()
    axes.set(xlabel="Pearson correlation, A particles", title=title)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure


STUDY = Study("accuracy", "How well can real configurations be predicted from a few others, by cross-validation?", run, draw)

if __name__ == "__main__":
    main(STUDY)

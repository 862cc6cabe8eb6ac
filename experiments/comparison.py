"""Is the network better than regression on hand-written descriptors and than other networks, beyond the scatter of seeds?"""

import dataclasses

import numpy as np
from matplotlib.figure import Figure

from equijax.baselines.config import BASELINES
from equijax.data.convert import write_snapshots
from equijax.evaluation import score
from equijax.metrics import Scored
from equijax.model import Ensemble
from equijax.targets import TargetConfig
from experiments.lab import Lab, StatePoint
from experiments.scores import by_seed, paired
from experiments.study import Study, main, panel

DETERMINISTIC = ("ridge", "ridge-thermal", "ridge-inherent", "energy", "density")
SEEDED = ("perceptron", "bapst")


def run(lab: Lab) -> dict:
    """Fit everything to the same configurations, test on the same others, and compare configuration by configuration."""
    out = {}
    for point in lab.points:
        networks = lab.networks(lab.scale.network, point, point.label)
        scores = {"network": by_seed(lab.scored(networks, point))}
        scores["mean of the networks"] = by_seed(lab.scored([Ensemble(networks)], point))
        ridge = lab.fit(lab.scale.baseline(BASELINES["ridge"]), point, 0)
        scores["mean of networks and ridge"] = by_seed(lab.scored([Ensemble([Ensemble(networks), ridge])], point))
        for name in DETERMINISTIC:
            scores[name] = by_seed(lab.scored([lab.fit(lab.scale.baseline(BASELINES[name]), point, 0)], point))
        for name in SEEDED:
            models = [lab.fit(lab.scale.baseline(BASELINES[name]), point, seed) for seed in lab.scale.seeds]
            scores[name] = by_seed(lab.scored(models, point))
        times = point.part("test")[0].times
        assert times is not None
        out[point.label] = {
            "times": times.tolist(),
            "scores": scores,
            "network against": {name: paired(scores["network"], found) for name, found in scores.items() if name != "network"},
            "network trained on shuffled targets": by_seed([_control(lab, point)]),
        }
    return out


def _control(lab: Lab, point: StatePoint) -> list[Scored]:
    """Train and test on propensities that were exchanged among all particles of a type, of all configurations: what is left must be zero.

    Tested on the exchanged values: a model of noise is still a smooth function of structure, and correlates by chance with what really depends on it.
    """
    rng = np.random.default_rng(0)
    path = lab.folder / f"shuffled-{point.label.replace(' ', '')}.h5"
    snapshots = [point.snapshots[i] for i in range(len(point.snapshots))]
    types = np.concatenate([snapshot.types for snapshot in snapshots])
    values = np.concatenate([snapshot.propensity for snapshot in snapshots if snapshot.propensity is not None])
    for kind in np.unique(types):
        own = np.flatnonzero(types == kind)
        values[own] = values[rng.permutation(own)]
    parts = np.split(values, np.cumsum([len(snapshot) for snapshot in snapshots])[:-1])
    write_snapshots(path, (s.replace(propensity=part, propensity_halves=None, bond_breaking=None) for s, part in zip(snapshots, parts, strict=True)))
    config = dataclasses.replace(lab.scale.network, targets=TargetConfig())
    network = lab.train(config, point.written(path), 0)
    tested = [s.replace(propensity=part, propensity_halves=None) for s, part in zip(snapshots, parts, strict=True) if s.name in point.split.test]
    return score(network, tested, TargetConfig())


def draw(content: dict) -> Figure:
    """Draw correlation against time for every model."""
    found = content["found"]
    figure = Figure(figsize=(7 * len(found), 5), layout="constrained")
    for axes, (label, one) in zip(figure.subplots(1, len(found), squeeze=False)[0], found.items(), strict=True):
        panel(axes, one["times"], one["scores"] | {"network, shuffled targets": one["network trained on shuffled targets"]}, one["scores"]["network"]["ceiling"])
        axes.set_title(label)
    return figure


STUDY = Study("comparison", "Is the network better than simpler models, by more than its scatter?", run, draw)

if __name__ == "__main__":
    main(STUDY)

"""How many configurations and how many trajectories does it take?"""

import numpy as np
from matplotlib.figure import Figure

from equijax.baselines.config import BASELINES
from equijax.data.convert import write_snapshots
from equijax.data.splits import Split
from experiments.lab import Lab, StatePoint, in_as_many_steps
from experiments.scores import bars, by_seed, paired
from experiments.study import Study, main


def run(lab: Lab) -> dict:
    """Train on the first few configurations of the training set, in as many steps as on all, and on the mean over half of the trajectories.

    The test stays as it is. The checkpoint is chosen by no more configurations than there are to train on, but by three at least.
    """
    point = lab.points[0]
    test = point.part("test")[0]
    assert test.times is not None
    sizes = [size for size in lab.scale.training_sizes if size < len(point.split.train)] + [len(point.split.train)]
    scores: dict = {"network": {}, "ridge": {}}
    for size in sizes:
        split = Split(point.split.train[:size], point.split.validation[: max(size, 3)], point.split.test)
        networks = lab.networks(in_as_many_steps(lab.scale.network, size, sizes[-1]), point, f"{size} configurations", split)
        scores["network"][str(size)] = by_seed(lab.scored(networks, point))
        scores["ridge"][str(size)] = by_seed(lab.scored([lab.fit(lab.scale.baseline(BASELINES["ridge"]), point, 0, split)], point))
    tests = {size: paired(found, scores["ridge"][size]) for size, found in scores["network"].items()}
    counts = None if test.trajectories is None else test.trajectories.tolist()
    out = {"point": point.label, "times": test.times.tolist(), "trajectories": counts, "sizes": sizes, "scores": scores, "network against ridge": tests}
    if test.propensity_halves is not None:
        half = _halved(lab, point)
        networks = lab.networks(lab.scale.network, half, "half of the trajectories")
        out["half of the trajectories"] = by_seed(lab.scored(networks, point))
        out["half against all trajectories"] = paired(out["half of the trajectories"], scores["network"][str(sizes[-1])])
    return out


def _halved(lab: Lab, point: StatePoint) -> StatePoint:
    """Return the state point with propensities of the first half of the trajectories alone."""
    names = point.snapshots.names
    path = lab.folder / f"half-{point.label.replace(' ', '')}.h5"
    halves = []
    for i in range(len(names)):
        snapshot = point.snapshots[i]
        assert snapshot.propensity_halves is not None
        count = None if snapshot.trajectories is None else snapshot.trajectories // 2
        halves.append(snapshot.replace(propensity=snapshot.propensity_halves[0], propensity_halves=None, bond_breaking=None, trajectories=count))
    write_snapshots(path, halves)
    return point.written(path)


def draw(content: dict) -> Figure:
    """Draw correlation against the number of training configurations, at the last time and averaged over times."""
    found = content["found"]
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, (title, pick) in zip(figure.subplots(1, 2), {"mean over times": slice(None), f"t = {found['times'][-1]:g}": slice(-1, None)}.items(), strict=True):
        for number, (name, by_size) in enumerate(found["scores"].items()):
            values = [np.array(by_size[str(size)]["pooled"], float)[:, pick].mean(1) for size in found["sizes"]]
            means = [value.mean() for value in values]
            error = [[m - v.min() for m, v in zip(means, values, strict=True)], [v.max() - m for m, v in zip(means, values, strict=True)]]
            axes.errorbar(found["sizes"], means, error, fmt="o-", color=f"C{number}", capsize=3, label=name)
        if "half of the trajectories" in found:
            level = bars(found["half of the trajectories"])[0][pick].mean()
            axes.axhline(level, color="C0", linestyle="--", label="network, all configurations, half of the trajectories")
        ceiling = found["scores"]["network"][str(found["sizes"][-1])]["ceiling"]
        if ceiling:
            axes.axhline(np.mean(np.array(ceiling)[pick]), color="k", linestyle=":", label="noise ceiling")
        axes.set(xlabel="training configurations", ylabel="Pearson correlation, A, pooled", xscale="log", title=f"{found['point']}, {title}")
        axes.set_xticks(found["sizes"], map(str, found["sizes"]))
        axes.set_xticks([], minor=True)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    return figure


STUDY = Study("efficiency", "How many configurations and trajectories does the network need?", run, draw)

if __name__ == "__main__":
    main(STUDY)

"""Train at one temperature, test at all: does the network carry over (paper, the train-test matrix)?"""

import numpy as np
from matplotlib.figure import Figure

from equijax.baselines.config import BASELINES
from experiments.lab import Lab
from experiments.scores import bars, by_seed, paired
from experiments.study import Study, main, published


def run(lab: Lab) -> dict:
    """Score networks and ridge regressions of every temperature at every temperature, times paired in order, the first with the first."""
    scores: dict = {"network": {}, "ridge": {}}
    for trained in lab.points:
        networks = lab.networks(lab.scale.network, trained, f"trained at {trained.label}")
        ridge = [lab.fit(lab.scale.baseline(BASELINES["ridge"]), trained, 0)]
        for kind, models in (("network", networks), ("ridge", ridge)):
            scores[kind][trained.label] = {tested.label: by_seed(lab.scored(models, tested, align="order")) for tested in lab.points}
    first = lab.points[0].part("test")[0].times
    assert first is not None
    labels = [point.label for point in lab.points]
    against = {a: {b: paired(scores["network"][a][b], scores["ridge"][a][b]) for b in labels} for a in labels}
    own = {a: {b: paired(scores["network"][a][b], scores["network"][b][b]) for b in labels if b != a} for a in labels}
    return {
        "temperatures": labels,
        "times of the first": first.tolist(),
        "scores": scores,
        "network against ridge": against,
        "network against one trained where it is tested": own,
    }


def draw(content: dict) -> Figure:
    """Draw the matrix at the last time for network and ridge, and the published one at the relaxation time."""
    found = content["found"]
    labels = found["temperatures"]
    count = len(found["times of the first"])
    figure = Figure(figsize=(11, 3.8), layout="constrained")
    axes = figure.subplots(1, 3)
    for one, kind in zip(axes, ("network", "ridge"), strict=False):
        matrix = np.array([[bars(found["scores"][kind][a][b])[0][-1] for b in labels] for a in labels])
        _matrix(one, matrix, labels, f"{kind}, at the last of {count} times")
    values = published()["transfer_at_alpha_time_pooled"]["values"]["SE3"]
    known = sorted(values, reverse=True)
    _matrix(axes[2], np.array([[values[a][b] for b in known] for a in known]), [f"T = {t}" for t in known], "paper (not comparable): 400 configurations of 4096")
    return figure


def _matrix(axes, matrix: np.ndarray, labels: list[str], title: str) -> None:  # noqa: ANN001 (matplotlib's Axes)
    axes.imshow(matrix, vmin=0.3, vmax=0.9, cmap="viridis")
    for (i, j), value in np.ndenumerate(matrix):
        axes.text(j, i, f"{value:.2f}", ha="center", va="center", color="white" if value < 0.65 else "black")
    axes.set_xticks(range(len(labels)), labels, fontsize=8)
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.set(xlabel="tested at", ylabel="trained at", title=title)
    axes.title.set_fontsize(9)


STUDY = Study("temperatures", "Does a network trained at one temperature predict at others?", run, draw, points=2)

if __name__ == "__main__":
    main(STUDY)

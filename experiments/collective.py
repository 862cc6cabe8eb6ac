"""Does it get more than single particles right: fluctuations of the mean mobility, and how far mobility is correlated in space?"""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from equijax.analysis.fields import correlation_length, spatial_correlation, susceptibility
from equijax.baselines.config import BASELINES
from equijax.metrics import Scored, pearson
from experiments.lab import Lab, StatePoint
from experiments.study import Study, main


def run(lab: Lab) -> dict:
    """Compare measured and predicted mobility fields of the test configurations, A particles."""
    out = {}
    for point in lab.points:
        networks = lab.networks(lab.scale.network, point, point.label)
        scored = lab.scored([*networks, lab.fit(lab.scale.baseline(BASELINES["ridge"]), point, 0)], point)
        times = point.part("test")[0].times
        assert times is not None
        fields = {"measured": [_measures(point, [s.measured for s in scored[0]], scored[0], [s.halves for s in scored[0]])]}
        fields["network"] = [_measures(point, [s.predicted for s in one], one) for one in scored[:-1]]
        fields["ridge"] = [_measures(point, [s.predicted for s in scored[-1]], scored[-1])]
        out[point.label] = {"times": times.tolist(), "configurations": len(scored[0]), "fields": fields}
    return out


def _measures(point: StatePoint, values: list[np.ndarray], scored: list[Scored], halves: Sequence[np.ndarray | None] = (None,)) -> dict:
    """Return susceptibilities, correlation functions and lengths at every time, and the correlation of the configurations' means with the measured ones.

    Where the halves of the trajectories are known, products are taken between the two, so that the noise of the measurement adds nothing.
    """
    snapshots = point.part("test")
    chosen = [s.types == 0 for s in snapshots]
    found: dict = {"susceptibility": [], "correlation": [], "length": [], "mean against measured": []}
    for t in range(values[0].shape[1]):
        fields, again = [value[kind, t] for value, kind in zip(values, chosen, strict=True)], None
        if all(half is not None for half in halves):
            fields, again = ([half[side][kind, t] for half, kind in zip(halves, chosen, strict=True) if half is not None] for side in (0, 1))
        where = [s.positions[kind] for s, kind in zip(snapshots, chosen, strict=True)]
        r, g = spatial_correlation(where, [s.box for s in snapshots], fields, longest=6.0, again=again)
        found["susceptibility"].append(susceptibility(fields, again))
        found["correlation"].append(g.tolist())
        found["length"].append(correlation_length(r, g))
        measured = np.array([s.measured[kind, t].mean() for s, kind in zip(scored, chosen, strict=True)])
        found["mean against measured"].append(pearson(np.array([field.mean() for field in fields]), measured))
        found["r"] = r.tolist()
    return found


def draw(content: dict) -> Figure:
    """Draw susceptibility and correlation length against time, and G(r) at the last time."""
    found = content["found"]
    figure = Figure(figsize=(12, 3.8 * len(found)), layout="constrained")
    for row, (label, one) in zip(figure.subplots(len(found), 3, squeeze=False), found.items(), strict=True):
        for number, (name, fields) in enumerate(one["fields"].items()):
            colour = f"C{number}"
            for axes, key in zip(row[:2], ("susceptibility", "length"), strict=True):
                values = np.array([[np.nan if v is None else v for v in field[key]] for field in fields], float)
                mean = values.mean(0)
                axes.errorbar(one["times"], mean, [mean - values.min(0), values.max(0) - mean], fmt="o-", capsize=3, color=colour, label=name)
            row[2].plot(fields[0]["r"], np.mean([field["correlation"][-1] for field in fields], 0), "o-", markersize=3, color=colour, label=name)
        # Products of two halves of the trajectories may be negative where fluctuations are smaller than their error.
        row[0].set_yscale("symlog", linthresh=0.1)
        row[0].set(xscale="log", xlabel="time", ylabel="N var(mean propensity)", title=f"{label}: susceptibility, {one['configurations']} configurations")
        row[1].set(xscale="log", xlabel="time", ylabel="correlation length (sigma_AA)", title="spatial correlation of mobility")
        row[2].set(xlabel="r (sigma_AA)", ylabel="G(r)", title=f"t = {one['times'][-1]:g}")
        for axes in row:
            axes.grid(alpha=0.3)
            axes.legend(fontsize=8)
    return figure


STUDY = Study("collective", "Does the network predict how mobility fluctuates and how far it is correlated?", run, draw)

if __name__ == "__main__":
    main(STUDY)

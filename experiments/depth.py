"""How deep, how wide, which orders, and does the parity of the features matter?"""

import dataclasses

import numpy as np
from matplotlib.figure import Figure

from experiments.lab import Lab
from experiments.scores import bars, by_seed, paired
from experiments.study import Study, main


def run(lab: Lab) -> dict:
    """Change one thing at a time of the network that every study starts from."""
    base = lab.scale.network.network
    changes: dict[str, dict] = {"as it is": {}}
    changes |= {f"layers {n}": {"layers": n} for n in lab.scale.layers if n != base.layers}
    changes |= {f"l_max {n}": {"l_max": n} for n in lab.scale.orders if n != base.l_max}
    changes |= {f"channels {n}": {"channels": n} for n in lab.scale.channels if n != base.channels}
    changes |= {"products of features": {"square": True}, "parity": {"parity": True}, "decoder reads the last layer": {"readout": "last"}}
    if base.readout == "last":
        changes = {name: change for name, change in changes.items() if "readout" not in change} | {"decoder reads all layers": {"readout": "all"}}
    point = lab.points[0]
    found = {}
    for name, change in changes.items():
        config = dataclasses.replace(lab.scale.network, network=dataclasses.replace(base, **change))
        found[name] = by_seed(lab.scored(lab.networks(config, point, name), point))
    times = point.part("test")[0].times
    assert times is not None
    tests = {name: paired(one, found["as it is"]) for name, one in found.items() if name != "as it is"}
    shape = {"layers": base.layers, "l_max": base.l_max, "channels": base.channels}
    return {"point": point.label, "times": times.tolist(), "base": shape, "scores": found, "against the network as it is": tests}


def draw(content: dict) -> Figure:
    """Draw the change of the correlation, averaged over times, that each change of the network makes."""
    found = content["found"]
    names = list(found["scores"])
    figure = Figure(figsize=(7, 0.36 * len(names) + 1.6), layout="constrained")
    axes = figure.subplots()
    for row, name in enumerate(names):
        for what, mark, shift in (("pooled", "o", 0.12), ("per_configuration", "s", -0.12)):
            values = np.array(found["scores"][name][what], float)
            values = (values.mean(1) if what == "per_configuration" else values).mean(-1)
            mean = values.mean()
            error = [[mean - values.min()], [values.max() - mean]]
            colour, label = "C0" if what == "pooled" else "C1", None if row else what.replace("_", " ")
            axes.errorbar(mean, row + shift, xerr=error, fmt=mark, color=colour, capsize=3, markersize=5, label=label)
    reference = bars(found["scores"]["as it is"])[0].mean()
    axes.axvline(reference, color="0.7", linewidth=1)
    base = ", ".join(f"{key} {value}" for key, value in found["base"].items())
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set(xlabel="Pearson correlation, A, mean over times; worst and best seed", title=f"{found['point']}; as it is: {base}")
    axes.legend(fontsize=8)
    return figure


STUDY = Study("depth", "How many layers, orders and channels does the network need, and does parity matter?", run, draw)

if __name__ == "__main__":
    main(STUDY)

"""Which input, and one time or all (paper, figure 5)?"""

import dataclasses

from matplotlib.figure import Figure

from equijax.baselines.config import BASELINES
from equijax.inputs import InputConfig
from equijax.targets import TargetConfig
from equijax.train.presets import PRESETS
from experiments.lab import Lab, StatePoint
from experiments.scores import by_seed, paired
from experiments.study import Study, legend_below, main, panel, published

PAPER = {
    "thermal": InputConfig("thermal", energy=False),
    "inherent": InputConfig("inherent", energy=False),
    "thermal + inherent energy": InputConfig("thermal", energy=True),
}
"""The inputs of the paper."""

BEYOND = {
    "+ vector to the inherent position": InputConfig("thermal", energy=True, displacement=True),
    "graphs of thermal and inherent positions, + vector": InputConfig("both", energy=True, displacement=True),
}
CAGES = {
    "+ vectors to inherent position and cage": InputConfig("thermal", energy=True, displacement=True, cage_displacement=True),
    "graph of the cages, + both vectors": InputConfig("cage", energy=True, displacement=True, cage_displacement=True),
    "graphs of thermal positions and cages, + both vectors": PRESETS["cages"].inputs,
}
"""Where the configurations have cage positions."""


def run(lab: Lab) -> dict:
    """Train with every input, at all times at once and, at the first temperature, at single ones, and fit ridge regressions to the strongest."""
    out = {}
    for point in lab.points:
        known = point.part("train")[0]
        times = known.times
        assert times is not None
        inputs = PAPER | BEYOND | (CAGES if known.cage_positions is not None else {})
        multi = {name: _scored(lab, point, choice, None) for name, choice in inputs.items()}
        # A network for each time costs as many trainings as there are times: one temperature has to do.
        numbers = sorted({number % len(times) for number in lab.scale.single_times}) if point is lab.points[0] else []
        single = {name: {str(number): _scored(lab, point, choice, number) for number in numbers} for name, choice in PAPER.items()}
        ridges = ("ridge", *(["ridge-cage"] if known.cage_positions is not None else []))
        multi |= {name: by_seed(lab.scored([lab.fit(lab.scale.baseline(BASELINES[name]), point, 0)], point)) for name in ridges}
        best = multi["thermal + inherent energy"]
        tests = {name: paired(found, best) for name, found in multi.items() if found is not best}
        out[point.label] = {"times": times.tolist(), "multi-variate": multi, "uni-variate": single, "against thermal + inherent energy": tests}
        if "ridge-cage" in multi:
            out[point.label]["against ridge-cage"] = {name: paired(multi[name], multi["ridge-cage"]) for name in CAGES}
    return out


def _scored(lab: Lab, point: StatePoint, inputs: InputConfig, time: int | None) -> dict:
    # A configuration's mean can be predicted apart where inherent energies are known.
    centre = lab.scale.network.targets.centre if inputs.energy else "data"
    targets = TargetConfig(None if time is None else (time,), centre)
    config = dataclasses.replace(lab.scale.network, inputs=inputs, targets=targets)
    networks = lab.networks(config, point, f"{point.label}, {inputs.positions}{'' if time is None else f', time {time}'}")
    return by_seed(lab.scored(networks, point, targets))


def draw(content: dict) -> Figure:
    """Draw correlation against time and temperature for every input; crosses are networks of one time."""
    found = content["found"]
    figure = Figure(figsize=(6.4 * len(found), 4.6), layout="constrained")
    for axes, (label, one) in zip(figure.subplots(1, len(found), squeeze=False)[0], found.items(), strict=True):
        panel(axes, one["times"], one["multi-variate"], next(iter(one["multi-variate"].values()))["ceiling"])
        for colour, singles in enumerate(one["uni-variate"].values()):
            for number, scores in singles.items():
                values = [seed[0] for seed in scores["pooled"]]
                axes.plot([one["times"][int(number)]] * len(values), values, "x", color=f"C{colour}")
        known = published()["temperatures"].get(f"{float(label.split('=')[1]):.2f}") if "T =" in label else None
        if known:
            axes.plot(known["times"], known["pooled"]["SE3"], color="0.6", linestyle="--", label="paper: 400 configurations of 4096 (not comparable)")
            axes.set_xlim(0.5 * min(one["times"]), 2 * max(one["times"]))
            legend_below(axes)
        crosses = ", uni-variate (crosses)" if any(one["uni-variate"].values()) else ""
        axes.set_title(f"{label}: multi-variate (circles){crosses}", fontsize=9)
    return figure


STUDY = Study("inputs", "Which positions and energies should the network see, and should it learn one time or all?", run, draw)

if __name__ == "__main__":
    main(STUDY)

"""Can trained layers be reused? Frozen at one temperature, with a linear decoder refitted at another, against training there from scratch."""

import dataclasses

from matplotlib.figure import Figure

from equijax.data.splits import Split
from experiments.lab import Lab, in_as_many_steps, refitted
from experiments.scores import by_seed, paired
from experiments.study import Study, main, panel


def run(lab: Lab) -> dict:
    """Between every two temperatures, with few and with all configurations of the second; from scratch in as many steps with few as with all."""
    out: dict = {}
    for source in lab.points:
        networks = lab.networks(lab.scale.network, source, f"trained at {source.label}")
        for target in lab.points:
            if target is source:
                continue
            times = target.part("test")[0].times
            assert times is not None
            few = max(2, len(target.split.train) // 4)
            rows = {"as it is": by_seed(lab.scored(networks, target, align="order"))}
            for count in (few, len(target.split.train)):
                split = Split(target.split.train[:count], target.split.validation, target.split.test)
                part = dataclasses.replace(target, split=split)
                rows[f"frozen layers, linear decoder of {count}"] = by_seed([refitted(network, part, lab.scale.network.targets) for network in networks])
                scratch = lab.networks(in_as_many_steps(lab.scale.network, count, len(target.split.train)), part, f"{target.label}, {count} from scratch")
                rows[f"from scratch, {count}"] = by_seed(lab.scored(scratch, part))
            tests = {str(n): paired(rows[f"frozen layers, linear decoder of {n}"], rows[f"from scratch, {n}"]) for n in (few, len(target.split.train))}
            ceiling = rows["as it is"]["ceiling"]
            out[f"{source.label} to {target.label}"] = {"times": times.tolist(), "scores": rows, "ceiling": ceiling, "frozen against scratch": tests}
    return out


def draw(content: dict) -> Figure:
    """Draw correlation against time for each way to predict the second temperature."""
    found = content["found"]
    figure = Figure(figsize=(6 * len(found), 4.4), layout="constrained")
    for axes, (name, one) in zip(figure.subplots(1, len(found), squeeze=False)[0], found.items(), strict=True):
        panel(axes, one["times"], one["scores"], one["ceiling"])
        axes.set_title(name)
    return figure


STUDY = Study("transfer", "Can layers trained at one temperature be reused at another with a new linear decoder?", run, draw, points=2)

if __name__ == "__main__":
    main(STUDY)

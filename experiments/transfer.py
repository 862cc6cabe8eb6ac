"""Can trained layers be reused? Frozen at one temperature or time, with a linear decoder refitted at others, against training there from scratch."""

import dataclasses

from matplotlib.figure import Figure

from equijax.data.splits import Split
from experiments.lab import Lab, StatePoint, in_as_many_steps, refitted
from experiments.scores import by_seed, paired
from experiments.study import Study, main, panel


def run(lab: Lab) -> dict:
    """Between every two temperatures, with few and with all configurations of the second; from scratch in as many steps with few as with all.

    And from networks of the last time alone to all times of the same temperature.
    """
    out: dict = {}
    for source in lab.points:
        out[f"{source.label}, last time to all"] = _between_times(lab, source)
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


def _between_times(lab: Lab, point: StatePoint) -> dict:
    """Refit a linear decoder at all times to the frozen layers of networks that learned the last alone, against networks that learned all."""
    times = point.part("test")[0].times
    assert times is not None
    count, targets = len(point.split.train), lab.scale.network.targets
    alone = dataclasses.replace(lab.scale.network, targets=dataclasses.replace(targets, times=(len(times) - 1,)))
    frozen = by_seed([refitted(network, point, targets) for network in lab.networks(alone, point, f"{point.label}, last time")])
    scratch = by_seed(lab.scored(lab.networks(lab.scale.network, point, point.label), point))
    rows = {f"frozen layers of the last time, linear decoder of {count}": frozen, f"from scratch, {count}": scratch}
    return {"times": times.tolist(), "scores": rows, "ceiling": scratch["ceiling"], "frozen against scratch": {str(count): paired(frozen, scratch)}}


def draw(content: dict) -> Figure:
    """Draw correlation against time for each way to predict the second temperature."""
    found = content["found"]
    figure = Figure(figsize=(6 * len(found), 4.4), layout="constrained")
    for axes, (name, one) in zip(figure.subplots(1, len(found), squeeze=False)[0], found.items(), strict=True):
        panel(axes, one["times"], one["scores"], one["ceiling"])
        axes.set_title(name)
    return figure


STUDY = Study("transfer", "Can layers trained at one temperature or time be reused at others with a new linear decoder?", run, draw, points=2)

if __name__ == "__main__":
    main(STUDY)

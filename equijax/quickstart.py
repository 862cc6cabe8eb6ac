"""From the embedded data to a trained, tested and drawn network in a few minutes."""

import dataclasses
import html
from pathlib import Path

from equijax.baselines.config import BASELINES
from equijax.data.cache import Cache
from equijax.data.embedded import embedded_path
from equijax.data.files import whole_file
from equijax.evaluation import Evaluation, baseline_rows, evaluate, write_evaluation
from equijax.metrics import Row
from equijax.train.loop import train
from equijax.train.presets import preset


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What the quickstart found: the network's test, the rows of the linear baseline on the same configurations, and where the page is."""

    evaluation: Evaluation
    baseline: list[Row]
    page: Path

    def lines(self) -> list[str]:
        """Return the five lines a person wants to read."""
        ours = [row for row in self.evaluation.rows if row.type == "A"]
        theirs = {row.time: row for row in self.baseline if row.type == "A"}
        last, best = ours[-1], max(ours, key=lambda row: row.pooled)
        ceiling = "" if last.ceiling is None else f"; no model can pass {last.ceiling:.2f} on so few trajectories"
        mean = sum(row.pooled for row in ours) / len(ours)
        linear = sum(theirs[row.time].pooled for row in ours) / len(ours)
        return [
            f"Tested on {last.configurations} configurations the network has not seen ({last.particles:,} A particles).",
            f"At the relaxation time (t = {last.time:g}): r = {last.pooled:.3f} +- {last.pooled_error:.3f} between predicted and measured propensity{ceiling}.",
            f"Best at t = {best.time:g}: r = {best.pooled:.3f}. Mean over the {len(ours)} times: {mean:.3f}.",
            f"Ridge regression on 738 hand-written descriptors, same split: {theirs[last.time].pooled:.3f} at the relaxation time, {linear:.3f} on average.",
            f"Plots and table: {self.page}. Now train on your own: equijax train fine-tune --data FOLDER --out runs/mine",
        ]


def quickstart(folder: Path, cache: Cache, epochs: int | None = None, quiet: bool = False) -> Outcome:
    """Train the quickstart preset on the embedded set, test it beside a ridge regression, and write a page.

    Args:
        folder: where the run and the page go; it must not hold a run yet.
        cache: for graphs.
        epochs: fewer or more than the preset's.
        quiet: no progress bars.

    Raises:
        ConfigError: the folder already holds a run.
    """
    config = dataclasses.replace(preset("quickstart"), data=(str(embedded_path()),))
    if epochs is not None:
        config = dataclasses.replace(config, epochs=epochs)
    run = folder / "run"
    train(config, run, cache, quiet=quiet)
    evaluation = evaluate(run, cache)
    baseline = baseline_rows(evaluation, BASELINES["ridge"], cache, quiet)
    plots = write_evaluation(evaluation, folder, {"ridge": baseline})
    outcome = Outcome(evaluation, baseline, folder / "index.html")
    _write_page(outcome, plots)
    return outcome


def _write_page(outcome: Outcome, plots: list[Path]) -> None:
    ridge = {(row.type, row.time): row for row in outcome.baseline}
    cells = "".join(
        f"<tr><td>{row.type}</td><td>{row.time:g}</td><td>{row.pooled:.3f} &plusmn; {row.pooled_error:.3f}</td>"
        f"<td>{row.per_configuration:.3f} &plusmn; {row.per_configuration_error:.3f}</td><td>{ridge[row.type, row.time].pooled:.3f}</td>"
        f"<td>{'' if row.ceiling is None else f'{row.ceiling:.3f}'}</td></tr>"
        for row in outcome.evaluation.rows
    )
    captions = {
        "correlation.png": "Correlation between predicted and measured propensity against time. "
        "The dotted line is what a perfect model would reach, given the finite number of trajectories.",
        "scatter.png": "Every A particle of the test configurations at the last time.",
        "slice.png": "A slice, two diameters thick, of a configuration the network has not seen: red particles will move far, blue ones will stay.",
    }
    figures = "".join(
        f'<figure><img src="{plot.name}" alt="{html.escape(captions[plot.name])}"><figcaption>{html.escape(captions[plot.name])}</figcaption></figure>' for plot in plots
    )
    summary = "".join(f"<p>{html.escape(line)}</p>" for line in outcome.lines()[:-1])
    page = f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>equijax: first report</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#222}}
table{{border-collapse:collapse;margin:1rem 0}}td,th{{padding:.25rem .8rem;border-bottom:1px solid #ddd;text-align:right}}
img{{max-width:100%}}figure{{margin:2rem 0}}figcaption{{color:#555;font-size:.9rem}}</style>
<h1>Which particles will move?</h1>
{summary}
<table><tr><th>type</th><th>time</th><th>network, pooled r</th><th>per configuration</th><th>ridge, pooled r</th><th>noise ceiling</th></tr>{cells}</table>
{figures}
</html>
"""
    with whole_file(outcome.page) as temporary:
        temporary.write_text(page)

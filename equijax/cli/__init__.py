"""The command line: parses, calls, prints."""

import json
import logging
import os
import sys

import tyro

from equijax.bars import close_bars, listen
from equijax.cli.data import cages, convert, ends, fetch, inspect, quench, simulate, successors, trajectories
from equijax.cli.models import evaluate, export, predict, quickstart, train
from equijax.errors import EquijaxError


def info() -> None:
    """Print versions, devices and precision, which kernel is used and why, what makes neighbour tables and forces, and the networks that ship with equijax."""
    from equijax.graph.tables import choose_method
    from equijax.md.forces import choose_native
    from equijax.nn.kernels import choose
    from equijax.pretrained import ABOUT
    from equijax.versions import machine, versions

    kernels = {"convolution": choose("auto")._asdict(), "neighbour_tables": choose_method("auto"), "pair_forces": "native" if choose_native("auto") else "xla"}
    print(json.dumps({"versions": versions(), "machine": machine(), **kernels, "networks": ABOUT}, indent=1))


COMMANDS = {
    "quickstart": quickstart,
    "simulate": simulate,
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "export": export,
    "quench": quench,
    "data": {"convert": convert, "ends": ends, "successors": successors, "cages": cages, "trajectories": trajectories, "inspect": inspect, "fetch": fetch},
    "info": info,
}


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; errors about the input are one line and exit code 2."""
    logging.getLogger("absl").setLevel(logging.ERROR)
    listen()
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
        close_bars()
        print("equijax: interrupted; what was finished is kept (train and simulate go on with --resume).", file=sys.stderr, flush=True)
        # Files are closed by now. Threads that read ahead would only complain of the end of the interpreter: they end with the process.
        os._exit(2)
    except OSError as error:
        _stop(f"{error.filename or 'a file'}: {error.strerror or str(error).rstrip('.')}.")


def _data_help() -> None:
    """Convert, inspect and fetch data, add ends of trajectories, successors, cage positions or further trajectories: see equijax data --help."""
    main(["data", "--help"])


def _stop(message: str) -> None:
    close_bars()
    print(f"equijax: {message}", file=sys.stderr)
    raise SystemExit(2)

"""What a worker and the benchmark say to each other: a task a line in, a line of JSON out. Needs nothing but Python."""

import argparse
import importlib.metadata
import json
import sys
import time
from collections.abc import Callable

PACKAGES = ("torch", "e3nn", "nequip", "nequip_jax", "haiku", "jax", "jaxlib", "flax", "e3nn_jax", "jraph", "equijax")
_DISTRIBUTIONS = {"haiku": "dm-haiku"}


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with what every worker is told."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("problem", help="npz with senders, receivers, vectors, types, targets")
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--l-max", type=int, default=2)
    parser.add_argument("--channels", type=int, default=8)
    return parser


def peak_gib() -> float:
    """Return the largest resident memory of this process so far; unlike getrusage's, it forgets the process that started it."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 2**20


def versions() -> dict[str, str]:
    """Return the versions of the libraries that this worker has imported, by their metadata or, without any, their own word."""
    found = {}
    for module in PACKAGES:
        if module in sys.modules:
            try:
                found[module] = importlib.metadata.version(_DISTRIBUTIONS.get(module, module.replace("_", "-")))
            except importlib.metadata.PackageNotFoundError:
                found[module] = getattr(sys.modules[module], "__version__", "unknown")
    return {"python": sys.version.split()[0], **found}


def serve(tasks: dict[str, Callable[[], object]]) -> None:
    """Say the versions, then time the tasks whose names come in, until "quit" or the end of the input."""
    print("ready", json.dumps(versions()), flush=True)
    for line in sys.stdin:
        if line.strip() == "quit":
            return
        start, cpu = time.perf_counter(), time.process_time()
        tasks[line.strip()]()
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        print(json.dumps({"seconds": seconds, "cpu": cpu, "peak_gib": peak_gib()}), flush=True)

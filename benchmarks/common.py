"""What the benchmarks share: the problem, workers that are pinned to cores, medians and spread, tables and files."""

import dataclasses
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from equijax.data.files import write_json
from equijax.data.formats import read_snapshot
from equijax.graph.neighbors import NeighborSearch
from equijax.nn.kernels.native import library
from equijax.testing import toy_snapshot
from equijax.versions import machine, versions

HERE = Path(__file__).parent
TASKS = ("forward", "step", "gradient")


def write_problem(path: Path, particles: int = 4096, data: Path | None = None) -> dict[str, Any]:
    """Write edges, types and targets of one configuration, particles in the order of cells; return what it is.

    Args:
        path: npz file to write.
        particles: about this many on a lattice with noise, at the density 1.2 of the Kob-Andersen liquid.
        data: a configuration to take in its place, in any format equijax reads.
    """
    snapshot = read_snapshot(data) if data else toy_snapshot(round(particles ** (1 / 3)), density=1.2)
    wrapped = np.mod(snapshot.positions, snapshot.box)
    cells = np.floor(wrapped / 2.0).astype(int)
    order = np.lexsort(cells.T[::-1])
    pairs = NeighborSearch(snapshot.box, 2.0).pairs(wrapped[order])
    np.savez(
        path,
        senders=pairs.senders.astype(np.int32),
        receivers=pairs.receivers.astype(np.int32),
        vectors=pairs.vectors.astype(np.float32),
        types=snapshot.types[order].astype(np.int32),
        targets=np.random.default_rng(0).standard_normal((len(snapshot), 10)).astype(np.float32),
    )
    return {"particles": len(snapshot), "edges": len(pairs.senders), "source": data.name if data else "lattice with noise"}


@dataclasses.dataclass(frozen=True)
class Competitor:
    """A program that can be timed.

    Attributes:
        name: in the table.
        script: in `peers/`.
        options: of the script.
        python: interpreter of its environment.
        environment: variables to set.
    """

    name: str
    script: str
    options: tuple[str, ...] = ()
    python: str = sys.executable
    environment: tuple[tuple[str, str], ...] = ()


class Worker:
    """A competitor at work on a problem, pinned to some cores; `versions` are those of its environment."""

    def __init__(self, competitor: Competitor, problem: Path, shape: Sequence[str], cores: str) -> None:
        self.name = competitor.name
        command = ["taskset", "-c", cores, competitor.python, str(HERE / "peers" / competitor.script), str(problem), *shape, *competitor.options]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | dict(competitor.environment))
        self.versions: dict[str, str] = json.loads(self._expect("ready").removeprefix("ready"))

    def _expect(self, what: str) -> str:
        """Return the next line that is an answer; libraries print what they like."""
        for line in self._process.stdout or ():
            if line.startswith(what):
                return line
        raise SystemExit(f"{self.name}: stopped with exit code {self._process.wait()}; its messages are above.")

    def run(self, task: str) -> dict[str, float]:
        """Return seconds, cpu and peak_gib of one execution."""
        assert self._process.stdin is not None
        self._process.stdin.write(task + "\n")
        self._process.stdin.flush()
        return json.loads(self._expect("{"))

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def measure(workers: Sequence[Worker], tasks: Sequence[str], rounds: int) -> dict[str, dict[str, dict[str, float]]]:
    """Return for each worker and task the median, least and largest seconds of `rounds` alternating executions after a first one.

    `first` is the time of that first one, compilation included, and `peak_gib` the memory of the process so far.
    """
    results: dict[str, dict[str, dict[str, float]]] = {worker.name: {} for worker in workers}
    for task in tasks:
        first = {worker.name: worker.run(task)["seconds"] for worker in workers}
        runs = {worker.name: [] for worker in workers}
        for _ in range(rounds):
            for worker in workers:
                runs[worker.name].append(worker.run(task))
        for name, done in runs.items():
            seconds = [run["seconds"] for run in done]
            median = statistics.median(seconds)
            summary = {"seconds": median, "least": min(seconds), "largest": max(seconds), "first": first[name], "peak_gib": done[-1]["peak_gib"]}
            results[name][task] = summary
            print(
                f"  {name:32s} {task:9s} {median:9.4f} s  ({min(seconds):.4f} to {max(seconds):.4f})  first {first[name]:7.2f} s  {summary['peak_gib']:.2f} GiB",
                flush=True,
            )
    return results


def finish(out: Path, settings: Any, content: dict[str, Any]) -> None:
    """Write the results with settings (of paths, the names alone), versions and machine."""
    plain = {key: value.name if isinstance(value, Path) else value for key, value in dataclasses.asdict(settings).items()}
    instructions = None if library.why_not() else library.instruction_set()
    write_json(out, {"settings": plain, **content, "versions": versions(), "machine": machine() | {"instructions": instructions}})
    print(f"wrote {out}")

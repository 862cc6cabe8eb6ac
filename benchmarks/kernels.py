"""The time of each convolution kernel: forward, with gradients, and compilation.

    python benchmarks/kernels.py --layers 3 --l-max 2 --particles 1000

Prints a table and writes JSON with versions and machine. The graph is a lattice with noise at the density of the Kob-Andersen liquid: the same
number of neighbours, which is what the time depends on.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import jax
import jax.numpy as jnp
import tyro

from equijax.data.files import write_json
from equijax.graph.graph import build_graph
from equijax.graph.neighbors import NeighborSearch
from equijax.network import Network, NetworkConfig
from equijax.nn.kernels import KERNELS
from equijax.testing import toy_snapshot
from equijax.versions import machine, versions


@dataclasses.dataclass(frozen=True)
class Settings:
    """What to time.

    Attributes:
        particles: about this many (the nearest cube).
        layers, l_max, channels: shape of the network.
        repeats: of every measurement; the median is reported.
        out: JSON file to write.
    """

    particles: int = 1000
    layers: int = 3
    l_max: int = 2
    channels: int = 8
    repeats: int = 5
    out: Path = Path("kernels.json")


def timed(function: Callable, *arguments: object) -> float:
    """Return the seconds one call takes, to the end of its computation."""
    start = time.perf_counter()
    jax.block_until_ready(function(*arguments))
    return time.perf_counter() - start


def main(settings: Settings) -> None:
    """Time every kernel on one graph."""
    snapshot = toy_snapshot(round(settings.particles ** (1 / 3)))
    pairs = NeighborSearch(snapshot.box, 2.0).pairs(snapshot.positions)
    graph = jax.tree.map(jnp.asarray, build_graph(pairs, snapshot.types, 2.0))
    results = {}
    for kernel in KERNELS:
        network = Network(NetworkConfig(layers=settings.layers, l_max=settings.l_max, channels=settings.channels, kernel=kernel))
        variables = jax.jit(network.init)(jax.random.key(0), graph)
        forward = jax.jit(network.apply)
        gradient = jax.jit(jax.grad(lambda v, g, network=network: jnp.square(cast(jax.Array, network.apply(v, g))).sum()))
        results[kernel] = {}
        for name, function in {"forward": forward, "gradient": gradient}.items():
            first = timed(function, variables, graph)
            median = statistics.median(timed(function, variables, graph) for _ in range(settings.repeats))
            results[kernel][name] = {"seconds": median, "compile_seconds": first - median}
            print(f"{kernel:10s} {name:9s} {median:8.3f} s   compile {first - median:6.1f} s")
    content = {"settings": dataclasses.asdict(settings) | {"out": str(settings.out)}, "edges": len(pairs.senders), "results": results}
    write_json(settings.out, content | {"versions": versions(), "machine": machine()})


if __name__ == "__main__":
    main(tyro.cli(Settings))

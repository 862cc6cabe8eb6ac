"""How long does the compiler take, and how much memory does the compiled program ask for?

python benchmarks/compile_time.py
"""

import dataclasses
import time
from pathlib import Path
from typing import Any, cast

import jax
import jax.numpy as jnp
import tyro
from common import finish

from equijax.graph.graph import build_graph
from equijax.graph.neighbors import NeighborSearch
from equijax.network import Network, NetworkConfig
from equijax.testing import toy_snapshot


@dataclasses.dataclass(frozen=True)
class Settings:
    """What to compile.

    Attributes:
        particles: about this many, on a lattice with noise.
        kernels: of the convolution.
        orders: largest rotational orders.
        layers, channels: shape of the network.
        out: JSON file to write.
    """

    particles: int = 4096
    kernels: tuple[str, ...] = ("native", "xla", "reference")
    orders: tuple[int, ...] = (2, 3)
    layers: int = 8
    channels: int = 8
    out: Path = Path("compile_time.json")


def compiled(function: Any, *arguments: Any) -> dict[str, float]:
    """Return the seconds of tracing and compilation, and the GiB of temporaries."""
    start = time.perf_counter()
    program = jax.jit(function).lower(*arguments).compile()
    seconds = time.perf_counter() - start
    memory = program.memory_analysis()
    return {"seconds": seconds, "temporaries_gib": memory.temp_size_in_bytes / 2**30 if memory else float("nan")}


def main(settings: Settings) -> None:
    """Compile everything and print the table."""
    snapshot = toy_snapshot(round(settings.particles ** (1 / 3)), density=1.2)
    pairs = NeighborSearch(snapshot.box, 2.0).pairs(snapshot.positions)
    graph = jax.tree.map(jnp.asarray, build_graph(pairs, snapshot.types, 2.0))
    rows = []
    print("| kernel | l_max | forward: compile s | temporaries GiB | gradient: compile s | temporaries GiB |\n|---|---|---|---|---|---|")
    for kernel in settings.kernels:
        for l_max in settings.orders:
            network = Network(NetworkConfig(settings.layers, l_max, settings.channels, activation="gate", batch_norm=False, decoder_hidden=(32, 32), kernel=kernel))
            variables = jax.jit(network.init)(jax.random.key(0), graph)
            loss = jax.grad(lambda v, g, network=network: jnp.square(cast(jax.Array, network.apply(v, g))).sum())
            row = {"kernel": kernel, "l_max": l_max, "forward": compiled(network.apply, variables, graph), "gradient": compiled(loss, variables, graph)}
            rows.append(row)
            cells = [f"{row[task]['seconds']:.1f} | {row[task]['temporaries_gib']:.2f}" for task in ("forward", "gradient")]
            print(f"| {kernel} | {l_max} | {' | '.join(cells)} |", flush=True)
    finish(settings.out, settings, {"rows": rows})


if __name__ == "__main__":
    main(tyro.cli(Settings))

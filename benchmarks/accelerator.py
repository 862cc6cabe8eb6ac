"""Is every kernel right on this GPU or TPU, and how fast is it?

    python benchmarks/accelerator.py --problem problem.npz --out accelerator.json

Checks values and gradients of every kernel that runs here against the reference in full precision, then times forward, training step and
gradient with respect to positions; on an NVIDIA GPU the convolution alone is timed beside cuEquivariance's fused `uniform_1d`, if it is installed
(cuequivariance-jax and its proprietary cuequivariance-ops-jax-cu13). Imports as little as it can: jax, flax, optax, e3nn-jax, jraph, jaxtyping.
The problem comes from `python benchmarks/write_problem.py problem.npz`.

The speed of equijax on accelerators is unmeasured until a file of its results stands in benchmarks/results.
"""

import argparse
import functools
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import e3nn_jax as e3nn
import jax
import jax.numpy as jnp
import numpy as np

from equijax.graph.graph import Graph, build_graph
from equijax.graph.pairs import Pairs
from equijax.network import Network, NetworkConfig
from equijax.nn.geometry import Geometry, edge_geometry
from equijax.nn.kernels import KERNELS, choose
from equijax.nn.radial import Filters
from equijax.nn.triplets import hidden_irreps, triplets
from equijax.versions import machine, versions

sys.path.insert(0, str(Path(__file__).parent / "peers"))
from jax_tasks import tasks_of  # type: ignore[import-not-found] # a module beside the peers, which run as scripts

PRECISIONS = {
    "xla, highest": ("xla", "highest"),
    "xla, default": ("xla", "default"),
    "xla-bf16": ("xla-bf16", "default"),
    "native": ("native", "highest"),
    "cuda": ("cuda", "highest"),
}


def median_ms(function: Callable[[], object], repeats: int) -> dict[str, float]:
    """Return median, least and largest milliseconds after two executions that do not count."""
    times = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        jax.block_until_ready(function())
        times.append(1e3 * (time.perf_counter() - start))
    return {"ms": statistics.median(times[2:]), "least": min(times[2:]), "largest": max(times[2:]), "first_s": times[0] / 1e3}


def usable(kernel: str) -> str | None:
    """Return why a kernel cannot run here, or None."""
    try:
        choose(kernel, 2, 256)
    except Exception as error:
        return str(error)
    return None


def attempt(rows: dict[str, Any], name: str, measure: Callable[[], dict[str, Any]]) -> None:
    """Measure a row; one that fails, half installed or short of memory, must not cost the others on a machine that is lent."""
    try:
        rows[name] = measure()
    except Exception as error:
        rows[name] = {"failed": f"{type(error).__name__}: {error}"}
    print(f"{name:20s} {rows[name]}", flush=True)


def network_times(graph: Graph, targets: jax.Array, shape: dict[str, Any], repeats: int) -> dict[str, Any]:
    """Return errors against the reference, and times, of the network with each kernel."""
    rows: dict[str, Any] = {}

    def network(kernel: str) -> Network:
        return Network(NetworkConfig(**shape, outputs=targets.shape[1], activation="gate", batch_norm=False, decoder_hidden=(32, 32), kernel=kernel))

    variables = jax.jit(network("xla").init)(jax.random.key(0), graph)

    def value_and_gradients(kernel: str) -> list[np.ndarray]:
        def loss(variables: Any, vectors: jax.Array) -> tuple[jax.Array, jax.Array]:
            out: Any = network(kernel).apply(variables, graph.replace(vectors=vectors))
            return jnp.square(out - targets).sum(), out

        (_, out), gradients = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))(variables, graph.vectors)
        return [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves((out, gradients))]

    with jax.default_matmul_precision("highest"):
        expected = value_and_gradients("reference")

    def measured(kernel: str) -> dict[str, Any]:
        ours = value_and_gradients(kernel)
        errors = [float(np.abs(mine - theirs).max() / max(np.abs(theirs).max(), 1e-30)) for mine, theirs in zip(ours, expected, strict=True)]
        apply: Any = functools.partial(lambda model, v, vectors: model.apply(v, graph.replace(vectors=vectors)), network(kernel))
        times = {task: median_ms(run, repeats) for task, run in tasks_of(apply, variables, jnp.asarray(graph.vectors), targets).items()}
        return {"error_of_values": errors[0], "largest_error_of_gradients": max(errors[1:]), **times}

    for name, (kernel, precision) in PRECISIONS.items():
        obstacle = usable(kernel)
        if obstacle:
            rows[name] = {"left_out": obstacle}
            continue
        with jax.default_matmul_precision(precision):
            attempt(rows, name, functools.partial(measured, kernel))
    return rows


def cue_convolution(channels: int, l_max: int, senders: jax.Array, receivers: jax.Array, nodes: int, method: str) -> tuple[Callable, int]:
    """Return cuEquivariance's channel-wise product, fused with gather and scatter: (filters, features, harmonics) -> messages; and its filters."""
    import cuequivariance as cue  # type: ignore[import-not-found]
    import cuequivariance_jax as cuex  # type: ignore[import-not-found]

    orders = range(l_max + 1)
    hidden = cue.Irreps(cue.SO3, "+".join(f"{channels}x{order}" for order in orders))
    product = cue.descriptors.channelwise_tensor_product(hidden, cue.Irreps(cue.SO3, "+".join(f"1x{order}" for order in orders)), hidden).polynomial
    result = jax.ShapeDtypeStruct((nodes, product.outputs[0].size), jnp.float32)

    def convolve(filters: jax.Array, features: jax.Array, harmonics: jax.Array) -> jax.Array:
        return cuex.segmented_polynomial(product, [filters, features, harmonics], [result], [None, senders, None, receivers], method=method)[0]

    return convolve, product.inputs[0].size


def convolution_times(graph: Graph, channels: int, l_max: int, repeats: int, cue_method: str) -> dict[str, Any]:
    """Return forward and forward-with-gradient times of one convolution: each kernel here, and cuEquivariance on the same real edges.

    cuEquivariance is handed its filters edge by edge, made by the same radial network, which is part of what is timed.
    """
    rows: dict[str, Any] = {}
    inputs = hidden_irreps(channels, l_max, False)
    paths = triplets(inputs, l_max, False)
    geometry: Geometry = edge_geometry(graph, l_max, False)
    keys = jax.random.split(jax.random.key(0), 4)
    features = jax.random.normal(keys[0], (len(graph.types), inputs.dim))
    hidden = jax.random.normal(keys[1], (10, 16)) / 10**0.5

    def basis(hidden: jax.Array) -> Callable[[jax.Array], jax.Array]:
        return lambda r: jax.nn.silu(e3nn.bessel(r, 10, 2.0) @ hidden) * jnp.maximum(1 - (r / 2) ** 2, 0)[..., None] ** 3

    def time_both(name: str, run: Callable, weights: jax.Array) -> None:
        loss = jax.jit(jax.grad(lambda *a: jnp.square(run(*a)).sum(), argnums=(0, 1, 2)))
        forward = jax.jit(run)
        tasks = {"forward": forward, "gradient": loss}
        attempt(rows, name, lambda: {task: median_ms(lambda f=f: f(features, hidden, weights), repeats) for task, f in tasks.items()})

    weights = jax.random.normal(keys[2], (16, sum(path.channels for path in paths))) / 4
    for kernel in ("xla", "xla-bf16", "native", "cuda"):
        obstacle = usable(kernel)
        if obstacle:
            rows[kernel] = {"left_out": obstacle}
            continue

        def ours(features: jax.Array, hidden: jax.Array, weights: jax.Array, kernel: str = kernel) -> jax.Array:
            return KERNELS[kernel](e3nn.IrrepsArray(inputs, features), geometry, Filters(basis(hidden), weights, 2.0, 256), paths).array

        time_both(kernel, ours, weights)
    mask = np.asarray(graph.edge_mask)
    senders, receivers = np.asarray(graph.senders)[mask], np.broadcast_to(np.arange(len(mask))[:, None], mask.shape)[mask]
    try:
        convolve, filters = cue_convolution(channels, l_max, jnp.asarray(senders), jnp.asarray(receivers), len(mask), cue_method)
    except Exception as error:
        rows["cuEquivariance"] = {"left_out" if isinstance(error, ImportError) else "failed": f"{error}"}
        return rows
    distances, harmonics = geometry.distances[mask], geometry.harmonics[mask]
    time_both(
        "cuEquivariance",
        lambda features, hidden, weights: convolve(basis(hidden)(distances) @ weights, features, harmonics),
        jax.random.normal(keys[3], (16, filters)) / 4,
    )
    return rows


def main() -> None:
    """Check, time and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problem", type=Path, required=True)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--l-max", type=int, default=2)
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--cue-method", default="uniform_1d", help="naive where there is no GPU")
    parser.add_argument("--out", type=Path, default=Path("accelerator.json"))
    settings = parser.parse_args()
    data = np.load(settings.problem)
    graph = jax.tree.map(jnp.asarray, build_graph(Pairs(data["senders"], data["receivers"], data["vectors"]), data["types"], 2.0))
    shape = {"layers": settings.layers, "l_max": settings.l_max, "channels": settings.channels}
    content: dict[str, Any] = {"problem": {"particles": len(data["types"]), "edges": len(data["senders"])}, **shape, "versions": versions(), "machine": machine()}
    content["machine"]["host"] = platform.processor()
    # What checks comes first, and each part is written when it is there.
    content["network"] = network_times(graph, jnp.asarray(data["targets"]), shape, settings.repeats)
    settings.out.write_text(json.dumps(content, indent=1))
    content["convolution"] = convolution_times(graph, settings.channels, settings.l_max, settings.repeats, settings.cue_method)
    content["memory"] = jax.devices()[0].memory_stats()
    settings.out.write_text(json.dumps(content, indent=1))
    print(f"wrote {settings.out}")


if __name__ == "__main__":
    main()

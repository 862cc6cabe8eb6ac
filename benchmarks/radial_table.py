"""How exact is the table of the radial network, for the weights of a trained run, and would kernel xla be faster with it?

    python benchmarks/radial_table.py --run RUN --snapshot CONFIGURATION

Compares the predictions of a run with kernel xla, which evaluates the radial network at every edge, and with kernel native, which reads it from
a table, for several numbers of knots; and the filters themselves, at random distances in float64. Then it times kernel xla as it is and with such
a table, which it interpolates at every edge.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from common import finish

from equijax.data.formats import read_snapshot
from equijax.md.quench import quench
from equijax.network import Network
from equijax.nn.kernels import KERNELS, xla
from equijax.nn.radial import Filters, RadialBasis, interpolate
from equijax.predictor import Predictor
from equijax.snapshot import Snapshot


@dataclasses.dataclass(frozen=True)
class Settings:
    """What to compare.

    Attributes:
        run: folder of a trained run.
        snapshot: a configuration; its inherent structure is made if the run reads one.
        knots: numbers of knots to try.
        rounds: executions of kernel xla with and without a table, in alternation; medians count.
        out: JSON file to write.
    """

    run: Path
    snapshot: Path
    knots: tuple[int, ...] = (64, 128, 256, 512)
    rounds: int = 7
    out: Path = Path("radial_table.json")


def filter_errors(predictor: Predictor, knots: int) -> dict[str, float]:
    """Return the largest error of values and slopes over all layers, relative to the largest value and slope: table in float32, network in float64."""
    network, params = predictor.network, predictor.variables["params"]
    layers = []
    for graph in ("", "other_")[: network.graphs]:
        later = params[f"{graph}later"]["layer"]["convolution"] if network.layers > 1 else None
        layers += [params[f"{graph}first"]["convolution"]] + [jax.tree.map(lambda leaf, n=n: leaf[n], later) for n in range(network.layers - 1)]
    distances = np.random.default_rng(0).uniform(0.6, network.cutoff, 20000)
    worst = {"values": 0.0, "slopes": 0.0}
    for layer in layers:
        weights = np.concatenate([layer["filters"], layer["filter_bias"]])
        module = RadialBasis(network.cutoff, network.bessel, network.radial_hidden, network.envelope_power)

        def basis_of(parameters: Any, dtype: Any, module: RadialBasis = module) -> Callable[[jax.Array], jax.Array]:
            return cast(Any, module.apply({"params": parameters}, dtype))

        table = Filters(basis_of(layer["radial"], jnp.float32), jnp.asarray(weights), network.cutoff, knots).table() @ weights
        ours = [np.asarray(interpolate(table[:, k : k + 2], network.cutoff, jnp.asarray(distances, jnp.float32)), np.float64) for k in (0, 1)]
        with jax.enable_x64(True):
            exact = basis_of(jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), layer["radial"]), jnp.float64)
            r = jnp.asarray(distances)
            values, slopes = jax.jvp(lambda r, exact=exact, weights=weights: exact(r) @ np.asarray(weights, np.float64), (r,), (jnp.ones_like(r),))
            for name, ours_, theirs in (("values", ours[0], np.asarray(values)), ("slopes", ours[1], np.asarray(slopes))):
                worst[name] = max(worst[name], float(np.abs(ours_ - theirs).max() / np.abs(theirs).max()))
    return worst


def tabulated(features: Any, geometry: Any, filters: Filters, paths: Any) -> Any:
    """Convolve by kernel xla, with the basis from a table."""
    table = filters.table()[:, :2]
    return xla.convolve(features, geometry, dataclasses.replace(filters, basis=lambda distances: interpolate(table, filters.cutoff, distances)), paths)


def seconds(predictor: Predictor, snapshot: Snapshot, rounds: int) -> dict[str, dict[str, float]]:
    """Return the median seconds of a prediction and of the gradient with respect to the weights, by kernel xla without a table and with one."""
    KERNELS["xla-table"] = tabulated
    graph = predictor.graph(snapshot)
    programs: dict[str, dict[str, Callable[[Any], Any]]] = {}
    for kernel in ("xla", "xla-table"):
        network = Network(dataclasses.replace(predictor.network, kernel=kernel))

        def outputs(variables: Any, network: Network = network) -> jax.Array:
            return cast(jax.Array, network.apply(variables, graph))

        def loss(variables: Any, outputs: Callable[[Any], jax.Array] = outputs) -> jax.Array:
            return jnp.square(outputs(variables)).mean()

        programs[kernel] = {task: jax.jit(function).lower(predictor.variables).compile() for task, function in (("forward", outputs), ("gradient", jax.grad(loss)))}
    found = {kernel: {task: [] for task in tasks} for kernel, tasks in programs.items()}
    for _ in range(rounds):
        for kernel, tasks in programs.items():
            for task, program in tasks.items():
                start = time.perf_counter()
                jax.block_until_ready(program(predictor.variables))
                found[kernel][task].append(time.perf_counter() - start)
    return {kernel: {task: statistics.median(runs) for task, runs in tasks.items()} for kernel, tasks in found.items()}


def main(settings: Settings) -> None:
    """Compare and print the table."""
    predictor = Predictor.load(settings.run)
    snapshot = read_snapshot(settings.snapshot)
    if predictor.inputs.needs_quench and snapshot.inherent_positions is None:
        snapshot, _ = quench(snapshot)

    def predictions(kernel: str, knots: int) -> np.ndarray:
        changed = dataclasses.replace(predictor.network, kernel=kernel, table_knots=knots)
        return Predictor(changed, predictor.variables["params"], predictor.variables["batch_stats"], predictor.inputs, predictor.statistics).predict(snapshot).propensity

    exact = predictions("xla", 0)
    rows = []
    print("| knots | filters | slopes | predictions |\n|---|---|---|---|")
    for knots in settings.knots:
        row = {"knots": knots, **filter_errors(predictor, knots), "predictions": float(np.abs(predictions("native", knots) - exact).max() / exact.std())}
        rows.append(row)
        print(f"| {knots} | {row['values']:.1e} | {row['slopes']:.1e} | {row['predictions']:.1e} |", flush=True)
    timed = seconds(predictor, snapshot, settings.rounds)
    print("| kernel | forward s | gradient s |\n|---|---|---|")
    for kernel, tasks in timed.items():
        print(f"| {kernel} | {tasks['forward']:.3f} | {tasks['gradient']:.3f} |")
    finish(settings.out, settings, {"rows": rows, "seconds": timed})


if __name__ == "__main__":
    main(tyro.cli(Settings))

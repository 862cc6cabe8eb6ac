"""How long does the prediction for a very large configuration take, from positions to numbers, and how much memory?

    python benchmarks/million.py

The network has random weights and the configuration is a lattice with noise at the liquid's density: both cost what real ones cost.
"""

import dataclasses
import resource
import time
from pathlib import Path

import jax
import numpy as np
import tyro
from common import finish

from equijax.inputs import InputConfig
from equijax.network import Network, NetworkConfig
from equijax.predictor import Predictor
from equijax.statistics import Statistics
from equijax.testing import toy_snapshot


@dataclasses.dataclass(frozen=True)
class Settings:
    """What to time.

    Attributes:
        particles: about this many; a whole cube.
        layers, l_max, channels: shape of the network.
        shuffled: particles in random order, as in a file of a simulation that has run long, not in the order of the lattice.
        out: JSON file to write.
    """

    particles: int = 1000000
    layers: int = 8
    l_max: int = 2
    channels: int = 8
    shuffled: bool = True
    out: Path = Path("million.json")


def main(settings: Settings) -> None:
    """Time and print."""
    network = NetworkConfig(settings.layers, settings.l_max, settings.channels, activation="gate", batch_norm=False, decoder_hidden=(32, 32))
    inputs = InputConfig("thermal", energy=False)
    ones, zeros = [[1.0] * network.outputs] * 2, [[0.0] * network.outputs] * 2
    known = Statistics([0.0, 0.0], [1.0, 1.0], 1.0, zeros, ones, zeros, 0.0, [float(k) for k in range(network.outputs)])
    small = Predictor(network, {}, {}, inputs, known)
    params = jax.jit(Network(network).init)(jax.random.key(0), small.graph(toy_snapshot(6)))["params"]
    predictor = Predictor(network, params, {}, inputs, known)
    snapshot = toy_snapshot(round(settings.particles ** (1 / 3)), density=1.2)
    if settings.shuffled:
        order = np.random.default_rng(0).permutation(len(snapshot))
        snapshot = snapshot.replace(positions=snapshot.positions[order], types=snapshot.types[order])
    start = time.perf_counter()
    prediction = predictor.predict(snapshot)
    whole = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    start = time.perf_counter()
    predictor.graph(snapshot)
    searched = time.perf_counter() - start
    print(f"{len(snapshot)} particles: {whole:.1f} s with compilation, peak {peak:.1f} GiB; neighbours and graph by themselves, compiled, {searched:.1f} s")
    assert np.isfinite(prediction.propensity).all()
    finish(settings.out, settings, {"particles": len(snapshot), "seconds": whole, "graph_seconds": searched, "peak_gib": peak})


if __name__ == "__main__":
    main(tyro.cli(Settings))

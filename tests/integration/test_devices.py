"""One device and many give the same training and the same dynamics, on virtual CPU devices in a process of its own."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import dataclasses, sys
import jax, numpy as np
from equijax.data.samples import Sample
from equijax.data.pipeline import stack
from equijax.graph.graph import build_graph
from equijax.graph.neighbors import NeighborSearch
from equijax.network import Network, NetworkConfig
from equijax.testing import toy_snapshot
from equijax.train.config import OptimizerConfig
from equijax.train.mesh import make_mesh, replicated, spread
from equijax.train.optimizer import make_optimizer
from equijax.train.step import AXIS, initial_state, make_step

jax.config.update("jax_default_matmul_precision", "highest")
assert jax.device_count() == 8
config = NetworkConfig(layers=2, l_max=1, channels=3, outputs=2, cutoff=1.6, batch_norm=True)
samples = []
for seed in range(8):
    snapshot = toy_snapshot(4, seed=seed)
    graph = build_graph(NeighborSearch(snapshot.box, 1.6).pairs(snapshot.positions), snapshot.types, 1.6, nodes=70, slots=32)
    targets = np.random.default_rng(seed).standard_normal((70, 2)).astype(np.float32)
    samples.append(Sample(graph, targets, (np.arange(70) < 64 - 3 * seed).astype(np.float32)))
batch = stack(samples)
network, optimizer = Network(config, AXIS), make_optimizer(OptimizerConfig(warmup_steps=0), 10)
results = {}
for devices, geometric in ((1, False), (4, False), (8, False), (1, True), (8, True)):
    mesh = make_mesh(8, devices)
    state = jax.device_put(initial_state(network, optimizer, samples[0].graph, 0), replicated(mesh))
    step = make_step(network, optimizer, 0.9, mesh, mirror=True, seed=0, geometric=geometric)
    program = step.lower(state, jax.device_put(batch, spread(mesh))).compile().as_text()
    assert "all-gather" not in program
    for line in program.splitlines():
        if 'custom_call_target="equijax_forward"' in line:
            assert f"f32[{8 // devices},70," in line, line  # each device convolves its own graphs
    losses = []
    for _ in range(3):
        state, loss = step(state, jax.device_put(batch, spread(mesh)))
        losses.append(float(loss))
    assert len(jax.device_put(batch, spread(mesh)).targets.sharding.device_set) == devices
    results[devices, geometric] = losses, jax.tree.map(np.asarray, (state.params, state.batch_stats))
for devices, geometric in ((4, False), (8, False), (8, True)):
    # Sums in another order; Adam's first steps divide by the gradient's size, so parameters may differ by a few roundings times the rate.
    several, alone = results[devices, geometric], results[1, geometric]
    loss = np.abs(np.subtract(several[0], alone[0])).max()
    leaves = [jax.tree.leaves(result[1]) for result in (several, alone)]
    change = max(np.abs(a - b).max() for a, b in zip(*leaves, strict=True))
    print(devices, geometric, loss, change)
    assert loss < 1e-6 * max(alone[0]), loss
    assert change < 1e-5, change
"""

DYNAMICS = """
import jax, numpy as np
from equijax.md.dynamics import Dynamics
from equijax.md.integrators import Ensemble, maxwell
from equijax.simulate.config import Mixture
from equijax.simulate.engine import JaxMd
from equijax.simulate.liquid import lattice, make_system

assert jax.device_count() == 8
mixture = Mixture(216)
system = make_system(mixture, 0)
start = lattice(mixture, 8, 0)
momenta = maxwell(0, start.shape, 1.0)
for kind in ("nve", "nose-hoover"):
    ensemble = Ensemble(kind, 1.0)
    spread = Dynamics(system, ensemble, jax.devices())
    moving = spread.advance(spread.start(start, momenta), 100)
    assert len(moving.positions.sharding.device_set) == 8
    alone = Dynamics(system, ensemble)
    for r in range(8):
        mine = alone.advance(alone.start(start[r : r + 1], momenta[r : r + 1]), 100)
        # The first forces are taken of all replicas at once, and vectors of another length round in another way.
        assert np.abs(np.asarray(moving.positions[r]) - np.asarray(mine.positions[0])).max() < 1e-4
session = JaxMd(system).session(Ensemble("nve", 1.0), start[:6], momenta[:6], 0)
assert len(session._moving.positions.sharding.device_set) == 6
"""


def run(script):
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout


@pytest.mark.slow
def test_a_replica_on_a_device_of_its_own_goes_as_alone():
    run(DYNAMICS)


@pytest.mark.slow
def test_four_and_eight_devices_train_as_one_does():
    run(SCRIPT)


def test_a_batch_must_divide_by_the_devices():
    from equijax.errors import ConfigError
    from equijax.train.mesh import make_mesh

    with pytest.raises(ConfigError, match="a batch of 3 cannot be spread over 2 devices"):
        make_mesh(3, 2)

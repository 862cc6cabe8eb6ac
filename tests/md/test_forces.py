"""Native forces beside those of XLA."""

import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from equijax.graph import tables
from equijax.graph.tables import Tables, fixed_point
from equijax.md import forces
from equijax.md.dynamics import Dynamics
from equijax.md.forces import PairForces
from equijax.md.integrators import Ensemble, maxwell
from equijax.md.kob_andersen import KOB_ANDERSEN, PairPotential
from tests.sanitized import assert_no_sanitizer_complains

needs_native = pytest.mark.skipif(shutil.which("c++") is None, reason="needs a C++ compiler")
THREE_TYPES = PairPotential(((1.0, 1.5, 0.7), (1.5, 0.5, 1.0), (0.7, 1.0, 0.9)), ((1.0, 0.8, 0.9), (0.8, 0.88, 0.7), (0.9, 0.7, 0.6)))


def apart(rng, count, box):
    """Points (count, d) of the box on a lattice that is shaken."""
    along = int(np.ceil(count ** (1 / len(box))))
    lattice = np.stack(np.meshgrid(*(np.arange(along),) * len(box)), -1).reshape(-1, len(box))[:count]
    return (lattice + rng.uniform(-0.1, 0.1, lattice.shape)) * box / along


@needs_native
@pytest.mark.parametrize(
    ("count", "replicas", "box", "potential"),
    [(1000, 1, (9.4,) * 3, KOB_ANDERSEN), (333, 3, (7.0, 7.5, 8.0), KOB_ANDERSEN), (399, 2, (19.0, 20.0), KOB_ANDERSEN), (500, 1, (7.6,) * 3, THREE_TYPES)],
)
def test_native_forces_equal_those_of_xla(x64, count, replicas, box, potential):
    """To 2e-6 of the largest, as both equal those of double precision (`test_dynamics`), for particles in any image."""
    rng = np.random.default_rng(0)
    box, types = np.array(box), rng.integers(0, len(potential.sigma), count).astype(np.int32)
    positions = np.stack([apart(rng, count, box) for _ in range(replicas)])
    made = Tables(box, types, potential.cut * np.asarray(potential.sigma) + 0.3)
    coordinates = fixed_point(jnp.asarray(positions), jnp.asarray(box))
    made.make_room(np.asarray(coordinates))
    table, _ = made(coordinates)
    there = jnp.asarray((positions + box * rng.integers(-2, 3, positions.shape)).reshape(-1, len(box)))
    native, xla = (PairForces(box, types, potential, native=native).forces(there, table) for native in (True, False))
    assert np.abs(native - xla).max() < 2e-6 * np.abs(xla).max()
    again = PairForces(box, types, potential, native=True).forces(there, table)
    assert (np.asarray(native) == np.asarray(again)).all()


@needs_native
def test_a_neighbour_that_does_not_exist_is_an_error(x64):
    pairs = PairForces(np.full(3, 6.0), np.zeros(20, int), KOB_ANDERSEN, native=True)
    with pytest.raises(jax.errors.JaxRuntimeError, match="a neighbour that does not exist"):
        jax.block_until_ready(pairs.forces(jnp.zeros((20, 3)), jnp.full((4, 20), 20, jnp.int32)))


@needs_native
def test_dynamics_use_native_forces_beside_native_tables_alone(start):
    system, _ = start
    assert Dynamics(system, Ensemble("nve", 0.56)).pairs.native
    assert not Dynamics(system, Ensemble("nve", 0.56), tables="jax-md").pairs.native
    assert not Dynamics(system, Ensemble("nve", 0.56), double=True).pairs.native


def test_without_a_library_xla_takes_the_forces(monkeypatch, start):
    system, positions = start
    monkeypatch.setattr(forces.LIBRARY, "why_not", lambda: "not built")
    dynamics = Dynamics(system, Ensemble("nve", 0.56))
    assert not dynamics.pairs.native
    moving = dynamics.advance(dynamics.start(positions[None], maxwell(0, (1, *positions.shape), 0.56)), 5)
    assert np.isfinite(np.asarray(moving.positions)).all()


@pytest.mark.slow
@needs_native
def test_trajectories_follow_those_of_double_precision_at_first(start):
    """A liquid is chaotic: after one time unit rounding has grown from 1e-6 to less than 1e-3, by native forces and by those of XLA alike."""
    system, positions = start
    momenta = maxwell(3, (1, *positions.shape), 0.56)
    exact, native = (Dynamics(system, Ensemble("nve", 0.56), double=double) for double in (True, False))
    ends = [np.asarray(one.advance(one.start(positions[None], momenta), 200).positions) for one in (exact, native)]
    assert np.abs(ends[0] - ends[1]).max() < 1e-3


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_no_sanitizer_complains(tmp_path):
    """Addresses and undefined behaviour, for every instruction set of this machine, with all pairs in double precision beside it."""
    source = Path(forces.__file__).parent / "native"
    include = (source, Path(tables.__file__).parent / "native")
    assert_no_sanitizer_complains(tmp_path, source / "forces.cc", Path(__file__).with_name("forces_driver.cc"), include)

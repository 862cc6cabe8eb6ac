import dataclasses
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from equijax.errors import ConfigError, ConvergenceError, SnapshotError
from equijax.graph.tables import Tables, fixed_point
from equijax.md import dynamics as dynamics_module
from equijax.md.cage import CageFinder
from equijax.md.dynamics import Dynamics
from equijax.md.forces import PairForces
from equijax.md.integrators import Ensemble, maxwell
from equijax.md.system import System
from equijax.simulate.config import Mixture
from equijax.simulate.liquid import lattice, make_system

LIQUID = 0.56


def table_of(system, positions, skin=0.3):
    cuts = system.potential.cut * np.asarray(system.potential.sigma)
    made = Tables(system.box, system.types, cuts + skin)
    coordinates = fixed_point(jnp.asarray(positions[None]), jnp.asarray(system.box))
    made.make_room(np.asarray(coordinates))
    return made(coordinates)[0]


def run(dynamics, positions, steps, replicas=1, seed=0):
    start = np.repeat(positions[None], replicas, 0)
    moving = dynamics.start(start, maxwell(seed, start.shape, dynamics.ensemble.temperature), seed)
    return moving, dynamics.advance(moving, steps)


def total_energy(dynamics, moving):
    return dynamics.potential_energy(moving) + 0.5 * (np.asarray(moving.momenta) ** 2).sum((1, 2)) / len(dynamics.system)


@pytest.mark.parametrize(("double", "tolerance"), [(True, 1e-12), (False, 2e-6)])
def test_forces_and_energies_equal_lammps(golden, start, x64, double, tolerance):
    """Relative to the largest force; single precision has coordinates exact to 2e-9 and float32 arithmetic."""
    system, positions = start
    table = table_of(system, positions)
    pairs = PairForces(system.box, system.types, system.potential, double)
    for images in (0, 3):
        there = jnp.asarray(positions + images * system.box)
        forces, energies = pairs.forces(there, table), pairs.energies(there, table)
        # Adding images rounds float64 positions by 4e-15 of their size, and forces change by a thousand times as much.
        bound = tolerance if images == 0 else max(tolerance, 1e-11)
        assert np.abs(forces - golden["thermal_forces"]).max() < bound * np.abs(golden["thermal_forces"]).max()
        assert np.abs(energies - golden["thermal_energy"]).max() < bound * np.abs(golden["thermal_energy"]).max()


def test_forces_are_the_gradient_of_the_energy(start, x64):
    system, positions = start
    table = table_of(system, positions)
    pairs = PairForces(system.box, system.types, system.potential, double=True)
    gradient = jax.grad(lambda x: pairs.energies(x, table).sum())(jnp.asarray(positions))
    assert np.abs(gradient + pairs.forces(jnp.asarray(positions), table)).max() < 1e-9


@pytest.mark.slow
def test_energy_does_not_drift_over_thirty_time_units(start):
    """At time step 0.005. The jump of the force at the cut moves the energy of each replica up or down by 1e-4, in float64 as well; the mean stays."""
    system, positions = start
    dynamics = Dynamics(system, Ensemble("nve", LIQUID))
    begin, end = run(dynamics, positions, 6000, replicas=8)
    change = total_energy(dynamics, end) - total_energy(dynamics, begin)
    assert abs(change.mean()) < 1e-4
    assert np.abs(change).max() < 5e-4


def test_momentum_is_conserved(start):
    system, positions = start
    _, end = run(Dynamics(system, Ensemble("nve", LIQUID)), positions, 500)
    assert np.abs(np.asarray(end.momenta).sum(1)).max() < 1e-3, "forces of pairs cancel to float32 rounding: 1000 particles, 500 steps"


@pytest.mark.parametrize("kind", ["langevin", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("nve", "nose-hoover"))])
def test_the_liquid_as_a_whole_stays_where_it_is(start, kind):
    """Noise would carry all particles away together, which a displacement cannot tell from motion in the liquid."""
    system, positions = start
    begin, end = run(Dynamics(system, Ensemble(kind, LIQUID)), positions, 400, replicas=2)
    assert np.abs((np.asarray(end.positions) - np.asarray(begin.positions)).mean(1)).max() < 1e-4


def test_replicas_that_take_turns_move_as_if_alone(start):
    """Bit for bit: each has tables of its own, made when its own particles have moved far enough."""
    system, positions = start
    momenta = maxwell(3, (3, *positions.shape), LIQUID)
    dynamics = Dynamics(system, Ensemble("nve", LIQUID))
    assert dynamics._groups(3) == 3
    many = dynamics.advance(dynamics.start(np.repeat(positions[None], 3, 0), momenta), 60)
    for k in range(3):
        one = dynamics.advance(dynamics.start(positions[None], momenta[k : k + 1]), 60)
        assert (np.asarray(one.positions)[0] == np.asarray(many.positions)[k]).all()


@pytest.mark.slow
def test_starting_again_makes_no_new_room(start):
    system, positions = start
    for method in ("auto", "jax-md"):
        dynamics = Dynamics(system, Ensemble("nve", LIQUID), tables=method)
        slots = set()
        for seed in range(4):
            run(dynamics, positions, 5, seed=seed)
            slots.add(dynamics.tables.slots)
        assert len(slots) == 1


@pytest.mark.parametrize("method", ["auto", pytest.param("jax-md", marks=pytest.mark.slow)])
def test_a_segment_without_room_is_run_again(start, method):
    """A lattice melts: the densest neighbourhood grows after the table was sized."""
    system, positions = start
    dynamics, roomy = (Dynamics(system, Ensemble("nve", LIQUID), tables=method) for _ in range(2))
    momenta = maxwell(0, (1, *positions.shape), LIQUID)
    moving = dynamics.start(positions[None], momenta)
    enough = dynamics.tables.slots
    if dynamics.tables.method == "native":
        dynamics.tables.slots = 90
    else:
        known = dynamics.tables._jax_md._list
        dynamics.tables._jax_md._list = dataclasses.replace(known, idx=known.idx[:, :90], max_occupancy=90)
        dynamics.tables.slots = dynamics.tables._jax_md.slots = 90
    end = dynamics.advance(moving, 60)
    assert dynamics.tables.slots >= 100
    expected = roomy.advance(roomy.start(positions[None], momenta), 60)
    assert np.abs(np.asarray(end.positions) - np.asarray(expected.positions)).max() < 1e-5
    assert enough > 90


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "tolerance"), [("nose-hoover", 0.004), ("langevin", 0.008)])
def test_a_small_system_has_the_temperature_it_was_given(kind, tolerance):
    """With 216 particles the total momentum is half a percent of the degrees of freedom: it must not be counted. Velocities of BAOAB at this step are a
    little too cold (its positions are what it gets right)."""
    mixture = Mixture(216)
    system, begin = make_system(mixture, 0), lattice(mixture, 8, 0)
    dynamics = Dynamics(system, Ensemble(kind, 2.0, relaxation=0.1))
    moving = dynamics.advance(dynamics.start(begin, maxwell(0, begin.shape, 2.0)), 1000)
    samples = []
    for _ in range(300):
        moving = dynamics.advance(moving, 20)
        samples.append(dynamics.temperature(moving))
    assert abs(np.mean(samples) / 2.0 - 1) < tolerance, "2400 samples that fluctuate by 6 %, every other of them new"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["nose-hoover", "langevin"])
def test_thermostats_bring_the_temperature(start, kind):
    """From velocities at another temperature.

    The mean over 60 samples of 4 replicas is known to 0.3 %, and Langevin dynamics at this step is 0.3 % exact: 1.25 % is three times both together.
    """
    system, positions = start
    dynamics = Dynamics(system, Ensemble(kind, LIQUID, relaxation=0.3))
    begin = np.repeat(positions[None], 4, 0)
    moving = dynamics.start(begin, maxwell(0, begin.shape, 0.9), 1)
    moving = dynamics.advance(moving, 1000)
    samples = []
    for _ in range(60):
        moving = dynamics.advance(moving, 25)
        samples.append(dynamics.temperature(moving))
    assert abs(np.mean(samples) / LIQUID - 1) < 0.0125
    # The fluctuations are those of the canonical ensemble, T sqrt(2 / f), not those of rescaled velocities.
    assert np.std(samples) == pytest.approx(LIQUID * (2 / system.degrees_of_freedom) ** 0.5, rel=0.3)


def test_replicas_are_independent(start, monkeypatch):
    """Together or alone, a replica goes the same way, to what the order of sums leaves: tables are made at other steps."""
    monkeypatch.setattr(dynamics_module, "TOGETHER", 10**6)
    system, positions = start
    dynamics = Dynamics(system, Ensemble("nve", LIQUID))
    assert dynamics._groups(3) == 1
    momenta = maxwell(3, (3, *positions.shape), LIQUID)
    together = dynamics.advance(dynamics.start(np.repeat(positions[None], 3, 0), momenta), 100)
    for r in range(3):
        alone = dynamics.advance(dynamics.start(positions[None], momenta[r : r + 1]), 100)
        assert np.abs(np.asarray(together.positions[r]) - np.asarray(alone.positions[0])).max() < 1e-4


@pytest.mark.parametrize("kind", ["nose-hoover", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("nve", "langevin"))])
def test_a_run_in_pieces_is_bitwise_repeatable(start, kind):
    system, positions = start
    ends = []
    for _ in range(2):
        dynamics = Dynamics(system, Ensemble(kind, LIQUID))
        _, moving = run(dynamics, positions, 130, replicas=2)
        ends.append(np.asarray(dynamics.advance(moving, 70).positions))
    np.testing.assert_array_equal(*ends)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="needs a C++ compiler")
def test_jax_md_tables_move_particles_as_native_ones_do(start):
    system, positions = start
    ends = [np.asarray(run(Dynamics(system, Ensemble("nve", LIQUID), tables=method), positions, 100)[1].positions) for method in ("native", "jax-md")]
    assert np.abs(ends[0] - ends[1]).max() < 1e-4, "another order of sums, a hundred steps later"


def test_single_precision_follows_double(start):
    system, positions = start
    ends = [np.asarray(run(Dynamics(system, Ensemble("nve", LIQUID), double=double), positions, 100)[1].positions) for double in (False, True)]
    assert np.abs(ends[0] - ends[1]).max() < 1e-4


@pytest.mark.slow
def test_two_dimensions():
    """A square of discs keeps its energy and stays in its plane of two coordinates."""
    rng, n = np.random.default_rng(0), 400
    side = (n / 1.1) ** 0.5
    sites = np.stack(np.meshgrid(*[np.arange(20)] * 2), -1).reshape(-1, 2) * side / 20
    system = System(rng.permutation(np.repeat([0, 1], [260, 140])).astype(np.int32), np.full(2, side))
    dynamics = Dynamics(system, Ensemble("langevin", 0.5, relaxation=0.1))
    moving = dynamics.advance(dynamics.start(sites[None], maxwell(0, (1, n, 2), 0.5)), 2000)
    free = Dynamics(system, Ensemble("nve", 0.5))
    begin = free.start(np.asarray(moving.positions), np.asarray(moving.momenta))
    end = free.advance(begin, 1000)
    assert np.abs(total_energy(free, end) - total_energy(free, begin)).max() < 2e-4
    assert dynamics.temperature(moving)[0] == pytest.approx(0.5, rel=0.2)


@pytest.mark.slow
def test_cages_hold_and_their_middle_is_near(start):
    system, positions = start
    find = CageFinder(system, LIQUID)
    cages, again = find(positions), find(positions, 1)
    away = np.linalg.norm(cages - positions, axis=1)
    assert away.max() < 0.36, "the radius of a cage and what the wall gives way"
    assert 0.05 < away.mean() < 0.2, "a particle rattles by a tenth of its diameter"
    known = np.sqrt(((cages - again) ** 2).sum(1).mean() / 2)
    assert known < 0.012, "0.007 for 1000 particles of this temperature; friction of one time unit and half as many walkers leave 0.014"


def test_cages_take_the_step_of_free_dynamics_where_a_longer_one_does_not_fit(start):
    system, _ = start
    for step, taken in ((0.005, 0.01), (0.02, 0.02)):
        assert CageFinder(system, LIQUID, time_step=step)._dynamics.ensemble.time_step == pytest.approx(taken)
    with pytest.raises(ConfigError, match=r"time step 0\.1 at temperature"):
        CageFinder(system, LIQUID, time_step=0.1)


def test_bad_input(start):
    system, positions = start
    with pytest.raises(ConfigError, match="ensemble 'nvt'; expected nve"):
        Ensemble("nvt")
    with pytest.raises(ConfigError, match="time_step is -1"):
        Ensemble(time_step=-1.0)
    with pytest.raises(ConfigError, match="use a smaller time step"):
        Dynamics(system, Ensemble("nve", LIQUID, time_step=0.1))
    with pytest.raises(SnapshotError, match="below half"):
        Dynamics(System(np.zeros(50, np.int32), np.full(3, 4.9)), Ensemble())
    on_top = positions.copy()
    on_top[1] = on_top[0] + 0.01
    with pytest.raises(ConvergenceError, match="blew up"):
        run(Dynamics(system, Ensemble("nve", LIQUID)), on_top, 10)
    with pytest.raises(ConvergenceError, match="crowd together"):
        run(Dynamics(system, Ensemble("nve", LIQUID)), 0.2 * positions, 10)

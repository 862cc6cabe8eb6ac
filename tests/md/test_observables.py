"""What is measured along trajectories and of configurations, against cases that are known by hand."""

import numpy as np
import pytest

from equijax.md.bonds import Bonds
from equijax.md.kob_andersen import KOB_ANDERSEN
from equijax.md.observables import chi_4, mean_squared_displacement, overlap, relaxation_time, self_intermediate
from equijax.md.structure import pair_correlation, structure_factor
from equijax.md.system import System


def test_an_ideal_gas_has_no_structure():
    """g = 1 and S = 1 at random positions: 8 configurations of 1000 give g to 1 % over wide shells, S to 2 % over hundreds of wave vectors."""
    system = System(np.array([0] * 800 + [1] * 200), np.array([9.0, 10.0, 11.0]), KOB_ANDERSEN)
    positions = np.random.default_rng(0).random((8, 1000, 3)) * system.box
    found = pair_correlation(system, positions, bins=20)
    for name in ("AA", "AB"):
        assert found[name][8:] == pytest.approx(1, abs=0.03)
        assert found[name][8:].mean() == pytest.approx(1, abs=0.01)
    assert found["BB"][8:].mean() == pytest.approx(1, abs=0.02)
    factor = structure_factor(system, positions)
    # A wave vector gives an exponential distribution of mean one; 8 configurations and up to 60 vectors a shell.
    assert factor["all"][5:].mean() == pytest.approx(1, abs=0.02)
    assert factor["A"][5:].mean() == pytest.approx(1, abs=0.02)


def test_a_lattice_has_one_shell_after_the_other_and_bragg_peaks():
    cells, spacing = 8, 1.25
    sites = spacing * np.stack(np.meshgrid(*[np.arange(cells)] * 3, indexing="ij"), -1).reshape(-1, 3).astype(float)
    system = System(np.zeros(cells**3, int), np.full(3, cells * spacing), KOB_ANDERSEN)
    found = pair_correlation(system, sites[None] + 0.01, longest=2.0, bins=40)
    shell = 4 / 3 * np.pi * np.diff((found["r"][0] * 2 * np.arange(41)) ** 3)
    neighbours = found["AA"] * shell * cells**3 / (cells * spacing) ** 3
    assert neighbours[(found["r"] > 1.2) & (found["r"] < 1.3)].sum() * (cells**3 - 1) / cells**3 == pytest.approx(6, rel=0.01)
    assert neighbours[(found["r"] > 1.7) & (found["r"] < 1.8)].sum() * (cells**3 - 1) / cells**3 == pytest.approx(12, rel=0.01)
    factor = structure_factor(system, sites[None], largest=2 * np.pi / spacing * 1.01)
    bragg = np.argmin(np.abs(factor["k"] - 2 * np.pi / spacing))
    # The shell of the first Bragg vectors holds others of about its length, at which the sum vanishes.
    assert 0 < factor["all"][bragg] <= cells**3
    assert np.abs(np.delete(factor["all"], bragg)).max() < 1e-20 * cells**6


def test_bonds_break_at_their_own_lengths_also_across_the_boundary():
    """One pair of each kind: bonded below 1.5 sigma_ab, broken above 1.7 sigma_ab."""
    sigma = np.asarray(KOB_ANDERSEN.sigma)
    for kinds in ((0, 0), (0, 1), (1, 1)):
        length, box = sigma[kinds], np.full(3, 8.0)
        system = System(np.array(kinds), box, KOB_ANDERSEN)

        def pair(distance):
            return np.array([[7.9, 1.0, 1.0], [7.9 + distance - 8.0, 1.0, 1.0]])

        assert len(Bonds(system, pair(1.499 * length)).pairs) == 1
        assert len(Bonds(system, pair(1.501 * length)).pairs) == 0
        bonds = Bonds(system, pair(1.2 * length))
        assert bonds.broken(pair(1.699 * length)).tolist() == [0, 0]
        assert bonds.broken(pair(1.701 * length)).tolist() == [1, 1]
        assert Bonds(system, pair(1.501 * length)).broken(pair(3 * length)).tolist() == [0, 0]


def test_the_share_of_broken_bonds_is_each_particles_own():
    """A chain of three: the middle one loses one bond of two, the end that left its only one."""
    system = System(np.zeros(3, int), np.full(3, 12.0), KOB_ANDERSEN)
    start = np.array([[1.0, 1, 1], [2.2, 1, 1], [3.4, 1, 1]])
    later = start + np.array([[0, 0, 0], [0, 0, 0], [0.8, 0, 0]])
    assert Bonds(system, start).broken(later).tolist() == [0, 0.5, 1]


def test_what_displacements_tell():
    moved = np.zeros((2, 4, 3))
    moved[0, :, 0] = [0.0, 0.2, 0.4, 1.0]
    assert mean_squared_displacement(moved).tolist() == pytest.approx([0.3, 0])
    assert overlap(moved).tolist() == [0.5, 1]
    assert self_intermediate(moved, 2.0)[0] == pytest.approx(np.mean([1, np.sin(0.4) / 0.4, np.sin(0.8) / 0.8, np.sin(2) / 2]))
    assert self_intermediate(moved, 2.0)[1] == 1


def test_chi_4_of_independent_particles_is_that_of_a_coin():
    """N particles that overlap with probability p: N var(Q) = p (1 - p); twenty thousand samples know a variance to 1 %."""
    overlaps = np.random.default_rng(0).binomial(50, 0.3, size=(20_000, 2)) / 50
    assert chi_4(overlaps, 50) == pytest.approx(0.21, rel=0.03)
    assert chi_4(np.array([[0.0], [1.0]]), 10).tolist() == [5]


def test_the_relaxation_time_of_an_exponential():
    times = np.geomspace(0.1, 100, 400)
    assert relaxation_time(times, np.exp(-times / 7)) == pytest.approx(7, rel=1e-4)
    assert relaxation_time(times, np.full(400, 0.5)) is None
    assert relaxation_time(times, np.full(400, 0.1)) is None

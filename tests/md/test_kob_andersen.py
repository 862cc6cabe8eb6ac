from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from equijax.data.formats import read_snapshot
from equijax.graph.neighbors import Searches
from equijax.md.kob_andersen import KOB_ANDERSEN, particle_energies
from equijax.periodic import minimum_image
from equijax.snapshot import Snapshot

GOLDEN = Path(__file__).parent.parent / "regression" / "kob_andersen_lammps.npz"


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as archive:
        return {key: archive[key] for key in archive.files}


@pytest.mark.parametrize(("first", "second", "epsilon", "sigma"), [(0, 0, 1.0, 1.0), (0, 1, 1.5, 0.8), (1, 0, 1.5, 0.8), (1, 1, 0.5, 0.88)])
def test_pair_energies_by_hand(x64, first, second, epsilon, sigma):
    def by_hand(r):
        return 4 * epsilon * ((sigma / r) ** 12 - (sigma / r) ** 6)

    r = sigma * np.array([0.9, 1.0, 2 ** (1 / 6), 2.0, 2.4999])
    kinds = jnp.full(5, first), jnp.full(5, second)
    energy = KOB_ANDERSEN.energy(jnp.asarray(r**2), *kinds)
    assert np.abs(energy - (by_hand(r) - by_hand(2.5 * sigma))).max() < 1e-12
    beyond = KOB_ANDERSEN.energy(jnp.array([(2.5 * sigma) ** 2, 9.0, 0.0]), *(kind[:3] for kind in kinds))
    assert np.abs(beyond).max() < 1e-12  # at the cut itself rounding decides on which side it lies


@pytest.mark.parametrize("which", ["thermal", "inherent"])
def test_energies_equal_lammps_particle_by_particle(golden, which):
    snapshot = Snapshot(golden["thermal_positions"], golden["types"], golden["box"])
    energy = particle_energies(snapshot, golden[f"{which}_positions"])
    assert np.abs(energy - golden[f"{which}_energy"]).max() < 1e-9


def test_forces_equal_lammps(golden, x64):
    positions, types, box = jnp.asarray(golden["thermal_positions"]), jnp.asarray(golden["types"].astype(int)), np.full(3, golden["box"])
    first, second = np.triu_indices(len(positions), 1)
    near = np.linalg.norm(minimum_image(np.asarray(positions)[second] - np.asarray(positions)[first], box), axis=1) < 2.5
    first, second = first[near], second[near]

    def energy(x):
        vectors = x[second] - x[first]
        vectors = vectors - box * jnp.round(vectors / box)
        return KOB_ANDERSEN.energy((vectors**2).sum(1), types[first], types[second]).sum()

    assert np.abs(-jax.grad(energy)(positions) - golden["thermal_forces"]).max() < 1e-9


def test_energies_of_real_configurations_equal_lammps(golden, real_files):
    searches = Searches(KOB_ANDERSEN.cutoff)
    for file, expected in zip(real_files, golden["botan_thermal_energy"], strict=True):
        snapshot = read_snapshot(file)
        assert particle_energies(snapshot, snapshot.positions, searches).mean() == pytest.approx(expected, abs=1e-9)

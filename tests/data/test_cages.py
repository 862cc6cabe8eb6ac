"""Cage positions for configurations that come without: where they are, that they are found once, and what is refused."""

import numpy as np
import pytest

from equijax.cli import main
from equijax.data.cache import Cache
from equijax.data.cages import Cages
from equijax.data.convert import write_snapshots
from equijax.data.formats import read_snapshots
from equijax.errors import ConfigError, SnapshotError
from equijax.inputs import displacement


@pytest.fixture(scope="module")
def caged(liquid, tmp_path_factory):
    cache = Cache(tmp_path_factory.mktemp("cache"))
    return Cages(cache)(liquid), cache


def test_cages_point_where_inherent_structures_do(liquid, caged):
    """A particle's mean position in its cage and the minimum below it are each other's neighbours: both far from the snapshot, in one direction."""
    to_cage, to_minimum = displacement(caged[0], "cage"), displacement(liquid, "inherent")
    assert np.linalg.norm(to_cage, axis=1).max() < 0.4  # radius, and what the wall lets through
    cosine = (to_cage * to_minimum).sum() / np.sqrt((to_cage**2).sum() * (to_minimum**2).sum())
    assert cosine > 0.7
    assert np.linalg.norm(to_cage - to_minimum, axis=1).mean() < 0.7 * np.linalg.norm(to_minimum, axis=1).mean()


def test_cages_are_found_once_and_those_there_are_kept(liquid, caged, monkeypatch):
    found, cache = caged
    monkeypatch.setattr("equijax.data.short_dynamics.ShortDynamics.__call__", None)
    assert np.array_equal(Cages(cache)(liquid.replace(name="other")).cage_positions, found.cage_positions)
    mine = liquid.replace(cage_positions=liquid.positions)
    assert Cages(Cache(None))(mine) is mine
    for other in ({"radius": 0.2}, {"walkers": 4}):
        with pytest.raises(TypeError):
            Cages(cache, **other)(liquid)


def test_the_order_of_the_particles_does_not_matter(liquid, caged):
    """Another order has other noise: sixteen walkers know a cage's centre to a hundredth, a particle exchanged for another would be off by the box."""
    order = np.random.default_rng(0).permutation(len(liquid))
    shuffled = liquid.replace(**{name: getattr(liquid, name)[order] for name in ("positions", "types", "inherent_positions", "inherent_energy", "propensity")})
    shuffled = shuffled.replace(propensity_halves=liquid.propensity_halves[:, order])
    difference = Cages(caged[1])(shuffled).cage_positions - caged[0].cage_positions[order]
    assert np.linalg.norm(difference, axis=1).mean() < 0.02


def test_what_has_no_cages_is_refused(liquid):
    with pytest.raises(SnapshotError, match="nothing says at which temperature its particles should move; give --temperature"):
        Cages(Cache(None))(liquid.replace(temperature=None))
    with pytest.raises(SnapshotError, match="all particles lie in a plane"):
        Cages(Cache(None))(liquid.replace(positions=liquid.positions * [1, 1, 0]))
    with pytest.raises(SnapshotError, match=r"has the inherent energy -12\.\d+ per particle, where the Kob-Andersen potential gives its inherent positions -7\.6\d+"):
        Cages(Cache(None))(liquid.replace(inherent_energy=liquid.inherent_energy - 5))
    with pytest.raises(ConfigError, match="the radius of the cages is 0"):
        Cages(Cache(None), radius=0)
    with pytest.raises(ConfigError, match="walkers is 0"):
        Cages(Cache(None), walkers=0)


def test_the_command_adds_cages_to_a_file(liquid, caged, tmp_path, monkeypatch):
    monkeypatch.setenv("EQUIJAX_CACHE", str(caged[1].folder))
    write_snapshots(tmp_path / "liquid.h5", [liquid])
    main(["data", "cages", str(tmp_path / "liquid.h5"), "--out", str(tmp_path / "caged.extxyz")])
    (read,) = read_snapshots(tmp_path / "caged.extxyz")
    np.testing.assert_allclose(read.cage_positions, caged[0].cage_positions, atol=1e-7)

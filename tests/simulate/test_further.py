"""Further trajectories: what they measure, and how it is weighed with what was known."""

import dataclasses

import numpy as np
import pytest

from equijax.data.cache import Cache
from equijax.errors import ConfigError, DataFormatError, SnapshotError
from equijax.metrics import pearson
from equijax.simulate.further import FurtherTrajectories


@pytest.fixture(scope="module")
def short(liquid):
    """At the two shortest times, and the next to be left alone."""
    return liquid.at([0, 1, 2])


def test_they_are_weighed_by_their_number(short, tmp_path):
    """Eight more give 8 / (8 + n) of what they measure, and n before them keep n / (8 + n); the last time is not theirs."""
    further = FurtherTrajectories(8, 0.6, Cache(tmp_path))
    nothing = dataclasses.replace(short, propensity=0 * short.propensity, propensity_halves=0 * short.propensity_halves)
    for count in (2, 8):
        one = further(nothing.replace(trajectories=count))
        assert one.trajectories.tolist() == [count + 8, count + 8, count]
        assert not one.propensity[:, 2].any()
        assert not one.propensity_halves[:, :, 2].any()
        np.testing.assert_allclose(one.propensity_halves.mean(0), one.propensity, atol=1e-7)
        kept = further(short.replace(trajectories=count)).propensity - one.propensity
        np.testing.assert_allclose(kept[:, :2], short.propensity[:, :2] * count / (8 + count), atol=1e-7)
        # Sixteen trajectories measured the file's, from the same configuration.
        measured = one.propensity[:, :2] * (8 + count) / 8
        np.testing.assert_allclose(measured.mean(0), short.propensity[:, :2].mean(0), rtol=0.03)
        for t in (0, 1):
            assert pearson(measured[:, t], short.propensity[:, t]) > 0.75


def test_they_lower_the_noise(short, tmp_path):
    """The halves of sixteen trajectories and forty-eight more are more alike than those of sixteen."""
    more = FurtherTrajectories(48, 0.2, Cache(tmp_path))(short)
    alike = [pearson(*one.propensity_halves[:, short.types == 0, 0]) for one in (short, more)]
    assert alike[1] > alike[0] + 0.05
    assert np.array_equal(more.propensity[:, 1:], short.propensity[:, 1:])


def test_they_can_be_measured_again_by_others(short, tmp_path):
    """A second time adds trajectories that are not those of the first, and is repeated from the cache; counts add up for each time."""
    nothing = dataclasses.replace(short, propensity=0 * short.propensity, propensity_halves=0 * short.propensity_halves, trajectories=np.array([2, 2, 2]))
    once = FurtherTrajectories(4, 0.6, Cache(tmp_path))(nothing)
    twice = FurtherTrajectories(4, 0.2, Cache(tmp_path))(once)
    assert once.trajectories.tolist() == [6, 6, 2]
    assert twice.trajectories.tolist() == [10, 6, 2]
    assert np.array_equal(twice.propensity[:, 1:], once.propensity[:, 1:])
    first = once.propensity[:, 0] * 6 / 4
    second = (twice.propensity[:, 0] * 10 - once.propensity[:, 0] * 6) / 4
    # Two sets of four share what the configuration says and nothing else: as alike as the halves of sixteen, from eight to four by Spearman and Brown.
    alike = pearson(*short.propensity_halves[:, :, 0])
    expected = alike / (alike + 2 * (1 - alike))
    assert pearson(first, second) == pytest.approx(expected, abs=0.1)
    again = FurtherTrajectories(4, 0.2, Cache(tmp_path))(once)
    assert np.array_equal(again.propensity, twice.propensity)


def test_what_cannot_be_measured_again_is_refused(short):
    with pytest.raises(ConfigError, match="3 further trajectories; expected an even number"):
        FurtherTrajectories(3, 1.0, Cache(None))
    with pytest.raises(ConfigError, match="until -1"):
        FurtherTrajectories(2, -1.0, Cache(None))
    further = FurtherTrajectories(2, 0.1, Cache(None))
    with pytest.raises(DataFormatError, match=r"measured at t = 0\.155, .* expected one up to 0\.1"):
        further(short)
    with pytest.raises(DataFormatError, match="propensities should be in the file"):
        further(short.replace(propensity=None, propensity_halves=None))
    with pytest.raises(DataFormatError, match="the number of trajectories"):
        further(short.replace(trajectories=None))
    with pytest.raises(SnapshotError, match="give --temperature"):
        FurtherTrajectories(2, 1.0, Cache(None))(short.replace(temperature=None))


def test_trajectories_of_other_dynamics_are_refused(short, tmp_path):
    """Their short times are others: nothing adds NVE to what a friction has slowed."""
    with pytest.raises(DataFormatError, match="of langevin dynamics"):
        FurtherTrajectories(4, 0.6, Cache(tmp_path))(short.replace(dynamics="langevin"))

"""The propensity of an ensemble, against displacements by hand."""

import numpy as np

from equijax.md.integrators import Ensemble
from equijax.md.kob_andersen import KOB_ANDERSEN
from equijax.md.system import System
from equijax.simulate.isoconfigurational import propensity, step_numbers


class Straight:
    """An engine without forces: trajectory r moves every particle i by (r + 1)(i + 1) / 1000 a step along x, out of the box."""

    def prepare(self, *ensembles):
        pass

    def close(self):
        pass

    def session(self, ensemble, positions, momenta, seed):
        return Flying(positions, momenta)


class Flying:
    def __init__(self, start, momenta):
        self.start, self.steps, self._momenta = start, 0, momenta

    def advance(self, steps, progress=None):
        self.steps += steps

    def positions(self):
        replicas, particles, _ = self.start.shape
        speed = np.arange(1, replicas + 1)[:, None] * np.arange(1, particles + 1) / 1000
        return self.start + self.steps * speed[..., None] * np.array([1.0, 0, 0])

    def potential_energy(self):
        return np.full(len(self.start), -1.0 + 0.001 * self.steps)

    def arrays(self):
        return {}

    def restore(self, arrays):
        pass

    def momenta(self):
        return self._momenta


def test_propensities_are_means_of_unwrapped_displacements_by_halves():
    system = System(np.array([0, 0, 1]), np.full(3, 6.0), KOB_ANDERSEN)
    start = np.array([[0.0, 0, 0], [1.2, 0, 0], [5.0, 3, 3]])
    found = propensity(Straight(), system, Ensemble("nve", 0.5, 0.005), start, 4, [100, 2000], np.random.SeedSequence(0), bonds=True)
    assert found.times.tolist() == [0.5, 10]
    # Trajectories 1 and 2 are the first half, 3 and 4 the second: mean speeds of 1.5 and 3.5.
    for half, speed in enumerate((1.5, 3.5)):
        expected = speed * np.arange(1, 4)[:, None] * np.array([100, 2000]) / 1000
        assert np.abs(found.halves[half] - expected).max() < 1e-12
    # Of A particles, in trajectory 2 at the first time: 0.2 and 0.4.
    assert np.isclose(found.squared[1, 0], (0.2**2 + 0.4**2) / 2)
    assert found.overlaps[1, 0] == 0.5
    # The two A particles are 1.2 apart, and further by 0.1 r at the first time: 1.7 is passed by no trajectory; at 2 r by those at 3.2, 5.2 (0.8 by images), ...
    assert found.broken is not None
    assert not found.broken[:, 0].any()
    apart = np.abs((1.2 + 2.0 * np.arange(1, 5) + 3) % 6 - 3)
    assert np.isclose(found.broken[0, 1], (apart > 1.7).mean())
    assert np.isclose(found.drift, 2.0)


def test_times_are_rounded_to_different_steps():
    assert step_numbers((0.001, 0.002, 1.0), 1.0, 0.005) == [1, 2, 200]

"""The Kob-Andersen liquid as others have found it."""

import pytest

from equijax.simulate.config import Mixture, SimulateConfig
from equijax.simulate.liquid import KNOWN_TIMES
from equijax.simulate.pipeline import simulate
from equijax.simulate.report import summary


@pytest.mark.slow
@pytest.mark.parametrize(("temperature", "inherent"), [(0.8, None), (0.64, -7.59)])
def test_relaxation_times_and_inherent_energies_are_the_known_ones(temperature, inherent, tmp_path):
    """tau_alpha within 15 % of what LAMMPS gave, and the inherent energy per particle, whose mean of eight configurations is known to 0.005."""
    config = SimulateConfig((temperature,), Mixture(1000), configurations=8, trajectories=2, times=(0.01, 0.1), replicas=4, bonds=False)
    numbers = summary(simulate(config, tmp_path / "liquid", say=lambda _: None)[0])
    assert numbers["relaxation_time_waiting"] == pytest.approx(KNOWN_TIMES[temperature], rel=0.15)
    if inherent is not None:
        assert numbers["inherent_energy"] == pytest.approx(inherent, abs=0.015)

"""The Kob-Andersen liquid as others have found it."""

import pytest

from equijax.simulate.config import Mixture, SimulateConfig
from equijax.simulate.liquid import KNOWN_TIMES
from equijax.simulate.pipeline import simulate
from equijax.simulate.report import summary


@pytest.mark.slow
def test_the_relaxation_time_is_the_known_one(tmp_path):
    """tau_alpha at T = 0.8 within 15 % of what LAMMPS gave."""
    config = SimulateConfig((0.8,), Mixture(1000), configurations=8, trajectories=2, times=(0.01, 0.1), replicas=4, bonds=False)
    numbers = summary(simulate(config, tmp_path / "liquid", say=lambda _: None)[0])
    assert numbers["relaxation_time_waiting"] == pytest.approx(KNOWN_TIMES[0.8], rel=0.15)

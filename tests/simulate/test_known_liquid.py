"""The Kob-Andersen liquid as others have found it."""

import numpy as np
import pytest

from equijax.data.formats import read_snapshots
from equijax.md.integrators import Ensemble
from equijax.md.kob_andersen import KOB_ANDERSEN
from equijax.md.system import System
from equijax.metrics import pearson
from equijax.simulate.config import Mixture, SimulateConfig
from equijax.simulate.engine import JaxMd
from equijax.simulate.isoconfigurational import propensity
from equijax.simulate.liquid import KNOWN_TIMES
from equijax.simulate.pipeline import simulate
from equijax.simulate.report import summary
from tests.conftest import LAMMPS, SHARED


@pytest.mark.slow
def test_the_relaxation_time_is_the_known_one(tmp_path):
    """tau_alpha at T = 0.8 within 15 % of what LAMMPS gave."""
    config = SimulateConfig((0.8,), Mixture(1000), configurations=8, trajectories=2, times=(0.01, 0.1), replicas=4, bonds=False)
    numbers = summary(simulate(config, tmp_path / "liquid", say=lambda _: None)[0])
    assert numbers["relaxation_time_waiting"] == pytest.approx(KNOWN_TIMES[0.8], rel=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [0.56, 0.64])
def test_the_same_configurations_move_as_in_lammps(temperature):
    """Propensities of configurations that LAMMPS measured: the same on average, and particle by particle as alike as the trajectories allow."""
    file = LAMMPS if temperature == 0.56 else SHARED / "md" / f"ka_T{temperature}_N1000.npz"
    if not file.exists():
        pytest.skip("this set made with LAMMPS does not lie beside this checkout")
    snapshots = list(read_snapshots(file))[::7]
    first = snapshots[0]
    chosen = np.flatnonzero(first.times < 8)
    system = System(first.types, first.box, KOB_ANDERSEN)
    engine, is_a = JaxMd(system), first.types == 0
    steps = [round(time / 0.005) for time in first.times[chosen]]
    for number, snapshot in enumerate(snapshots):
        observed = propensity(engine, system, Ensemble("nve", temperature), snapshot.positions, 32, steps, np.random.SeedSequence([1, number]), bonds=False)
        ours = observed.halves[:, is_a]
        theirs = snapshot.propensity_halves[:, is_a][:, :, chosen]
        for t in range(len(chosen)):
            a, b = ours[..., t], theirs[..., t]
            # Means of two sets of 32 trajectories: two halves of 16 say how far 32 scatter; four standard errors, and the clock of a step.
            error = 0.5 * np.hypot(*(side[0].mean() - side[1].mean() for side in (a, b)))
            assert abs(a.mean() - b.mean()) < 4 * error + 0.02 * b.mean()
            reliability = [2 * r / (1 + r) for r in (pearson(*a), pearson(*b))]
            assert pearson(a.mean(0), b.mean(0)) == pytest.approx(np.prod(reliability) ** 0.5, abs=0.03)

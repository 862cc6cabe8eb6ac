"""A small liquid in equilibrium to start from."""

from pathlib import Path

import numpy as np
import pytest

from equijax.md.system import System

GOLDEN = Path(__file__).parent.parent / "regression" / "kob_andersen_lammps.npz"


@pytest.fixture(scope="session")
def golden():
    with np.load(GOLDEN) as archive:
        return {key: archive[key] for key in archive.files}


@pytest.fixture(scope="session")
def start(golden):
    """The system and the positions (1000, 3) of an equilibrium configuration at T = 0.56."""
    return System(golden["types"].astype(np.int32), np.full(3, float(golden["box"]))), golden["thermal_positions"].astype(np.float64)

"""The data set that ships inside the package."""

from importlib import resources
from pathlib import Path

NAME = "ka_T0.56_N1000.h5"


def embedded_path() -> Path:
    """Return the store of 20 simulated Kob-Andersen configurations: N = 1000, T = 0.56, six times, 16 trajectories each (see its README)."""
    return Path(str(resources.files(__name__) / NAME))

"""What the public Kob-Andersen sets leave out of their files: density, box and time grids (Lennard-Jones units)."""

import numpy as np

from equijax.errors import DataFormatError

DENSITY = 1.2
SIDE_4096 = 15.05658
"""Box side of the 4096-particle configurations as the BOTAN authors state it."""

TIME_GRIDS: dict[str, tuple[float, ...]] = {
    "0.44": (0.13, 1.3, 13, 130, 412, 1300, 4120, 13000, 41200, 130000),
    "0.50": (0.108, 0.434, 2.17, 6.86, 21.7, 68.6, 217, 686, 2170, 6860),
    "0.56": (0.104, 0.33, 0.99, 1.65, 5.2, 16.5, 52, 165, 520, 1650),
    "0.64": (0.032, 0.1, 0.165, 0.52, 1.65, 5.2, 16.5, 52, 165, 520),
}
"""Times at which BOTAN and GlassBench measure the propensity, by temperature; the seventh is the relaxation time."""


def cube_side(particles: int) -> float:
    """Return the box side of a cube with `particles` at density 1.2."""
    return SIDE_4096 if particles == 4096 else (particles / DENSITY) ** (1 / 3)


def time_grid(temperature: float, where: str) -> np.ndarray:
    """Return the ten times of a temperature.

    Raises:
        DataFormatError: the sets have no such temperature.
    """
    key = f"{temperature:.2f}"
    if key not in TIME_GRIDS:
        raise DataFormatError(f"{where}: no time grid is known for T = {temperature:g}; the public sets have {', '.join(TIME_GRIDS)}.")
    return np.array(TIME_GRIDS[key])

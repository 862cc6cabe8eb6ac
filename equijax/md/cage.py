"""Cage positions: where each particle is on average while no particle may leave its cage.

Alkemade, Smallenburg and Filion (J. Chem. Phys. 158, 134512, 2023) forbid rearrangements by keeping every particle within a distance of where it was, and
average its position over that restricted dynamics (Monte Carlo there, Langevin dynamics between harmonic walls here).
"""

import numpy as np
from jaxtyping import Float

from equijax.md.dynamics import Dynamics, devices_for
from equijax.md.integrators import Ensemble, maxwell
from equijax.md.system import System

RADIUS = 0.3
"""How far a particle may go (sigma_AA): beyond the plateau of the mean squared displacement, and short of the next cage."""

SETTLING, DURATION, EVERY = 2.0, 10.0, 0.1
"""Time units before averaging begins, over which it goes on, and between the positions averaged."""

WALKERS = 8
"""Replicas over which it goes on side by side. At T = 0.64 cage positions are 0.128 from the snapshot's, and known to 0.014 (0.017 with four)."""


class CageFinder:
    """Finds the cage positions of configurations of one system.

    Args:
        system: types, box and potential.
        temperature: of the restricted dynamics.
        radius: of the cages (sigma_AA).
        time_step: of the dynamics.
        tables: method of the neighbour tables.
        walkers: replicas to average over, spread over the devices.
    """

    def __init__(self, system: System, temperature: float, radius: float = RADIUS, time_step: float = 0.005, tables: str = "auto", walkers: int = WALKERS) -> None:
        self.walkers, self.ensemble = walkers, Ensemble("langevin", temperature, time_step, relaxation=1.0)
        self._dynamics = Dynamics(system, self.ensemble, devices_for(walkers), tables, cage=radius)

    def __call__(self, positions: Float[np.ndarray, "n d"], seed: int = 0) -> Float[np.ndarray, "n d"]:
        """Return the average position of each particle, in the image of the box that it was given in.

        Raises:
            ConvergenceError: the dynamics blew up.
        """
        start = np.repeat(positions[None], self.walkers, 0)
        moving = self._dynamics.start(start, maxwell(seed, start.shape, self.ensemble.temperature), seed)
        moving = self._dynamics.advance(moving, round(SETTLING / self.ensemble.time_step))
        mean = np.zeros_like(positions)
        frames = round(DURATION / EVERY)
        for _ in range(frames):
            moving = self._dynamics.advance(moving, round(EVERY / self.ensemble.time_step))
            mean += np.asarray(moving.positions).mean(0) / frames
        return mean

"""Cage positions: where each particle is on average while no particle may leave its cage.

Alkemade, Smallenburg and Filion (J. Chem. Phys. 158, 134512, 2023) forbid rearrangements by keeping every particle within a distance of where it was, and
average its position over that restricted dynamics (Monte Carlo there, Langevin dynamics between harmonic walls here).
"""

import numpy as np
from jaxtyping import Float

from equijax.errors import ConfigError
from equijax.md.dynamics import Dynamics, devices_for
from equijax.md.integrators import Ensemble, maxwell
from equijax.md.system import System

RADIUS = 0.3
"""How far a particle may go (sigma_AA): beyond the plateau of the mean squared displacement, and short of the next cage."""

SETTLING, DURATION, EVERY = 2.0, 10.0, 0.1
"""Time units before averaging begins, over which it goes on, and between the positions averaged."""

STRIDE = 2
"""The time step in units of that of free dynamics: where a particle is on average, Langevin dynamics in BAOAB tells exactly at any step in a harmonic well."""

RELAXATION = 10.0
"""Time units in which friction takes the momenta. A vibration of frequency w, damped at a rate g, averages out as g / w^2: weak friction leaves less noise."""

WALKERS = 16
"""Replicas over which it goes on side by side. Cage positions of a configuration at T = 0.56 (0.64), 0.126 (0.127) from the snapshot's, scatter from seed to
seed by 0.007 (0.0065), with four walkers by 0.014 (0.011)."""


class CageFinder:
    """Finds the cage positions of configurations of one system.

    Args:
        system: types, box and potential.
        temperature: of the restricted dynamics.
        radius: of the cages (sigma_AA).
        time_step: of free dynamics in the same liquid.
        tables: method of the neighbour tables.
        walkers: replicas to average over, spread over the devices.

    Raises:
        SnapshotError: the box is too small for the cutoff.
        ConfigError: the time step is too large for the skin of the neighbour tables.
    """

    def __init__(self, system: System, temperature: float, radius: float = RADIUS, time_step: float = 0.005, tables: str = "auto", walkers: int = WALKERS) -> None:
        def dynamics(step: float) -> Dynamics:
            return Dynamics(system, Ensemble("langevin", temperature, step, relaxation=RELAXATION), devices_for(walkers), tables, cage=radius)

        self.walkers = walkers
        try:
            self._dynamics = dynamics(STRIDE * time_step)
        except ConfigError:
            # The liquid is so hot, or the box so small, that the skin of the neighbour tables does not allow a longer step.
            self._dynamics = dynamics(time_step)

    def __call__(self, positions: Float[np.ndarray, "n d"], seed: int = 0) -> Float[np.ndarray, "n d"]:
        """Return the average position of each particle, in the image of the box that it was given in.

        Raises:
            ConvergenceError: the dynamics blew up.
        """
        ensemble = self._dynamics.ensemble
        start = np.repeat(positions[None], self.walkers, 0)
        moving = self._dynamics.start(start, maxwell(seed, start.shape, ensemble.temperature), seed)
        moving = self._dynamics.advance(moving, round(SETTLING / ensemble.time_step))
        mean = np.zeros_like(positions)
        frames = round(DURATION / EVERY)
        for _ in range(frames):
            moving = self._dynamics.advance(moving, round(EVERY / ensemble.time_step))
            mean += np.asarray(moving.positions).mean(0) / frames
        return mean

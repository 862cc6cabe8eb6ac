"""Successors of a configuration: what short trajectories from it lead to."""

import numpy as np
from jaxtyping import Float

from equijax.md.dynamics import Dynamics
from equijax.md.integrators import Ensemble, maxwell
from equijax.md.system import System


class SuccessorFinder:
    """Finds successors of configurations of one system, by Nose-Hoover dynamics.

    Args:
        system: types, box and potential.
        temperature: of velocities and bath.
    """

    def __init__(self, system: System, temperature: float) -> None:
        self.ensemble = Ensemble("nose-hoover", temperature)
        self._dynamics = Dynamics(system, self.ensemble)

    def __call__(self, positions: Float[np.ndarray, "n d"], times: tuple[float, ...], trajectories: int, seed: int = 0) -> Float[np.ndarray, "t r n d"]:
        """Return where trajectories with fresh Maxwell velocities are at some times, in whichever image of the box they have reached.

        Args:
            positions: where all of them start.
            times: increasing (Lennard-Jones units).
            trajectories: how many.
            seed: of the velocities.

        Raises:
            ConvergenceError: the dynamics blew up.
        """
        start = np.repeat(np.asarray(positions, np.float64)[None], trajectories, 0)
        moving, taken, found = self._dynamics.start(start, maxwell(seed, start.shape, self.ensemble.temperature), seed), 0, []
        for step in (round(time / self.ensemble.time_step) for time in times):
            moving = self._dynamics.advance(moving, step - taken)
            taken = step
            found.append(np.asarray(moving.positions))
        return np.array(found)

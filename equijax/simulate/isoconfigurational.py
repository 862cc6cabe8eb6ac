"""The isoconfigurational ensemble: many trajectories from the same positions with fresh Maxwell velocities (Widmer-Cooper and Harrowell, 2004)."""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from equijax.md.bonds import Bonds
from equijax.md.integrators import Ensemble, maxwell
from equijax.md.observables import averages
from equijax.md.system import System
from equijax.simulate.engine import Engine


@dataclasses.dataclass(frozen=True)
class Propensity:
    """What the trajectories of one configuration tell.

    Attributes:
        times: at which it was measured, increasing.
        halves: mean displacement of each particle over the first and the second half of the trajectories.
        broken: share of its bonds that each particle has lost, mean over the trajectories; None if not asked for.
        scattering, squared, overlaps: F_s(k, t), mean squared displacement and overlap of the A particles in each trajectory.
        drift: change of the total energy per particle from the start to the last time, the largest over the trajectories.
    """

    times: Float[np.ndarray, "t"]
    halves: Float[np.ndarray, "2 n t"]
    broken: Float[np.ndarray, "n t"] | None
    scattering: Float[np.ndarray, "m t"]
    squared: Float[np.ndarray, "m t"]
    overlaps: Float[np.ndarray, "m t"]
    drift: float


def step_numbers(times: tuple[float, ...], relaxation_time: float, time_step: float) -> list[int]:
    """Return the steps at which times, given in units of the relaxation time, are reached: the nearest, or the next that is left, for no two are the same."""
    steps: list[int] = []
    for time in times:
        steps.append(max(round(time * relaxation_time / time_step), steps[-1] + 1 if steps else 1))
    return steps


def propensity(
    engine: Engine,
    system: System,
    ensemble: Ensemble,
    positions: Float[np.ndarray, "n d"],
    trajectories: int,
    steps: list[int],
    seed: np.random.SeedSequence,
    bonds: bool,
    progress: Callable[[int], None] | None = None,
) -> Propensity:
    """Run the isoconfigurational ensemble of one configuration.

    Args:
        engine: that moves the particles.
        system: types, box and potential.
        ensemble: of the trajectories.
        positions: where all of them start.
        trajectories: an even number.
        steps: at which to measure, increasing.
        seed: of the velocities.
        bonds: measure bond breaking too.
        progress: called with the steps just taken.

    Raises:
        ConvergenceError: the dynamics blew up.
    """
    start = np.repeat(positions[None], trajectories, 0)
    momenta = maxwell(seed, start.shape, ensemble.temperature)
    session = engine.session(ensemble, start, momenta, int(seed.generate_state(1)[0] % 2**31))
    first_energy = session.potential_energy() + kinetic_energy(momenta)
    is_a = system.types == 0
    known = Bonds(system, positions) if bonds else None
    shape = len(system), len(steps)
    halves, broken = np.empty((2, *shape)), np.zeros(shape)
    scattering, squared, overlaps = (np.empty((trajectories, len(steps))) for _ in range(3))
    taken = 0
    for t, step in enumerate(steps):
        session.advance(step - taken, progress)
        taken = step
        now = session.positions()
        moved = now - start
        halves[:, :, t] = np.linalg.norm(moved, axis=-1).reshape(2, trajectories // 2, -1).mean(1)
        scattering[:, t], squared[:, t], overlaps[:, t] = averages(moved, is_a)
        if known is not None:
            broken[:, t] = np.mean([known.broken(one) for one in now], axis=0)
    drift = float(np.abs(session.potential_energy() + kinetic_energy(session.momenta()) - first_energy).max())
    times = np.array(steps) * ensemble.time_step
    return Propensity(times, halves, broken if bonds else None, scattering, squared, overlaps, drift)


def kinetic_energy(momenta: Float[np.ndarray, "r n d"]) -> Float[np.ndarray, "r"]:
    """Return the kinetic energy per particle of each replica."""
    return 0.5 * (momenta**2).sum((1, 2)) / momenta.shape[1]

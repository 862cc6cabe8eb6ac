"""Inherent structures: the energy minimum below a configuration, by jax-md's FIRE in float64."""

import dataclasses
from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax_md import minimize

from equijax._types import HostBox
from equijax.errors import ConvergenceError, SnapshotError
from equijax.graph.neighbors import Searches, check_cutoff, list_functions
from equijax.md.kob_andersen import KOB_ANDERSEN, PairPotential, particle_energies
from equijax.periodic import minimum_image, wrap
from equijax.snapshot import Snapshot

TOLERANCE = 1e-5
MAX_STEPS = 50_000
SKIN = 0.4
SEGMENT = 50
FIRST_ROOM, MOST_ROOM = 4, 64
"""Pairs a particle by which a full list is made larger, doubled each time up to the second number."""

RUNAWAY = 1e6
"""A largest force above this (epsilon_AA / sigma_AA) after a whole segment means that the descent has left the liquid."""


@dataclasses.dataclass(frozen=True)
class QuenchReport:
    """What a quench did: steps, energies per particle, largest force on a particle, mean and largest displacement."""

    steps: int
    thermal_energy: float
    inherent_energy: float
    largest_force: float
    mean_displacement: float
    largest_displacement: float


class Quencher:
    """Quenches many configurations of one box and particle number with one compilation.

    Args:
        box: (3,) side lengths.
        potential: of the pairs.
        tolerance: the largest force on any particle at which the minimum counts as reached (epsilon_AA / sigma_AA).
        max_steps: of FIRE, before giving up.
        progress: called with (steps done, largest force) after every segment of 50 steps.

    Raises:
        SnapshotError: the box is too small for cutoff and skin.
    """

    def __init__(
        self,
        box: HostBox,
        potential: PairPotential = KOB_ANDERSEN,
        tolerance: float = TOLERANCE,
        max_steps: int = MAX_STEPS,
        progress: Callable[[int, float], None] | None = None,
    ) -> None:
        self.box, self.potential, self.tolerance, self.max_steps = np.asarray(box, np.float64), potential, tolerance, max_steps
        self.progress = progress
        check_cutoff(self.box, potential.cutoff)
        self._searches = Searches(potential.cutoff)
        skin = min(SKIN, (self.box.min() / 2 - potential.cutoff) * 0.999)
        with jax.enable_x64(True):
            self._lists, displacement, shift = list_functions(self.box, potential.cutoff, skin, half=True)
        self._neighbors = None

        def energy(positions: jax.Array, neighbor, types: jax.Array) -> jax.Array:  # noqa: ANN001 (a jax_md.NeighborList)
            first, second = neighbor.idx
            n = len(positions)
            real = first < n
            first, second = jnp.where(real, first, 0), jnp.where(real, second, 0)
            vectors = jax.vmap(displacement)(positions[first], positions[second])
            return jnp.where(real, potential.energy((vectors**2).sum(1), types[first], types[second]), 0.0).sum()

        # Larger steps than these run away from hot configurations: jax-md starts FIRE with a full step along forces of order 100.
        initialise, step = cast(tuple[Any, Any], minimize.fire_descent(energy, shift, dt_start=0.001, dt_max=0.02))

        def advance(state, neighbors, types):  # noqa: ANN001, ANN202 (jax-md's own state and list)
            def body(_, carry):  # noqa: ANN001, ANN202
                state, neighbors = carry
                neighbors = neighbors.update(state.position)
                return step(state, neighbor=neighbors, types=types), neighbors

            state, neighbors = jax.lax.fori_loop(0, SEGMENT, body, (state, neighbors))
            return state, neighbors, jnp.sqrt((state.force**2).sum(1).max())

        self._initialise, self._advance = jax.jit(initialise), jax.jit(advance)

    def __call__(self, snapshot: Snapshot) -> tuple[Snapshot, QuenchReport]:
        """Return the snapshot with `inherent_positions` and `inherent_energy`, and what the quench did.

        The inherent position of a particle is given in the same image of the box as its thermal one.

        Raises:
            ConvergenceError: the largest force did not fall below the tolerance, or the energy ran away.
            SnapshotError: particles lie on top of each other, or the box is another.
        """
        if not np.array_equal(snapshot.box, self.box):
            raise SnapshotError(f"{snapshot.name}: has the box {snapshot.box.tolist()}, this quencher was made for {self.box.tolist()}; make one for each box.")
        thermal = particle_energies(snapshot, snapshot.positions, self._searches, self.potential)
        wrapped = wrap(snapshot.positions, self.box)
        minimum, steps, force = self._descend(wrapped, snapshot)
        displacement = minimum_image(minimum - wrapped, self.box)
        inherent = particle_energies(snapshot, minimum, self._searches, self.potential)
        length = np.linalg.norm(displacement, axis=1)
        report = QuenchReport(steps, thermal.mean(), inherent.mean(), force, length.mean(), length.max())
        return snapshot.replace(inherent_positions=snapshot.positions + displacement, inherent_energy=inherent), report

    def _descend(self, wrapped: np.ndarray, snapshot: Snapshot) -> tuple[np.ndarray, int, float]:
        with jax.enable_x64(True):
            position, types = jnp.asarray(wrapped), jnp.asarray(snapshot.types)
            neighbors = self._fresh_list(position)
            state = self._initialise(position, neighbor=neighbors, types=types)
            steps, force, room = 0, np.inf, 0
            while steps < self.max_steps:
                new, listed, largest = self._advance(state, neighbors, types)
                force = float(largest)
                if listed.did_buffer_overflow:
                    # Pairs were dropped: the segment is thrown away and run again with more room.
                    room = 2 * room or FIRST_ROOM
                    if room > MOST_ROOM:
                        raise ConvergenceError(
                            f"{snapshot.name}: after {steps} steps particles crowd together beyond any liquid; check the positions, the units and the box."
                        )
                    neighbors = self._neighbors = self._lists.allocate(state.position, extra_capacity=room)
                    continue
                if not force < RUNAWAY:
                    raise ConvergenceError(f"{snapshot.name}: the quench ran away after {steps} steps (the largest force is {force:.3g}); check the units and the box.")
                state, neighbors, steps = new, listed, steps + SEGMENT
                if self.progress:
                    self.progress(steps, force)
                if force < self.tolerance:
                    return np.asarray(state.position), steps, force
        raise ConvergenceError(
            f"{snapshot.name}: the quench stopped after {steps} steps with a largest force of {force:.2g}, above {self.tolerance:g}; "
            "raise max_steps, or check that the system is a Kob-Andersen mixture at this density."
        )

    def _fresh_list(self, position: jax.Array):  # noqa: ANN202 (a jax_md.NeighborList)
        if self._neighbors is not None and self._neighbors.reference_position.shape == position.shape:
            neighbors = self._neighbors.update(position)
            if not neighbors.did_buffer_overflow:
                return neighbors
        self._neighbors = self._lists.allocate(position)
        return self._neighbors


def quench(snapshot: Snapshot, potential: PairPotential = KOB_ANDERSEN, tolerance: float = TOLERANCE, max_steps: int = MAX_STEPS) -> tuple[Snapshot, QuenchReport]:
    """Quench one configuration; see `Quencher` for many of one box."""
    return Quencher(snapshot.box, potential, tolerance, max_steps)(snapshot)

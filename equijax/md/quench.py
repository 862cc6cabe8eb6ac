"""Inherent structures: the energy minimum below a configuration, by jax-md's FIRE in float64."""

import dataclasses
from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax_md import minimize

from equijax._types import HostBox
from equijax.errors import ConfigError, ConvergenceError, SnapshotError
from equijax.graph.neighbors import Searches, check_cutoff
from equijax.graph.tables import Tables, fixed_point
from equijax.md.forces import PairForces
from equijax.md.kob_andersen import KOB_ANDERSEN, PairPotential, particle_energies
from equijax.periodic import minimum_image, wrap
from equijax.snapshot import Snapshot

TOLERANCE = 1e-5
MAX_STEPS = 50_000
SKIN = 0.3
SEGMENT = 50
MOST_TRIES = 8
"""Of a segment, each with more room for neighbours."""

MOST_NEIGHBOURS = 1000
"""Of a particle, that no liquid has."""

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
    """Quenches many configurations of one box, with one compilation for each composition.

    Args:
        box: (3,) side lengths.
        potential: of the pairs.
        tolerance: the largest force on any particle at which the minimum counts as reached (epsilon_AA / sigma_AA).
        max_steps: of FIRE, before giving up.
        progress: called with (steps done, largest force) after every segment of 50 steps.
        tables: method of the neighbour tables, "auto", "native" or "jax-md".

    Raises:
        SnapshotError: the box is too small for the cutoff.
        ConfigError: the tolerance or the number of steps is not positive.
    """

    def __init__(
        self,
        box: HostBox,
        potential: PairPotential = KOB_ANDERSEN,
        tolerance: float = TOLERANCE,
        max_steps: int = MAX_STEPS,
        progress: Callable[[int, float], None] | None = None,
        tables: str = "auto",
    ) -> None:
        self.box, self.potential, self.tolerance, self.max_steps = np.asarray(box, np.float64), potential, tolerance, max_steps
        self.progress, self.tables = progress, tables
        if not 0 < tolerance < np.inf or max_steps < 1:
            raise ConfigError(f"a quench to forces of {tolerance} in {max_steps} steps; expected a positive tolerance, and 1 step or more.")
        check_cutoff(self.box, potential.cutoff)
        self._searches = Searches(potential.cutoff)
        self._descents: dict[bytes, _Descent] = {}

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
        # In order of their types, so that configurations of one composition share a program.
        order = np.argsort(snapshot.types, kind="stable")
        types = snapshot.types[order]
        descent = self._descents.get(types.tobytes())
        if descent is None:
            descent = self._descents[types.tobytes()] = _Descent(self.box, types, self.potential, self.tables)
        with jax.enable_x64(True):
            state = descent.start(jnp.asarray(wrapped[order]), snapshot.name)
            steps, force = 0, np.inf
            while steps < self.max_steps:
                state, force = descent.advance(state, snapshot.name, steps)
                steps += SEGMENT
                if self.progress:
                    self.progress(steps, force)
                if force < self.tolerance:
                    minimum = np.empty_like(wrapped)
                    minimum[order] = np.asarray(state.position)
                    return minimum, steps, force
        raise ConvergenceError(
            f"{snapshot.name}: the quench stopped after {steps} steps with a largest force of {force:.2g}, above {self.tolerance:g}; "
            "raise max_steps, or check that the system is a Kob-Andersen mixture at this density."
        )


class _Descent:
    """Compiled FIRE of one box and composition."""

    def __init__(self, box: np.ndarray, types: np.ndarray, potential: PairPotential, tables: str) -> None:
        self.box = box
        cuts = potential.cut * np.asarray(potential.sigma)
        self.skin = min(SKIN, (box.min() / 2 - cuts.max()) * 0.999)
        self.tables = Tables(box, types, cuts + self.skin, tables)
        pairs = PairForces(box, types, potential, double=True)

        def force(positions: jax.Array, table: jax.Array, origin: jax.Array) -> jax.Array:
            # A hot configuration may jump further in one step than the skin allows: these forces have a table of their own.
            inside = _furthest(positions, origin) <= self.skin / 2
            return jax.lax.cond(inside, lambda: pairs.forces(positions, table), lambda: pairs.forces(positions, self._table(positions)[0]))

        def shift(positions: jax.Array, change: jax.Array, **_: Any) -> jax.Array:
            return positions + change

        # Larger steps than these run away from hot configurations: jax-md starts FIRE with a full step along forces of order 100.
        descent = minimize.fire_descent(force, shift, dt_start=0.001, dt_max=0.02)
        initialise, self._step = cast(tuple[Any, Any], descent)
        self._initialise = jax.jit(initialise)
        self._segments: dict[int, Callable] = {}

    def start(self, positions: jax.Array, name: str) -> Any:
        """Return FIRE's state at these positions."""
        self._make_room(positions, name)
        return self._initialise(positions, table=self._table(positions)[0], origin=positions)

    def advance(self, state: Any, name: str, steps: int) -> tuple[Any, float]:
        """Return the state a segment later, and the largest force then.

        Raises:
            ConvergenceError: particles crowd together, or the descent ran away.
        """
        for _ in range(MOST_TRIES):
            new, largest, missing = self._segment()(state)
            force = float(largest)
            if bool(missing):
                # Pairs were dropped: the segment is thrown away and run again with room for where it led, if it led anywhere.
                self._make_room(new.position if force < RUNAWAY else state.position, name, more=True)
            elif force < RUNAWAY:
                return new, force
            else:
                break
        else:
            raise ConvergenceError(f"{name}: after {steps} steps of the quench, more room for neighbours was not enough {MOST_TRIES} times; check the positions.")
        raise ConvergenceError(f"{name}: the quench ran away after {steps} steps (the largest force is {force:.3g}); check the positions, the units and the box.")

    def _make_room(self, positions: jax.Array, name: str, more: bool = False) -> None:
        coordinates = np.asarray(fixed_point(positions, jnp.asarray(self.box)))[None]
        (self.tables.make_more_room if more else self.tables.make_room)(coordinates)
        if self.tables.slots > MOST_NEIGHBOURS:
            raise ConvergenceError(
                f"{name}: a particle has about {self.tables.slots} neighbours: particles crowd together beyond any liquid; check the positions, the units and the box."
            )

    def _segment(self) -> Callable:
        if self.tables.slots not in self._segments:
            # A function of its own: jax would find the program of the same method with fewer slots.
            self._segments[self.tables.slots] = jax.jit(lambda state: self._advance(state))
        return self._segments[self.tables.slots]

    def _advance(self, state: Any) -> tuple[Any, jax.Array, jax.Array]:
        """Take the steps of a segment; also return the largest force, and whether tables lacked pairs."""

        def body(_: jax.Array, carry: tuple) -> tuple:
            state, origin, table, missing = carry

            def again() -> tuple:
                table, lacking = self._table(state.position)
                return state.position, table, missing | lacking

            # Before the skin is used up: the step that follows moves particles first and takes their forces then.
            origin, table, missing = jax.lax.cond(_furthest(state.position, origin) < self.skin / 3, lambda: (origin, table, missing), again)
            return self._step(state, table=table, origin=origin), origin, table, missing

        table, lacking = self._table(state.position)
        state, _, _, missing = jax.lax.fori_loop(0, SEGMENT, body, (state, state.position, table, lacking))
        _, lacking = self._table(state.position)
        return state, jnp.sqrt((state.force**2).sum(1).max()), missing | lacking

    def _table(self, positions: jax.Array) -> tuple[jax.Array, jax.Array]:
        return self.tables(fixed_point(positions, jnp.asarray(self.box))[None])


def _furthest(positions: jax.Array, origin: jax.Array) -> jax.Array:
    return jnp.sqrt(((positions - origin) ** 2).sum(1).max())


def quench(snapshot: Snapshot, potential: PairPotential = KOB_ANDERSEN, tolerance: float = TOLERANCE, max_steps: int = MAX_STEPS) -> tuple[Snapshot, QuenchReport]:
    """Quench one configuration; see `Quencher` for many of one box."""
    return Quencher(snapshot.box, potential, tolerance, max_steps)(snapshot)

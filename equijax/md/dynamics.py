"""Molecular dynamics of many replicas of a system at once, by jax-md's integrators in float64, with forces (and Langevin's noise) in float32.

The compiled segment makes the neighbour tables, takes steps until some particle has used up its half of the skin, makes them again, and so on. A
segment whose tables lacked room, or in which a particle went further than the skin allows, is thrown away and run again with more room or more care.
Speeds on a CPU are measured by `benchmarks/dynamics.py`; on a GPU or TPU, where jax-md makes the tables, none has been measured yet.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Float

from equijax.errors import ConfigError, ConvergenceError
from equijax.graph.tables import Tables, fixed_point
from equijax.md.forces import PairForces, choose_native
from equijax.md.integrators import Ensemble, integrator
from equijax.md.system import System

SKIN = 0.3
"""How far beyond the cut pairs are listed (sigma_AA)."""

REBUILDS = 32
"""Tables made in one segment."""

FASTEST = 6.0
"""No particle is expected to move further in a step than this many thermal velocities take it."""

MOST_ROOM = 1000
"""Neighbours of a particle that no liquid has."""

TOGETHER = 1024
"""Particles of replicas that take their steps together on a CPU; where there are more, groups take turns, each with its tables in the cache."""

AXIS = "replicas"


def devices_for(replicas: int) -> list[Any]:
    """Return the most devices over which replicas can be spread evenly."""
    return jax.devices()[: max(count for count in range(1, len(jax.devices()) + 1) if replicas % count == 0)]


class Moving(NamedTuple):
    """Replicas on their way: the integrator's state, and where their cages are if they have any."""

    state: Any
    anchors: jax.Array | None

    @property
    def positions(self) -> jax.Array:
        """(r, n, d), in whichever image of the box they have reached."""
        return self.state.position

    @property
    def momenta(self) -> jax.Array:
        """(r, n, d)."""
        return self.state.momentum


class Dynamics:
    """Moves replicas of a system through time; one compilation for each number of replicas.

    Args:
        system: what moves.
        ensemble: how.
        devices: over which replicas are spread; by default the first alone.
        tables: method of the neighbour tables, "auto", "native" or "jax-md"; with native tables, forces are native too.
        skin: of the tables (sigma_AA); made smaller where the box is small.
        double: forces in float64.
        cage: how far a particle may go from where it started, by a harmonic wall (sigma_AA); None for free ones.

    Raises:
        SnapshotError: the box is too small for the cutoff.
        ConfigError: the time step is too large for the skin.
    """

    def __init__(
        self,
        system: System,
        ensemble: Ensemble,
        devices: Sequence[Any] | None = None,
        tables: str = "auto",
        skin: float = SKIN,
        double: bool = False,
        cage: float | None = None,
    ) -> None:
        self.system, self.ensemble, self.cage = system, ensemble, cage
        self.mesh = Mesh(np.array(devices or jax.devices()[:1]), (AXIS,))
        cuts = system.potential.cut * np.asarray(system.potential.sigma)
        self.skin = min(skin, (float(system.box.min()) / 2 - float(cuts.max())) * 0.999)
        self.tables = Tables(system.box, system.types, cuts + self.skin, tables)
        self.pairs = PairForces(system.box, system.types, system.potential, double, native=choose_native(tables))
        self._exact_pairs = PairForces(system.box, system.types, system.potential, double=True)
        self.margin = self._first_margin = FASTEST * ensemble.temperature**0.5 * ensemble.time_step
        if not self.margin < self.skin / 2:
            raise ConfigError(
                f"time step {ensemble.time_step:g} at temperature {ensemble.temperature:g}: a particle may move {self.margin:.2g} in one step, "
                f"and the skin of the neighbour tables allows {self.skin / 2:.2g}; use a smaller time step or a larger box."
            )
        with jax.enable_x64(True):
            self._initialise, self._step = integrator(ensemble, system, self.pairs, cage)
        self._segments: dict[tuple, Callable] = {}

    def start(self, positions: Float[np.ndarray, "r n d"], momenta: Float[np.ndarray, "r n d"], seed: int = 0) -> Moving:
        """Return the state of replicas with these positions (any image of the box) and momenta.

        Args:
            positions: of each replica.
            momenta: of each replica, for instance from `maxwell`.
            seed: of the noise of Langevin dynamics.

        Raises:
            ConfigError: the replicas cannot be spread evenly over the devices.
        """
        if len(positions) % self.mesh.size:
            raise ConfigError(f"{len(positions)} replicas cannot be spread evenly over {self.mesh.size} devices; use a multiple.")
        with jax.enable_x64(True):
            self.margin = self._first_margin
            coordinates = fixed_point(jnp.asarray(positions), jnp.asarray(self.system.box))
            self._make_room(coordinates)
            keys = jax.random.split(jax.random.PRNGKey(seed), len(positions))
            table, _ = self.tables(coordinates)
            start = jnp.asarray(positions)
            state = jax.vmap(lambda key, x, p: self._initialise(key, x, momenta=p, table=table))(keys, start, jnp.asarray(momenta))
            moving = Moving(state, None if self.cage is None else start)
            return jax.device_put(moving, NamedSharding(self.mesh, PartitionSpec(AXIS)))

    def advance(self, moving: Moving, steps: int, progress: Callable[[int], None] | None = None) -> Moving:
        """Return the replicas some steps later.

        Args:
            moving: as `start` or `advance` returned it.
            steps: to take.
            progress: called after every segment with the steps it took.

        Raises:
            ConvergenceError: particles move faster than any liquid allows.
        """
        with jax.enable_x64(True):
            left = jnp.full(self.mesh.size * self._groups(len(moving.positions) // self.mesh.size), steps, jnp.int32)
            while int(np.max(left)) > 0:
                new, rest, missing, moved = self._segment()(moving, left)
                if np.any(missing):
                    self._make_room(fixed_point(moving.positions, jnp.asarray(self.system.box)), more=True)
                    continue
                if not np.all(np.asarray(moved) <= self.skin / 2):
                    self._take_care(float(np.max(moved)))
                    continue
                if progress:
                    progress(int(np.max(left)) - int(np.max(rest)))
                moving, left = new, rest
            return moving

    def potential_energy(self, moving: Moving) -> Float[np.ndarray, "r"]:
        """Return the potential energy per particle of each replica, in float64."""
        with jax.enable_x64(True):
            positions = jnp.asarray(np.asarray(moving.positions))
            energies, missing = self._energies(positions)
            if missing:
                self._make_room(fixed_point(positions, jnp.asarray(self.system.box)))
                energies, _ = self._energies(positions)
            return np.asarray(energies) / len(self.system)

    def temperature(self, moving: Moving) -> Float[np.ndarray, "r"]:
        """Return the kinetic temperature of each replica, 2 K / (degrees of freedom)."""
        return (np.asarray(moving.momenta) ** 2).sum((1, 2)) / self.system.degrees_of_freedom

    @functools.cached_property
    def _energies(self) -> Callable:
        def energies(positions: jax.Array) -> tuple[jax.Array, jax.Array]:
            table, missing = self.tables(fixed_point(positions, jnp.asarray(self.system.box)))
            return self._exact_pairs.energies(positions.reshape(-1, positions.shape[-1]), table).reshape(positions.shape[:2]).sum(1), missing

        return jax.jit(energies)

    def _make_room(self, coordinates: jax.Array, more: bool = False) -> None:
        before = self.tables.slots
        (self.tables.make_more_room if more else self.tables.make_room)(np.asarray(coordinates))
        if self.tables.slots > MOST_ROOM:
            raise ConvergenceError(
                f"a particle has about {self.tables.slots} neighbours: particles crowd together beyond any liquid; check the positions, the units and the box."
            )
        if self.tables.slots != before:
            self.__dict__.pop("_energies", None)

    def _take_care(self, moved: float) -> None:
        self.margin *= 2
        if not self.margin < self.skin / 2:
            raise ConvergenceError(
                f"a particle moved {moved:.3g} between two steps at time step {self.ensemble.time_step:g}: the dynamics blew up; "
                "use a smaller time step, or a start without overlapping particles."
            )

    def _segment(self) -> Callable:
        key = self.tables.slots, self.margin
        if key not in self._segments:
            split = PartitionSpec(AXIS)
            spread = jax.shard_map(self._on_a_device, mesh=self.mesh, in_specs=(split, split), out_specs=(split, split, split, split), check_vma=False)
            self._segments[key] = jax.jit(spread)
        return self._segments[key]

    def _groups(self, replicas: int) -> int:
        if self.mesh.devices.flat[0].platform != "cpu":
            return 1
        return next(count for count in range(1, replicas + 1) if replicas % count == 0 and (replicas // count * len(self.system) <= TOGETHER or count == replicas))

    def _on_a_device(self, moving: Moving, left: jax.Array) -> tuple[Moving, jax.Array, jax.Array, jax.Array]:
        """Advance a device's replicas, a group for each entry of `left`, by up to so many steps; see `_together`."""
        grouped = jax.tree.map(lambda leaf: leaf.reshape(len(left), -1, *leaf.shape[1:]), moving)
        moved, *seen = jax.lax.map(lambda group: self._together(*group), (grouped, left))
        return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), moved), *seen

    def _together(self, moving: Moving, left: jax.Array) -> tuple[Moving, jax.Array, jax.Array, jax.Array]:
        """Advance replicas by up to `left` steps; also return what is left of them, whether tables lacked pairs, and the longest way of a particle."""
        step = jax.vmap(lambda state, anchors, table: self._step(state, table=table, anchors=anchors), in_axes=(0, 0, None))

        def with_new_tables(carry: tuple) -> tuple:
            state, left, missing, furthest = carry
            table, lacking = self.tables(fixed_point(state.position, jnp.asarray(self.system.box)))
            origin = state.position

            def more(carry: tuple) -> jax.Array:
                _, left, moved = carry
                return (left > 0) & (moved + self.margin < self.skin / 2)

            def one_step(carry: tuple) -> tuple:
                state, left, _ = carry
                state = step(state, moving.anchors, table)
                return state, left - 1, jnp.sqrt(((state.position - origin) ** 2).sum(-1).max())

            state, left, moved = jax.lax.while_loop(more, one_step, (state, left, jnp.zeros(())))
            return state, left, missing | lacking, jnp.maximum(furthest, moved)

        def rebuild(carry: tuple, _: None) -> tuple[tuple, None]:
            return jax.lax.cond(carry[1] > 0, with_new_tables, lambda carry: carry, carry), None

        first = (moving.state, left, jnp.zeros((), bool), jnp.zeros(()))
        (state, rest, missing, furthest), _ = jax.lax.scan(rebuild, first, None, length=REBUILDS)
        return Moving(state, moving.anchors), rest, missing, furthest

"""How particles move: the ensembles, jax-md's integrators with the forces of all replicas at once, and Maxwell velocities."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax_md import simulate, space
from jaxtyping import Float

from equijax.errors import ConfigError
from equijax.md.forces import PairForces
from equijax.md.system import System

WALL = 200.0
"""Stiffness of the wall of a cage (epsilon_AA / sigma_AA^2): a thermal particle goes some hundredths of sigma_AA into it."""


@dataclasses.dataclass(frozen=True)
class Ensemble:
    """How heat is exchanged, and the time step.

    Attributes:
        kind: "nve" (velocity Verlet), "nose-hoover" (a chain of three thermostats) or "langevin" (BAOAB).
        temperature: of the bath, and of the velocities that are drawn.
        time_step: in Lennard-Jones time units.
        relaxation: of the Nose-Hoover chain, in time units; the inverse friction of Langevin dynamics.
    """

    kind: str = "nve"
    temperature: float = 1.0
    time_step: float = 0.005
    relaxation: float = 0.5

    def __post_init__(self) -> None:
        if self.kind not in ("nve", "nose-hoover", "langevin"):
            raise ConfigError(f"ensemble {self.kind!r}; expected nve, nose-hoover or langevin.")
        for name in ("temperature", "time_step", "relaxation"):
            if not 0 < getattr(self, name) < np.inf:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected a positive number.")


def integrator(ensemble: Ensemble, system: System, pairs: PairForces, cage: float | None = None) -> tuple[Callable, Callable]:
    """Return jax-md's functions that make a state and take a step, for one replica: to be mapped over replicas.

    Args:
        ensemble: how heat is exchanged.
        system: what moves.
        pairs: the forces between particles.
        cage: how far a particle may go from its anchor; None for free ones.
    """
    # Positions stay in whichever image they reach: displacements are measured on them.
    shift = cast(Any, space.free()[1])
    dt, kT, tau = ensemble.time_step, ensemble.temperature, ensemble.relaxation

    @jax.custom_batching.custom_vmap
    def of_replica(positions: jax.Array, table: jax.Array) -> jax.Array:
        # jax-md asks for the shape of this; the forces are those of all replicas, below.
        return jnp.full_like(positions, jnp.nan)

    @of_replica.def_vmap
    def _(count: int, batched: list, positions: jax.Array, table: jax.Array) -> tuple[jax.Array, bool]:
        """Take the forces of all replicas in one go: their table is one, and the vectors longer."""
        return pairs.forces(positions.reshape(-1, positions.shape[-1]), table).reshape(positions.shape), True

    def force(positions: jax.Array, table: jax.Array, anchors: jax.Array | None = None, **_: Any) -> jax.Array:
        total = of_replica(positions, table)
        return total if anchors is None or cage is None else total + _wall(positions - anchors, cage)

    if ensemble.kind == "nve":
        initialise, step = cast(Any, simulate.nve(force, shift, dt))
        return functools.partial(_with_temperature, initialise, kT), step
    if ensemble.kind == "nose-hoover":
        # jax-md counts the momentum of the whole as free, which it is not: the bath is that much colder. The chain does the least that it can: by
        # default it would take twelve substeps a step, and longer than the forces.
        kT *= system.degrees_of_freedom / (system.dimensions * len(system))
        return cast(tuple[Any, Any], simulate.nvt_nose_hoover(force, shift, dt, kT, chain_length=3, chain_steps=1, sy_steps=1, tau=tau))
    initialise, _ = cast(Any, simulate.nvt_langevin(force, shift, dt, kT, gamma=1 / tau))
    return initialise, functools.partial(_baoab, force, shift, dt, kT, 1 / tau)


def _baoab(force: Callable, shift: Any, dt: float, kT: float, gamma: float, state: Any, **more: Any) -> Any:
    """Take a step of Langevin dynamics from jax-md's parts, with noise in float32: in float64 it would take longer than the forces."""
    new = simulate.position_step(simulate.momentum_step(state, dt / 2), shift, dt / 2, **more)
    key, now = jax.random.split(new.rng)
    decay = np.exp(-gamma * dt)
    noise = jax.random.normal(now, new.momentum.shape, jnp.float32)
    new = new.set(momentum=decay * new.momentum + (kT * (1 - decay**2)) ** 0.5 * noise, rng=key)
    new = simulate.position_step(new, shift, dt / 2, **more)
    new = simulate.momentum_step(new.set(force=force(new.position, **more)), dt / 2)
    # The noise would carry all particles away together, which would count as displacement.
    drift = (new.position - state.position).mean(0)
    return new.set(position=new.position - drift, momentum=new.momentum - new.momentum.mean(0))


def _wall(displacement: jax.Array, radius: float) -> jax.Array:
    squared = (displacement**2).sum(-1, keepdims=True)
    outside = squared > radius**2
    length = jnp.sqrt(jnp.where(outside, squared, 1.0))
    return jnp.where(outside, -WALL * (1 - radius / length) * displacement, 0.0)


def _with_temperature(initialise: Callable, temperature: float, key: jax.Array, positions: jax.Array, **more: Any) -> Any:
    """jax-md's NVE asks for a temperature even where momenta are given."""
    return initialise(key, positions, temperature, **more)


def maxwell(seed: int | np.random.SeedSequence, shape: tuple[int, ...], temperature: float) -> Float[np.ndarray, "r n d"]:
    """Return momenta (r, n, d) of unit masses at a temperature, with no total momentum."""
    momenta = np.random.default_rng(seed).normal(scale=temperature**0.5, size=shape)
    return momenta - momenta.mean(1, keepdims=True)

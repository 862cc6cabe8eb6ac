"""All settings of a simulation, and the presets."""

import dataclasses
from typing import Literal

from equijax.errors import ConfigError
from equijax.md.kob_andersen import KOB_ANDERSEN, PairPotential

CHAIN_SEED = 10**6
"""Between the seeds of liquids for ensembles and for chains."""

LEAST_SKIN = 0.15
"""Of neighbour tables (sigma_AA), for which a box must have room."""


@dataclasses.dataclass(frozen=True)
class Mixture:
    """A binary Lennard-Jones mixture in a periodic cube or square.

    Attributes:
        particles: number of them.
        share_b: of the B particles.
        density: particles per volume (sigma_AA^-d).
        dimensions: 3 or 2.
        potential: energies, lengths and cut of the pairs.
    """

    particles: int = 4096
    share_b: float = 0.2
    density: float = 1.2
    dimensions: int = 3
    potential: PairPotential = KOB_ANDERSEN

    def __post_init__(self) -> None:
        if self.dimensions not in (2, 3):
            raise ConfigError(f"mixture.dimensions is {self.dimensions}; expected 2 or 3.")
        if self.particles < 8 or not 0 <= self.share_b <= 0.9 or not 0.01 <= self.density <= 100:
            raise ConfigError(
                f"mixture: particles {self.particles} (8 or more), share_b {self.share_b} (0 to 0.9), density {self.density:g} (0.01 to 100): one is out of range."
            )
        if len(self.potential.sigma) != 2:
            raise ConfigError(f"mixture.potential has {len(self.potential.sigma)} types; expected 2, A and B.")
        if self.side < 2 * (self.potential.cutoff + LEAST_SKIN):
            needed = int((2 * (self.potential.cutoff + LEAST_SKIN)) ** self.dimensions * self.density) + 1
            raise ConfigError(
                f"mixture: {self.particles} particles at density {self.density:g} make a box of side {self.side:.3g}, "
                f"too small for the cutoff {self.potential.cutoff:g} and a skin of {LEAST_SKIN:g}; use at least {needed}."
            )

    @property
    def side(self) -> float:
        """Of the box (sigma_AA)."""
        return (self.particles / self.density) ** (1 / self.dimensions)


@dataclasses.dataclass(frozen=True)
class SimulateConfig:
    """One simulated data set.

    Attributes:
        temperatures: a store is written for each.
        mixture: what is simulated.
        configurations: independent ones at each temperature.
        trajectories: of the isoconfigurational ensemble of each configuration, from fresh Maxwell velocities.
        chain: instead of ensembles, measure along chains of trajectories (`equijax.simulate.chain`): each configuration has two, the one that led to it and the
            one that leaves it. Many more configurations for the same time, to train on; networks are tested on ensembles.
        times: of the propensity, in units of the relaxation time tau_alpha.
        tau_alpha: in place of the measured one, as the unit of the times: that of another set, to measure at its times.
        trajectory: dynamics of the ensemble: nve, nose-hoover or langevin.
        thermostat: dynamics of the equilibration: nose-hoover or langevin.
        time_step: of both.
        replicas: liquids that are equilibrated side by side; each gives configurations / replicas of the configurations. With fewer than four the waiting
            time becomes longer, so that its error is known.
        waiting: length of each half of the waiting time, in tau_alpha, at least: the halves must agree before anything is measured.
        spacing: between configurations of one replica, in tau_alpha; along a chain the last of the times.
        longest_wait: time units after which a liquid that has not come to equilibrium is given up.
        cage: also find the average position of each particle in its cage.
        cage_radius: how far a particle may go in that restricted dynamics (sigma_AA).
        bonds: also measure the bond-breaking propensity.
        engine: jax-md, or lammps: the real program.
        lammps: how that is called, for instance "mpirun -np 16 lmp".
        tables: neighbour tables of jax-md's engine: auto, native (forces too) or jax-md.
        seed: of everything random.
    """

    temperatures: tuple[float, ...] = (0.56,)
    mixture: Mixture = Mixture()
    configurations: int = 16
    trajectories: int = 32
    chain: bool = False
    times: tuple[float, ...] = (0.005, 0.02, 0.08, 0.25, 0.5, 1.0, 2.0)
    tau_alpha: float | None = None
    trajectory: Literal["nve", "nose-hoover", "langevin"] = "nve"
    thermostat: Literal["nose-hoover", "langevin"] = "nose-hoover"
    time_step: float = 0.005
    replicas: int = 4
    waiting: float = 10.0
    spacing: float = 3.0
    longest_wait: float = 5000.0
    cage: bool = False
    cage_radius: float = 0.3
    bonds: bool = True
    engine: Literal["jax-md", "lammps"] = "jax-md"
    lammps: str = "lmp"
    tables: Literal["auto", "native", "jax-md"] = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.temperatures or not all(0 < t < float("inf") for t in self.temperatures) or len({f"{t:g}" for t in self.temperatures}) < len(self.temperatures):
            raise ConfigError(f"temperatures are {list(self.temperatures)}; expected positive numbers that differ in their first six digits, at least one.")
        if min(self.configurations, self.replicas) < 1 or self.trajectories < 2 or self.trajectories % 2:
            raise ConfigError(
                f"configurations {self.configurations} and replicas {self.replicas} must be 1 or more, "
                f"trajectories {self.trajectories} an even number: their two halves give the noise ceiling."
            )
        if self.chain and self.trajectories != 2:
            raise ConfigError(f"trajectories is {self.trajectories}; along a chain every configuration has 2, the one that led to it and the one that leaves it.")
        if not self.times or not all(0 < t < float("inf") for t in self.times) or any(b <= a for a, b in zip(self.times, self.times[1:], strict=False)):
            raise ConfigError(f"times are {list(self.times)}; expected increasing positive numbers, in units of the relaxation time.")
        if not 1e-6 <= self.time_step <= 1:
            raise ConfigError(f"time_step is {self.time_step:g}; expected 1e-6 to 1 (0.005 is usual).")
        for name in ("waiting", "spacing", "longest_wait", "cage_radius"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ConfigError(f"{name} is {getattr(self, name)}; expected a positive number.")
        if self.tau_alpha is not None and (len(self.temperatures) > 1 or not 0 < self.tau_alpha < float("inf")):
            raise ConfigError(f"tau_alpha is {self.tau_alpha} for the temperatures {list(self.temperatures)}; expected a positive number, and one temperature.")
        if self.lammps != SimulateConfig.lammps and self.engine != "lammps":
            raise ConfigError(f"lammps is {self.lammps!r}, but the engine is {self.engine}; give --engine lammps too.")
        if self.cage_radius != SimulateConfig.cage_radius and not self.cage:
            raise ConfigError(f"cage_radius is {self.cage_radius}, but no cages are asked for; set cage=true too.")
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"seed is {self.seed}; expected 0 to {2**32 - 1}.")

    @property
    def of_liquid(self) -> "SimulateConfig":
        """The config of the liquids before anything is measured: those of a chain must not be those that ensembles of the same seed are tested on."""
        return dataclasses.replace(self, seed=self.seed + CHAIN_SEED) if self.chain else self


PRESETS: dict[str, SimulateConfig] = {
    # What ships inside the package, for the quickstart.
    "embedded": SimulateConfig((0.56,), Mixture(1000), configurations=20, trajectories=16, times=(0.006, 0.02, 0.08, 0.25, 0.5, 1.0), bonds=False, seed=1),
    # 43 minutes on two cores of an Intel Xeon (71 of processor time).
    "laptop": SimulateConfig((0.64, 0.56), Mixture(1000), configurations=20, trajectories=32, cage=True),
    # To train on: in as many steps as `laptop`, thirty times as many configurations.
    "chain": SimulateConfig((0.64, 0.56), Mixture(1000), 640, 2, chain=True, times=(0.006, 0.02, 0.08, 0.25, 0.5, 1.0), replicas=16, bonds=False),
    # Meant for half an hour on a GPU; not measured.
    # At T = 0.50, where tau_alpha is 140, one stage of waiting is 3080.
    "gpu": SimulateConfig((0.64, 0.56, 0.50), Mixture(4096), configurations=40, trajectories=32, replicas=20, longest_wait=20000.0, cage=True),
}
"""Named simulations: `equijax simulate NAME` takes them as they are."""

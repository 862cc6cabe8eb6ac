"""A simulated data set from nothing, in pieces that survive an interruption."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from equijax.configs import stored, to_dict
from equijax.data.files import read_json, write_json
from equijax.data.splits import link_of
from equijax.data.store import Store, StoreWriter
from equijax.errors import CheckpointError, ConfigError
from equijax.md.cage import CageFinder
from equijax.md.integrators import Ensemble
from equijax.md.quench import Quencher
from equijax.md.system import System
from equijax.simulate import pieces
from equijax.simulate.chain import Chain
from equijax.simulate.config import SimulateConfig
from equijax.simulate.engine import Engine, JaxMd
from equijax.simulate.equilibrate import Equilibrium, equilibrate, melting
from equijax.simulate.isoconfigurational import Propensity, propensity, step_numbers
from equijax.simulate.liquid import make_system
from equijax.snapshot import Snapshot
from equijax.versions import machine, versions

MAY_CHANGE = ("temperatures", "configurations", "longest_wait", "lammps")
"""Settings that a resumed simulation may change: configurations and temperatures are added to those that there are (or one that came to no equilibrium left
out), and the others decide how long is waited, and how a program is called."""

Tell = Callable[..., None]
"""Called with what is being done, the time units it takes, the steps just taken, and `replicas` where they are not those of the config."""


@dataclasses.dataclass(frozen=True)
class Measured:
    """One temperature of a data set: what the report is made from."""

    temperature: float
    system: System
    equilibrium: Equilibrium
    conserving: bool
    samples: np.ndarray
    store: Path
    files: list[Path]
    observed: list[dict[str, np.ndarray]]


def make_engine(config: SimulateConfig, system: System) -> Engine:
    """Return what moves the particles.

    Raises:
        ConfigError: it is not installed.
    """
    if config.engine == "lammps":
        from equijax.simulate.lammps import Lammps

        return Lammps(system, config.lammps)
    return JaxMd(system, config.tables)


def simulate(
    config: SimulateConfig,
    folder: Path,
    resume: bool = False,
    tell: Tell = lambda *_, **__: None,
    say: Callable[[str], None] = print,
    done: Callable[[Measured], None] = lambda _: None,
) -> list[Measured]:
    """Simulate a data set and write it to `folder`, a store T0.56.h5 and so on for each temperature as soon as it is measured: their times differ.

    Args:
        config: of the simulation.
        folder: for the data and what is needed to go on; must be new unless resuming.
        resume: go on after an interruption, with exactly the numbers that would have come out (by jax-md on the same number of the same CPU's cores).
        tell: hears of progress.
        say: hears sentences.
        done: hears of each temperature when its store is written.

    Raises:
        ConfigError: the folder already holds a simulation.
        CheckpointError: there is none to resume, or it was begun with another config.
        ConvergenceError: a liquid does not come to equilibrium, or the dynamics blew up.
    """
    left_out = _check_folder(config, folder, resume)
    if left_out:
        stay, now = (", ".join(f"{t:g}" for t in temperatures) for temperatures in (left_out, config.temperatures))
        say(f"T = {stay} in {folder} stays as it is; config and report will be of T = {now} alone. Give all temperatures to have all of them there.")
    system = make_system(config.mixture, config.of_liquid.seed)
    measured = []
    with contextlib.closing(make_engine(config, system)) as engine:
        parts = [_Temperature(config, temperature, system, engine, folder / f"T{temperature:g}", tell, say) for temperature in config.temperatures]
        write_json(folder / "config.json", to_dict(config))
        for part in parts:
            one = part.run()
            with StoreWriter(one.store, single=True) as writer:
                for file in one.files:
                    with Store(file) as store:
                        writer.append(store[0])
            measured.append(one)
            done(one)
    write_json(folder / "run.json", {"config": to_dict(config), "versions": versions(), "machine": machine()})
    return measured


def _check_folder(config: SimulateConfig, folder: Path, resume: bool) -> list[float]:
    """Return the temperatures that the folder has and the config has not."""
    written = folder / "config.json"
    if not resume:
        if written.exists():
            raise ConfigError(f"{folder}: already holds a simulation; go on with it by --resume, or choose another folder.")
        return []
    if not written.exists():
        raise CheckpointError(f"{folder}: holds no simulation to resume; leave --resume out to start one.")
    before, now = to_dict(stored({"config": read_json(written, CheckpointError)}, "config", SimulateConfig)), to_dict(config)
    for key in now:
        if key not in MAY_CHANGE and before[key] != now[key]:
            raise CheckpointError(
                f"{folder}: the simulation was begun with {key} = {before[key]}, now it is {now[key]}; to go on as it was begun, give {written} in place of a preset."
            )
    return [temperature for temperature in before["temperatures"] if temperature not in now["temperatures"]]


class _Temperature:
    """The part of a data set at one temperature."""

    def __init__(self, config: SimulateConfig, temperature: float, system: System, engine: Engine, folder: Path, tell: Tell, say: Callable[[str], None]) -> None:
        self.config, self.temperature, self.system, self.engine, self.folder, self.tell, self.say = config, temperature, system, engine, folder, tell, say
        box = system.box if system.dimensions == 3 else np.append(system.box, system.box[0])
        self._quencher = Quencher(box, system.potential, tables=config.tables)
        self._ensemble = Ensemble(config.trajectory, temperature, config.time_step)
        engine.prepare(self._ensemble, Ensemble(config.thermostat, temperature, config.time_step), melting(config))
        self._cages = CageFinder(system, temperature, config.cage_radius, config.time_step, config.tables) if config.cage else None

    def run(self) -> Measured:
        """Equilibrate, sample, and measure every configuration that is not measured yet."""
        equilibrium = equilibrate(self.engine, self.config.of_liquid, self.temperature, self.system.types == 0, self.folder / f"equilibrium{pieces.SUFFIX}", self.tell)
        halves = equilibrium.halves
        self.say(
            f"T = {self.temperature:g}: in equilibrium after {equilibrium.waited:.0f} time units; tau_alpha = {equilibrium.relaxation_time:.3g}, energy per particle "
            f"{halves.energy[0]:.4f} and {halves.energy[1]:.4f} in the halves of the last {equilibrium.length / equilibrium.relaxation_time:.0f} tau_alpha "
            f"(all within {halves.deviation:.1f} standard errors)."
        )
        unit, step = self.config.tau_alpha or equilibrium.relaxation_time, self.config.time_step
        steps = step_numbers(self.config.times, unit, step)
        moved = [(time, number) for time, number in zip(self.config.times, steps, strict=True) if abs(time * unit / step - number) > 0.5]
        if moved:
            told = ", ".join(f"{time:g} tau_alpha = {time * unit:.3g}, measured at {number * step:.3g}" for time, number in moved)
            self.say(f"T = {self.temperature:g}: times nearer than the time step {step:g} to zero or to the one before are moved to a step of their own: {told}.")
        samples, files = self._along_chain(equilibrium, steps) if self.config.chain else self._by_ensembles(equilibrium, steps)
        observed = [pieces.load(file.with_suffix(pieces.SUFFIX)) or {} for file in files]
        return Measured(
            self.temperature, self.system, equilibrium, self.config.trajectory == "nve", samples, self.folder.with_name(f"{self.folder.name}.h5"), files, observed
        )

    def _by_ensembles(self, equilibrium: Equilibrium, steps: list[int]) -> tuple[np.ndarray, list[Path]]:
        """Return configurations some relaxation times apart, and their files, each measured by an ensemble of trajectories."""
        config, files = self.config, []
        samples = self._samples(equilibrium)
        for number, positions in enumerate(samples):
            about = f"T = {self.temperature:g}, configuration {number + 1} of {config.configurations}"
            tell = functools.partial(self.tell, about, steps[-1] * config.time_step, replicas=config.trajectories)
            ensemble = functools.partial(
                propensity, self.engine, self.system, self._ensemble, positions, config.trajectories, steps, self._seed(number), config.bonds, tell
            )
            files.append(self._measure(number, f"{number:03d}", positions, ensemble))
        return samples, files

    def _along_chain(self, equilibrium: Equilibrium, steps: list[int]) -> tuple[np.ndarray, list[Path]]:
        """Return configurations one trajectory apart, and their files, each measured by the trajectory before and the one after."""
        config, samples, files = self.config, [], []
        start = equilibrium.session.positions()
        chain = Chain(self.engine, self.system, self._ensemble, start, steps, config.bonds, (config.seed, 5, self._millionths), self.folder / "chain", self.tell)
        for number in range(config.configurations):
            positions, found = chain.link(number)
            end, replica = divmod(number, config.replicas)
            samples.append(positions)
            files.append(self._measure(number, link_of(f"chain{replica:02d}", end), positions, lambda found=found: found))
        return np.array(samples), files

    @property
    def _millionths(self) -> int:
        return round(1e6 * self.temperature)

    def _seed(self, number: int) -> np.random.SeedSequence:
        return np.random.SeedSequence([self.config.seed, 4, self._millionths, number])

    def _samples(self, equilibrium: Equilibrium) -> np.ndarray:
        """Return the configurations, a few relaxation times apart on each replica."""
        kept = self.folder / f"samples{pieces.SUFFIX}"
        stored = pieces.load(kept)
        found = [] if stored is None else list(stored["samples"])
        session = equilibrium.session
        if stored is not None:
            session.restore(stored)
        apart = self.config.spacing * equilibrium.relaxation_time
        while len(found) < self.config.configurations:
            if found:
                about = f"T = {self.temperature:g}, {len(found)} of {self.config.configurations} configurations, to the next"
                session.advance(round(apart / self.config.time_step), functools.partial(self.tell, about, apart))
            found += list(session.positions())
            pieces.save(kept, {"samples": np.array(found)} | session.arrays())
        return np.array(found[: self.config.configurations])

    def _measure(self, number: int, name: str, positions: np.ndarray, look: Callable[[], Propensity]) -> Path:
        """Quench and measure one configuration, unless that is done, and return its file."""
        file = self.folder / "configurations" / f"{number:03d}.h5"
        if file.exists() and file.with_suffix(pieces.SUFFIX).exists():
            return file
        config, name = self.config, f"T{self.temperature:g}-seed{self.config.seed}-{name}"
        # What may fail and takes little comes first.
        snapshot, report = self._quencher(Snapshot(self._in_space(positions), self.system.types, self._quencher.box, name, self.temperature))
        if self._cages is not None:
            snapshot = snapshot.replace(cage_positions=self._in_space(self._cages(positions, int(self._seed(number).generate_state(2)[1] % 2**31))))
        found = look()
        snapshot = snapshot.replace(
            times=found.times,
            propensity=found.halves.mean(0),
            propensity_halves=found.halves,
            trajectories=config.trajectories,
            bond_breaking=found.broken,
            dynamics=config.trajectory,
        )
        with StoreWriter(file) as writer:
            writer.append(snapshot)
        numbers: dict[str, Any] = {"drift": found.drift, "thermal_energy": report.thermal_energy, "inherent_energy": report.inherent_energy}
        if found.broken is not None:
            numbers["broken"] = found.broken[self.system.types == 0].mean(0)
        pieces.save(file.with_suffix(pieces.SUFFIX), {name: getattr(found, name) for name in ("times", "halves", "scattering", "squared", "overlaps")} | numbers)
        return file

    def _in_space(self, positions: np.ndarray) -> np.ndarray:
        """Return positions in three dimensions: those in two lie in the plane z = 0."""
        return np.pad(positions, ((0, 0), (0, 3 - self.system.dimensions)))

"""Equilibrium that is shown: two halves of the waiting time must have the same energy and the same scattering function.

A stage of waiting is a hundred frames or more. Stages grow until one is long enough, 2 x waiting x tau_alpha with tau_alpha measured in the stage itself,
and its halves agree within their errors; a liquid that does not come to that in the time asked for is refused.
"""

import dataclasses
import functools
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float

from equijax.errors import ConvergenceError
from equijax.md.integrators import Ensemble, maxwell
from equijax.md.observables import relaxation_time, self_intermediate
from equijax.simulate import pieces
from equijax.simulate.config import SimulateConfig
from equijax.simulate.engine import Engine, Session
from equijax.simulate.liquid import lattice

FRAMES = 100
FIRST_STAGE = 20.0
"""Length of the first stage, in time units."""

MELT_TEMPERATURE, MELT_TIME = 2.0, 10.0
PART = 4.0
"""Shortest part of the waiting time that counts as an independent sample, in tau_alpha."""

SAMPLES = 8
"""Independent samples, at least, that stand behind the error of each half: replicas times parts."""

AGREEMENT = 3.5
"""Standard errors by which the halves may differ: seven comparisons of eight samples each all pass in more than nine of ten equilibria."""

TRIES = 4
"""Stages of sufficient length whose halves may disagree before the liquid is refused."""

SAVE_SECONDS = 60.0


@dataclasses.dataclass(frozen=True)
class Halves:
    """The comparison of the two halves of a stage.

    Attributes:
        relaxation_time: tau_alpha over the whole stage, or None if F_s did not fall to 1 / e.
        lags: times at which F_s was taken.
        scattering: F_s of the A particles in the two halves.
        scattering_error: standard errors of both.
        energy: potential energy per particle in the two halves.
        energy_error: standard errors of both.
    """

    relaxation_time: float | None
    lags: Float[np.ndarray, "lags"]
    scattering: Float[np.ndarray, "2 lags"]
    scattering_error: Float[np.ndarray, "2 lags"]
    energy: Float[np.ndarray, "2"]
    energy_error: Float[np.ndarray, "2"]

    @property
    def deviation(self) -> float:
        """By how many standard errors the halves differ, at the worst."""
        differences = np.append(self.scattering[0] - self.scattering[1], self.energy[0] - self.energy[1])
        errors = np.append(np.hypot(*self.scattering_error), np.hypot(*self.energy_error))
        return float(np.abs(differences / np.maximum(errors, 1e-12)).max())


@dataclasses.dataclass(frozen=True)
class Equilibrium:
    """A liquid in equilibrium: its replicas, what shows it, how long was waited before that stage, and how long the stage was (time units)."""

    session: Session
    halves: Halves
    waited: float
    length: float

    @property
    def relaxation_time(self) -> float:
        """tau_alpha (time units)."""
        assert self.halves.relaxation_time is not None
        return self.halves.relaxation_time


def melting(config: SimulateConfig) -> Ensemble:
    """Return the dynamics in which the lattice melts."""
    return Ensemble("langevin", MELT_TEMPERATURE, config.time_step, relaxation=0.1)


def _parts(replicas: int) -> int:
    """Return into how many parts each half is divided, for as many samples as its error needs."""
    return max(1, -(-SAMPLES // replicas))


def waiting_time(config: SimulateConfig) -> float:
    """Return the length of each half of the waiting time, in tau_alpha: longer than asked for where there are few replicas."""
    return max(config.waiting, PART * _parts(config.replicas))


def compare(positions: Float[np.ndarray, "frames r n d"], energies: Float[np.ndarray, "frames r"], spacing: float, is_a: np.ndarray) -> Halves:
    """Compare the halves of a stage.

    Args:
        positions: of each frame, in the images reached.
        energies: potential energy per particle.
        spacing: time between frames.
        is_a: (n,), which particles F_s is taken of.
    """
    frames, replicas = energies.shape
    half = frames // 2
    parts = _parts(replicas)
    longest = half // parts // 2 if parts > 1 else half // 2
    lags = np.unique(np.geomspace(1, max(longest, 1), 6).astype(int))
    scattering, scattering_error, energy, energy_error = (np.empty((2, len(lags))), np.empty((2, len(lags))), np.empty(2), np.empty(2))
    for h in range(2):
        pieces_of_time = np.array_split(np.arange(h * half, (h + 1) * half), parts)
        samples = np.concatenate([energies[piece].mean(0) for piece in pieces_of_time])
        energy[h], energy_error[h] = samples.mean(), _error(samples)
        for k, lag in enumerate(lags):
            values = np.concatenate([self_intermediate((positions[piece[lag:]] - positions[piece[:-lag]])[:, :, is_a]).mean(0) for piece in pieces_of_time])
            scattering[h, k], scattering_error[h, k] = values.mean(), _error(values)
    fine = np.arange(1, half)
    curve = np.array([self_intermediate((positions[lag::1] - positions[:-lag])[:: max(1, lag // 4)][:, :, is_a]).mean() for lag in fine])
    return Halves(relaxation_time(fine * spacing, curve), lags * spacing, scattering, scattering_error, energy, energy_error)


def _error(samples: np.ndarray) -> float:
    return float(samples.std(ddof=1) / len(samples) ** 0.5) if len(samples) > 1 else float("inf")


def equilibrate(engine: Engine, config: SimulateConfig, temperature: float, is_a: np.ndarray, kept: Path, tell: Callable[[str, float, int], None]) -> Equilibrium:
    """Melt a lattice, cool it to a temperature, and wait until equilibrium shows.

    Args:
        engine: that moves the particles.
        config: of the simulation.
        temperature: to come to.
        is_a: (n,), the particles F_s is taken of.
        kept: file to keep the state in.
        tell: called with what is done, the time it takes, and the steps just taken.

    Raises:
        ConvergenceError: the liquid did not come to equilibrium in `longest_wait`.
    """
    wait = _Wait(engine, config, temperature, is_a, kept, tell)
    return wait.until_equilibrium()


class _Wait:
    def __init__(self, engine: Engine, config: SimulateConfig, temperature: float, is_a: np.ndarray, kept: Path, tell: Callable) -> None:
        self.engine, self.config, self.temperature, self.is_a, self.kept, self.tell = engine, config, temperature, is_a, kept, tell
        self.ensemble = Ensemble(config.thermostat, temperature, config.time_step)
        self.waiting = waiting_time(config)
        self.frames = max(FRAMES, 2 * round(3 * self.waiting))
        stored = pieces.load(kept)
        if stored is None:
            self.session = self._melted()
            self.waited, self.stage, self.tries, self.frame = 0.0, FIRST_STAGE, 0, 0
            self._clear()
        else:
            self.positions, self.energies = stored["positions"], stored["energies"]
            start = self.positions[0].astype(np.float64)
            self.session = engine.session(self.ensemble, start, maxwell(0, start.shape, temperature), config.seed)
            self.session.restore(stored)
            self.waited, self.stage, self.tries, self.frame = (float(stored["waited"]), float(stored["stage"]), int(stored["tries"]), int(stored["frame"]))
        self.saved = time.monotonic()

    def until_equilibrium(self) -> Equilibrium:
        """Run stages until one is long enough and its halves agree."""
        while True:
            self._run_stage()
            halves = compare(self.positions, self.energies, self._spacing, self.is_a)
            tau = halves.relaxation_time
            enough = tau is not None and self.stage >= 2 * self.waiting * tau * 0.999
            if enough and halves.deviation <= AGREEMENT:
                self._save()
                return Equilibrium(self.session, halves, self.waited, self.stage)
            # Kept as it was before it is judged: judged again after an interruption, it counts once.
            self._save()
            self.tries += enough
            longer = self._next_stage(halves, enough)
            self._refuse_if_hopeless(halves, longer)
            self.waited, self.stage, self.frame = self.waited + self.stage, longer, 0
            self._clear()

    def _next_stage(self, halves: Halves, enough: bool) -> float:
        if enough:
            return self.stage
        if halves.relaxation_time is not None:
            return max(2.2 * self.waiting * halves.relaxation_time, 1.2 * self.stage)
        # F_s fell before the first frame, or not at all.
        if halves.scattering[:, 0].mean() < np.exp(-1):
            if self._spacing < 1.5 * self.config.time_step:
                raise ConvergenceError(f"T = {self.temperature:g}: F_s falls to 1/e within one time step: this is a gas, or the mixture is too dilute.")
            return self.stage / 4
        return 2 * self.stage

    @property
    def _spacing(self) -> float:
        return max(1, round(self.stage / self.frames / self.config.time_step)) * self.config.time_step

    def _clear(self) -> None:
        start = self.session.positions()
        self.positions, self.energies = np.empty((self.frames, *start.shape), np.float32), np.empty((self.frames, len(start)))

    def _melted(self) -> Session:
        config = self.config
        start = lattice(config.mixture, config.replicas, config.seed)
        session = self.engine.session(melting(config), start, maxwell(np.random.SeedSequence([config.seed, 2]), start.shape, MELT_TEMPERATURE), config.seed)
        session.advance(round(MELT_TIME / config.time_step), functools.partial(self.tell, f"melt at T = {MELT_TEMPERATURE:g}", MELT_TIME))
        velocities = maxwell(np.random.SeedSequence([config.seed, 3]), start.shape, self.temperature)
        return self.engine.session(self.ensemble, session.positions(), velocities, config.seed + 1)

    def _run_stage(self) -> None:
        steps = round(self._spacing / self.config.time_step)
        about = f"T = {self.temperature:g}, wait {self.stage:.0f}"
        while self.frame < self.frames:
            self.session.advance(steps, functools.partial(self.tell, about, self.stage))
            self.positions[self.frame], self.energies[self.frame] = self.session.positions(), self.session.potential_energy()
            self.frame += 1
            if time.monotonic() - self.saved > SAVE_SECONDS:
                self._save()

    def _save(self) -> None:
        numbers = {"waited": self.waited, "stage": self.stage, "tries": self.tries, "frame": self.frame}
        pieces.save(self.kept, {"positions": self.positions, "energies": self.energies} | numbers | self.session.arrays())
        self.saved = time.monotonic()

    def _refuse_if_hopeless(self, halves: Halves, longer: float) -> None:
        waited = self.waited + self.stage
        if self.tries >= TRIES:
            raise ConvergenceError(
                f"T = {self.temperature:g}: after {waited:.0f} time units the two halves of the waiting time still differ by {halves.deviation:.1f} standard errors "
                f"(energies {halves.energy[0]:.4f} and {halves.energy[1]:.4f}): the liquid ages, or crystallises; choose another temperature or mixture."
            )
        if waited + longer > self.config.longest_wait:
            known = "F_s has not fallen to 1/e" if halves.relaxation_time is None else f"tau_alpha is about {halves.relaxation_time:.3g}"
            raise ConvergenceError(
                f"T = {self.temperature:g}: no equilibrium after {waited:.0f} time units ({known}), and the next {longer:.0f} would pass longest_wait = "
                f"{self.config.longest_wait:g}; raise it (what is done so far is kept), or choose a higher temperature."
            )

"""Training data at the price of the dynamics alone: configurations along chains of trajectories, each of which looks forward and back.

Every trajectory begins where the last one ended, with fresh Maxwell velocities. In equilibrium it runs backwards as it runs forwards, so that a
configuration between two trajectories has two independent displacements: of the one that leaves it, and, reversed, of the one that led to it. An
isoconfigurational ensemble of m trajectories pays m + spacing of them for one configuration; a chain pays one for two unbiased labels. A network learns
more from many configurations with noisy labels than from few with quiet ones.
"""

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float

from equijax.md.bonds import Bonds
from equijax.md.integrators import Ensemble, maxwell
from equijax.md.observables import averages
from equijax.md.system import System
from equijax.simulate import pieces
from equijax.simulate.engine import Engine
from equijax.simulate.isoconfigurational import Propensity, kinetic_energy


class Chain:
    """The trajectories of one temperature, one after another, on several replicas.

    Args:
        engine: that moves the particles.
        system: types, box and potential.
        ensemble: of the trajectories.
        start: (r, n, d), where the first trajectories begin, in equilibrium.
        steps: at which displacements are measured, increasing; the last is the length of each trajectory.
        bonds: measure bond breaking too.
        seed: of the velocities.
        folder: for finished trajectories.
        tell: called with what is done, the time it takes, and the steps just taken.
    """

    def __init__(
        self,
        engine: Engine,
        system: System,
        ensemble: Ensemble,
        start: Float[np.ndarray, "r n d"],
        steps: list[int],
        bonds: bool,
        seed: tuple[int, ...],
        folder: Path,
        tell: Callable[[str, float, int], None],
    ) -> None:
        self.engine, self.system, self.ensemble, self.start, self.steps, self.bonds = engine, system, ensemble, start, steps, bonds
        self.seed, self.folder, self.tell = seed, folder, tell
        self._kept: dict[int, dict[str, np.ndarray]] = {}

    def link(self, number: int) -> tuple[Float[np.ndarray, "n d"], Propensity]:
        """Return a configuration, counted over all replicas of the first end, then of the second and so on, and what its two trajectories tell.

        Raises:
            ConvergenceError: the dynamics blew up.
        """
        end, replica = divmod(number, len(self.start))
        before, after = self._trajectory(end), self._trajectory(end + 1)
        ways = (before, "backward"), (after, "forward")
        both = {name: np.stack([part[f"{way} {name}"][replica] for part, way in ways]) for name in ("distance", "scattering", "squared", "overlap")}
        broken = np.mean([part[f"{way} broken"][replica] for part, way in ways], axis=0) if self.bonds else None
        drift = max(float(part["drift"][replica]) for part, _ in ways)
        times = np.array(self.steps) * self.ensemble.time_step
        return before["end"][replica], Propensity(times, both["distance"], broken, both["scattering"], both["squared"], both["overlap"], drift)

    def _trajectory(self, number: int) -> dict[str, np.ndarray]:
        if number not in self._kept:
            found = pieces.load(self.folder / f"{number:04d}{pieces.SUFFIX}") or self._run(number)
            self._kept = {k: kept for k, kept in self._kept.items() if k >= number - 1} | {number: found}
        return self._kept[number]

    def _run(self, number: int) -> dict[str, np.ndarray]:
        start = self.start if number == 0 else self._trajectory(number - 1)["end"]
        momenta = maxwell(np.random.SeedSequence([*self.seed, number]), start.shape, self.ensemble.temperature)
        noise = int(np.random.SeedSequence([*self.seed, number, 1]).generate_state(1)[0] % 2**31)
        session = self.engine.session(self.ensemble, start, momenta, noise)
        energy = session.potential_energy() + kinetic_energy(momenta)
        last = self.steps[-1]
        about = functools.partial(self.tell, f"T = {self.ensemble.temperature:g}, trajectory {number + 1} of the chain", last * self.ensemble.time_step)
        at, taken = {0: start}, 0
        for step in sorted({*self.steps, *(last - step for step in self.steps)} - {0}):
            session.advance(step - taken, about)
            at[step], taken = session.positions(), step
        found = {"end": at[last], "drift": np.abs(session.potential_energy() + kinetic_energy(session.momenta()) - energy)}
        found |= self._seen("forward", [at[step] for step in self.steps], start) | self._seen("backward", [at[last - step] for step in self.steps], at[last])
        pieces.save(self.folder / f"{number:04d}{pieces.SUFFIX}", found)
        return found

    def _seen(self, way: str, frames: list[np.ndarray], origin: np.ndarray) -> dict[str, np.ndarray]:
        """Return what a trajectory tells of one of its ends: times last, replicas first."""
        moved = [frame - origin for frame in frames]
        seen = zip(*(averages(one, self.system.types == 0) for one in moved), strict=True)
        out = {name: np.stack(values, -1) for name, values in zip(("scattering", "squared", "overlap"), seen, strict=True)}
        out["distance"] = np.stack([np.linalg.norm(one, axis=-1) for one in moved], -1)
        if self.bonds:
            known = [Bonds(self.system, one) for one in origin]
            out["broken"] = np.stack([np.stack([bonds.broken(one) for bonds, one in zip(known, frame, strict=True)]) for frame in frames], -1)
        return {f"{way} {name}": values for name, values in out.items()}

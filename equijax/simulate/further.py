"""Further trajectories from configurations that are measured already: the noise of a propensity falls with the number of trajectories behind it.

Along a chain (`equijax.simulate.chain`) a configuration has two, whose noise is twice what tells its particles apart. Short times cost little: ten
trajectories to half of the relaxation time take as long as five to the whole.
"""

import functools

import numpy as np

from equijax.data.cache import Cache, content_key
from equijax.data.short_dynamics import ShortDynamics
from equijax.errors import ConfigError, DataFormatError
from equijax.md.integrators import Ensemble
from equijax.simulate.engine import JaxMd
from equijax.simulate.isoconfigurational import propensity
from equijax.snapshot import Snapshot

DYNAMICS = "nve"
"""Of the further trajectories: the one that those of other programs, and of ours unless told otherwise, are of."""


class FurtherTrajectories:
    """Measures configurations of the Kob-Andersen mixture by more trajectories, in NVE from fresh Maxwell velocities.

    p(t) = (n p_n(t) + m p_m(t)) / (n + m) at the times that m more trajectories reach, where n, which the snapshot says for each time, becomes n + m; halves
    likewise. What is measured at later times stays, and so does bond breaking. The result can be measured again: those trajectories are others.

    Args:
        trajectories: m, an even number.
        until: the longest time to measure at again (Lennard-Jones units).
        cache: where what they measured is kept.
        temperature: of configurations that do not say theirs.
        time_step: of the dynamics.

    Raises:
        ConfigError: the number is odd or too small, or the time is not positive.
    """

    def __init__(self, trajectories: int, until: float, cache: Cache, temperature: float | None = None, time_step: float = 0.005) -> None:
        if trajectories < 2 or trajectories % 2:
            raise ConfigError(f"{trajectories} further trajectories; expected an even number, for each half of those that there are gets as many.")
        if not 0 < until < float("inf"):
            raise ConfigError(f"further trajectories until {until}; expected a positive time.")
        self.trajectories, self.until, self.time_step = trajectories, until, time_step
        self._cache = cache
        self._dynamics = ShortDynamics(lambda system, kT: functools.partial(propensity, JaxMd(system), system, Ensemble(DYNAMICS, kT, time_step)), temperature)

    def __call__(self, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot with propensities of more trajectories.

        Raises:
            DataFormatError: it is not measured, at no time that is short enough, or does not say by how many trajectories; or these are not of NVE.
            SnapshotError: nothing says at which temperature its particles should move, or all of them lie in a plane.
            ConvergenceError: the dynamics blew up.
        """
        old, times, count = snapshot.propensity, snapshot.times, snapshot.trajectories
        if snapshot.dynamics not in (None, DYNAMICS):
            raise DataFormatError(f"{snapshot.name}: its trajectories are of {snapshot.dynamics} dynamics, further ones would be of {DYNAMICS}; simulate it anew.")
        if old is None or times is None or count is None:
            missing = "the number of trajectories behind its propensity" if old is not None and times is not None else "propensities"
            raise DataFormatError(f"{snapshot.name}: there is nothing to add trajectories to; {missing} should be in the file.")
        steps = np.round(times / self.time_step).astype(int)
        reached = np.flatnonzero(times <= self.until * (1 + 1e-6))
        if not len(reached) or not steps[0] or (np.diff(steps) < 1).any():
            raise DataFormatError(
                f"{snapshot.name}: measured at t = {', '.join(f'{t:g}' for t in times)}; expected one up to {self.until:g}, and none closer than the time step "
                f"{self.time_step:g} to zero or to the one before."
            )
        temperature = self._dynamics.temperature_of(snapshot)
        before = count[reached]
        key = content_key(snapshot.positions, snapshot.types, snapshot.box, temperature, self.trajectories, self.time_step, *steps[reached].tolist(), *before.tolist())
        known = self._cache.get("trajectories", key)
        if known is None:
            # The seed is of the content: the same configuration has the same trajectories, in whichever file it is, until it has them and others are due.
            seed = np.random.SeedSequence([int(key[:7], 16)])
            known = {"halves": self._dynamics(snapshot, lambda run, at: run(at, self.trajectories, steps[reached].tolist(), seed, bonds=False).halves)}
            self._cache.put("trajectories", key, **known)

        def with_more(mean: np.ndarray, more: np.ndarray) -> np.ndarray:
            mean = np.array(mean)
            mean[..., reached] = (before * mean[..., reached] + self.trajectories * more) / (before + self.trajectories)
            return mean

        halves, now = snapshot.propensity_halves, count.copy()
        now[reached] += self.trajectories
        return snapshot.replace(
            temperature=temperature,
            trajectories=now,
            propensity=with_more(old, known["halves"].mean(0)),
            propensity_halves=None if halves is None else with_more(halves, known["halves"]),
        )

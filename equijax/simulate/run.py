"""`equijax simulate`: an estimate before, a bar while it runs, the physics after."""

import time
from pathlib import Path

import jax

from equijax.bars import Bar
from equijax.configs import read_config, with_settings
from equijax.md.cage import DURATION, SETTLING, STRIDE, WALKERS
from equijax.md.kob_andersen import KOB_ANDERSEN
from equijax.simulate.config import PRESETS, SimulateConfig
from equijax.simulate.equilibrate import waiting_time
from equijax.simulate.liquid import expected_time
from equijax.simulate.pipeline import Measured, simulate
from equijax.simulate.report import lines, summary, write_report

RATE = {"cpu": 2.0e6, "gpu": 1.0e8, "tpu": 5.0e7}
"""Atom-steps a second and device, for the estimate before anything is measured: that of the CPU is about half of what benchmarks/dynamics.py
measures on an Intel Xeon, for slower ones, the others are guesses."""

QUENCH = {"cpu": 1e-3, "gpu": 1e-4, "tpu": 1e-4}
"""Seconds a particle of one quench, likewise: on one core of a CPU, the others are guesses."""

WAITS = 4.5
"""All stages of waiting together, in units of the waiting time: one is 2.2 or more, those before it find out how long it must be, and one may have to be repeated."""


def run(name: str, folder: Path, resume: bool, changes: dict, settings: tuple[str, ...]) -> None:
    """Run a simulation with everything a person wants to see.

    Args:
        name: a preset, or a config file.
        folder: of the simulation.
        resume: go on after an interruption.
        changes: of the config, by name.
        settings: further ones, as "name=value".

    Raises:
        EquijaxError: see `equijax.simulate.pipeline.simulate`.
    """
    config = with_settings(PRESETS[name] if name in PRESETS else read_config(Path(name), SimulateConfig), changes, settings)
    print(estimate(config) + (" What was done before the interruption is counted too." if resume else ""))
    measured: list[Measured] = []
    try:
        with _Meter(config) as meter:
            simulate(config, folder, resume, meter.tell, meter.say, measured.append)
    finally:
        # Also where a later temperature comes to no equilibrium.
        if measured:
            _report(measured, folder)
    print(f"Now train on them: equijax train {'chain' if config.chain else 'paper'} --data {measured[-1].store} --out runs/mine")


def _report(measured: list[Measured], folder: Path) -> None:
    summaries = [summary(one) for one in measured]
    plots = write_report(measured, summaries, folder)
    for numbers in summaries:
        print("\n".join(lines(numbers)))
    for one in measured:
        print(f"{one.store}: {len(one.files)} configurations, {one.store.stat().st_size / 2**20:.1f} MiB")
    print(f"{folder / 'report.json'}, {', '.join(plot.name for plot in plots)}")


def estimate(config: SimulateConfig) -> str:
    """Return a sentence about how long a simulation takes, where the relaxation times are known."""
    mixture = config.mixture
    if mixture.potential != KOB_ANDERSEN or mixture.dimensions != 3 or abs(mixture.density - 1.2) > 0.02 or abs(mixture.share_b - 0.2) > 0.02:
        return "The relaxation time of this mixture is not known beforehand: how long it takes will show when it has been measured."
    steps = 0.0
    for temperature in config.temperatures:
        tau = expected_time(temperature) / config.time_step
        length = config.times[-1] * (tau if config.tau_alpha is None else config.tau_alpha / config.time_step)
        rounds = -(-config.configurations // config.replicas)
        steps += config.replicas * tau * WAITS * waiting_time(config)
        if config.chain:
            steps += config.replicas * length * (rounds + 1)
        else:
            steps += config.replicas * tau * config.spacing * (rounds - 1) + config.configurations * config.trajectories * length
        if config.cage:
            steps += config.configurations * WALKERS * (SETTLING + DURATION) / (STRIDE * config.time_step)
    device, devices = jax.devices()[0].platform, len(jax.devices())
    rate, quench = RATE.get(device, RATE["cpu"]), QUENCH.get(device, QUENCH["cpu"])
    atom_steps, quenches = steps * mixture.particles, len(config.temperatures) * config.configurations
    seconds = atom_steps / (rate * devices) + quenches * mixture.particles * quench
    told = f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
    return (
        f"About {atom_steps:.1e} atom-steps and {quenches} quenches: {told} on {devices} x {device}, at {rate:.1e} steps a second and {1e3 * quench:.1g} ms a "
        "particle that is quenched, if equilibrium shows at once; it may take twice as long."
    )


class _Meter:
    """A bar of simulated time for each thing that is done, with the rate."""

    def __init__(self, config: SimulateConfig) -> None:
        self.config = config
        self._about, self._bar, self._started, self._steps = "", None, 0.0, 0

    def __enter__(self) -> "_Meter":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def say(self, sentence: str) -> None:
        """Print a sentence above the bar."""
        Bar.write(sentence)

    def tell(self, about: str, length: float, steps: int, replicas: int | None = None) -> None:
        """Move the bar on; a new one begins where something else is done."""
        if about != self._about:
            self.__exit__()
            self._about, self._started, self._steps = about, time.perf_counter(), 0
            layout = "{desc} |{bar}| t = {n:.3g} of {total:.3g} [{elapsed}<{remaining}{postfix}]"
            self._bar = Bar(total=round(length, 3), desc=about, leave=False, bar_format=layout)

        assert self._bar is not None
        assert self._bar.total is not None
        self._steps += steps
        rate = self._steps * (replicas or self.config.replicas) * self.config.mixture.particles / max(time.perf_counter() - self._started, 1e-9)
        self._bar.set_postfix_str(f"{rate / 1e6:.2f} M atom-steps/s", refresh=False)
        # Whole steps may take a little longer than what was asked for.
        self._bar.update(min(steps * self.config.time_step, self._bar.total - self._bar.n))

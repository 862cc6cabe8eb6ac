"""A training run from data to the best checkpoint, the same after any interruption."""

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import jax
import numpy as np
from jax.sharding import Mesh

from equijax.bars import Bar
from equijax.configs import stored, to_dict
from equijax.data.cache import Cache
from equijax.data.files import read_json, write_json
from equijax.data.fingerprints import require_comparable
from equijax.data.pipeline import Batches
from equijax.data.samples import Sample
from equijax.data.splits import Split
from equijax.errors import CheckpointError, ConfigError, TrainingError
from equijax.metrics import selection_score
from equijax.network import Network, count_weights
from equijax.train.checkpoint import Checkpoints
from equijax.train.config import TrainConfig
from equijax.train.export import NETWORK
from equijax.train.log import RunLog
from equijax.train.mesh import make_mesh, replicated, spread
from equijax.train.optimizer import make_optimizer
from equijax.train.prepare import Prepared, prepare
from equijax.train.scoring import Scorer
from equijax.train.start import started_from
from equijax.train.step import AXIS, TrainState, initial_state, make_step, own_copy
from equijax.versions import machine, versions

LOOK = 50
"""Steps whose losses are looked at together: a device is seldom kept waiting, and a loss that is not finite ends a long epoch at once."""


@dataclasses.dataclass
class Progress:
    """Where the choice of the checkpoint stands: kept beside the state."""

    epoch: int = 0
    best_epoch: int = 0
    best_score: float = -np.inf

    def to_json(self) -> dict:
        """Return plain JSON types."""
        return dataclasses.asdict(self) | {"best_score": None if np.isinf(self.best_score) else self.best_score}

    @staticmethod
    def from_json(content: dict) -> "Progress":
        """Read what `to_json` wrote."""
        return Progress(content["epoch"], content["best_epoch"], -np.inf if content["best_score"] is None else content["best_score"])


def train(config: TrainConfig, folder: Path, cache: Cache, resume: bool = False, quiet: bool = False, devices: int | None = None, split: Split | None = None) -> Progress:
    """Train a network and leave config, split, log and checkpoints in a run folder.

    Args:
        config: of the run.
        folder: of the run; must be new unless resuming.
        cache: for quenches and graphs.
        resume: go on from the newest checkpoint, with exactly the numbers of an uninterrupted run on the same kind of machine.
        quiet: no progress bars.
        devices: how many to spread a batch over; by default the most that divide it.
        split: of the configurations, where it is not to be drawn at random.

    Raises:
        ConfigError: the folder already holds a run, or config and data do not fit.
        CheckpointError: there is nothing to resume, or the run was made with another config.
        TrainingError: a loss was not finite; the last good state is kept.
    """
    _check_folder(config, folder, resume)
    prepared = prepare(config, cache, quiet, split)
    network = Network(prepared.network, AXIS)
    mesh = make_mesh(config.batch, devices)
    source = prepared.source(config, prepared.split.train)
    batches = Batches(source, config.batch, config.epochs, config.seed)
    total = batches.steps_per_epoch * config.epochs
    optimizer = make_optimizer(config.optimizer, total)
    state = initial_state(network, optimizer, source[0].graph, config.seed)
    state = jax.device_put(state, replicated(mesh))
    progress = Progress()
    meta = run_meta(config, prepared) | {"seen_before": []}
    with closing(Checkpoints(folder, writable=True)) as checkpoints:
        if resume and checkpoints.latest() is not None:
            known = checkpoints.meta()
            _check_data(folder, known, meta)
            meta["seen_before"] = known.get("seen_before", [])
            state, progress = checkpoints.restore(state), Progress.from_json(known["progress"])
        elif config.start_from:
            state, meta["seen_before"] = started_from(state, prepared, config.inputs, Path(config.start_from), config.seed)
            state = jax.device_put(state, replicated(mesh))
        write_json(folder / "config.json", to_dict(config))
        write_json(folder / "run.json", meta)
        validate = Scorer(network, prepared.source(config, prepared.split.validation)) if prepared.split.validation else None
        step = make_step(network, optimizer, config.optimizer.ema, mesh, config.mirror, config.seed, config.mean_over_times == "geometric")
        with closing(RunLog(folder, int(state.step))) as log:
            loop = _Loop(config, batches, step, mesh, checkpoints, log, validate, meta, source.snapshots.names, quiet)
            try:
                return loop.run(state, progress)
            except TrainingError:
                if checkpoints.latest() is None:
                    # Nothing is worth resuming: the next try, with other settings, may have the folder.
                    (folder / "config.json").unlink()
                raise


def run_meta(config: TrainConfig, prepared: Prepared) -> dict:
    """Return what a prediction needs to know of a run, and what a reader wants to."""
    return {
        "config": to_dict(config),
        "network": to_dict(prepared.network),
        "statistics": dataclasses.asdict(prepared.statistics),
        "split": dataclasses.asdict(prepared.split),
        "capacity": dataclasses.asdict(prepared.capacity),
        "fingerprints": prepared.fingerprints,
        "versions": versions(),
        "machine": machine(),
    }


def _check_data(folder: Path, known: dict, now: dict) -> None:
    """Another split or other statistics would train on what was kept for the test."""
    # Numbers that an older version did not take of its data are nothing to compare.
    now = now | {"statistics": {name: value for name, value in now["statistics"].items() if name in known.get("statistics", {})}}
    require_comparable(f"{folder}", known.get("fingerprints", {}))
    for key in ("split", "statistics", "fingerprints"):
        if known.get(key) != json.loads(json.dumps(now[key])):
            raise CheckpointError(
                f"{folder}: the data are not those the run began with (their {key} differ{'s' if key[-1] != 's' else ''}); put them back, or start another run."
            )


def _check_folder(config: TrainConfig, folder: Path, resume: bool) -> None:
    written = folder / "config.json"
    if resume:
        if (folder / NETWORK).exists():
            raise CheckpointError(f"{folder}: is an exported run, without what training needs; start another from it: --set start_from={folder}.")
        if not written.exists():
            raise CheckpointError(f"{folder}: holds no run to resume; leave --resume out to start one.")
        before, now = to_dict(stored({"config": read_json(written, CheckpointError)}, "config", TrainConfig)), to_dict(config)
        # Data may lie elsewhere than when the run began: `_check_data` knows them by what they hold.
        changed = next((key for key in now if key != "data" and before[key] != now[key]), None)
        if changed:
            place, old, new = _difference(changed, before[changed], now[changed])
            raise CheckpointError(f"{folder}: the run was made with {place} = {old}, now it is {new}; resume it by train {written} --resume, or start another.")
    elif written.exists():
        raise ConfigError(f"{folder}: already holds a run; resume it with --resume or choose another folder.")


def _difference(place: str, before: object, now: object) -> tuple[str, object, object]:
    """Return the first setting within two settings that differ in which they do, by its full name."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in now:
            if before.get(key) != now[key]:
                return _difference(f"{place}.{key}", before.get(key), now[key])
    return place, before, now


@dataclasses.dataclass(frozen=True)
class _Loop:
    config: TrainConfig
    batches: Batches
    step: Callable[[TrainState, Sample], tuple[TrainState, jax.Array]]
    mesh: Mesh
    checkpoints: Checkpoints
    log: RunLog
    validate: Scorer | None
    meta: dict
    names: tuple[str, ...]
    quiet: bool

    def run(self, state: TrainState, progress: Progress) -> Progress:
        per_epoch = self.batches.steps_per_epoch
        done = int(state.step)
        loader = self.batches.from_step(done)
        bar = Bar(total=self.config.epochs * per_epoch, initial=done, desc=f"train {count_weights(state.params):,} weights", unit="step", disable=self.quiet)
        saved = time.monotonic()
        with bar:
            for epoch in range(progress.epoch, self.config.epochs):
                if epoch - progress.best_epoch >= self.config.patience and self.validate:
                    bar.set_postfix_str(f"no better validation for {self.config.patience} epochs: stopped")
                    break
                state, loss = self._epoch(state, loader, epoch, bar)
                state, progress = self._validate(state, progress, epoch + 1, loss, bar)
                last = epoch + 1 == self.config.epochs or (self.validate and epoch + 1 - progress.best_epoch >= self.config.patience)
                due = (epoch + 1) % self.config.checkpoint_every == 0 and time.monotonic() - saved >= self.config.checkpoint_seconds
                if last or due:
                    self._save(state, progress)
                    saved = time.monotonic()
        return progress

    def _epoch(self, state: TrainState, loader: Iterator[Sample], epoch: int, bar: Bar) -> tuple[TrainState, float]:
        losses: list[jax.Array] = []
        values: list[float] = []
        started = time.perf_counter()
        first = int(state.step)
        for k in range(self.batches.steps_per_epoch):
            batch = jax.device_put(next(loader), spread(self.mesh))
            state, loss = self.step(state, batch)
            losses.append(loss)
            bar.update()
            if len(losses) == LOOK or k + 1 == self.batches.steps_per_epoch:
                values += self._looked_at(losses, first + len(values), epoch)
                losses = []
                if self.validate is None:
                    bar.set_postfix_str(f"epoch {epoch + 1}, loss {np.mean(values):.3f}")
        seconds = (time.perf_counter() - started) / len(values)
        mean = float(np.mean(values))
        self.log.write(int(state.step), epoch=epoch + 1, epoch_loss=mean, seconds_per_step=seconds)
        return state, mean

    def _looked_at(self, losses: list[jax.Array], first: int, epoch: int) -> list[float]:
        """Return the losses of the steps from `first` on, which are logged, and checked."""
        values = np.asarray(jax.device_get(losses))
        for k, value in enumerate(values):
            if not np.isfinite(value):
                self._fail(first + k, epoch)
            self.log.write(first + k + 1, loss=float(value))
        return values.tolist()

    def _fail(self, step: int, epoch: int) -> None:
        names = ", ".join(self.names[i] for i in self.batches.members(step))
        kept = self.checkpoints.latest()
        raise TrainingError(
            f"step {step + 1} (epoch {epoch + 1}): the loss of {names} is not finite; "
            + (f"the checkpoint of step {kept} is kept" if kept is not None else "no checkpoint had been written yet")
            + "; lower optimizer.learning_rate, or look at that configuration with equijax data inspect."
        )

    def _validate(self, state: TrainState, progress: Progress, epoch: int, loss: float, bar: Bar) -> tuple[TrainState, Progress]:
        if self.validate is None:
            return state.replace(best=own_copy(state.average), best_batch_stats=own_copy(state.batch_stats)), Progress(epoch, epoch, -np.inf)
        value = selection_score(self.validate(state.average, state.batch_stats))
        self.log.write(int(state.step), epoch=epoch, validation=value)
        if not np.isfinite(value):
            raise TrainingError(
                f"epoch {epoch}: the validation correlation is {value}: a validation configuration has no A particles, or predictions or propensities that do not vary; "
                "look at them with equijax data inspect, or choose others with --set split_seed=1."
            )
        if value > progress.best_score:
            state = state.replace(best=own_copy(state.average), best_batch_stats=own_copy(state.batch_stats))
            progress = Progress(epoch, epoch, value)
        else:
            progress = Progress(epoch, progress.best_epoch, progress.best_score)
        bar.set_postfix_str(f"epoch {epoch}, loss {loss:.3f}, validation r {value:.3f}, best {progress.best_score:.3f}")
        return state, progress

    def _save(self, state: TrainState, progress: Progress) -> None:
        self.checkpoints.save(int(state.step), state, self.meta | {"progress": progress.to_json()})

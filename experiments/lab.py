"""What the studies share: state points with their splits, and models that are trained once and kept."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np

from equijax.bars import Bar
from equijax.baselines.config import BaselineConfig
from equijax.baselines.ridge import Ridge, Table
from equijax.baselines.run import open_baseline, train_baseline
from equijax.configs import to_dict
from equijax.data.cache import Cache, content_key
from equijax.data.convert import write_snapshots
from equijax.data.ends import snapshots_with_ends
from equijax.data.formats import read_trajectories
from equijax.data.samples import Quenches
from equijax.data.snapshots import SnapshotSet
from equijax.data.splits import Split, is_successor, split_names
from equijax.data.successors import Successors, snapshots_with_successors
from equijax.errors import ConfigError, DataFormatError, TrainingError
from equijax.evaluation import Align, score
from equijax.metrics import Scored
from equijax.model import Model
from equijax.predictor import Predictor
from equijax.snapshot import Snapshot
from equijax.targets import TargetConfig, measure, propensity, restore, selected_halves, standardise
from equijax.train.config import TrainConfig
from equijax.train.load import open_run
from equijax.train.loop import train
from experiments.scales import Scale


@dataclasses.dataclass(frozen=True)
class StatePoint:
    """One data set: configurations of one temperature, measured at the same times.

    Attributes:
        label: for tables and plots, such as "T = 0.56".
        paths: of the files.
        split: of its configurations.
        snapshots: all of them, with inherent structures where they are known or can be made.
        content: a name for what the files hold: models are kept under it.
    """

    label: str
    paths: tuple[str, ...]
    split: Split
    snapshots: SnapshotSet
    content: str

    def written(self, path: Path) -> "StatePoint":
        """Return the same state point with other files to train on."""
        return dataclasses.replace(self, paths=(str(path),), content=_content(SnapshotSet.read([path])))

    def part(self, name: str) -> list[Snapshot]:
        """Return the configurations of "train", "validation" or "test"."""
        chosen = self.snapshots.chosen(getattr(self.split, name))
        return [chosen[i] for i in range(len(chosen))]


class Lab:
    """Trains models once, keeps them in a folder, and scores them.

    Args:
        scale: how large everything is.
        data: one path for each state point.
        folder: for models; those that are there are not trained again.
        cache: for quenches and graphs.
        split: whether configurations are kept for validation and test; otherwise all are to train on.

    Attributes:
        failed: trainings that failed, with their seed and what was wrong.
    """

    def __init__(self, scale: Scale, data: Sequence[Path], folder: Path, cache: Cache, split: bool = True) -> None:
        self.failed: list[dict] = []
        self.scale, self.folder, self.cache, self._kept = scale, folder, cache, (scale.validation, scale.test) if split else (0, 0)
        self.points = tuple(self._point(path) for path in data)
        labels = [point.label for point in self.points]
        if len(set(labels)) < len(labels):
            raise ConfigError(f"two data sets are of {next(label for label in labels if labels.count(label) > 1)}; give one for each temperature.")

    def _point(self, path: Path) -> StatePoint:
        snapshots = SnapshotSet.read([path])
        if any(map(is_successor, snapshots.names)):
            raise ConfigError(f"{path}: holds successors; studies make their own: give what they were made from.")
        first = snapshots[0]
        label = f"T = {first.temperature:g}" if first.temperature is not None else path.stem
        split = split_names(snapshots.names, *self._kept, 0)
        return StatePoint(label, (str(path),), split, snapshots.mapped(Quenches(self.cache)), _content(snapshots))

    def train(self, config: TrainConfig, point: StatePoint, seed: int, split: Split | None = None) -> Predictor:
        """Return a network trained on a state point, from the folder if it is there; an interrupted training goes on."""
        split = split or point.split
        config = dataclasses.replace(config, seed=seed)
        run = self.folder / _key(config, point, split)
        config = dataclasses.replace(config, data=point.paths)
        if not (run / "finished").exists():
            train(config, run, self.cache, resume=(run / "config.json").exists(), quiet=True, split=split)
            (run / "finished").touch()
        return open_run(run)[0]

    def fit(self, config: BaselineConfig, point: StatePoint, seed: int, split: Split | None = None) -> Model:
        """Return a baseline fitted to a state point, likewise."""
        split = split or point.split
        config = dataclasses.replace(config, seed=seed)
        run = self.folder / _key(config, point, split)
        config = dataclasses.replace(config, data=point.paths)
        if not (run / "config.json").exists():
            train_baseline(config, run, self.cache, quiet=True, split=split)
        return open_baseline(run)[0]

    def ends(self, point: StatePoint, most: int) -> StatePoint | None:
        """Return the state point with the ends of its trajectories to train on beside it, or None where the files keep no trajectories, or several times.

        Args:
            point: of files in a format that keeps trajectories.
            most: ends of each configuration.
        """
        path = self.folder / f"ends{most}-{point.content[:16]}.h5"
        if len(point.snapshots[0].times) != 1:  # type: ignore[arg-type]
            return None
        try:
            next(read_trajectories(point.paths[0]))
        except DataFormatError:
            return None
        if not path.exists():
            quenched = map(Quenches(self.cache), snapshots_with_ends(point.paths[0], most=most))
            write_snapshots(path, Bar(quenched, desc="ends of trajectories", unit="configuration", leave=False))
        return dataclasses.replace(point, paths=(str(path),), content=content_key(point.content, most))

    def successors(self, point: StatePoint) -> StatePoint:
        """Return the state point with the successors of its configurations to train on beside it.

        Args:
            point: measured at times that are long enough (`equijax.data.successors`).
        """
        successors = Successors(self.scale.successors, self.cache)
        content = content_key(point.content, "successors", *successors.settings)
        path = self.folder / f"successors-{content[:16]}.h5"
        if not path.exists():
            found = snapshots_with_successors(point.snapshots, successors)
            write_snapshots(path, Bar(map(Quenches(self.cache), found), desc="successors", unit="configuration", leave=False))
        return dataclasses.replace(point, paths=(str(path),), content=content)

    def networks(self, config: TrainConfig, point: StatePoint, about: str, split: Split | None = None) -> list[Predictor]:
        """Return networks of all seeds; of a seed whose training fails (`failed`), none.

        Raises:
            TrainingError: no seed is left.
        """
        found, error = [], None
        for seed in Bar(self.scale.seeds, desc=about, unit="seed", leave=False):
            try:
                found.append(self.train(config, point, seed, split))
            except TrainingError as failure:
                error = failure
                self.failed.append({"networks": about, "seed": seed, "error": str(failure)})
        if error and not found:
            raise error
        return found

    def scored(self, models: Sequence[Model], point: StatePoint, targets: TargetConfig | None = None, align: Align = "times") -> list[list[Scored]]:
        """Return the scores of each model on the test configurations of a state point."""
        tested = point.part("test")
        return [score(model, tested, targets or TargetConfig(), align) for model in models]


def in_as_many_steps(config: TrainConfig, count: int, of: int) -> TrainConfig:
    """Return the training with as many steps on `count` configurations as it has on `of`: otherwise fewer data would mean less training too."""
    return dataclasses.replace(config, epochs=-(-config.epochs * of // count), patience=-(-config.patience * of // count))


def refitted(network: Predictor, target: StatePoint, targets: TargetConfig) -> list[Scored]:
    """Score a linear decoder on the network's frozen invariants, its penalty chosen on validation, or by leaving training configurations out in turn."""
    parts = {name: target.part(name) for name in ("train", "validation", "test")}
    statistics = measure(parts["train"], network.inputs, targets)

    def tables(snapshots: list[Snapshot]) -> list[Table]:
        return [(network.invariants(s).astype(float), s.types, standardise(s, targets, statistics)) for s in snapshots]

    decoder = Ridge()
    decoder.fit(tables(parts["train"]), tables(parts["validation"]))
    scored = []
    for snapshot in parts["test"]:
        outputs = decoder.outputs(network.invariants(snapshot).astype(float), snapshot.types)
        measured = propensity(snapshot, targets, np.array(statistics.times))
        scored.append(Scored(snapshot.name, snapshot.types, restore(snapshot, outputs, network.inputs, statistics), measured, selected_halves(snapshot, targets)))
    return scored


def _key(config: TrainConfig | BaselineConfig, point: StatePoint, split: Split) -> str:
    settings = json.dumps([to_dict(config), dataclasses.asdict(split)], sort_keys=True)
    # Another version may ship another network under the same name, and a folder hold another run.
    start = jax.tree.leaves(open_run(Path(config.start_from))[0].variables) if isinstance(config, TrainConfig) and config.start_from else []
    return content_key(settings, point.content, *map(np.asarray, start))[:16]


def _content(snapshots: SnapshotSet) -> str:
    fields = ("positions", "types", "box", "inherent_positions", "inherent_energy", "cage_positions", "times", "propensity", "propensity_halves", "trajectories")
    return content_key(*(content_key(snapshot.name, *(getattr(snapshot, field) for field in fields)) for snapshot in snapshots))

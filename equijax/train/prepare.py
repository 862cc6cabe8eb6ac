"""From a config to a data set that is ready to train on."""

import dataclasses
import itertools

import numpy as np

from equijax.bars import Bar
from equijax.data.cache import Cache
from equijax.data.completed import Completed
from equijax.data.fingerprints import fingerprint
from equijax.data.samples import Capacity, PairFinder, SampleSource
from equijax.data.snapshots import SnapshotSet
from equijax.data.splits import Split, ensembles, ensembles_or_all, singles, split_names, with_derived
from equijax.errors import ConfigError
from equijax.graph.graph import slot_capacity
from equijax.network import NetworkConfig
from equijax.statistics import Statistics
from equijax.targets import measure
from equijax.train.config import TrainConfig


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A data set ready to train on: its split, statistics, shapes, the network that fits them, fingerprints, and the weights of what is trained on (mean one)."""

    snapshots: SnapshotSet
    split: Split
    statistics: Statistics
    capacity: Capacity
    network: NetworkConfig
    pairs: PairFinder
    fingerprints: dict[str, str]
    weights: dict[str, float]

    def source(self, config: TrainConfig, names: tuple[str, ...]) -> SampleSource:
        """Return the samples with these names."""
        chosen = self.snapshots.chosen(names)
        return SampleSource(chosen, self.pairs, config.inputs, config.targets, self.statistics, self.capacity, lambda s: self.weights.get(s.name, 1.0))


def prepare(config: TrainConfig, cache: Cache, quiet: bool = False, split: Split | None = None) -> Prepared:
    """Read, quench where needed, build graphs, split and measure; every finished piece is cached.

    Raises:
        EquijaxError: data or config are not usable.
    """
    snapshots = SnapshotSet.read(config.data)
    split = split_names(snapshots.names, config.validation, config.test, config.split_seed) if split is None else with_derived(split, snapshots.names)
    measured = ensembles_or_all(split.train)
    if not config.trajectory_noise and ensembles(split.train) and singles(split.train):
        raise ConfigError("some training data are known by single trajectories, which must not weigh as much as ensembles; set trajectory_noise (2 in `ends`).")
    snapshots = snapshots.chosen([*split.train, *split.validation, *split.test])
    bar: Bar | None = None

    def show(steps: int, force: float) -> None:
        if bar is not None:
            bar.set_postfix_str(f"FIRE step {steps}, largest force {force:.1e}")

    snapshots = snapshots.mapped(Completed(config.inputs, cache, progress=show))
    pairs = PairFinder(config.network.cutoff, cache)
    made = ["inherent structures"] * config.inputs.needs_quench + ["cages"] * config.inputs.needs_cages + ["graphs"]
    bar = Bar(range(len(snapshots)), desc=", ".join(made), unit="configuration", disable=quiet)
    nodes, slots, prints, degrees, weights, trained = 0, 0, {}, {}, {}, {*split.train}
    for i in bar:
        snapshot = snapshots[i]
        found = [pairs(snapshot, which).receivers for which in config.inputs.sets]
        nodes, slots = max(nodes, len(snapshot)), max(slots, *(slot_capacity(int(np.bincount(receivers).max(initial=0))) for receivers in found))
        prints[snapshot.name], degrees[snapshot.name] = fingerprint(snapshot), len(found[0]) / len(snapshot)
        if snapshot.name in trained:
            weights[snapshot.name] = config.weight(snapshot)
    _refuse_copies(split, prints)
    if config.trajectory_noise and len({*weights.values()}) == 1:
        raise ConfigError(
            "trajectory_noise changes nothing here, for all training configurations have equally many trajectories: "
            "add the ends of their trajectories (equijax data ends), or take a preset without it (inherent)."
        )
    statistics = measure(snapshots.chosen(measured), config.inputs, config.targets)
    network = dataclasses.replace(
        config.network,
        scalars=config.inputs.scalars,
        arrows=config.inputs.arrows,
        graphs=len(config.inputs.sets),
        outputs=len(statistics.times),
        mean_degree=round(float(np.mean([degrees[name] for name in split.train])), 3),
    )
    mean = float(np.mean([*weights.values()]))
    weights = {name: weight / mean for name, weight in weights.items()}
    return Prepared(snapshots, split, statistics, Capacity(nodes, slots), network, pairs, prints, weights)


def _refuse_copies(split: Split, prints: dict[str, str]) -> None:
    """Raise if a configuration stands in two parts of the split under two names."""
    parts = [{prints[name]: name for name in part} for part in (split.train, split.validation, split.test)]
    for first, second in itertools.combinations(parts, 2):
        for same in first.keys() & second.keys():
            raise ConfigError(f"{first[same]} and {second[same]} are the same configuration, and the split puts them apart; give it once.")

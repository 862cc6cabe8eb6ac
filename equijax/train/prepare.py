"""From a config to a data set that is ready to train on."""

import dataclasses

import numpy as np
from tqdm import tqdm

from equijax.data.cache import Cache, content_key
from equijax.data.samples import Capacity, PairFinder, Quenches, SampleSource
from equijax.data.snapshots import SnapshotSet
from equijax.data.splits import Split, ensembles, split_names, with_ends
from equijax.errors import ConfigError
from equijax.graph.graph import slot_capacity
from equijax.inputs import Statistics, measure
from equijax.network import NetworkConfig
from equijax.periodic import wrap
from equijax.snapshot import Snapshot
from equijax.train.config import TrainConfig


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A data set ready to train on: its split, statistics, shapes, the network that fits them, each configuration's fingerprint, and their mean weight."""

    snapshots: SnapshotSet
    split: Split
    statistics: Statistics
    capacity: Capacity
    network: NetworkConfig
    pairs: PairFinder
    fingerprints: dict[str, str]
    mean_weight: float

    def source(self, config: TrainConfig, names: tuple[str, ...]) -> SampleSource:
        """Return the samples with these names."""
        return SampleSource(
            self.snapshots.chosen(names), self.pairs, config.inputs, config.targets, self.statistics, self.capacity, lambda s: config.weight(s) / self.mean_weight
        )


def fingerprint(snapshot: Snapshot) -> str:
    """Return what a configuration is known by whatever its file is called: a hash of its wrapped positions to four decimals."""
    wrapped = np.round(wrap(snapshot.positions, snapshot.box), 4)
    return content_key(np.where(wrapped >= np.round(snapshot.box, 4), 0.0, wrapped) + 0.0, snapshot.types)


def prepare(config: TrainConfig, cache: Cache, quiet: bool = False, split: Split | None = None) -> Prepared:
    """Read, quench where needed, build graphs, split and measure; every finished piece is cached.

    Raises:
        EquijaxError: data or config are not usable.
    """
    snapshots = SnapshotSet.read(config.data)
    if split is None:
        split = split_names(snapshots.names, config.validation, config.test, config.split_seed)
    split = with_ends(split, snapshots.names)
    if not config.trajectory_noise and len(ensembles(split.train)) < len(split.train):
        raise ConfigError("the data hold ends of single trajectories, which must not weigh as much as ensembles; set trajectory_noise (12, as the preset `ends` has).")
    snapshots = snapshots.chosen([*split.train, *split.validation, *split.test])
    if config.inputs.needs_quench:
        bar: tqdm | None = None

        def show(steps: int, force: float) -> None:
            if bar is not None:
                bar.set_postfix_str(f"FIRE step {steps}, largest force {force:.1e}")

        snapshots = snapshots.mapped(Quenches(cache, progress=show))
    pairs = PairFinder(config.network.cutoff, cache)
    bar = tqdm(range(len(snapshots)), desc="inherent structures and graphs" if config.inputs.needs_quench else "graphs", unit="configuration", disable=quiet)
    nodes, slots, prints, degrees, weights, trained = 0, 0, {}, {}, [], {*split.train}
    for i in bar:
        snapshot = snapshots[i]
        found = [pairs(snapshot, which).receivers for which in config.inputs.sets]
        nodes, slots = max(nodes, len(snapshot)), max(slots, *(slot_capacity(int(np.bincount(receivers).max(initial=0))) for receivers in found))
        prints[snapshot.name], degrees[snapshot.name] = fingerprint(snapshot), len(found[0]) / len(snapshot)
        if snapshot.name in trained:
            weights.append(config.weight(snapshot))
    statistics = measure(snapshots.chosen(split.train), config.inputs, config.targets)
    network = dataclasses.replace(
        config.network,
        scalars=config.inputs.scalars,
        arrows=config.inputs.arrows,
        graphs=len(config.inputs.sets),
        outputs=len(statistics.times),
        mean_degree=round(float(np.mean([degrees[name] for name in split.train])), 3),
    )
    mean_weight = float(np.mean(weights))
    return Prepared(snapshots, split, statistics, Capacity(nodes, slots), network, pairs, prints, mean_weight)

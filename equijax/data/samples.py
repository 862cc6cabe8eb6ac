"""Snapshots made ready for the network: quenched where needed, graph built, targets standardised, all cached."""

import dataclasses
import functools
import threading
from collections import OrderedDict
from collections.abc import Callable

import flax.struct
import jax
import numpy as np
from jaxtyping import Float

from equijax._types import AnyArray
from equijax.data.cache import Cache, content_key
from equijax.data.snapshots import SnapshotSet
from equijax.graph.graph import Graph, build_graph, paired
from equijax.graph.neighbors import KEPT, Searches
from equijax.graph.pairs import Pairs
from equijax.inputs import InputConfig, Positions, graph_positions, node_features
from equijax.md.kob_andersen import KOB_ANDERSEN, particle_energies
from equijax.md.quench import MAX_STEPS, TOLERANCE, Quencher, QuenchReport
from equijax.snapshot import Snapshot
from equijax.statistics import Statistics
from equijax.targets import TargetConfig, standardise

GIBIBYTE = 2**30


class Sample(flax.struct.PyTreeNode):
    """One training example (or, with a leading axis b, a batch): the graph, standardised targets (n, t), and weights (n,), zero for padding."""

    graph: Graph
    targets: Float[AnyArray, "n t"]
    weights: Float[AnyArray, "n"]


class Quenches:
    """Gives snapshots their inherent structures, from the file, the cache, or a quench with the Kob-Andersen potential.

    Files do not know their potential: those of another mixture must bring inherent positions and energies both.

    Args:
        cache: where finished quenches are kept.
        notify: called with the report and the snapshot of every quench that had to be run.
        progress: called with steps and largest force while one runs.
        tolerance, max_steps: of the quench.
    """

    def __init__(
        self,
        cache: Cache,
        notify: Callable[[Snapshot, QuenchReport], None] | None = None,
        progress: Callable[[int, float], None] | None = None,
        tolerance: float = TOLERANCE,
        max_steps: int = MAX_STEPS,
    ) -> None:
        self.cache, self.notify, self.tolerance = cache, notify, tolerance
        self._searches = Searches(KOB_ANDERSEN.cutoff)
        self._quencher = functools.lru_cache(maxsize=KEPT)(lambda box: Quencher(np.array(box), KOB_ANDERSEN, tolerance, max_steps, progress))

    def __call__(self, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot with `inherent_positions` and `inherent_energy`; those it has are kept.

        Raises:
            ConvergenceError: the quench did not reach its minimum.
        """
        if snapshot.inherent_energy is not None and snapshot.inherent_positions is not None:
            return snapshot
        given = snapshot.positions if snapshot.inherent_positions is None else snapshot.inherent_positions
        key = content_key(given, snapshot.inherent_positions is None, snapshot.types, snapshot.box, KOB_ANDERSEN, self.tolerance)
        known = self.cache.get("quench", key)
        if known is not None:
            return snapshot.replace(**known)
        if snapshot.inherent_positions is not None:
            energy = particle_energies(snapshot, snapshot.inherent_positions, self._searches)
            self.cache.put("quench", key, inherent_energy=energy)
            return snapshot.replace(inherent_energy=energy)
        quenched, report = self._quencher(tuple(snapshot.box.tolist()))(snapshot)
        assert quenched.inherent_positions is not None
        assert quenched.inherent_energy is not None
        self.cache.put("quench", key, inherent_positions=quenched.inherent_positions, inherent_energy=quenched.inherent_energy)
        if self.notify:
            self.notify(quenched, report)
        return quenched


class PairFinder:
    """Neighbour pairs of snapshots, from the cache or from jax-md."""

    def __init__(self, cutoff: float, cache: Cache) -> None:
        self.cutoff, self.cache = cutoff, cache
        self._searches = Searches(cutoff)

    def __call__(self, snapshot: Snapshot, which: Positions) -> Pairs:
        """Return the pairs of one of the snapshot's sets of positions.

        Raises:
            SnapshotError: the box is too small for the cutoff, or particles lie on top of each other.
        """
        positions = graph_positions(snapshot, which)
        key = content_key(positions, snapshot.box, self.cutoff)
        known = self.cache.get("pairs", key)
        if known is not None:
            return Pairs(**known)
        pairs = self._searches.pairs(snapshot, positions)
        pairs = Pairs(pairs.senders.astype(np.int32), pairs.receivers.astype(np.int32), pairs.vectors.astype(np.float32))
        self.cache.put("pairs", key, **pairs._asdict())
        return pairs


@dataclasses.dataclass(frozen=True)
class Capacity:
    """Rows and slots that hold every configuration of a data set: one shape, one compilation."""

    nodes: int
    slots: int


class SampleSource:
    """Random access to the samples of a list of snapshots; the most recent stay in memory up to a limit.

    Args:
        snapshots: in memory, or a lazy sequence over a store.
        pairs: where graphs come from.
        inputs, targets, statistics: how they are standardised.
        capacity: common shape.
        weight: of a configuration in the loss; the mean over a training set is one.
        memory: bytes of samples to keep.
    """

    def __init__(
        self,
        snapshots: SnapshotSet,
        pairs: PairFinder,
        inputs: InputConfig,
        targets: TargetConfig,
        statistics: Statistics,
        capacity: Capacity,
        weight: Callable[[Snapshot], float] = lambda _: 1.0,
        memory: float = 4 * GIBIBYTE,
    ) -> None:
        self.snapshots, self.pairs, self.inputs, self.targets, self.statistics, self.capacity = snapshots, pairs, inputs, targets, statistics, capacity
        self._kept: OrderedDict[int, Sample] = OrderedDict()
        self._weight, self._memory, self._used = weight, memory, 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.snapshots)

    def __getitem__(self, index: int) -> Sample:
        with self._lock:
            if index in self._kept:
                self._kept.move_to_end(index)
                return self._kept[index]
            sample = self._build(self.snapshots[index])
            size = sum(leaf.nbytes for leaf in jax.tree.leaves(sample))
            self._kept[index] = sample
            self._used += size
            while self._used > self._memory and len(self._kept) > 1:
                self._used -= size
                self._kept.popitem(last=False)
            return sample

    def _build(self, snapshot: Snapshot) -> Sample:
        scalars, arrows = node_features(snapshot, self.inputs, self.statistics)
        graph = paired(
            build_graph(self.pairs(snapshot, which), snapshot.types, self.pairs.cutoff, self.capacity.nodes, self.capacity.slots, scalars, arrows, name=snapshot.name)
            for which in self.inputs.sets
        )
        missing = self.capacity.nodes - len(snapshot)
        targets = np.pad(standardise(snapshot, self.targets, self.statistics), ((0, missing), (0, 0))).astype(np.float32)
        weights = np.pad(np.full(len(snapshot), self._weight(snapshot), np.float32), (0, missing))
        return Sample(graph, targets, weights)

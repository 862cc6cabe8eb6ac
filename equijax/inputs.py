"""From a snapshot to what the network reads, and from what it writes back to propensities."""

import dataclasses
from collections.abc import Iterable
from typing import Literal, cast

import numpy as np
from jaxtyping import Float

from equijax._types import HostPositions
from equijax.errors import ConfigError, SnapshotError
from equijax.least_squares import selected_slopes
from equijax.moments import Moments
from equijax.periodic import minimum_image
from equijax.snapshot import N_TYPES, Snapshot

Positions = Literal["thermal", "inherent", "cage"]
"""The three sets of positions of a configuration: the snapshot itself, the energy minimum below it, and the centres of the cages."""


@dataclasses.dataclass(frozen=True)
class InputConfig:
    """Which configuration makes the graph, and what each particle carries besides its type.

    Attributes:
        positions: of the graph; "both" makes two graphs, of the thermal and of the inherent positions, and "thermal+cage" of the thermal ones and of the
            centres of the cages, each with layers of its own, which the decoder reads together.
        energy: the potential energy of the particle in the inherent structure (one invariant).
        displacement: the vector from the thermal to the inherent position (one l = 1 input) and its length (one invariant).
        cage_displacement: the vector from the thermal position to the centre of the cage, likewise.
    """

    positions: Literal["thermal", "inherent", "cage", "both", "thermal+cage"] = "thermal"
    energy: bool = True
    displacement: bool = False
    cage_displacement: bool = False

    @property
    def sets(self) -> tuple[Positions, ...]:
        """The positions of each graph."""
        pairs: dict[str, tuple[Positions, ...]] = {"both": ("thermal", "inherent"), "thermal+cage": ("thermal", "cage")}
        return pairs.get(self.positions) or (cast(Positions, self.positions),)

    @property
    def displaced_to(self) -> tuple[Positions, ...]:
        """Where the vectors end that begin at the thermal positions."""
        return ("inherent",) * self.displacement + ("cage",) * self.cage_displacement

    @property
    def reads(self) -> frozenset[Positions]:
        """All positions that the network depends on."""
        return frozenset({*self.sets, *self.displaced_to, *(("thermal",) if self.displaced_to else ())})

    @property
    def scalars(self) -> int:
        """Extra invariants per particle."""
        return int(self.energy) + len(self.displaced_to)

    @property
    def arrows(self) -> int:
        """Extra vectors per particle."""
        return len(self.displaced_to)

    @property
    def needs_quench(self) -> bool:
        """Whether the inherent structure must be known."""
        return self.energy or "inherent" in self.reads

    @property
    def needs_cages(self) -> bool:
        """Whether the cage positions must be known."""
        return "cage" in self.reads


@dataclasses.dataclass(frozen=True)
class TargetConfig:
    """What the network learns to predict.

    Attributes:
        times: which of the measured times, by number in increasing order; None takes all (multi-variate), one is uni-variate.
        centre: "data" standardises with the mean of the training set; "configuration" learns deviations from each configuration's own mean,
            which is predicted apart, from its mean inherent energy and the mean squared displacements that the network reads.
    """

    times: tuple[int, ...] | None = None
    centre: Literal["data", "configuration"] = "data"


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Numbers of the training set that standardise inputs and targets; types first, times second.

    Attributes:
        energy_mean, energy_scale: (2,) of the inherent energy.
        displacement_scale, cage_scale: root mean square length of the displacements from thermal to inherent positions, and to the centres of the cages.
        target_mean, target_scale: (2, t) of the propensity.
        slope: (2, t), change of a configuration's mean propensity with its mean inherent energy.
        reference_energy: mean inherent energy of the training set.
        times: (t,) of the targets.
        squared_slope: (d, 2, t), its change with the mean squared displacement to each end in `InputConfig.displaced_to`.
        reference_squared: (d,), mean squared displacements of the training set.
        shares: (2,), how much of its particles are of each type; none where that is not known.
    """

    energy_mean: list[float]
    energy_scale: list[float]
    displacement_scale: float
    target_mean: list[list[float]]
    target_scale: list[list[float]]
    slope: list[list[float]]
    reference_energy: float
    times: list[float]
    cage_scale: float = 1.0
    squared_slope: list[list[list[float]]] = dataclasses.field(default_factory=list)
    reference_squared: list[float] = dataclasses.field(default_factory=list)
    shares: list[float] = dataclasses.field(default_factory=list)


def graph_positions(snapshot: Snapshot, which: Positions) -> HostPositions:
    """Return one set of positions.

    Raises:
        SnapshotError: the snapshot lacks it.
    """
    chosen = {"thermal": snapshot.positions, "inherent": snapshot.inherent_positions, "cage": snapshot.cage_positions}[which]
    if chosen is None:
        remedy = "quench it first" if which == "inherent" else "`equijax data cages` finds them"
        raise SnapshotError(f"{snapshot.name}: has no {which} positions; {remedy}.")
    return chosen


def _inherent(snapshot: Snapshot, field: str) -> np.ndarray:
    value = getattr(snapshot, field)
    if value is None:
        raise SnapshotError(f"{snapshot.name}: has no {field}; quench it first.")
    return value


def displacement(snapshot: Snapshot, end: Positions = "inherent") -> HostPositions:
    """Return the vector from the thermal to another position of each particle.

    Raises:
        SnapshotError: the snapshot lacks them.
    """
    return minimum_image(graph_positions(snapshot, end) - snapshot.positions, snapshot.box)


def node_features(snapshot: Snapshot, inputs: InputConfig, statistics: Statistics) -> tuple[Float[np.ndarray, "n s"], Float[np.ndarray, "n v 3"]]:
    """Return the extra invariants and vectors of the particles, standardised.

    Raises:
        SnapshotError: the inherent structure is needed and absent.
    """
    n = len(snapshot)
    scalars, arrows = [np.zeros((n, 0))], [np.zeros((n, 0, 3))]
    if inputs.energy:
        energy = _inherent(snapshot, "inherent_energy")
        scalars.append(((energy - np.array(statistics.energy_mean)[snapshot.types]) / np.array(statistics.energy_scale)[snapshot.types])[:, None])
    for end in inputs.displaced_to:
        vectors = displacement(snapshot, end) / length_scale(statistics, end)
        scalars.append(np.linalg.norm(vectors, axis=1, keepdims=True))
        arrows.append(vectors[:, None])
    return np.concatenate(scalars, 1), np.concatenate(arrows, 1)


def length_scale(statistics: Statistics, end: Positions) -> float:
    """Return the unit of the displacements that end there."""
    return statistics.displacement_scale if end == "inherent" else statistics.cage_scale


def measure(snapshots: Iterable[Snapshot], inputs: InputConfig, targets: TargetConfig) -> Statistics:
    """Return the statistics of a training set, reading each configuration once and keeping none.

    Raises:
        ConfigError: the configurations do not have the times asked for, or have different ones, or have no A particles.
    """
    times: np.ndarray | None = None
    target, energy, whole = Moments(), Moments(), []
    for snapshot in snapshots:
        times = selected_times(snapshot, targets) if times is None else times
        target.add(propensity(snapshot, targets, times), snapshot.types)
        if inputs.needs_quench:
            energy.add(_inherent(snapshot, "inherent_energy")[:, None], snapshot.types)
        whole.append(_of_the_whole(snapshot, inputs))
    if times is None:
        raise ConfigError("no configurations to learn from.")
    counts = np.sum(target.counts, 0)
    if not counts[0]:
        raise ConfigError("the configurations have no A particles (type 0), by which models are chosen and scored; let the more frequent particles be A.")
    descriptors = np.array(whole)
    slope = np.zeros((descriptors.shape[1], N_TYPES, len(times)))
    mean, scale = target.pooled()
    if targets.centre == "configuration":
        mean, scale = target.within()
        for kind in range(N_TYPES):
            there = [k for k, count in enumerate(target.counts) if count[kind]]
            for t in range(len(times)):
                slope[:, kind, t] = selected_slopes(descriptors[there], np.array([target.means[k][kind, t] for k in there]))
    energy_mean, energy_scale = energy.pooled() if inputs.needs_quench else (np.zeros((N_TYPES, 1)), np.ones((N_TYPES, 1)))
    reference = descriptors.mean(0)
    lengths = {end: float(np.sqrt(squared)) or 1.0 for end, squared in zip(inputs.displaced_to, reference[1:], strict=True)}
    return Statistics(
        energy_mean=energy_mean[:, 0].tolist(),
        energy_scale=energy_scale[:, 0].tolist(),
        displacement_scale=lengths.get("inherent", 1.0),
        target_mean=mean.tolist(),
        target_scale=scale.tolist(),
        slope=slope[0].tolist(),
        reference_energy=float(reference[0]),
        times=times.tolist(),
        cage_scale=lengths.get("cage", 1.0),
        squared_slope=slope[1:].tolist(),
        reference_squared=reference[1:].tolist(),
        shares=(counts / counts.sum()).tolist(),
    )


def _of_the_whole(snapshot: Snapshot, inputs: InputConfig) -> Float[np.ndarray, "k"]:
    """Return what the mean propensity of a configuration follows: its mean inherent energy, and the mean squared displacements that the network reads."""
    energy = _inherent(snapshot, "inherent_energy").mean() if inputs.needs_quench else 0.0
    return np.array([energy, *((displacement(snapshot, end) ** 2).sum(1).mean() for end in inputs.displaced_to)])


def selected_times(snapshot: Snapshot, targets: TargetConfig) -> np.ndarray:
    """Return the times the targets ask for.

    Raises:
        ConfigError: the snapshot has no propensity or not so many times.
    """
    if snapshot.times is None or snapshot.propensity is None:
        raise ConfigError(f"{snapshot.name}: has no measured propensity to learn from.")
    if targets.times is None:
        return snapshot.times
    if not targets.times or min(targets.times) < 0 or max(targets.times) >= len(snapshot.times):
        raise ConfigError(f"targets.times is {list(targets.times)}; {snapshot.name} has {len(snapshot.times)} times, numbered from 0.")
    if list(targets.times) != sorted({*targets.times}):
        raise ConfigError(f"targets.times is {list(targets.times)}; expected numbers in increasing order, each once.")
    return snapshot.times[list(targets.times)]


def propensity(snapshot: Snapshot, targets: TargetConfig, times: np.ndarray) -> Float[np.ndarray, "n t"]:
    """Return the measured propensity at the selected times.

    Raises:
        ConfigError: this configuration was measured at other times.
    """
    own = selected_times(snapshot, targets)
    if own.shape != np.shape(times) or not np.allclose(own, times, rtol=1e-6):
        raise ConfigError(
            f"{snapshot.name}: measured at {own.tolist()}, the training set at {np.asarray(times).tolist()}; train on one state point or choose common times "
            "(evaluate has --align order)."
        )
    assert snapshot.propensity is not None
    return snapshot.propensity if targets.times is None else snapshot.propensity[:, list(targets.times)]


def selected_halves(snapshot: Snapshot, targets: TargetConfig) -> Float[np.ndarray, "2 n t"] | None:
    """Return the two halves of the propensity at the selected times, where they are known."""
    halves = snapshot.propensity_halves
    return halves if halves is None or targets.times is None else halves[:, :, list(targets.times)]


def standardise(snapshot: Snapshot, targets: TargetConfig, statistics: Statistics) -> Float[np.ndarray, "n t"]:
    """Return the targets as the network learns them."""
    values = propensity(snapshot, targets, np.array(statistics.times))
    centre = np.array(statistics.target_mean)
    if targets.centre == "configuration":
        centre = np.stack([values[snapshot.types == kind].mean(0) if (snapshot.types == kind).any() else centre[kind] for kind in range(N_TYPES)])
    return (values - centre[snapshot.types]) / np.array(statistics.target_scale)[snapshot.types]


def restore(snapshot: Snapshot, outputs: Float[np.ndarray, "n t"], inputs: InputConfig, statistics: Statistics) -> Float[np.ndarray, "n t"]:
    """Return propensities from the network's outputs: scale, mean of the type, and what the descriptors of the whole configuration add."""
    centre, slope = np.array(statistics.target_mean), np.array([statistics.slope, *statistics.squared_slope])
    if slope.any():
        reference = np.array([statistics.reference_energy, *statistics.reference_squared])
        centre = centre + np.tensordot(_of_the_whole(snapshot, inputs)[: len(slope)] - reference, slope, 1)
    return outputs * np.array(statistics.target_scale)[snapshot.types] + centre[snapshot.types]


def mean_gradient(snapshot: Snapshot, weights: Float[np.ndarray, "n t"], of: Positions, inputs: InputConfig, statistics: Statistics) -> Float[np.ndarray, "n 3"]:
    """Return d(sum of weights * centre) / d(positions): what a configuration's mean changes with the mean squared displacements."""
    gradient = np.zeros((len(snapshot), 3))
    for end, slope in zip(inputs.displaced_to, statistics.squared_slope, strict=False):
        if of in ("thermal", end):
            vectors = displacement(snapshot, end) * (1 if of == end else -1)
            gradient += (weights * np.array(slope)[snapshot.types]).sum() * 2 / len(snapshot) * vectors
    return gradient

"""From a snapshot to what the network reads, and from what it writes back to propensities."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from equijax._types import HostPositions
from equijax.errors import ConfigError, SnapshotError
from equijax.periodic import minimum_image
from equijax.snapshot import N_TYPES, Snapshot


@dataclasses.dataclass(frozen=True)
class InputConfig:
    """Which configuration makes the graph, and what each particle carries besides its type.

    Attributes:
        positions: of the graph: the snapshot itself, its inherent structure, or the cage centres.
        energy: the potential energy of the particle in the inherent structure (one invariant).
        displacement: the vector from the thermal to the inherent position (one l = 1 input) and its length (one invariant).
    """

    positions: Literal["thermal", "inherent", "cage"] = "thermal"
    energy: bool = True
    displacement: bool = False

    @property
    def scalars(self) -> int:
        """Extra invariants per particle."""
        return int(self.energy) + int(self.displacement)

    @property
    def arrows(self) -> int:
        """Extra vectors per particle."""
        return int(self.displacement)

    @property
    def needs_quench(self) -> bool:
        """Whether the inherent structure must be known."""
        return self.positions == "inherent" or self.energy or self.displacement


@dataclasses.dataclass(frozen=True)
class TargetConfig:
    """What the network learns to predict.

    Attributes:
        times: which of the measured times, by number in increasing order; None takes all (multi-variate), one is uni-variate.
        centre: "data" standardises with the mean of the training set; "configuration" learns deviations from each configuration's own mean,
            which is predicted apart, from its mean inherent energy.
    """

    times: tuple[int, ...] | None = None
    centre: Literal["data", "configuration"] = "data"


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Numbers of the training set that standardise inputs and targets; types first, times second.

    Attributes:
        energy_mean, energy_scale: (2,) of the inherent energy.
        displacement_scale: root mean square length of the thermal-to-inherent displacement.
        target_mean, target_scale: (2, t) of the propensity.
        slope: (2, t), change of a configuration's mean propensity with its mean inherent energy.
        reference_energy: mean inherent energy of the training set.
        times: (t,) of the targets.
    """

    energy_mean: list[float]
    energy_scale: list[float]
    displacement_scale: float
    target_mean: list[list[float]]
    target_scale: list[list[float]]
    slope: list[list[float]]
    reference_energy: float
    times: list[float]


def graph_positions(snapshot: Snapshot, inputs: InputConfig) -> HostPositions:
    """Return the positions of the graph.

    Raises:
        SnapshotError: the snapshot lacks them.
    """
    chosen = {"thermal": snapshot.positions, "inherent": snapshot.inherent_positions, "cage": snapshot.cage_positions}[inputs.positions]
    if chosen is None:
        raise SnapshotError(f"{snapshot.name}: has no {inputs.positions} positions; {'quench it first' if inputs.positions == 'inherent' else 'this model needs them'}.")
    return chosen


def _inherent(snapshot: Snapshot, field: str) -> np.ndarray:
    value = getattr(snapshot, field)
    if value is None:
        raise SnapshotError(f"{snapshot.name}: has no {field}; quench it first.")
    return value


def displacement(snapshot: Snapshot) -> HostPositions:
    """Return the vector from the thermal to the inherent position of each particle."""
    return minimum_image(_inherent(snapshot, "inherent_positions") - snapshot.positions, snapshot.box)


def node_features(snapshot: Snapshot, inputs: InputConfig, statistics: Statistics) -> tuple[Float[np.ndarray, "n s"], Float[np.ndarray, "n v 3"]]:
    """Return the extra invariants and vectors of the particles, standardised.

    Raises:
        SnapshotError: the inherent structure is needed and absent.
    """
    n = len(snapshot)
    scalars, arrows = [np.zeros((n, 0))], np.zeros((n, 0, 3))
    if inputs.energy:
        energy = _inherent(snapshot, "inherent_energy")
        scalars.append(((energy - np.array(statistics.energy_mean)[snapshot.types]) / np.array(statistics.energy_scale)[snapshot.types])[:, None])
    if inputs.displacement:
        vectors = displacement(snapshot) / statistics.displacement_scale
        scalars.append(np.linalg.norm(vectors, axis=1, keepdims=True))
        arrows = vectors[:, None]
    return np.concatenate(scalars, 1), arrows


def measure(snapshots: Sequence[Snapshot], inputs: InputConfig, targets: TargetConfig) -> Statistics:
    """Return the statistics of a training set.

    Raises:
        ConfigError: the configurations do not have the times asked for, or have different ones.
    """
    times = selected_times(snapshots[0], targets)
    shape = (N_TYPES, len(times))
    mean, scale, slope = np.zeros(shape), np.ones(shape), np.zeros(shape)
    energies = [snapshot.inherent_energy for snapshot in snapshots]
    known = all(energy is not None for energy in energies)
    config_energy = np.array([energy.mean() for energy in energies]) if known else np.zeros(len(snapshots))  # type: ignore[union-attr]
    for kind in range(N_TYPES):
        values = [propensity(snapshot, targets, times)[snapshot.types == kind] for snapshot in snapshots]
        if not sum(map(len, values)):
            continue
        pooled = np.concatenate(values)
        mean[kind] = pooled.mean(0)
        if targets.centre == "configuration":
            centres = np.array([v.mean(0) for v in values])
            mean[kind] = centres.mean(0)
            scale[kind] = np.sqrt(np.mean([((v - c) ** 2).mean(0) for v, c in zip(values, centres, strict=True)], 0))
            slope[kind] = [_slope(config_energy, centre) for centre in centres.T] if known and inputs.energy else 0.0
        else:
            scale[kind] = pooled.std(0)
    energy_mean, energy_scale, length = [0.0] * N_TYPES, [1.0] * N_TYPES, 1.0
    if inputs.needs_quench and known:
        pooled, types = np.concatenate(energies), np.concatenate([snapshot.types for snapshot in snapshots])  # type: ignore[arg-type]
        present = [kind for kind in range(N_TYPES) if (types == kind).any()]
        for kind in present:
            energy_mean[kind], energy_scale[kind] = float(pooled[types == kind].mean()), float(pooled[types == kind].std() or 1.0)
        length = float(np.sqrt(np.mean([(displacement(snapshot) ** 2).sum(1).mean() for snapshot in snapshots])) or 1.0)
    scale = np.where(scale > 0, scale, 1.0)
    return Statistics(energy_mean, energy_scale, length, mean.tolist(), scale.tolist(), slope.tolist(), float(config_energy.mean()), times.tolist())


def _slope(energy: np.ndarray, centre: np.ndarray) -> float:
    """Least-squares slope, or zero where leaving one configuration out shows that it predicts the others no better than their mean."""
    n = len(energy)
    x, y = energy - energy.mean(), centre - centre.mean()
    if n < 4 or not (x**2).sum() > 0:
        return 0.0
    slope = (x @ y) / (x @ x)
    leverage = 1 / n + x**2 / (x @ x)
    fitted = ((y - slope * x) / (1 - leverage)) ** 2
    constant = (y / (1 - 1 / n)) ** 2
    return float(slope) if fitted.sum() < constant.sum() else 0.0


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
    return snapshot.times[list(targets.times)]


def propensity(snapshot: Snapshot, targets: TargetConfig, times: np.ndarray) -> Float[np.ndarray, "n t"]:
    """Return the measured propensity at the selected times.

    Raises:
        ConfigError: this configuration was measured at other times.
    """
    own = selected_times(snapshot, targets)
    if own.shape != np.shape(times) or not np.allclose(own, times, rtol=1e-6):
        raise ConfigError(
            f"{snapshot.name}: measured at {own.tolist()}, the training set at {np.asarray(times).tolist()}; train on one state point or choose common times."
        )
    assert snapshot.propensity is not None
    return snapshot.propensity if targets.times is None else snapshot.propensity[:, list(targets.times)]


def standardise(snapshot: Snapshot, targets: TargetConfig, statistics: Statistics) -> Float[np.ndarray, "n t"]:
    """Return the targets as the network learns them."""
    values = propensity(snapshot, targets, np.array(statistics.times))
    centre = np.array(statistics.target_mean)
    if targets.centre == "configuration":
        centre = np.stack([values[snapshot.types == kind].mean(0) if (snapshot.types == kind).any() else centre[kind] for kind in range(N_TYPES)])
    return (values - centre[snapshot.types]) / np.array(statistics.target_scale)[snapshot.types]


def restore(snapshot: Snapshot, outputs: Float[np.ndarray, "n t"], statistics: Statistics) -> Float[np.ndarray, "n t"]:
    """Return propensities from the network's outputs: scale, mean of the type, and what the configuration's mean inherent energy adds."""
    slope = np.array(statistics.slope)
    shift = 0.0
    if slope.any():
        shift = slope * (_inherent(snapshot, "inherent_energy").mean() - statistics.reference_energy)
    centre = np.array(statistics.target_mean) + shift
    return outputs * np.array(statistics.target_scale)[snapshot.types] + centre[snapshot.types]

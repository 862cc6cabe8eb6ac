"""What the network learns, and from what it writes back to propensities."""

import dataclasses
from collections.abc import Iterable
from typing import Literal

import numpy as np
from jaxtyping import Float

from equijax.errors import ConfigError
from equijax.inputs import InputConfig, Positions, displacement, inherent_energy, of_the_whole
from equijax.least_squares import selected_slopes
from equijax.moments import Moments
from equijax.snapshot import N_TYPES, Snapshot
from equijax.statistics import Statistics


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
            energy.add(inherent_energy(snapshot)[:, None], snapshot.types)
        whole.append(of_the_whole(snapshot, inputs))
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
        centre = centre + np.tensordot(of_the_whole(snapshot, inputs)[: len(slope)] - reference, slope, 1)
    return outputs * np.array(statistics.target_scale)[snapshot.types] + centre[snapshot.types]


def mean_gradient(snapshot: Snapshot, weights: Float[np.ndarray, "n t"], of: Positions, inputs: InputConfig, statistics: Statistics) -> Float[np.ndarray, "n 3"]:
    """Return d(sum of weights * centre) / d(positions): what a configuration's mean changes with the mean squared displacements."""
    gradient = np.zeros((len(snapshot), 3))
    for end, slope in zip(inputs.displaced_to, statistics.squared_slope, strict=False):
        if of in ("thermal", end):
            vectors = displacement(snapshot, end) * (1 if of == end else -1)
            gradient += (weights * np.array(slope)[snapshot.types]).sum() * 2 / len(snapshot) * vectors
    return gradient

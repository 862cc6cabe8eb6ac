"""What is known of a training set as a whole."""

import dataclasses


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

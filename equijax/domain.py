"""The domain of a model: whether a snapshot is at all like those it was trained on. Far from them a network answers too, with nonsense."""

import numpy as np
from jaxtyping import Float

from equijax.errors import SnapshotError
from equijax.snapshot import N_TYPES, TYPE_NAMES, Snapshot
from equijax.statistics import Statistics

FAR = 2.0
"""By what factor the mean number of neighbours and the share of a type may differ from those of the training set."""

FAR_ENERGY = 3.0
"""By how many standard deviations of a particle's inherent energy its mean may differ; those of the networks that ship, T = 0.44 to 0.64, differ by 0.23."""


def require_density(snapshot: Snapshot, degree: float, trained: float, cutoff: float) -> None:
    """Compare the mean number of neighbours with that of the training set.

    Raises:
        SnapshotError: they differ by more than `FAR`: it is another unit of length, or no such liquid.
    """
    if not trained / FAR <= degree <= trained * FAR:
        raise SnapshotError(
            f"{snapshot.name}: particles have {degree:.3g} neighbours within {cutoff:g} on average, those that the model was trained on {trained:.3g}; "
            "check the box, that lengths are in units of sigma_AA, and that the density is that of the training set."
        )


def require_composition(snapshot: Snapshot, statistics: Statistics) -> None:
    """Compare the shares of the particle types with those of the training set, where these are known.

    Raises:
        SnapshotError: one differs by more than `FAR`: the types are exchanged, or it is another mixture.
    """
    shares = np.bincount(snapshot.types, minlength=N_TYPES) / len(snapshot)
    for name, share, trained in zip(TYPE_NAMES, shares, statistics.shares, strict=False):
        if not trained / FAR <= share <= trained * FAR:
            raise SnapshotError(
                f"{snapshot.name}: {share:.0%} of its particles are of type {name}, of those that the model was trained on {trained:.0%}; "
                "check that type 0 is A (the large particles) and 1 is B, and that the mixture is that of the training set."
            )


def require_energies(snapshot: Snapshot, standardised: Float[np.ndarray, "n"]) -> None:
    """Check that inherent energies, standardised by those of the training set, are near zero on average.

    Raises:
        SnapshotError: those of a type are further off than `FAR_ENERGY`: another potential, mixture or density.
    """
    for kind in range(N_TYPES):
        chosen = standardised[snapshot.types == kind]
        if len(chosen) and abs(chosen.mean()) > FAR_ENERGY:
            raise SnapshotError(
                f"{snapshot.name}: the inherent energies of its {TYPE_NAMES[kind]} particles are {chosen.mean():+.1f} standard deviations from those that the model "
                "was trained on; check its types, the box, and that potential and density are those of the training set."
            )

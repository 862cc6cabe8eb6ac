"""What is measured along trajectories: scattering functions, displacements, overlaps and their fluctuations."""

import numpy as np
from jaxtyping import Float
from scipy.special import j0

WAVE_NUMBER = 7.25
"""First peak of the structure factor of the A particles in the Kob-Andersen mixture (Kob and Andersen 1995)."""

OVERLAP_LENGTH = 0.3
"""A particle that moved less than this (sigma_AA) still overlaps with where it was (Lacevic et al., J. Chem. Phys. 119, 7372, 2003)."""


def self_intermediate(displacements: Float[np.ndarray, "*any n d"], wave_number: float = WAVE_NUMBER) -> Float[np.ndarray, "*any"]:
    """Return F_s(k, t) = <cos k (r_i(t) - r_i(0))>, averaged over the particles and over all directions of k.

    The average over directions is sin(k r) / (k r) in three dimensions and the Bessel function J_0(k r) in two.

    Args:
        displacements: of the particles to average over.
        wave_number: k (1 / sigma_AA).
    """
    phase = wave_number * np.linalg.norm(displacements, axis=-1)
    return (j0(phase) if displacements.shape[-1] == 2 else np.sinc(phase / np.pi)).mean(-1)


def mean_squared_displacement(displacements: Float[np.ndarray, "*any n d"]) -> Float[np.ndarray, "*any"]:
    """Return <|r_i(t) - r_i(0)|^2> over the particles (sigma_AA^2)."""
    return (displacements**2).sum(-1).mean(-1)


def overlap(displacements: Float[np.ndarray, "*any n d"], length: float = OVERLAP_LENGTH) -> Float[np.ndarray, "*any"]:
    """Return Q(t), the share of the particles that moved less than a length."""
    return (np.linalg.norm(displacements, axis=-1) < length).mean(-1)


def averages(displacements: Float[np.ndarray, "*any n d"], is_a: np.ndarray) -> tuple[Float[np.ndarray, "*any"], ...]:
    """Return F_s(k, t), the mean squared displacement and the overlap of the A particles."""
    mine = displacements[..., is_a, :]
    return self_intermediate(mine), mean_squared_displacement(mine), overlap(mine)


def chi_4(overlaps: Float[np.ndarray, "samples *any"], particles: int) -> Float[np.ndarray, "*any"]:
    """Return the dynamic susceptibility, N (<Q^2> - <Q>^2) over samples of the self overlap, without bias for few of them.

    Lacevic et al. (2003) have a further factor 1 / (density T).
    """
    return particles * overlaps.var(0, ddof=1)


def relaxation_time(times: Float[np.ndarray, "t"], scattering: Float[np.ndarray, "t"]) -> float | None:
    """Return tau_alpha, the time at which F_s falls below 1 / e, or None if it does not; interpolated in the logarithm of time.

    Args:
        times: increasing and positive.
        scattering: F_s at them.
    """
    below = np.flatnonzero(scattering < np.exp(-1))
    if not len(below) or below[0] == 0:
        return None
    k = below[0]
    share = (scattering[k - 1] - np.exp(-1)) / (scattering[k - 1] - scattering[k])
    return float(np.exp((1 - share) * np.log(times[k - 1]) + share * np.log(times[k])))

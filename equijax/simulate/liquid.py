"""How a liquid begins, and what is known of its relaxation before it is measured."""

import numpy as np
from jaxtyping import Float

from equijax.md.system import System
from equijax.simulate.config import Mixture

KNOWN_TIMES = {0.8: 2.76, 0.64: 8.8, 0.56: 25.7, 0.5: 140.0, 0.44: 2010.0}
"""tau_alpha of the three-dimensional Kob-Andersen mixture at density 1.2 by temperature, F_s(7.25, t) = 1/e of the A particles, for estimates alone.

At 0.8 and 0.56 from simulations with LAMMPS; at 0.64 and 0.50 from equijax, which finds 8.2 to 9.1 in runs of N = 1000 at 0.64 (a run with LAMMPS was
reported to give 7.43, but propensities of its configurations are the same in both programs, particle by particle); at 0.44 .49 of the relaxation time
that BOTAN states, which is their ratio at 0.56.
"""


def make_system(mixture: Mixture, seed: int) -> System:
    """Return the particles and the box; which particles are B is random."""
    types = np.zeros(mixture.particles, np.int32)
    types[: round(mixture.share_b * mixture.particles)] = 1
    np.random.default_rng([seed, 0]).shuffle(types)
    return System(types, np.full(mixture.dimensions, mixture.side), mixture.potential)


def lattice(mixture: Mixture, replicas: int, seed: int) -> Float[np.ndarray, "r n d"]:
    """Return replicas of a slightly disturbed cubic or square lattice, with the particles in a random order."""
    cells = int(np.ceil(mixture.particles ** (1 / mixture.dimensions)))
    sites = np.stack(np.meshgrid(*[np.arange(cells)] * mixture.dimensions, indexing="ij"), -1).reshape(-1, mixture.dimensions)
    rng = np.random.default_rng([seed, 1])
    spacing = mixture.side / cells
    chosen = np.stack([rng.permutation(sites)[: mixture.particles] for _ in range(replicas)])
    return spacing * (chosen + rng.normal(scale=0.02, size=chosen.shape))


def expected_time(temperature: float) -> float:
    """Return about how long the Kob-Andersen mixture takes to relax, for an estimate before anything is measured."""
    inverse = np.array([1 / t for t in KNOWN_TIMES])
    logarithm = np.log(list(KNOWN_TIMES.values()))
    x = 1 / temperature
    if x <= inverse[0]:
        return float(np.exp(logarithm[0]))
    k = min(int(np.searchsorted(inverse, x)), len(inverse) - 1)
    slope = (logarithm[k] - logarithm[k - 1]) / (inverse[k] - inverse[k - 1])
    return float(np.exp(logarithm[k - 1] + slope * (x - inverse[k - 1])))

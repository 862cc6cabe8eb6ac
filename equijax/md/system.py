"""What is simulated: particles of some types in a periodic box, and the pair potential between them."""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

from equijax.md.kob_andersen import KOB_ANDERSEN, PairPotential


@dataclasses.dataclass(frozen=True, eq=False)
class System:
    """Particles of unit mass in a periodic box, in two or three dimensions.

    Attributes:
        types: (n,), 0 = A, 1 = B.
        box: (d,) side lengths (sigma_AA).
        potential: between pairs.
    """

    types: Int[np.ndarray, "n"]
    box: Float[np.ndarray, "d"]
    potential: PairPotential = KOB_ANDERSEN

    def __len__(self) -> int:
        return len(self.types)

    @property
    def dimensions(self) -> int:
        """2 or 3."""
        return len(self.box)

    @property
    def degrees_of_freedom(self) -> int:
        """Of the momenta: the total momentum is zero and stays so."""
        return self.dimensions * (len(self) - 1)

"""The pairs of a configuration: what a neighbour search returns and a graph is built from."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


class Pairs(NamedTuple):
    """Every directed pair strictly closer than the cutoff, sorted by receiver, then sender; vector = r_sender - r_receiver."""

    senders: Int[np.ndarray, "e"]
    receivers: Int[np.ndarray, "e"]
    vectors: Float[np.ndarray, "e 3"]

"""The descriptors of a configuration, computed once."""

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from equijax.bars import Bar
from equijax.baselines import physics
from equijax.baselines.config import BaselineConfig
from equijax.baselines.descriptors import CUTOFF, descriptors
from equijax.data.cache import content_key
from equijax.graph.neighbors import Searches
from equijax.snapshot import Snapshot

MEMORY = 4 * 2**30
"""Bytes of descriptors that are kept."""


class Features:
    """Gives snapshots their descriptors.

    Args:
        config: which ones.
        quiet: no progress bar.
    """

    def __init__(self, config: BaselineConfig, quiet: bool = False) -> None:
        self.config, self.quiet = config, quiet
        self._searches = Searches(CUTOFF if config.features == "bond-order" else physics.REACH)
        self._known: OrderedDict[str, np.ndarray] = OrderedDict()

    def __call__(self, snapshot: Snapshot) -> Float[np.ndarray, "n d"]:
        """Return the descriptors of every particle.

        Raises:
            SnapshotError: the box is too small, or the snapshot lacks what is described.
        """
        read = (snapshot.positions, snapshot.types, snapshot.box, snapshot.inherent_positions, snapshot.inherent_energy, snapshot.cage_positions)
        key = content_key(*read)
        if key not in self._known:
            self._known[key] = self._computed(snapshot)
            while sum(values.nbytes for values in self._known.values()) > MEMORY and len(self._known) > 1:
                self._known.popitem(last=False)
        return self._known[key]

    def _computed(self, snapshot: Snapshot) -> np.ndarray:
        if self.config.features == "bond-order":
            return descriptors(snapshot, self.config.descriptors, self._searches)
        if self.config.features == "energy":
            return physics.energies(snapshot, self._searches)
        if self.config.features == "density":
            return physics.densities(snapshot, self._searches)
        return np.concatenate([physics.densities(snapshot, self._searches), physics.energies(snapshot, self._searches)], 1)

    def each(self, snapshots: Sequence[Snapshot]) -> list[tuple[Float[np.ndarray, "n d"], Int[np.ndarray, "n"]]]:
        """Return the descriptors and types of the particles of each snapshot."""
        numbers = Bar(range(len(snapshots)), desc=f"{self.config.model}: descriptors", unit="configuration", disable=self.quiet or not len(snapshots))
        return [(self(snapshot), snapshot.types) for snapshot in (snapshots[i] for i in numbers)]

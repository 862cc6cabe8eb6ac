"""From a snapshot to what the network reads."""

import dataclasses
from typing import Literal, cast

import numpy as np
from jaxtyping import Float

from equijax._types import HostPositions
from equijax.errors import SnapshotError
from equijax.periodic import minimum_image
from equijax.snapshot import Snapshot
from equijax.statistics import Statistics

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


def inherent_energy(snapshot: Snapshot) -> Float[np.ndarray, "n"]:
    """Return the potential energy of each particle in the inherent structure.

    Raises:
        SnapshotError: the snapshot lacks it.
    """
    if snapshot.inherent_energy is None:
        raise SnapshotError(f"{snapshot.name}: has no inherent_energy; quench it first.")
    return snapshot.inherent_energy


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
        energy = inherent_energy(snapshot)
        scalars.append(((energy - np.array(statistics.energy_mean)[snapshot.types]) / np.array(statistics.energy_scale)[snapshot.types])[:, None])
    for end in inputs.displaced_to:
        vectors = displacement(snapshot, end) / length_scale(statistics, end)
        scalars.append(np.linalg.norm(vectors, axis=1, keepdims=True))
        arrows.append(vectors[:, None])
    return np.concatenate(scalars, 1), np.concatenate(arrows, 1)


def length_scale(statistics: Statistics, end: Positions) -> float:
    """Return the unit of the displacements that end there."""
    return statistics.displacement_scale if end == "inherent" else statistics.cage_scale


def of_the_whole(snapshot: Snapshot, inputs: InputConfig) -> Float[np.ndarray, "k"]:
    """Return what the mean propensity of a configuration follows: its mean inherent energy, and the mean squared displacements that the network reads."""
    energy = inherent_energy(snapshot).mean() if inputs.needs_quench else 0.0
    return np.array([energy, *((displacement(snapshot, end) ** 2).sum(1).mean() for end in inputs.displaced_to)])

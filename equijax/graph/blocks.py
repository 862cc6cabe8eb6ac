"""Large periodic boxes cut into blocks, each with what surrounds it: a search for neighbours then needs the memory of one block."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from equijax._types import HostBox, HostPositions


class Block(NamedTuple):
    """A block and its surroundings in a box of their own.

    Attributes:
        ids: particles of the block, then those within reach of it.
        home: how many of them lie in the block.
        positions: (capacity, 3) of `ids` in a periodic box `Blocks.around`, then filling that makes all blocks equally long.
    """

    ids: np.ndarray
    home: int
    positions: HostPositions


class Blocks:
    """Cuts a box so that every particle belongs to one block and has all its neighbours in that block's surroundings.

    Args:
        box: (3,) side lengths.
        reach: distance up to which neighbours are wanted.
        wrapped: (n, 3) positions in the box.
        size: particles a block should have, about.
    """

    def __init__(self, box: HostBox, reach: float, wrapped: HostPositions, size: int) -> None:
        finest = (len(wrapped) / size) ** (1 / 3) * box / np.prod(box) ** (1 / 3)
        # A side that is cut must hold a block with its surroundings twice over, or a particle would be there in two images.
        self.cuts = np.where(box > 8 * reach, np.maximum(np.round(finest), 1), 1).astype(int)
        self.count = int(self.cuts.prod())
        self._box, self._reach, self._wrapped = box, reach, wrapped
        self._cut = self.cuts > 1
        self._sides = box / self.cuts
        self.around = np.where(self._cut, self._sides + 3 * reach, box)
        """Box of a block: a cut side has a gap beyond the surroundings, so that nothing meets across it."""
        number = np.minimum((wrapped / self._sides).astype(int), self.cuts - 1)
        self._home = np.ravel_multi_index(tuple(number.T), tuple(self.cuts))

    def __iter__(self) -> Iterator[Block]:
        """Yield the blocks that hold particles."""
        members = [self._members(number) for number in np.unique(self._home)]
        # One of few sizes, so that another configuration of the same liquid mostly has the same shape and is not compiled anew.
        capacity = int(np.ceil(1.1 ** np.ceil(np.log(max(len(ids) for ids, _, _ in members)) / np.log(1.1))))
        for ids, home, positions in members:
            yield Block(ids, home, np.concatenate([positions, self._filling(capacity - len(ids))]))

    def _members(self, number: np.integer) -> tuple[np.ndarray, int, HostPositions]:
        corner = np.array(np.unravel_index(number, self.cuts)) * self._sides
        local = np.where(self._cut, np.mod(self._wrapped - corner + self._reach, self._box), self._wrapped)
        near = (local < self._sides + 2 * self._reach).all(axis=1, where=self._cut)
        home = np.flatnonzero(self._home == number)
        near[home] = False
        ids = np.concatenate([home, np.flatnonzero(near)])
        return ids, len(home), local[ids]

    def _filling(self, missing: int) -> HostPositions:
        """Points in the gap, spread out: they have no part in any pair that is kept."""
        points = np.random.default_rng(0).random((missing, 3)) * self.around
        axis = int(np.argmax(self._cut))
        points[:, axis] = self._sides[axis] + (2 + points[:, axis] / self.around[axis]) * self._reach
        return points

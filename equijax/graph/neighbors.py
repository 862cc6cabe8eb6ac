"""Periodic neighbour lists: the only module that touches `jax_md.partition`.

jax-md's cell list truncates towards zero, so a coordinate outside [0, L) silently loses pairs; it accepts a cutoff above half the
box without complaint; and its overflow flag means that pairs were dropped. All three are dealt with here, once.
"""

import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jax_md import partition, space
from jaxtyping import Float

from equijax._types import HostBox, HostPositions
from equijax.errors import SnapshotError
from equijax.graph.blocks import Blocks
from equijax.graph.pairs import Pairs
from equijax.periodic import minimum_image, wrap
from equijax.snapshot import Snapshot

OVERLAP = 0.1
"""Closer pairs than this (sigma_AA) are a mistake in the file: in a Kob-Andersen liquid none comes below 0.6."""

KEPT = 16
"""Boxes whose compiled searches are kept; sets with a box of their own for every file would otherwise fill the memory."""

BLOCK = 32768
"""Particles that are searched at once."""

MOST_CELLS = 10**6
"""Cubes as wide as the cutoff that a box may have, besides a thousand for each particle: all take memory, and their number must fit into 32 bits."""

_ROUNDING = 16 * float(np.finfo(np.float32).eps)
"""Widening of the search, relative to the box: candidates are found in float32, exact distances are taken afterwards in float64."""


def check_cutoff(box: Float[np.ndarray, "d"], cutoff: float, name: str = "snapshot") -> None:
    """Refuse a cutoff that would let a particle meet two images of another.

    Raises:
        SnapshotError: the cutoff is not below half the smallest side.
    """
    if not 0 < cutoff < box.min() / 2:
        raise SnapshotError(
            f"{name}: the cutoff {cutoff:g} is not below half the smallest box side ({box.min() / 2:g}); use a box with sides above {2 * cutoff:g} or a smaller cutoff."
        )


class DenseTables:
    """Tables (k, n) of all neighbours by jax-md, for a batch of configurations of one box; see `equijax.graph.tables`.

    Args:
        box: (d,) side lengths.
        reach: a pair is listed when it is closer than this.
        examples: (r, n, d) positions in [0, L] for which there must be room.
        more_than: slots that were not enough.
    """

    def __init__(self, box: np.ndarray, reach: float, examples: np.ndarray, more_than: int = 0) -> None:
        displacement, _ = space.periodic(jnp.asarray(box))
        room, multiplier = 0, 1.25
        while True:
            # Cells have room of their own, which grows with the multiplier alone.
            functions = partition.neighbor_list(displacement, jnp.asarray(box), reach, 0.0, multiplier, format=partition.NeighborListFormat.Dense)
            self._list = functions.allocate(jnp.asarray(examples[0]), extra_capacity=room)
            self.slots = self._list.idx.shape[1]
            if self.slots > more_than and not bool(self(jnp.asarray(examples))[1]):
                return
            room, multiplier = 2 * room or self.slots // 8 + 1, 1.25 * multiplier

    def __call__(self, positions: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return the tables (r, k, n) of positions (r, n, d) in [0, L], and whether pairs are missing for want of room."""
        lists = jax.vmap(self._list.update)(positions)
        n = positions.shape[1]
        own = jnp.arange(n, dtype=jnp.int32)[None, :, None]
        return jnp.swapaxes(jnp.where(lists.idx < n, lists.idx, own), 1, 2).astype(jnp.int32), lists.did_buffer_overflow.any()


class _Lists:
    """Candidate pairs (i < j) by jax-md, with one compilation for all configurations of one box and particle number."""

    def __init__(self, box: HostBox, cutoff: float, double: bool) -> None:
        self._double = double
        self._update = jax.jit(lambda positions, neighbors: neighbors.update(positions))
        self._neighbors: partition.NeighborList | None = None
        self.reallocations = 0
        check_cutoff(box, cutoff)
        with jax.enable_x64(double):
            displacement, _ = space.periodic(jnp.asarray(box))
            self._functions = partition.neighbor_list(displacement, jnp.asarray(box), cutoff, 0.0, 1.25, format=partition.NeighborListFormat.OrderedSparse)

    def find(self, wrapped: HostPositions) -> tuple[np.ndarray, np.ndarray]:
        with jax.enable_x64(self._double):
            device = jnp.asarray(wrapped)
            known = self._neighbors
            if known is None or known.reference_position.shape != device.shape:
                known = self._functions.allocate(device)
            else:
                known = self._update(device, known)
                if known.did_buffer_overflow:
                    self.reallocations += 1
                    known = self._functions.allocate(device)
            self._neighbors = known
            first, second = np.asarray(known.idx)
        real = first < len(wrapped)
        return first[real], second[real]


class NeighborSearch:
    """Finds the pairs of many configurations of one box and particle number with one compilation.

    A large configuration is searched block by block, so that the memory of the search does not grow with it.

    Args:
        box: (3,) side lengths.
        cutoff: pairs strictly closer than this, in float64.

    Raises:
        SnapshotError: the cutoff is not below half the box.
    """

    def __init__(self, box: HostBox, cutoff: float) -> None:
        check_cutoff(box, cutoff)
        self.box = np.asarray(box, np.float64)
        self.cutoff = float(cutoff)
        wider, half = cutoff + _ROUNDING * self.box.max(), self.box.min() / 2
        self._double = bool(wider > half * (1 - _ROUNDING))
        self._reach = float(max(cutoff, half * (1 - 1e-12)) if self._double else wider)
        self._lists: dict[tuple[float, ...], _Lists] = {}

    @property
    def reallocations(self) -> int:
        """How often a list had to be made anew with more room."""
        return sum(lists.reallocations for lists in self._lists.values())

    def pairs(self, positions: HostPositions, name: str = "snapshot") -> Pairs:
        """Return the directed pairs of one configuration; coordinates may lie in any image of the box.

        Raises:
            SnapshotError: two particles lie on top of each other, or nearly all of the box is empty.
        """
        cells = float(np.prod(self.box / self._reach))
        if cells > MOST_CELLS + 1000 * len(positions):
            raise SnapshotError(
                f"{name}: {len(positions)} particles in a box of {self.box.tolist()} are {len(positions) / cells:.1e} in a cube as wide as the cutoff; "
                "check the box, and that lengths are in units of sigma_AA."
            )
        wrapped = wrap(positions, self.box)
        first, second = self._candidates(wrapped)
        vectors = minimum_image(wrapped[second] - wrapped[first], self.box)
        distance = np.linalg.norm(vectors, axis=1)
        self._check_overlap(distance, first, second, name)
        near = distance < self.cutoff
        first, second, vectors = first[near], second[near], vectors[near]
        receivers, senders = np.concatenate([first, second]), np.concatenate([second, first])
        order = np.argsort(receivers.astype(np.int64) * len(wrapped) + senders)
        return Pairs(senders[order], receivers[order], np.concatenate([vectors, -vectors])[order])

    def _candidates(self, wrapped: HostPositions) -> tuple[np.ndarray, np.ndarray]:
        found = [(ids[first], ids[second]) for ids, first, second in self._by_block(wrapped)]
        return np.concatenate([first for first, _ in found]), np.concatenate([second for _, second in found])

    def _by_block(self, wrapped: HostPositions) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield for each block the particles in reach of it, and those pairs of them whose first particle lies in it."""
        # A box less than three reaches wide gets no cells from jax-md: its candidates grow with the square of the block.
        blocks = Blocks(self.box, self._reach, wrapped, BLOCK if self.box.min() > 3 * self._reach else BLOCK // 8)
        if blocks.count == 1:
            yield np.arange(len(wrapped)), *self._find(self.box, wrapped)
            return
        for ids, home, local in blocks:
            first, second = self._find(blocks.around, local)
            # first < second, and the block's own particles come first: of a pair that two blocks know, one keeps it.
            real = (first < home) & (second < len(ids))
            first, second = first[real], second[real]
            mine = (second < home) | (ids[first] < ids[second])
            yield ids, first[mine], second[mine]

    def _find(self, box: HostBox, wrapped: HostPositions) -> tuple[np.ndarray, np.ndarray]:
        key = tuple(box.tolist())
        if key not in self._lists:
            self._lists[key] = _Lists(box, self._reach, self._double)
        return self._lists[key].find(wrapped)

    def _check_overlap(self, distance: np.ndarray, first: np.ndarray, second: np.ndarray, name: str) -> None:
        if distance.size and distance.min() < OVERLAP:
            k = int(distance.argmin())
            raise SnapshotError(
                f"{name}: particles {first[k]} and {second[k]} are {distance[k]:.3g} apart (below {OVERLAP}): they lie on top of each other; "
                "check the positions, the units and the box."
            )


class Searches:
    """One `NeighborSearch` for each box and particle number met, the most recent kept.

    Args:
        cutoff: of all of them.
    """

    def __init__(self, cutoff: float) -> None:
        self.cutoff = cutoff
        self._of = functools.lru_cache(maxsize=KEPT)(lambda box, _: NeighborSearch(np.array(box), cutoff))

    def pairs(self, snapshot: Snapshot, positions: HostPositions) -> Pairs:
        """Return the pairs of one set of positions in the box of a snapshot.

        Raises:
            SnapshotError: the box is too small for the cutoff, or particles lie on top of each other.
        """
        return self._of(tuple(snapshot.box.tolist()), len(snapshot)).pairs(positions, snapshot.name)

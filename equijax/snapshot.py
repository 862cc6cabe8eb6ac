"""One configuration of particles and all that is known about it."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from equijax._types import HostBox, HostPositions, HostTypes
from equijax.errors import SnapshotError

N_TYPES = 2
TYPE_NAMES = ("A", "B")


@dataclasses.dataclass(frozen=True, eq=False)
class Snapshot:
    """One configuration, in Lennard-Jones reduced units (sigma_AA = epsilon_AA = m = k_B = 1).

    Attributes:
        positions: (n, 3) as read: wrapped, centred or unwrapped.
        types: (n,), 0 = A (the large, frequent particles), 1 = B.
        box: (3,) side lengths of the periodic box; a single number is taken as a cube.
        name: identity of the independent configuration; other times and its quench carry the same name, ends of its trajectories one made from it.
        temperature: of the dynamics.
        inherent_positions: (n, 3), the energy minimum below `positions`.
        inherent_energy: (n,), the potential energy each particle has there.
        cage_positions: (n, 3), average position of each particle in its cage.
        times: (t,), at which the propensity was measured, increasing.
        propensity: (n, t), mean displacement over the isoconfigurational ensemble.
        propensity_halves: (2, n, t), the same over the first and the second half of the trajectories, for the noise ceiling.
        trajectories: (t,), number of trajectories behind the propensity at each time; a single number is taken for all times.
        bond_breaking: (n, t), share of its bonds that each particle has lost at `times`, mean over the trajectories.
        dynamics: of these trajectories, "nve", "nose-hoover" or "langevin", where that is known.

    Raises:
        SnapshotError: a shape, number, type or box is unusable.
    """

    positions: HostPositions
    types: HostTypes
    box: HostBox
    name: str = "snapshot"
    temperature: float | None = None
    inherent_positions: HostPositions | None = None
    inherent_energy: Float[np.ndarray, "n"] | None = None
    cage_positions: HostPositions | None = None
    times: Float[np.ndarray, "t"] | None = None
    propensity: Float[np.ndarray, "n t"] | None = None
    propensity_halves: Float[np.ndarray, "2 n t"] | None = None
    trajectories: Int[np.ndarray, "t"] | None = None
    bond_breaking: Float[np.ndarray, "n t"] | None = None
    dynamics: str | None = None

    def __post_init__(self) -> None:
        positions = _finite(self, "positions", self.positions)
        if positions.ndim != 2 or positions.shape[1] != 3 or len(positions) < 2:
            raise SnapshotError(f"{self.name}: positions have shape {positions.shape}; expected (particles, 3) with two particles or more.")
        n = len(positions)
        box = _finite(self, "box", self.box)
        box = np.full(3, float(box.reshape(()))) if box.size == 1 else box
        if box.shape != (3,) or np.any(box <= 0):
            raise SnapshotError(f"{self.name}: box is {box.tolist()}; expected one or three positive side lengths (only orthorhombic boxes are supported).")
        _set(self, positions=positions, box=box, types=_checked_types(self, n))
        if self.temperature is not None:
            if not 0 < self.temperature < np.inf:
                raise SnapshotError(f"{self.name}: temperature is {self.temperature}; expected a positive number.")
            # One type from every reader: what is found at a temperature is cached, and seeded, by how it is written.
            _set(self, temperature=float(self.temperature))
        t = self._check_times()
        shapes = {
            "inherent_positions": (n, 3),
            "inherent_energy": (n,),
            "cage_positions": (n, 3),
            "propensity": (n, t),
            "propensity_halves": (2, n, t),
            "bond_breaking": (n, t),
        }
        for field, shape in shapes.items():
            value = getattr(self, field)
            if value is None:
                continue
            value = _finite(self, field, value)
            if value.shape != shape:
                raise SnapshotError(f"{self.name}: {field} has shape {value.shape}; expected {shape} for {n} particles.")
            _set(self, **{field: value})
        if self.trajectories is not None:
            _set(self, trajectories=_counts(self, t))

    def _check_times(self) -> int:
        if self.times is None:
            if any(value is not None for value in (self.propensity, self.propensity_halves, self.bond_breaking, self.trajectories)):
                raise SnapshotError(f"{self.name}: a propensity, or its number of trajectories, without its times; give `times`, one for each column.")
            return 0
        times = _finite(self, "times", self.times)
        if times.ndim != 1 or np.any(np.diff(times) <= 0):
            raise SnapshotError(f"{self.name}: times are {times.tolist()}; expected increasing numbers.")
        _set(self, times=times)
        return len(times)

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def density(self) -> float:
        """Number density n / V."""
        return len(self) / float(np.prod(self.box))

    def at(self, numbers: Sequence[int]) -> "Snapshot":
        """Return a copy with what was measured at some of the times, given by their numbers."""
        measured = {name: getattr(self, name) for name in ("times", "trajectories", "propensity", "propensity_halves", "bond_breaking")}
        return self.replace(**{name: value[..., list(numbers)] for name, value in measured.items() if value is not None})

    def replace(self, **changes: object) -> "Snapshot":
        """Return a copy with some fields changed, validated again."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]


def _set(snapshot: Snapshot, **fields: object) -> None:
    for field, value in fields.items():
        object.__setattr__(snapshot, field, value)


def _finite(snapshot: Snapshot, field: str, value: object) -> np.ndarray:
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise SnapshotError(f"{snapshot.name}: {field} is not an array of numbers ({error}).") from None
    if not np.isfinite(array).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise SnapshotError(f"{snapshot.name}: {field}{list(index)} is {array[index]}; every number must be finite.")
    return array


def _counts(snapshot: Snapshot, times: int) -> np.ndarray:
    counts = np.asarray(snapshot.trajectories)
    counts = np.full(times, counts) if counts.ndim == 0 else counts
    if counts.shape != (times,) or counts.dtype.kind not in "iuf" or not ((counts >= 1) & (counts == np.round(counts))).all():
        raise SnapshotError(f"{snapshot.name}: trajectories are {counts.tolist()}; expected one positive whole number, or one for each of the {times} times.")
    return counts.astype(np.int64)


def _checked_types(snapshot: Snapshot, n: int) -> np.ndarray:
    types = np.asarray(snapshot.types)
    if types.shape != (n,):
        raise SnapshotError(f"{snapshot.name}: types have shape {types.shape}; expected ({n},), one for each particle.")
    bad = ~np.isin(types, range(N_TYPES))
    if bad.any():
        first = int(np.argmax(bad))
        raise SnapshotError(f"{snapshot.name}: particle {first} has type {types[first]}; expected 0 (A) or 1 (B).")
    return types.astype(np.int32)

"""What a configuration is known by, whatever its file is called."""

import itertools

import numpy as np

from equijax.data.cache import content_key
from equijax.data.snapshots import SnapshotSet
from equijax.errors import CheckpointError
from equijax.snapshot import N_TYPES, Snapshot

GRAIN = 0.25
"""How finely the amplitudes of density waves are read."""

KIND = "w"
"""Opens every fingerprint; those of other kinds, of earlier versions, cannot be compared with these."""

# One of each pair n, -n, which have the same amplitude.
_WAVES = np.array([n for n in itertools.product((-1, 0, 1), repeat=3) if 0 < np.dot(n, n) <= 2 and n > (0, 0, 0)])


def fingerprint(snapshot: Snapshot) -> str:
    """Return a hash of how many particles there are of each type, and of the amplitudes of their longest density waves.

    |sum_j exp(2 pi i n . (x_j / L_x, y_j / L_y, z_j / L_z))|, for the nine pairs of vectors of whole numbers with 0 < n^2 <= 2, on a coarse grid. They
    do not depend on the order of the particles, on images, nor on where the box begins. A copy in single precision or with six decimals has the same
    but for a few in a thousand, with four decimals but for a few in a hundred; another configuration of a liquid has others: of 320 along chains no
    two were nearer than ten grains.
    """
    phases = np.exp(2j * np.pi * (snapshot.positions / snapshot.box) @ _WAVES.T)
    amplitudes = np.array([np.abs(phases[snapshot.types == kind].sum(0)) for kind in range(N_TYPES)])
    return KIND + content_key(np.round(amplitudes / GRAIN).astype(int), np.bincount(snapshot.types, minlength=N_TYPES))


def require_comparable(where: str, stored: dict[str, str]) -> None:
    """Look whether what is stored are fingerprints of this kind.

    Raises:
        CheckpointError: they are an earlier version's; `where` opens the sentence.
    """
    if any(not known.startswith(KIND) for known in stored.values()):
        raise CheckpointError(f"{where}: an earlier equijax trained this and knew its configurations by other fingerprints, which this one cannot compare; train again.")


def fingerprints(snapshots: SnapshotSet) -> dict[str, str]:
    """Return the fingerprint of every configuration by its name."""
    return {snapshot.name: fingerprint(snapshot) for snapshot in snapshots}

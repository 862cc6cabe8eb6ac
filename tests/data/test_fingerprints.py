"""A configuration is known again, however it is written; others are not taken for it."""

import numpy as np
import pytest

from equijax.data.fingerprints import fingerprint, require_comparable
from equijax.errors import CheckpointError
from equijax.testing import toy_snapshot


def test_a_configuration_is_known_again(liquid):
    """In single precision, with eight and six decimals, from other images, in another order, in a box that begins elsewhere."""
    rng = np.random.default_rng(0)
    snapshots = [liquid, *(toy_snapshot(5, seed=seed) for seed in range(8))]
    prints = [fingerprint(snapshot) for snapshot in snapshots]
    assert len(set(prints)) == len(prints)
    for snapshot, known in zip(snapshots, prints, strict=True):
        written = snapshot.positions.astype(np.float32), np.round(snapshot.positions, 8), np.round(snapshot.positions, 6)
        images = snapshot.positions + snapshot.box * rng.integers(-3, 4, snapshot.positions.shape)
        for positions in (*written, images, snapshot.positions - snapshot.box / 2, snapshot.positions + 0.4321):
            assert fingerprint(snapshot.replace(positions=positions)) == known
        order = rng.permutation(len(snapshot))
        turned = {"positions": snapshot.positions[order], "types": snapshot.types[order]}
        bare = dict.fromkeys(("inherent_positions", "inherent_energy", "cage_positions", "propensity", "propensity_halves", "bond_breaking"))
        assert fingerprint(snapshot.replace(**bare | turned)) == known


def test_what_a_liquid_does_in_a_short_time_makes_another(liquid):
    """Every particle moved by a hundredth of its diameter, two that exchanged their types, and the quench: none is the same configuration."""
    rng = np.random.default_rng(1)
    known = fingerprint(liquid)
    assert fingerprint(liquid.replace(positions=liquid.positions + 0.01 * rng.standard_normal(liquid.positions.shape))) != known
    assert fingerprint(liquid.replace(positions=liquid.inherent_positions)) != known
    types = liquid.types.copy()
    types[[np.flatnonzero(types == 0)[0], np.flatnonzero(types == 1)[0]]] = 1, 0
    assert fingerprint(liquid.replace(types=types)) != known


def test_fingerprints_of_an_earlier_kind_are_not_compared(liquid):
    require_comparable("runs/mine", {"one": fingerprint(liquid)})
    with pytest.raises(CheckpointError, match=r"runs/mine: an earlier equijax .* train again"):
        require_comparable("runs/mine", {"one": fingerprint(liquid), "two": 32 * "0"})

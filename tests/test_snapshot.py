import numpy as np
import pytest

from equijax.errors import SnapshotError
from equijax.snapshot import Snapshot

GOOD = {"positions": np.arange(12.0).reshape(4, 3), "types": np.array([0, 0, 0, 1]), "box": 20.0}


def test_a_cube_may_be_given_by_its_side():
    snapshot = Snapshot(**GOOD)
    assert snapshot.box.tolist() == [20.0] * 3
    assert snapshot.density == pytest.approx(4 / 8000)
    assert snapshot.positions.dtype == np.float64


def test_a_number_of_trajectories_is_that_of_every_time():
    measured = Snapshot(**GOOD, times=[1.0, 2.0, 3.0], propensity=np.ones((4, 3)), trajectories=8)
    assert measured.trajectories.tolist() == [8, 8, 8]
    some = measured.replace(trajectories=[8, 6, 2]).at([0, 2])
    assert some.trajectories.tolist() == [8, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"positions": np.zeros((4, 2))}, r"shape \(4, 2\); expected \(particles, 3\)"),
        ({"positions": np.zeros((0, 3)), "types": np.zeros(0, int)}, "two particles or more"),
        ({"positions": np.where(np.arange(12.0).reshape(4, 3) == 7, np.nan, 1.0)}, r"positions\[2, 1\] is nan"),
        ({"positions": [["a", "b", "c"]] * 4}, "not an array of numbers"),
        ({"types": np.array([0, 0, 3, 1])}, "particle 2 has type 3; expected 0 .A. or 1 .B."),
        ({"types": np.zeros(3, int)}, r"types have shape \(3,\)"),
        ({"box": -1.0}, "positive side lengths"),
        ({"box": np.eye(3)}, "orthorhombic"),
        ({"box": np.inf}, "box.* is inf"),
        ({"temperature": -0.4}, "temperature is -0.4"),
        ({"inherent_energy": np.zeros(3)}, r"inherent_energy has shape \(3,\); expected \(4,\)"),
        ({"propensity": np.zeros((4, 2))}, "without its times"),
        ({"propensity": np.zeros((4, 2)), "times": [2.0, 1.0]}, "increasing"),
        ({"trajectories": 4}, "without its times"),
        ({"trajectories": [4, 4, 4], "times": [1.0, 2.0]}, r"trajectories are \[4, 4, 4\]; expected .* each of the 2 times"),
        ({"trajectories": [4, 0], "times": [1.0, 2.0]}, r"trajectories are \[4, 0\]"),
        ({"trajectories": 4.5, "times": [1.0, 2.0]}, r"trajectories are \[4.5, 4.5\]"),
        ({"propensity": np.zeros((2, 4)), "times": [1.0, 2.0]}, r"propensity has shape \(2, 4\); expected \(4, 2\)"),
    ],
)
def test_unusable_input_is_named_with_its_place_and_number(change, message):
    with pytest.raises(SnapshotError, match=message):
        Snapshot(**(GOOD | change), name="bad")

import pytest

from equijax.data.splits import link_of, split_names
from equijax.errors import ConfigError

NAMES = [f"c{i}" for i in range(20)] + ["c3"]  # c3 twice, as with another time of it


def test_no_configuration_lies_in_two_parts():
    split = split_names(NAMES, 0.2, 3, seed=1)
    parts = [set(split.train), set(split.validation), set(split.test)]
    assert [len(part) for part in parts] == [13, 4, 3]
    assert set.union(*parts) == set(NAMES)
    assert sum(map(len, parts)) == 20


def test_a_split_depends_on_the_seed_alone():
    assert split_names(NAMES, 4, 3, seed=1) == split_names(NAMES[::-1], 4, 3, seed=1)
    assert split_names(NAMES, 4, 3, seed=1) != split_names(NAMES, 4, 3, seed=2)


@pytest.mark.parametrize(
    ("validation", "test", "message"),
    [
        (15, 5, "leave one to train"),
        (2.5, 0, "fraction below 1 or a whole number"),
        (-1, 0, "expected a fraction"),
        (float("nan"), 0, "validation is nan"),
        (0, float("inf"), "test inf; expected"),
    ],
)
def test_impossible_splits_are_refused(validation, test, message):
    with pytest.raises(ConfigError, match=message):
        split_names(NAMES, validation, test, seed=0)


def test_links_of_chains_are_only_trained_on():
    """Neighbours on a chain share a trajectory: one of them in a test would not be unseen."""
    chained = [link_of(f"chain{r}", k) for r in range(2) for k in range(4)]
    both = split_names(["c0", "c1", "c2", *chained], 1, 2, seed=0)
    assert sorted(both.train) == sorted(chained)
    assert sorted((*both.validation, *both.test)) == ["c0", "c1", "c2"]
    assert sorted(split_names(chained, 0, 0, seed=0).train) == sorted(chained)
    with pytest.raises(ConfigError, match="can only be trained on; give ensembles too"):
        split_names(chained, 0.2, 0, seed=0)
    with pytest.raises(ConfigError, match="3 configurations cannot give 2 for validation and 2"):
        split_names(["c0", "c1", "c2", *chained], 2, 2, seed=0)

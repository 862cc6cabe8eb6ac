import pytest

from equijax.data.splits import split_names
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
    ("validation", "test", "message"), [(15, 5, "leave one to train"), (2.5, 0, "fraction below 1 or a whole number"), (-1, 0, "expected a fraction")]
)
def test_impossible_splits_are_refused(validation, test, message):
    with pytest.raises(ConfigError, match=message):
        split_names(NAMES, validation, test, seed=0)

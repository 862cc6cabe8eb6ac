"""Splits by independent configuration: everything that stems from one configuration lies on one side."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from equijax.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Split:
    """Names of the configurations used to train, to choose, and to be tested once."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


RELATIVE = "#"


def relative(name: str, number: int) -> str:
    """Return the name of a further configuration that stems from one of this name: they never stand on different sides of a split."""
    return f"{name}{RELATIVE}{number}"


def origin(name: str) -> str:
    """Return the name of the configuration that this one stems from: itself, or what `relative` was given."""
    return name.split(RELATIVE)[0]


def with_relatives(split: Split, names: Sequence[str]) -> Split:
    """Return the split with everything that stems from its training configurations in the training part; what stems from others is left out."""
    chosen = {*split.train, *split.validation, *split.test}
    more = tuple(name for name in names if name not in chosen and origin(name) in split.train)
    return Split(split.train + more, split.validation, split.test)


def split_names(names: Sequence[str], validation: float, test: float, seed: int) -> Split:
    """Divide configurations at random.

    Args:
        names: of the configurations; a name that occurs twice is one configuration, and those that stem from another (`relative`) go where it goes,
            but are not tested and choose nothing.
        validation: how many to choose by: a fraction if below 1, a number otherwise.
        test: how many to keep for the test, likewise.
        seed: of the shuffle.

    Raises:
        ConfigError: nothing is left to train on.
    """
    unique = sorted({name for name in names if name == origin(name)})
    counts = [share if share >= 1 else np.ceil(share * len(unique)) for share in (validation, test)]
    if min(counts) < 0 or any(share >= 1 and share != int(share) for share in (validation, test)):
        raise ConfigError(f"validation is {validation:g} and test {test:g}; expected a fraction below 1 or a whole number of configurations.")
    held, tested = int(counts[0]), int(counts[1])
    if held + tested >= len(unique):
        raise ConfigError(f"{len(unique)} configurations cannot give {held} for validation and {tested} for the test and leave one to train; add data or ask for less.")
    order = [unique[i] for i in np.random.default_rng(seed).permutation(len(unique))]
    return with_relatives(Split(tuple(order[held + tested :]), tuple(order[:held]), tuple(order[held : held + tested])), names)

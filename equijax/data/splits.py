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


def split_names(names: Sequence[str], validation: float, test: float, seed: int) -> Split:
    """Divide configurations at random.

    Args:
        names: of the configurations; a name that occurs twice is one configuration.
        validation: how many to choose by: a fraction if below 1, a number otherwise.
        test: how many to keep for the test, likewise.
        seed: of the shuffle.

    Raises:
        ConfigError: nothing is left to train on.
    """
    unique = sorted(set(names))
    counts = [share if share >= 1 else np.ceil(share * len(unique)) for share in (validation, test)]
    if min(counts) < 0 or any(share >= 1 and share != int(share) for share in (validation, test)):
        raise ConfigError(f"validation is {validation:g} and test {test:g}; expected a fraction below 1 or a whole number of configurations.")
    held, tested = int(counts[0]), int(counts[1])
    if held + tested >= len(unique):
        raise ConfigError(f"{len(unique)} configurations cannot give {held} for validation and {tested} for the test and leave one to train; add data or ask for less.")
    order = [unique[i] for i in np.random.default_rng(seed).permutation(len(unique))]
    return Split(tuple(order[held + tested :]), tuple(order[:held]), tuple(order[held : held + tested]))

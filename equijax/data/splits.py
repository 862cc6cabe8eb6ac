"""Splits by independent configuration: everything that stems from one configuration lies on one side."""

import dataclasses
import re
from collections.abc import Iterable, Sequence

import numpy as np

from equijax.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Split:
    """Names of the configurations used to train, to choose, and to be tested once."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


_STEMS = re.compile(r"#(end|link|successor)\d+$")


def end_of(name: str, number: int) -> str:
    """Return the name of the configuration in which a trajectory of this one ended."""
    return f"{name}#end{number}"


def link_of(chain: str, number: int) -> str:
    """Return the name of a configuration along a chain of trajectories."""
    return f"{chain}#link{number:04d}"


def successor_of(name: str, number: int) -> str:
    """Return the name of a configuration that a short trajectory from this one led to."""
    return f"{name}#successor{number:02d}"


def origin(name: str) -> str:
    """Return the name of what a configuration stems from: itself, or what one of the functions above was given. All of it stands on one side of a split."""
    return _STEMS.sub("", name)


def ensembles(names: Iterable[str]) -> list[str]:
    """Return the names without ends of trajectories, links of chains and successors: the configurations that may test and choose."""
    return [name for name in names if name == origin(name)]


def ensembles_or_all(names: Sequence[str]) -> list[str]:
    """Return the ensembles where there are any, and all names otherwise: what statistics and regressions without weights are taken of."""
    return ensembles(names) or list(names)


def is_successor(name: str) -> bool:
    """Return whether a configuration is one that a short trajectory led to (`successor_of`)."""
    return name != origin(name) and name.startswith(f"{origin(name)}#successor")


def singles(names: Iterable[str]) -> list[str]:
    """Return the names of configurations that are known by single trajectories: ends, and links of chains."""
    return [name for name in names if name != origin(name) and not is_successor(name)]


def links(names: Iterable[str]) -> list[str]:
    """Return the names of configurations along chains of trajectories."""
    return [name for name in names if name.startswith(f"{origin(name)}#link")]


def with_derived(split: Split, names: Sequence[str]) -> Split:
    """Return the split with everything that stems from its training configurations in the training part; what stems from others is left out.

    Raises:
        ConfigError: what stems from another is to test or to choose, or its own configuration is not there, so that nothing says on which side it belongs.
    """
    held = {*split.validation, *split.test}
    wrong = next((name for name in (*split.train, *held) if name != origin(name) and (name in held or origin(name) in held)), None)
    if wrong is not None:
        raise ConfigError(f"{wrong} stems from {origin(wrong)}; it can be trained on where that is, but neither test nor choose.")
    _refuse_lost(names)
    train = {*split.train}
    more = tuple(name for name in names if name not in train and origin(name) in train)
    return Split(split.train + more, split.validation, split.test)


def split_names(names: Sequence[str], validation: float, test: float, seed: int) -> Split:
    """Divide configurations at random.

    Args:
        names: of the configurations; a name that occurs twice is one configuration, those that stem from another (`origin`) go where it goes,
            but are not tested and choose nothing, and those along chains (`link_of`) are trained on.
        validation: how many to choose by: a fraction if below 1, a number otherwise.
        test: how many to keep for the test, likewise.
        seed: of the shuffle.

    Raises:
        ConfigError: nothing is left to train on, or what stems from a configuration is there without it.
    """
    _refuse_lost(names)
    unique = sorted(set(ensembles(names)))
    if not all(0 <= share < 1 or (share > 0 and float(share).is_integer()) for share in (validation, test)):
        raise ConfigError(f"validation is {validation:g} and test {test:g}; expected a fraction below 1 or a whole number of configurations.")
    held, tested = (int(share if share >= 1 else np.ceil(share * len(unique))) for share in (validation, test))
    along = sorted(set(links(names)))
    if along and not unique and (validation or test):
        raise ConfigError("configurations along a chain of trajectories can only be trained on; give ensembles too, or --validation 0 --test 0.")
    if held + tested > len(unique) or held + tested == len(unique) + len(along):
        raise ConfigError(f"{len(unique)} configurations cannot give {held} for validation and {tested} for the test and leave one to train; add data or ask for less.")
    order = [unique[i] for i in np.random.default_rng(seed).permutation(len(unique))]
    return with_derived(Split((*order[held + tested :], *along), tuple(order[:held]), tuple(order[held : held + tested])), names)


def _refuse_lost(names: Sequence[str]) -> None:
    known = {*names, *(origin(name) for name in links(names))}
    lost = next((name for name in names if origin(name) not in known), None)
    if lost is not None:
        raise ConfigError(f"{lost} stems from {origin(lost)}, which is not in the data; give its file too.")

"""Settings as frozen dataclasses: to and from plain types, with unknown keys refused."""

import dataclasses
import difflib
import json
import math
from pathlib import Path

import pydantic
import yaml

from equijax.errors import CheckpointError, ConfigError


def to_dict(config: object) -> dict:
    """Return a config as plain JSON types."""
    return json.loads(json.dumps(dataclasses.asdict(config)))  # type: ignore[call-overload]


def from_dict[T](content: object, kind: type[T], where: str = "config") -> T:
    """Build a config from plain types.

    Raises:
        ConfigError: an unknown key (the nearest known one is named), a wrong type, a value out of range, or a number that is infinite or none.
    """
    if not isinstance(content, dict):
        raise ConfigError(f"{where}: expected a mapping of settings, found {type(content).__name__}.")
    _refuse_unknown(content, kind, where, "")
    _refuse_endless(content, where, "")
    try:
        return pydantic.TypeAdapter(kind).validate_python(content, strict=False)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        wrong = f"a list is expected, also of one: [{first['input']}]" if first["type"] == "tuple_type" else first["msg"]
        raise ConfigError(f"{where}: {place} is {first['input']!r}: {wrong}.") from None


def stored[T](meta: dict, key: str, kind: type[T]) -> T:
    """Return settings that are stored with a run or a simulation; those that are newer have their defaults.

    Raises:
        CheckpointError: they are not what this version understands.
    """
    try:
        return from_dict(meta[key], kind, f"stored {key}")
    except (ConfigError, KeyError) as error:
        raise CheckpointError(f"the run's {key} is not understood by this version ({error}).") from None


def _refuse_unknown(content: dict, kind: type, where: str, prefix: str) -> None:
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key, value in content.items():
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1, cutoff=0.0)
            raise ConfigError(f"{where}: there is no setting {prefix}{key}; did you mean {prefix}{near[0]}?")
        default = fields[key].default
        if isinstance(value, dict) and dataclasses.is_dataclass(default):
            _refuse_unknown(value, type(default), where, f"{prefix}{key}.")


def _refuse_endless(content: object, where: str, place: str) -> None:
    """Raise if a number is infinite or none: no setting means that, and comparisons let it through."""
    parts = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list | tuple) else ()
    for key, value in parts:
        _refuse_endless(value, where, f"{place}.{key}" if place else str(key))
    if isinstance(content, float) and not math.isfinite(content):
        raise ConfigError(f"{where}: {place} is {content}; expected a finite number.")


def read_config[T](path: Path, kind: type[T]) -> T:
    """Read a config from YAML or JSON.

    Raises:
        ConfigError: the file is missing, unreadable, or has unknown or wrong settings.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such config file, nor a preset of that name.") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(" ".join(f"{path}: cannot be read as YAML ({error}).".split())) from None
    return from_dict(content or {}, kind, str(path))


def with_settings[T](config: T, changes: dict[str, object], settings: tuple[str, ...] = ()) -> T:
    """Return a config with some of its settings changed.

    Args:
        config: to start from.
        changes: by name; None leaves a setting as it is.
        settings: further changes as "name=value" or "part.name=value", values in YAML.

    Raises:
        ConfigError: an item is not of that form, or a setting is unknown or wrong.
    """
    content = to_dict(config) | {key: value for key, value in changes.items() if value is not None}
    for item in settings:
        _override(content, item)
    return from_dict(content, type(config))


def _override(content: dict, item: str) -> None:
    key, equals, value = item.partition("=")
    if not equals:
        raise ConfigError(f"--set {item}: expected setting=value, for example network.layers=4.")
    *parents, last = key.split(".")
    for parent in parents:
        if not isinstance(content.get(parent), dict):
            near = difflib.get_close_matches(parent, [name for name, part in content.items() if isinstance(part, dict)], n=1, cutoff=0.0)
            raise ConfigError(f"--set {item}: {parent} has no settings of its own" + (f"; did you mean {near[0]}?" if near else "."))
        content = content[parent]
    try:
        content[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {item}: the value cannot be read ({' '.join(str(error).split())}).") from None

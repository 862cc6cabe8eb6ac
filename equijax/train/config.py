"""All settings of a training, as frozen dataclasses, read from YAML or JSON with unknown keys refused."""

import dataclasses
import difflib
import json
from pathlib import Path

import pydantic
import yaml

from equijax.errors import ConfigError
from equijax.inputs import InputConfig, TargetConfig
from equijax.network import NetworkConfig


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """Adam with warm-up and cosine decay.

    Attributes:
        learning_rate: at its peak.
        final_fraction: of the peak, at the end.
        warmup_steps: linear rise from zero.
        weight_decay: decoupled (AdamW).
        clip: largest norm of the gradient.
        ema: decay of the exponential average of the weights, which is what is evaluated and kept.
    """

    learning_rate: float = 2.5e-3
    final_fraction: float = 0.01
    warmup_steps: int = 40
    weight_decay: float = 0.0
    clip: float = 1.0
    ema: float = 0.99

    def __post_init__(self) -> None:
        if not (self.learning_rate > 0 and 0 <= self.ema < 1 and self.clip > 0 and self.weight_decay >= 0 and self.warmup_steps >= 0):
            raise ConfigError(f"optimizer: {self}: learning_rate and clip must be positive, ema in [0, 1), weight_decay and warmup_steps not negative.")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """One training run.

    Attributes:
        data: files, folders or archives.
        validation: configurations to choose the checkpoint by: a fraction below 1, or a number.
        test: configurations kept for `evaluate`, likewise.
        network: its shape; scalars, arrows, outputs and mean_degree follow from inputs, targets and data.
        inputs, targets: what goes in and what is learned.
        optimizer: of the weights.
        epochs: passes over the training configurations.
        batch: configurations in a step.
        patience: epochs without a better validation before stopping.
        mirror: show every other configuration as its mirror image; the propensity does not know left from right.
        checkpoint_every: epochs between checkpoints, at least.
        checkpoint_seconds: and seconds, at least; the last epoch always has one.
        seed: of weights, order and mirrors.
        split_seed: of the split, apart from the rest so that several seeds can be compared on one split.
    """

    data: tuple[str, ...] = ()
    validation: float = 0.2
    test: float = 0.0
    network: NetworkConfig = NetworkConfig()
    inputs: InputConfig = InputConfig()
    targets: TargetConfig = TargetConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    epochs: int = 100
    batch: int = 1
    patience: int = 40
    mirror: bool = False
    checkpoint_every: int = 5
    checkpoint_seconds: float = 60.0
    seed: int = 0
    split_seed: int = 0

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch, self.patience, self.checkpoint_every) < 1:
            raise ConfigError(f"epochs {self.epochs}, batch {self.batch}, patience {self.patience} and checkpoint_every {self.checkpoint_every} must be 1 or more.")
        for field in ("seed", "split_seed", "checkpoint_seconds"):
            if getattr(self, field) < 0:
                raise ConfigError(f"{field} is {getattr(self, field)}; expected 0 or more.")
        for field in ("scalars", "arrows", "outputs", "mean_degree"):
            if getattr(self.network, field) != getattr(NetworkConfig, field):
                raise ConfigError(f"network.{field} is {getattr(self.network, field)}; it follows from inputs, targets and data, leave it out.")
        if self.targets.centre == "configuration" and not self.inputs.energy:
            raise ConfigError("targets.centre = configuration needs inputs.energy: a configuration's mean is predicted from its inherent energy.")


def to_dict(config: object) -> dict:
    """Return a config as plain JSON types."""
    return json.loads(json.dumps(dataclasses.asdict(config)))  # type: ignore[call-overload]


def from_dict[T](content: object, kind: type[T], where: str = "config") -> T:
    """Build a config from plain types.

    Raises:
        ConfigError: an unknown key (the nearest known one is named), a wrong type, or a value out of range.
    """
    if not isinstance(content, dict):
        raise ConfigError(f"{where}: expected a mapping of settings, found {type(content).__name__}.")
    _refuse_unknown(content, kind, where, "")
    try:
        return pydantic.TypeAdapter(kind).validate_python(content, strict=False)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{where}: {place} is {first['input']!r}: {first['msg']}.") from None


def _refuse_unknown(content: dict, kind: type, where: str, prefix: str) -> None:
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key, value in content.items():
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1, cutoff=0.0)
            raise ConfigError(f"{where}: there is no setting {prefix}{key}; did you mean {prefix}{near[0]}?")
        default = fields[key].default
        if isinstance(value, dict) and dataclasses.is_dataclass(default):
            _refuse_unknown(value, type(default), where, f"{prefix}{key}.")


def read_config(path: Path) -> TrainConfig:
    """Read a training config from YAML or JSON.

    Raises:
        ConfigError: the file is missing, unreadable, or has unknown or wrong settings.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such config file, nor a preset of that name.") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read as YAML ({error}).") from None
    return from_dict(content or {}, TrainConfig, str(path))

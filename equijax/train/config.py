"""All settings of a training."""

import dataclasses
from typing import Literal, get_args

from equijax.errors import ConfigError
from equijax.inputs import InputConfig
from equijax.network import NetworkConfig
from equijax.snapshot import Snapshot
from equijax.targets import TargetConfig

Method = Literal["adam", "muon"]


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """Adam, or Muon, with warm-up and cosine decay.

    Attributes:
        method: "muon" makes the step of each matrix of weights orthogonal (Jordan 2024) and leaves biases to Adam, both with Nesterov momentum.
        learning_rate: at its peak.
        final_fraction: of the peak, at the end.
        warmup_steps: linear rise from zero.
        weight_decay: decoupled (AdamW).
        clip: largest norm of the gradient of a configuration of weight one.
        ema: decay of the exponential average of the weights, which is what is evaluated and kept.
    """

    method: Method = "adam"
    learning_rate: float = 2.5e-3
    final_fraction: float = 0.01
    warmup_steps: int = 40
    weight_decay: float = 0.0
    clip: float = 1.0
    ema: float = 0.99

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise ConfigError(f"optimizer.method is {self.method!r}; expected {' or '.join(get_args(Method))}.")
        if not (self.learning_rate > 0 and 0 <= self.ema < 1 and self.clip > 0 and min(self.weight_decay, self.warmup_steps, self.final_fraction) >= 0):
            raise ConfigError(f"optimizer: {self}: learning_rate and clip must be positive, ema in [0, 1), weight_decay, warmup_steps and final_fraction not negative.")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """One training run.

    Attributes:
        data: files, folders or archives.
        validation: configurations to choose the checkpoint by: a fraction below 1, or a number.
        test: configurations kept for `evaluate`, likewise.
        network: its shape; scalars, arrows, graphs, outputs and mean_degree follow from inputs, targets and data.
        inputs, targets: what goes in and what is learned.
        optimizer: of the weights.
        epochs: passes over the training configurations.
        batch: configurations in a step.
        patience: epochs without a better validation before stopping.
        start_from: folder of an earlier run of the same network, or the name of one that ships with equijax, whose best weights are taken in the place of
            random ones: pre-training. Times may differ; the linear heads of fewer times are those of its last ones, those of more begin anew. So may
            channels, if there are several times as many here: they begin as noisy copies (`equijax.train.widen`).
        trajectory_noise: c in the weight 1 / (1 + c / m) that a configuration has in the loss if its propensity is the mean over m trajectories (the fewest
            at a time that is trained on). c is the variance between single trajectories, divided by the variance of the propensity that the network
            cannot explain: about 12 near the relaxation time. A smaller c (2 in `ends`) keeps a few ensembles from outweighing many single
            trajectories. Matters where numbers of trajectories differ.
        mean_over_times: of the squared errors, in the loss. The gradient of the geometric mean is that of each time divided by its error: where one is large
            because the labels are mostly noise (single trajectories near the relaxation time), that time does not drown the others.
        mirror: show each configuration, at each step with probability 1/2, as its mirror image; the propensity does not know left from right. Changes nothing
            where the network does not either (`network.parity`).
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
    start_from: str = ""
    trajectory_noise: float = 0.0
    mean_over_times: Literal["arithmetic", "geometric"] = "arithmetic"
    mirror: bool = False
    checkpoint_every: int = 5
    checkpoint_seconds: float = 60.0
    seed: int = 0
    split_seed: int = 0

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch, self.patience, self.checkpoint_every) < 1:
            raise ConfigError(f"epochs {self.epochs}, batch {self.batch}, patience {self.patience} and checkpoint_every {self.checkpoint_every} must be 1 or more.")
        for field in ("seed", "split_seed", "checkpoint_seconds", "trajectory_noise"):
            if getattr(self, field) < 0:
                raise ConfigError(f"{field} is {getattr(self, field)}; expected 0 or more.")
        for field in ("scalars", "arrows", "graphs", "outputs", "mean_degree"):
            if getattr(self.network, field) != getattr(NetworkConfig, field):
                raise ConfigError(f"network.{field} is {getattr(self.network, field)}; it follows from inputs, targets and data, leave it out.")
        if self.targets.centre == "configuration" and not self.inputs.energy:
            raise ConfigError("targets.centre = configuration needs inputs.energy: a configuration's mean is predicted from its inherent energy.")

    def weight(self, snapshot: Snapshot) -> float:
        """Return the weight of a configuration in the loss, before it is divided by the mean over the training set.

        Raises:
            ConfigError: the weight depends on the number of trajectories, and the configuration does not say how many there were.
        """
        if not self.trajectory_noise:
            return 1.0
        if snapshot.trajectories is None:
            raise ConfigError(f"{snapshot.name}: does not say how many trajectories its propensity is the mean of; set trajectory_noise = 0.")
        counts = snapshot.trajectories if self.targets.times is None else snapshot.trajectories[list(self.targets.times)]
        return 1 / (1 + self.trajectory_noise / int(counts.min()))

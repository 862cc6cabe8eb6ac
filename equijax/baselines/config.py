"""Settings of the baselines, and the presets: `equijax train NAME` takes them as they are."""

import dataclasses
from pathlib import Path
from typing import Literal

import yaml

from equijax.baselines.descriptors import DescriptorConfig
from equijax.errors import ConfigError
from equijax.inputs import InputConfig
from equijax.targets import TargetConfig


@dataclasses.dataclass(frozen=True)
class PerceptronConfig:
    """A multi-layer perceptron on descriptors; of all combinations the one with the best validation is kept.

    Attributes:
        hidden: widths of the hidden layers.
        weight_decays: tried.
        learning_rate: of Adam, with cosine decay.
        epochs: passes over the particles of the training set.
        batch: particles in a step.
    """

    hidden: tuple[tuple[int, ...], ...] = ((10, 10), (64, 32))
    weight_decays: tuple[float, ...] = (1e-3, 1e-1)
    learning_rate: float = 3e-3
    epochs: int = 40
    batch: int = 256

    def __post_init__(self) -> None:
        if not self.hidden or not self.weight_decays or min(self.epochs, self.batch, *(width for widths in self.hidden for width in widths)) < 1:
            raise ConfigError(f"perceptron: {self}: expected at least one of hidden and weight_decays, and widths, epochs and batch of 1 or more.")
        if self.learning_rate <= 0 or min(self.weight_decays) < 0:
            raise ConfigError(f"perceptron: {self}: learning_rate must be positive, weight_decays not negative.")


@dataclasses.dataclass(frozen=True)
class GraphNetworkConfig:
    """DeepMind's network of 2020 (Bapst et al., Nature Physics 16, 448, Methods); of the learning rates the one with the best validation is kept.

    Attributes:
        positions: of the graph.
        cutoff: of the graph (sigma_AA).
        width: of both hidden layers of every block.
        passes: of messages.
        learning_rates: of Adam, tried.
        epochs: passes over the training configurations, one configuration a step, each turned at random.
    """

    positions: Literal["thermal", "inherent"] = "thermal"
    cutoff: float = 2.0
    width: int = 64
    passes: int = 7
    learning_rates: tuple[float, ...] = (1e-3, 3e-4)
    epochs: int = 60

    def __post_init__(self) -> None:
        if not self.learning_rates or min(self.learning_rates) <= 0 or self.cutoff <= 0 or min(self.width, self.passes, self.epochs) < 1:
            raise ConfigError(
                f"graph_network: {self}: expected at least one of learning_rates, these and the cutoff positive, and width, passes and epochs of 1 or more."
            )


@dataclasses.dataclass(frozen=True)
class BaselineConfig:
    """One baseline.

    Attributes:
        model: ridge regression, perceptron, or graph_network.
        data: files, folders or archives.
        validation: configurations by which penalties and widths are chosen: a fraction below 1, or a number.
        test: configurations kept for `evaluate`, likewise.
        features: of ridge and perceptron: bond-order (radial densities and bond-orientational order with neighbour averages), physics (coarse-grained
            densities, energies and their variance), or the energies or the densities among these alone.
        descriptors: which bond-order descriptors.
        perceptron, graph_network: settings of these.
        targets: what is learned.
        seed: of weights, order and rotations.
        split_seed: of the split.
    """

    model: Literal["ridge", "perceptron", "graph_network"] = "ridge"
    data: tuple[str, ...] = ()
    validation: float = 0.2
    test: float = 0.0
    features: Literal["bond-order", "physics", "energy", "density"] = "bond-order"
    descriptors: DescriptorConfig = DescriptorConfig()
    perceptron: PerceptronConfig = PerceptronConfig()
    graph_network: GraphNetworkConfig = GraphNetworkConfig()
    targets: TargetConfig = TargetConfig()
    seed: int = 0
    split_seed: int = 0

    def __post_init__(self) -> None:
        if self.targets.centre == "configuration" and not self.needs_quench:
            raise ConfigError("targets.centre = configuration needs inherent structures: a configuration's mean is predicted from its inherent energy.")

    @property
    def unread(self) -> set[str]:
        """Names of the settings that this model does not read."""
        own = {"ridge": {"features", "descriptors"}, "perceptron": {"features", "descriptors", "perceptron"}, "graph_network": {"graph_network"}}[self.model]
        unread = {"features", "descriptors", "perceptron", "graph_network"} - own
        return unread | {"descriptors"} if self.features != "bond-order" else unread

    @property
    def inputs(self) -> InputConfig:
        """What a configuration's mean is predicted from: the same as for a network that reads what the descriptors read."""
        displaced = self.descriptors.displacements if self.model != "graph_network" and self.features == "bond-order" else ()
        return InputConfig("thermal", energy=self.needs_quench, displacement="inherent" in displaced, cage_displacement="cage" in displaced)

    @property
    def needs_quench(self) -> bool:
        """Whether the inherent structure must be known."""
        if self.model == "graph_network":
            return self.graph_network.positions == "inherent"
        return self.features != "bond-order" or self.descriptors.needs_quench

    @property
    def needs_cages(self) -> bool:
        """Whether the cage positions must be known."""
        return self.model != "graph_network" and self.features == "bond-order" and self.descriptors.needs_cages


BASELINES: dict[str, BaselineConfig] = {
    # The strongest of the linear ones, without cage positions and with them: what a network that reads the same has to beat.
    "ridge": BaselineConfig(descriptors=DescriptorConfig(("thermal", "inherent"), energy=True, displacements=("inherent",))),
    "ridge-cage": BaselineConfig(descriptors=DescriptorConfig(("thermal", "inherent", "cage"), energy=True, displacements=("inherent", "cage"))),
    "ridge-thermal": BaselineConfig(descriptors=DescriptorConfig(("thermal",), energy=False)),
    "ridge-inherent": BaselineConfig(descriptors=DescriptorConfig(("inherent",), energy=True)),
    "perceptron": BaselineConfig("perceptron", features="physics"),
    "energy": BaselineConfig(features="energy"),
    "density": BaselineConfig(features="density"),
    "bapst": BaselineConfig("graph_network"),
}
"""Named baselines."""


def is_baseline(name: str) -> bool:
    """Return whether a name of `equijax train` is that of a baseline: a preset, or a config file that names a model."""
    if name in BASELINES:
        return True
    try:
        content = yaml.safe_load(Path(name).read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return False
    return isinstance(content, dict) and "model" in content

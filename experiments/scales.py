"""How large a study is: `small` for two cores, `gpu` with the full public data and the paper's network, `toy` to see that it runs."""

import dataclasses

from equijax.baselines.config import BaselineConfig, GraphNetworkConfig, PerceptronConfig
from equijax.inputs import InputConfig
from equijax.targets import TargetConfig
from equijax.train.config import OptimizerConfig, TrainConfig
from equijax.train.presets import PRESETS


@dataclasses.dataclass(frozen=True)
class Scale:
    """Sizes of a study.

    Attributes:
        network: the training that every study starts from and changes one thing of.
        few: the training on a few configurations, in the study of accuracy.
        few_with_ends: the same with the ends of their trajectories beside them, in as many steps where there are eight.
        seeds: of initial weights and order.
        validation, test: configurations of each state point, as fractions or numbers.
        single_times: times, by number, for which networks of one time are trained; numbers beyond the last begin again.
        layers, orders, channels: compared in the study of depth and width.
        training_sizes: numbers of training configurations in the study of data efficiency; larger ones than there are are left out.
        folds: of the cross-validation.
        ends: of the trajectories of each configuration to train on beside it, where the files keep them.
        few_with_successors: the same with the successors of the configurations, in as many steps where there are sixteen of each.
        successors: short trajectories of each configuration whose successors are trained on and averaged over, where times are long enough.
        perceptron, graph_network: sizes of these baselines.
    """

    network: TrainConfig
    few: TrainConfig
    few_with_ends: TrainConfig
    few_with_successors: TrainConfig
    seeds: tuple[int, ...]
    validation: float
    test: float
    single_times: tuple[int, ...]
    layers: tuple[int, ...]
    orders: tuple[int, ...]
    channels: tuple[int, ...]
    training_sizes: tuple[int, ...]
    folds: int = 5
    ends: int = 8
    successors: int = 4
    perceptron: PerceptronConfig = PerceptronConfig()
    graph_network: GraphNetworkConfig = GraphNetworkConfig()

    def baseline(self, config: BaselineConfig) -> BaselineConfig:
        """Return a baseline at this scale; where it knows inherent structures, it learns the same targets as the network."""
        targets = self.network.targets if config.needs_quench else TargetConfig()
        return dataclasses.replace(config, perceptron=self.perceptron, graph_network=self.graph_network, targets=targets)


_SMALL = PRESETS["quickstart"].network
_THERMAL = InputConfig("thermal", energy=True, displacement=True)
_TOY = TrainConfig(
    network=dataclasses.replace(_SMALL, layers=1, l_max=1, channels=2),
    inputs=_THERMAL,
    targets=TargetConfig(centre="configuration"),
    epochs=2,
    patience=2,
    checkpoint_seconds=0,
)

SCALES: dict[str, Scale] = {
    "toy": Scale(
        _TOY,
        _TOY,
        dataclasses.replace(_TOY, trajectory_noise=2.0),
        _TOY,
        seeds=(0, 1),
        validation=2,
        test=2,
        single_times=(0,),
        layers=(1, 2),
        orders=(0,),
        channels=(4,),
        training_sizes=(1, 2),
        folds=2,
        ends=1,
        successors=1,
        perceptron=PerceptronConfig(((4,),), (1e-3,), epochs=2),
        graph_network=GraphNetworkConfig(width=8, passes=1, learning_rates=(1e-3,), epochs=1),
    ),
    # 13 training configurations of 1000 particles: half a minute for one network.
    "small": Scale(
        TrainConfig(
            network=_SMALL,
            inputs=_THERMAL,
            targets=TargetConfig(centre="configuration"),
            optimizer=OptimizerConfig(learning_rate=5e-3, ema=0.98),
            epochs=40,
            patience=40,
            mirror=True,
        ),
        PRESETS["fine-tune"],
        PRESETS["ends"],
        PRESETS["successors"],
        seeds=(0, 1, 2),
        validation=3,
        test=4,
        single_times=tuple(range(10)),
        layers=(1, 2, 4, 5, 6, 7, 8),
        orders=(0, 1, 3),
        channels=(4, 16),
        training_sizes=(2, 4, 8, 13, 20),
        graph_network=GraphNetworkConfig(learning_rates=(1e-3,), epochs=40),
    ),
    # For the five hundred public configurations of 4096 particles, 350 of them to train on; ten seeds, as in the paper.
    "gpu": Scale(
        TrainConfig(inputs=InputConfig("thermal", energy=True), epochs=300, patience=60, batch=4),
        PRESETS["fine-tune"],
        PRESETS["ends"],
        PRESETS["successors"],
        seeds=tuple(range(10)),
        validation=0.1,
        test=100,
        single_times=tuple(range(10)),
        layers=(1, 2, 3, 4, 5, 6, 7, 8),
        orders=(0, 1, 2, 3),
        channels=(4, 16, 32),
        training_sizes=(5, 10, 25, 50, 100, 200, 400),
    ),
}
"""Named scales: every study takes their names."""

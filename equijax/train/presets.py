"""Named configs: `equijax train NAME` takes them as they are."""

import dataclasses

from equijax.errors import ConfigError
from equijax.inputs import InputConfig
from equijax.network import NetworkConfig
from equijax.targets import TargetConfig
from equijax.train.config import OptimizerConfig, TrainConfig

_SMALL = NetworkConfig(layers=3, l_max=2, activation="gate", envelope_power=20, batch_norm=False, inputs_everywhere=True, decoder_hidden=(32,))

# Few configurations near the relaxation time: inherent structures, a shallow network, deviations from each configuration's mean.
_INHERENT = TrainConfig(
    network=_SMALL,
    inputs=InputConfig("inherent", energy=True),
    targets=TargetConfig(centre="configuration"),
    optimizer=OptimizerConfig(learning_rate=2.5e-3, ema=0.99),
    epochs=160,
    patience=160,
    mirror=True,
)

# All times from shortest to relaxation: both positions, the inherent ones as a vector on each particle, and a decoder that reads every layer:
# what decides the shortest times is in the first.
_QUICKSTART = TrainConfig(
    network=dataclasses.replace(_SMALL, readout="all"),
    inputs=InputConfig("thermal", energy=True, displacement=True),
    targets=TargetConfig(centre="configuration"),
    optimizer=OptimizerConfig(learning_rate=5e-3, ema=0.98),
    validation=3,
    test=4,
    epochs=50,
    patience=50,
    mirror=True,
)

# The same for configurations with cage positions: a graph of these beside the thermal one, which decides the shortest times.
_CAGES = dataclasses.replace(_QUICKSTART, inputs=InputConfig("thermal+cage", energy=True, displacement=True, cage_displacement=True))

# Hundreds of configurations that are known by two trajectories each (`equijax simulate chain`): enough for five layers with products and both graphs, in
# few passes with a long average. By Muon, whose loss was the lower in the first pass at the same learning rate (one seed).
_CHAIN = dataclasses.replace(
    _QUICKSTART,
    network=dataclasses.replace(_QUICKSTART.network, layers=5, square=True),
    inputs=InputConfig("both", energy=True, displacement=True),
    optimizer=OptimizerConfig("muon", learning_rate=5e-3, ema=0.998),
    validation=0,
    test=0,
    epochs=10,
    patience=10,
    checkpoint_every=1,
)

# Few configurations of a Kob-Andersen mixture: what the network that ships has learned, carried on. By Adam: Muon was alike (one fold, one seed).
_FINE_TUNE = dataclasses.replace(_CHAIN, start_from="ka-0.56", optimizer=OptimizerConfig(learning_rate=2e-3, ema=0.99), epochs=18, patience=18)

PRESETS: dict[str, TrainConfig] = {
    # The paper's network and its good compromise of inputs: thermal positions and E_pot(IS), all times at once.
    "paper": TrainConfig(inputs=InputConfig("thermal", energy=True), patience=100, epochs=300),
    "inherent": _INHERENT,
    "fine-tune": _FINE_TUNE,
    # With the ends of their trajectories (`equijax data ends`), in as many steps where each has eight. Of their noise alone an ensemble of 32 would weigh nine
    # times as much as an end (12 for 2 below), and a few ensembles would decide.
    "ends": dataclasses.replace(_FINE_TUNE, validation=0.2, epochs=2, patience=2, trajectory_noise=2.0),
    # With their successors (`equijax data successors`), in as many steps where each has sixteen.
    "successors": dataclasses.replace(_FINE_TUNE, epochs=1, patience=1),
    "quickstart": _QUICKSTART,
    "cages": _CAGES,
    "chain": _CHAIN,
}


def preset(name: str) -> TrainConfig:
    """Return a preset.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in PRESETS:
        raise ConfigError(f"there is no preset {name!r}; there are {', '.join(PRESETS)}.")
    return PRESETS[name]

import dataclasses

import pytest

from equijax.configs import from_dict, read_config, to_dict
from equijax.errors import ConfigError
from equijax.train.config import TrainConfig
from equijax.train.presets import PRESETS, preset


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_the_way_to_a_file_and_back(name):
    assert from_dict(to_dict(preset(name)), TrainConfig) == preset(name)


def test_every_setting_can_be_changed_in_a_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("epochs: 7\nnetwork: {layers: 4, decoder_hidden: [16, 16]}\ntargets: {times: [2]}\n")
    config = read_config(path, TrainConfig)
    assert (config.epochs, config.network.layers, config.network.decoder_hidden, config.targets.times) == (7, 4, (16, 16), (2,))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch: 3", "there is no setting epoch; did you mean epochs?"),
        ("network: {layrs: 3}", "there is no setting network.layrs; did you mean network.layers?"),
        ("optimizer: {learning_rat: 3}", "did you mean optimizer.learning_rate?"),
        ("network: {layers: many}", "network.layers is 'many'"),
        ("inputs: {positions: molten}", "inputs.positions is 'molten'"),
        ("network: {layers: 0}", "network.layers is 0; expected 1 or more"),
        ("epochs: 0", "must be 1 or more"),
        ("checkpoint_seconds: .nan", "checkpoint_seconds is nan; expected a finite number"),
        ("optimizer: {learning_rate: .inf}", "optimizer.learning_rate is inf; expected a finite number"),
        ("optimizer: {final_fraction: -1}", "and final_fraction not negative"),
        ("seed: -1", "seed is -1; expected 0 or more"),
        ("network: {mean_degree: 12}", "network.mean_degree is 12.0; it follows from"),
        ("targets: {centre: configuration}\ninputs: {energy: false}", "needs inputs.energy"),
        ("[1, 2]", "expected a mapping of settings, found list"),
        ("a: [", "cannot be read as YAML"),
    ],
)
def test_mistakes_are_named_with_the_place_and_the_nearest_setting(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_config(path, TrainConfig)
    assert message in str(caught.value)


def test_a_missing_config_is_said_to_be_missing(tmp_path):
    with pytest.raises(ConfigError, match="no such config file, nor a preset"):
        read_config(tmp_path / "nothing.yaml", TrainConfig)
    with pytest.raises(ConfigError, match=f"there are {', '.join(PRESETS)}"):
        preset("nothing")


def test_the_paper_preset_is_the_papers_network():
    network = dataclasses.asdict(preset("paper").network)
    assert (network["layers"], network["l_max"], network["channels"], network["cutoff"]) == (8, 3, 8, 2.0)

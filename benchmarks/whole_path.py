"""How long is an epoch, and how much of it is not the step: reading, graphs, logging, checkpoints?

    python benchmarks/whole_path.py --data FOLDER_OF_TEN_CONFIGURATIONS

An epoch is what training takes for ten more epochs, two checkpoints and every line of the log among them, divided by ten; the step is timed by
itself on a batch that is already in place. Compilation is in neither.
"""

import dataclasses
import statistics
import tempfile
import time
from pathlib import Path

import jax
import tyro
from common import finish

from equijax.data.cache import Cache
from equijax.data.pipeline import stack
from equijax.inputs import InputConfig, TargetConfig
from equijax.network import Network, NetworkConfig
from equijax.train.config import TrainConfig
from equijax.train.loop import train
from equijax.train.mesh import make_mesh, spread
from equijax.train.prepare import prepare
from equijax.train.step import AXIS, initial_state, make_optimizer, make_step


@dataclasses.dataclass(frozen=True)
class Settings:
    """What to time.

    Attributes:
        data: files or a folder.
        layers, l_max, channels: shape of the network.
        cache: folder for graphs; a temporary one if absent.
        rounds: of the epochs and of the steps.
        out: JSON file to write.
    """

    data: Path
    layers: int = 8
    l_max: int = 2
    channels: int = 8
    cache: Path | None = None
    rounds: int = 3
    out: Path = Path("whole_path.json")


def main(settings: Settings) -> None:
    """Time and print."""
    network = NetworkConfig(settings.layers, settings.l_max, settings.channels, activation="gate", batch_norm=False, decoder_hidden=(32, 32))
    config = TrainConfig((str(settings.data),), 0.0, 0.0, network, InputConfig("thermal", energy=False), TargetConfig(), epochs=2, checkpoint_every=5)
    with tempfile.TemporaryDirectory() as folder:
        cache = Cache(settings.cache or Path(folder) / "cache")

        def seconds(epochs: int, name: str) -> float:
            start = time.perf_counter()
            train(dataclasses.replace(config, epochs=epochs), Path(folder) / name, cache, quiet=True)
            return time.perf_counter() - start

        seconds(1, "warm")
        epochs = [(seconds(12, f"long{k}") - seconds(2, f"short{k}")) / 10 for k in range(settings.rounds)]
        prepared = prepare(config, cache, quiet=True)
        source = prepared.source(config, prepared.split.train)
        mesh = make_mesh(1)
        optimizer = make_optimizer(config.optimizer, 100)
        model = Network(prepared.network, AXIS)
        state = initial_state(model, optimizer, source[0].graph, 0)
        step = make_step(model, optimizer, config.optimizer.ema, mesh, config.mirror, 0)
        batch = jax.device_put(stack([source[0]]), spread(mesh))
        steps = []
        for _ in range(10 * settings.rounds + 1):
            start = time.perf_counter()
            state, loss = step(state, batch)
            jax.block_until_ready(loss)
            steps.append(time.perf_counter() - start)
    epoch, one = statistics.median(epochs), statistics.median(steps[1:])
    share = epoch / (len(source) * one) - 1
    print(f"{len(source)} configurations of {len(batch.targets[0])} particles: an epoch {epoch:.2f} s ({min(epochs):.2f} to {max(epochs):.2f}), a step {one:.4f} s")
    print(f"all that is not the step adds {100 * share:.1f} %")
    finish(settings.out, settings, {"epoch_s": epochs, "step_s": one, "overhead": share, "configurations": len(source)})


if __name__ == "__main__":
    main(tyro.cli(Settings))

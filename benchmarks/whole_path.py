"""How long is an epoch, and how much of it is not the step: reading, graphs, logging, checkpoints?

    python benchmarks/whole_path.py --data FOLDER_OF_TEN_CONFIGURATIONS

An epoch is what training takes for EPOCHS more epochs, divided by them: every line of the log is in it and, with more than a minute of training, a
checkpoint of those that come at most once a minute. The step is timed by itself on a batch that is already in place, half of it before and half after
the epochs, and the overhead is the median over rounds, so that a machine that changes its pace between rounds does not count. Compilation is in neither.
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
from equijax.inputs import InputConfig
from equijax.network import Network, NetworkConfig
from equijax.targets import TargetConfig
from equijax.train.config import TrainConfig
from equijax.train.loop import train
from equijax.train.mesh import make_mesh, spread
from equijax.train.optimizer import make_optimizer
from equijax.train.prepare import prepare
from equijax.train.step import AXIS, initial_state, make_step


@dataclasses.dataclass(frozen=True)
class Settings:
    """What to time.

    Attributes:
        data: files or a folder.
        layers, l_max, channels: shape of the network.
        cache: folder for graphs; a temporary one if absent.
        epochs: more in the longer run than in the shorter.
        rounds: of epochs and steps.
        out: JSON file to write.
    """

    data: Path
    layers: int = 8
    l_max: int = 2
    channels: int = 8
    cache: Path | None = None
    epochs: int = 25
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

        bare = _BareStep(config, cache)
        seconds(1, "warm")
        epochs, steps = [], []
        for k in range(settings.rounds):
            before = bare.seconds()
            epochs.append((seconds(settings.epochs + 2, f"long{k}") - seconds(2, f"short{k}")) / settings.epochs)
            steps.append(statistics.median(before + bare.seconds()))
    shares = [epoch / (bare.configurations * step) - 1 for epoch, step in zip(epochs, steps, strict=True)]
    print(f"{bare.configurations} configurations of {bare.particles} particles")
    print(f"an epoch {min(epochs):.2f} to {max(epochs):.2f} s, a step {min(steps):.4f} to {max(steps):.4f} s")
    print(f"all that is not the step adds {100 * statistics.median(shares):.1f} % ({100 * min(shares):.1f} to {100 * max(shares):.1f})")
    finish(settings.out, settings, {"epoch_s": epochs, "step_s": steps, "overhead": shares, "configurations": bare.configurations})


class _BareStep:
    """The training step of a run, on one batch that stays in place."""

    def __init__(self, config: TrainConfig, cache: Cache) -> None:
        prepared = prepare(config, cache, quiet=True)
        source = prepared.source(config, prepared.split.train)
        mesh = make_mesh(1)
        optimizer = make_optimizer(config.optimizer, 100)
        model = Network(prepared.network, AXIS)
        self.state = initial_state(model, optimizer, source[0].graph, 0)
        self.step = make_step(model, optimizer, config.optimizer.ema, mesh, config.mirror, 0)
        self.batch = jax.device_put(stack([source[0]]), spread(mesh))
        self.configurations, self.particles = len(source), len(self.batch.targets[0])
        self.state, _ = self.step(self.state, self.batch)

    def seconds(self, times: int = 30) -> list[float]:
        """Return how long each of some steps took."""
        taken = []
        for _ in range(times):
            start = time.perf_counter()
            self.state, loss = self.step(self.state, self.batch)
            jax.block_until_ready(loss)
            taken.append(time.perf_counter() - start)
        return taken


if __name__ == "__main__":
    main(tyro.cli(Settings))

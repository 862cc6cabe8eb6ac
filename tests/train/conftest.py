import dataclasses

import pytest

from equijax.data.cache import Cache
from equijax.data.convert import write_snapshots
from equijax.inputs import InputConfig
from equijax.network import NetworkConfig
from equijax.testing import toy_snapshot
from equijax.train.config import OptimizerConfig, TrainConfig

TINY = NetworkConfig(layers=2, l_max=1, channels=4, activation="gate", batch_norm=True, inputs_everywhere=True, cutoff=1.6)


@pytest.fixture(scope="session")
def toy_set(tmp_path_factory):
    """Small lattices with noise whose 'propensity' is a known function of the surroundings: how much an A particle is displaced."""
    import numpy as np

    path = tmp_path_factory.mktemp("toy") / "toy.h5"
    snapshots = []
    for seed in range(12):
        snapshot = toy_snapshot(4, seed=seed)
        lattice = toy_snapshot(4, seed=seed, jitter=0.0).positions
        moved = np.linalg.norm(snapshot.positions - lattice, axis=1)
        values = np.stack([moved + 0.1 * snapshot.types, 2 * moved], 1)
        snapshots.append(snapshot.replace(times=np.array([1.0, 10.0]), propensity=values))
    write_snapshots(path, snapshots)
    return path


@pytest.fixture
def config(toy_set):
    return TrainConfig(
        data=(str(toy_set),),
        validation=2,
        test=2,
        network=TINY,
        inputs=InputConfig("thermal", energy=False),
        optimizer=OptimizerConfig(learning_rate=1e-2, warmup_steps=5),
        epochs=4,
        batch=2,
        checkpoint_every=1,
        checkpoint_seconds=0,
    )


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return Cache(tmp_path_factory.mktemp("cache"))


def changed(config, **changes):
    return dataclasses.replace(config, **changes)

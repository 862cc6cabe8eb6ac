"""More configurations from the same files: the ends of trajectories, which look back on the same displacements.

Equilibrium dynamics run backwards as they run forwards: a configuration x_k in which a trajectory of length t ended has as good a claim to the displacement
|x_k - x_0| as the configuration x_0 in which it began. Of x_0 the files know the mean over all trajectories, its propensity; of every end they know one
trajectory: an unbiased label with the noise of a single one. A set of ten configurations with 32 trajectories each holds 320 such further ones, in
structures that ten propensities do not show. They train and never test.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from equijax.data.formats import read_trajectories
from equijax.data.splits import end_of
from equijax.errors import ConfigError, DataFormatError
from equijax.snapshot import Snapshot


def snapshots_with_ends(path: str | Path, time: int = -1, most: int | None = None) -> Iterator[Snapshot]:
    """Yield every configuration with its propensity at one time, and after it the ends of its trajectories, each with the displacements of that trajectory.

    Args:
        path: file or folder that keeps the positions of every trajectory: BOTAN npz or DeepMind pickles.
        time: by number, that of the ends; the last by default.
        most: ends of each configuration; all by default.

    Raises:
        ConfigError: `most` is below 1.
        DataFormatError: the files keep propensities alone, or there is no such time.
    """
    if most is not None and most < 1:
        raise ConfigError(f"most is {most}; expected 1 or more ends of each configuration.")
    for snapshot, ends in read_trajectories(path):
        assert snapshot.times is not None
        assert snapshot.propensity is not None
        if not -len(ends) <= time < len(ends):
            raise DataFormatError(f"{snapshot.name}: has {len(ends)} times, numbered from 0; there is none of number {time}.")
        snapshot = snapshot.at([time % len(ends)])
        yield snapshot
        for number, end in enumerate(ends[time][:most]):
            yield Snapshot(
                positions=end,
                types=snapshot.types,
                box=snapshot.box,
                name=end_of(snapshot.name, number),
                temperature=snapshot.temperature,
                times=snapshot.times,
                propensity=np.linalg.norm(end - snapshot.positions, axis=1)[:, None],
                trajectories=np.array(1),
            )

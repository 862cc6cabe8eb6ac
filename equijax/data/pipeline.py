"""Batches in a seeded order that any step can be resumed from, read ahead by grain."""

from collections.abc import Iterator, Sequence

import grain
import jax
import numpy as np

from equijax.data.samples import Sample, SampleSource
from equijax.errors import ConfigError


def stack(samples: Sequence[Sample]) -> Sample:
    """Join samples along a new leading axis b."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *samples)


class Batches:
    """The batches of a whole training: `epochs` shuffles of the data, the same for the same seed, from any step on.

    Args:
        source: of the samples.
        batch: samples in a batch; what does not fill one is left out of that epoch.
        epochs: number of passes.
        seed: of the order.

    Raises:
        ConfigError: the batch is larger than the data set.
    """

    def __init__(self, source: SampleSource, batch: int, epochs: int, seed: int) -> None:
        if not 1 <= batch <= len(source):
            raise ConfigError(f"a batch of {batch} does not fit a training set of {len(source)} configurations.")
        self.steps_per_epoch = len(source) // batch
        self._source = source
        numbers = grain.MapDataset.range(len(source)).seed(seed).shuffle()
        self._order = numbers.batch(batch, drop_remainder=True).repeat(epochs)

    def members(self, step: int) -> np.ndarray:
        """Return the numbers of the samples in the batch of a step."""
        return np.asarray(self._order[step])

    def from_step(self, step: int) -> Iterator[Sample]:
        """Yield the batches from a step on."""
        if step >= len(self._order):
            return iter(())
        batches = self._order[step:].map(lambda numbers: stack([self._source[int(i)] for i in numbers]))
        return iter(batches.to_iter_dataset(grain.ReadOptions(num_threads=2, prefetch_buffer_size=4)))

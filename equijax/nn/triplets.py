"""The triplets (l_I, l_F) -> l_O of a convolution, the one place that orders them."""

from typing import NamedTuple

import e3nn_jax as e3nn
import numpy as np


class Triplet(NamedTuple):
    """One Clebsch-Gordan path: input chunk number and irrep, filter irrep, output irrep, channels, and where its weights start."""

    chunk: int
    input: e3nn.Irrep
    filter: e3nn.Irrep
    output: e3nn.Irrep
    channels: int
    start: int

    @property
    def coupling(self) -> np.ndarray:
        """Clebsch-Gordan coefficients of the path, see `coupling`."""
        return coupling(self.input.l, self.filter.l, self.output.l)


def coupling(inputs: int, filters: int, outputs: int) -> np.ndarray:
    """Return the Clebsch-Gordan coefficients (input, filter, output), scaled so that unit-variance components give unit-variance components."""
    return np.asarray(e3nn.clebsch_gordan(inputs, filters, outputs), np.float64) * np.sqrt(2 * outputs + 1)


def filter_irreps(l_max: int, parity: bool) -> e3nn.Irreps:
    """Spherical harmonics of the edges, l = 0..l_max: all labelled even, or with their natural parity (-1)^l if parity is used."""
    return e3nn.Irreps([(1, (order, (-1) ** order if parity else 1)) for order in range(l_max + 1)])


def hidden_irreps(channels: int, l_max: int, parity: bool) -> e3nn.Irreps:
    """Features between the layers: `channels` of every l, of the same parity as the filters."""
    return e3nn.Irreps([(channels, ir) for _, ir in filter_irreps(l_max, parity)])


def triplets(inputs: e3nn.Irreps, l_max: int, parity: bool) -> tuple[Triplet, ...]:
    """Return every path from the inputs through the filters to the hidden irreps, sorted by output (34 for l_max = 3, 23 with parity)."""
    filters = filter_irreps(l_max, parity)
    kept = [ir for _, ir in filters]
    found = [(k, ir, f, out, mul) for k, (mul, ir) in enumerate(inputs) for _, f in filters for out in ir * f if out in kept]
    found.sort(key=lambda path: path[3].l)
    starts = np.cumsum([0] + [path[4] for path in found])
    return tuple(Triplet(*path, start=int(start)) for path, start in zip(found, starts, strict=False))


def message_irreps(paths: tuple[Triplet, ...]) -> e3nn.Irreps:
    """Irreps of the aggregated messages: the channels of every triplet, one chunk a triplet, in their order."""
    return e3nn.Irreps([(path.channels, path.output) for path in paths])

"""The sum over neighbours, by interchangeable kernels; `reference` is the definition, the others must equal it."""

from collections.abc import Callable

import e3nn_jax as e3nn
import jax

from equijax.errors import ConfigError
from equijax.nn.geometry import Geometry
from equijax.nn.kernels import reference, xla
from equijax.nn.triplets import Triplet

KERNELS: dict[str, Callable[..., e3nn.IrrepsArray]] = {"reference": reference.convolve, "xla": xla.convolve}


def choose(kernel: str) -> str:
    """Return the kernel that `auto` stands for on this machine, or the one named.

    Raises:
        ConfigError: no kernel has that name.
    """
    if kernel == "auto":
        return "xla"
    if kernel not in KERNELS:
        raise ConfigError(f"kernel is {kernel!r}; expected auto, {', '.join(KERNELS)}.")
    return kernel


def convolve(kernel: str, features: e3nn.IrrepsArray, geometry: Geometry, radial: jax.Array, weights: jax.Array, paths: tuple[Triplet, ...]) -> e3nn.IrrepsArray:
    """Return, for every triplet and channel, sum_j phi(r_ij) [Y(r_ij) x h_j] with the filters phi(r) = h(r) R (paper, convolution layer).

    Args:
        kernel: name, or "auto".
        features: (n, irreps) of all particles.
        geometry: of the edges.
        radial: (n, k, q) radial basis h(r) of the edges.
        weights: (q, filters) R, a column for each triplet and channel in the order of `paths`.
        paths: from `triplets(features.irreps, ...)`.

    Returns:
        (n, message_irreps(paths)), not normalised.
    """
    return KERNELS[choose(kernel)](features, geometry, radial, weights, paths)

"""The sum over neighbours, by interchangeable kernels; `reference` is the definition, the others must equal it."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import e3nn_jax as e3nn
import jax
import jax.numpy as jnp

from equijax.errors import ConfigError
from equijax.nn.geometry import Geometry
from equijax.nn.kernels import native, reference, xla
from equijax.nn.kernels.native import library
from equijax.nn.radial import Filters
from equijax.nn.triplets import Triplet

KERNELS: dict[str, Callable[..., e3nn.IrrepsArray]] = {
    "reference": reference.convolve,
    "xla": xla.convolve,
    "xla-bf16": functools.partial(xla.convolve, operands=jnp.bfloat16),
    "native": native.convolve,
    "cuda": functools.partial(native.convolve, device="cuda"),
}
_DEVICES = {"native": "cpu", "cuda": "gpu"}


class Choice(NamedTuple):
    """A kernel's name, and why it is the one."""

    kernel: str
    reason: str


def choose(kernel: str, l_max: int = 0, knots: int = 1, dtype: Any = jnp.float32) -> Choice:
    """Return the kernel that is used for a network, and why.

    Args:
        kernel: a name, or "auto" for the fastest that this machine and the network allow.
        l_max: of the network.
        knots: of the radial table; 0 forbids tables.
        dtype: of the features.

    Raises:
        ConfigError: no kernel has that name, or the one named cannot do what is asked.
    """
    if kernel not in ("auto", *KERNELS):
        raise ConfigError(f"kernel is {kernel!r}; expected auto, {', '.join(KERNELS)}.")
    if kernel in _DEVICES:
        obstacle = _obstacle(kernel, l_max, knots, dtype)
        if obstacle is not None:
            raise ConfigError(f"kernel {kernel} cannot be used: {obstacle} Use kernel auto or xla.")
    if kernel != "auto":
        return Choice(kernel, "named in the config")
    obstacle = _obstacle("native", l_max, knots, dtype)
    if obstacle is None:
        return Choice("native", f"fused C++ with {library.instruction_set()} instructions, the fastest on a CPU")
    return Choice("xla", obstacle)


def _obstacle(kernel: str, l_max: int, knots: int, dtype: Any) -> str | None:
    if jax.default_backend() != _DEVICES[kernel]:
        return f"computations run on {jax.default_backend()}, the {kernel} kernel on {_DEVICES[kernel]}."
    if dtype != jnp.float32:
        return f"features are {jnp.dtype(dtype).name}, the {kernel} kernel computes in float32."
    if l_max > native.L_MAX:
        return f"l_max is {l_max}, the {kernel} kernel goes to {native.L_MAX}."
    if knots == 0:
        return f"the radial table is turned off (table_knots is 0), and the {kernel} kernel reads its filters from it."
    return library.why_not("cpu" if kernel == "native" else "cuda")


def convolve(kernel: str, features: e3nn.IrrepsArray, geometry: Geometry, filters: Filters, paths: tuple[Triplet, ...]) -> e3nn.IrrepsArray:
    """Return, for every triplet and channel, sum_j phi(r_ij) [Y(r_ij) x h_j] with the filters phi(r) = h(r) R (paper, convolution layer).

    Args:
        kernel: name, or "auto".
        features: (n, irreps) of all particles.
        geometry: of the edges.
        filters: radial basis h and weights R, a column for each triplet and channel in the order of `paths`.
        paths: from `triplets(features.irreps, ...)`.

    Returns:
        (n, message_irreps(paths).simplify()), not normalised.

    Raises:
        ConfigError: see `choose`.
    """
    l_max = max(ir.l for _, ir in geometry.irreps + features.irreps)
    return KERNELS[choose(kernel, l_max, filters.knots, features.array.dtype).kernel](features, geometry, filters, paths)

"""Radial basis: what the learned filters see of a distance."""

import dataclasses
from collections.abc import Callable
from typing import cast

import e3nn_jax as e3nn
import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Float


def envelope(distance: Float[jax.Array, "*any"], cutoff: float, power: int) -> Float[jax.Array, "*any"]:
    """Smooth cutoff u_p(r / cutoff): 1 at the origin, 0 at the cutoff with two vanishing derivatives (Gasteiger et al., ICLR 2020, eq. 8)."""
    x = distance / cutoff
    polynomial = cast(Callable[[jax.Array], jax.Array], e3nn.poly_envelope(power - 1, 2))
    return jnp.where(x < 1, polynomial(x), 0.0)


@dataclasses.dataclass(frozen=True)
class Filters:
    """The radial filters of a layer, phi(r) = h(r) R: linear in a basis h that all of them share.

    Attributes:
        basis: h, from distances (...) to (..., q); smooth, and zero at the cutoff and beyond.
        weights: (q, filters) R, a column for each triplet and channel in the order of `triplets`.
        cutoff: in units of sigma_AA.
        knots: of the table that may stand for the basis; 0 if none may.
    """

    basis: Callable[[jax.Array], jax.Array]
    weights: Float[jax.Array, "q filters"]
    cutoff: float
    knots: int = 0

    def table(self) -> Float[jax.Array, "knots 3 q"]:
        """Return values, slopes and curvatures of h at equally spaced distances from 0 to the cutoff."""
        distances = jnp.linspace(0, self.cutoff, self.knots, dtype=self.weights.dtype)
        ones = jnp.ones_like(distances)

        def with_slope(r: jax.Array) -> tuple[jax.Array, jax.Array]:
            return jax.jvp(self.basis, (r,), (ones,))

        (values, slopes), (_, curvatures) = jax.jvp(with_slope, (distances,), (ones,))
        return jnp.stack([values, slopes, curvatures], axis=1)


def interpolate(table: Float[jax.Array, "knots 2 q"], cutoff: float, distances: Float[jax.Array, "*any"]) -> Float[jax.Array, "*any q"]:
    """Return the cubic Hermite interpolant of a table of values and slopes; beyond the cutoff, its value there.

    With spacing d and u = (r - r_k) / d in [0, 1],
    h(r) = (1 - 3u^2 + 2u^3) h_k + d (u - 2u^2 + u^3) h'_k + (3u^2 - 2u^3) h_(k+1) + d (u^3 - u^2) h'_(k+1).
    """
    spacing = cutoff / (len(table) - 1)
    x = jnp.clip(distances, 0, cutoff) / spacing
    knot = jnp.minimum(x.astype(jnp.int32), len(table) - 2)
    u = x - knot
    weights = jnp.stack([1 + u * u * (2 * u - 3), spacing * u * (1 + u * (u - 2)), u * u * (3 - 2 * u), spacing * u * u * (u - 1)], -1)
    rows = jnp.concatenate([table[:-1], table[1:]], axis=1)[knot]
    return (weights[..., None] * rows).sum(-2)


class RadialBasis(nn.Module):
    """Hidden layer of the radial network, h(r) = [silu(b(r) W + w), 1] u(r), with Bessel functions b and the cutoff envelope u.

    A filter phi(r) is a linear map of h: the constant entry carries the bias, and the envelope takes every filter smoothly to zero.

    Attributes:
        cutoff: in units of sigma_AA.
        bessel: number of Bessel functions.
        hidden: width of the hidden layer.
        power: of the envelope.
    """

    cutoff: float
    bessel: int
    hidden: int
    power: int

    @nn.compact
    def __call__(self, dtype: jax.typing.DTypeLike) -> Callable[[Float[jax.Array, "*any"]], Float[jax.Array, "*any q"]]:
        """Return the function h, with q = hidden + 1 entries: a pure function, to be differentiated or tabulated."""
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (self.bessel, self.hidden), dtype)
        bias = self.param("bias", nn.initializers.zeros, (self.hidden,), dtype)

        def basis(distance: jax.Array) -> jax.Array:
            hidden = nn.silu(e3nn.bessel(distance, self.bessel, self.cutoff) @ kernel + bias)
            constant = jnp.ones_like(distance)[..., None]
            return jnp.concatenate([hidden, constant], -1) * envelope(distance, self.cutoff, self.power)[..., None]

        return basis

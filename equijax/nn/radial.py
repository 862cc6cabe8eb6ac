"""Radial basis: what the learned filters see of a distance."""

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


class RadialBasis(nn.Module):
    """Hidden layer of the radial network, h(r) = [silu(W b(r) + w), 1] u(r), with Bessel functions b and the cutoff envelope u.

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
    def __call__(self, distance: Float[jax.Array, "*any"]) -> Float[jax.Array, "*any q"]:
        """Return h(r), with q = hidden + 1 entries, at every distance."""
        basis = e3nn.bessel(distance, self.bessel, self.cutoff)
        hidden = nn.silu(nn.Dense(self.hidden, param_dtype=distance.dtype, name="hidden")(basis))
        constant = jnp.ones_like(distance)[..., None]
        return jnp.concatenate([hidden, constant], -1) * envelope(distance, self.cutoff, self.power)[..., None]

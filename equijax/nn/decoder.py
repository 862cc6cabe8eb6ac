"""The decoder: from invariant features to one number per time, with a head for each particle type."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Float, Int


class Decoder(nn.Module):
    """y_i,t = W^{type(i)}_t . s_i + b^{type(i)}_t, optionally after shared hidden layers with silu.

    Attributes:
        outputs: number of times.
        n_types: number of particle types, each with a head of its own.
        hidden: widths of the shared hidden layers.
    """

    outputs: int
    n_types: int
    hidden: tuple[int, ...] = ()

    @nn.compact
    def __call__(self, invariants: Float[jax.Array, "n c"], types: Int[jax.Array, "n"]) -> Float[jax.Array, "n t"]:
        """Return the predictions (n, t) of the invariants (n, c)."""
        dtype = invariants.dtype
        for width in self.hidden:
            invariants = nn.silu(nn.Dense(width, param_dtype=dtype)(invariants))
        channels = invariants.shape[-1]
        kernel = self.param("kernel", nn.initializers.variance_scaling(1.0, "fan_in", "normal", batch_axis=0), (self.n_types, channels, self.outputs), dtype)
        bias = self.param("bias", nn.initializers.zeros, (self.n_types, self.outputs), dtype)
        heads = jnp.einsum("nc,act->nat", invariants, kernel) + bias
        return jnp.take_along_axis(heads, types[:, None, None], axis=1)[:, 0]

"""The self-interaction: one linear map per l narrows the many (triplet, channel) pairs down to the hidden channels."""

from typing import Any

import e3nn_jax as e3nn
import flax.linen as nn
from e3nn_jax.flax import Linear

from equijax.errors import ConfigError


class SelfInteraction(nn.Module):
    """h_l,c' = sum_(triplet, c) W^l_(c', triplet c) B_l,(triplet, c) + b_c' for l = 0  (paper, figure 3).

    Attributes:
        irreps: of the output.
    """

    irreps: Any  # flax turns the Irreps it is given into a plain tuple

    @nn.compact
    def __call__(self, messages: e3nn.IrrepsArray) -> e3nn.IrrepsArray:
        """Mix the channels of the messages (n, irreps).

        Raises:
            ConfigError: an output irrep cannot be reached from the messages; e3nn-jax would drop it silently.
        """
        wanted = e3nn.Irreps(self.irreps)
        out = Linear(wanted, biases=True, gradient_normalization="element", name="linear")(messages)
        if out.irreps.simplify() != wanted.simplify():
            raise ConfigError(f"the self-interaction gives {out.irreps} instead of {wanted} from {messages.irreps}; the layer has no path to the rest.")
        return e3nn.IrrepsArray(wanted, out.array)  # e3nn-jax joins neighbours that are alike

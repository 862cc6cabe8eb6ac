"""nequip-jax's own layers (Flax) at equal width, with a residual and a decoder around them.

Needs jax, flax, e3nn-jax and nequip-jax (github.com/mariogeiger/nequip-jax, which is not on PyPI; it asks for dm-haiku too).
"""

import e3nn_jax as e3nn
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax_tasks import tasks_of
from nequip_jax import NEQUIPLayerFlax
from protocol import arguments, serve

CUTOFF = 2.0


def radial_basis(r: jax.Array, n: int) -> jax.Array:
    """Return Bessel functions times the smooth cutoff."""
    return e3nn.bessel(r, n, CUTOFF) * e3nn.poly_envelope(5, 2)(r / CUTOFF)[:, None]


class Network(nn.Module):
    """Types -> layers of nequip-jax -> decoder."""

    layers: int
    l_max: int
    channels: int

    @nn.compact
    def __call__(self, vectors: jax.Array, senders: jax.Array, receivers: jax.Array, types: jax.Array) -> jax.Array:
        """Return the outputs."""
        hidden = e3nn.Irreps([(self.channels, (order, 1)) for order in range(self.l_max + 1)])
        edges = e3nn.IrrepsArray("1e", vectors)
        features = e3nn.IrrepsArray("2x0e", jax.nn.one_hot(types, 2))
        for _ in range(self.layers):
            layer = NEQUIPLayerFlax(40.6, 2, self.l_max, hidden, mlp_n_hidden=16, mlp_n_layers=1, radial_basis=radial_basis, n_radial_basis=10)
            new = layer(edges, features, types, senders, receivers)
            features = features + new if new.irreps == features.irreps else new
        out = features.filter("0e").array
        for width in (32, 32):
            out = nn.silu(nn.Dense(width)(out))
        return nn.Dense(10)(out)


def main() -> None:
    """Answer requests until told to quit."""
    settings = arguments(__doc__).parse_args()
    data = {key: jnp.asarray(value) for key, value in np.load(settings.problem).items()}
    rest = data["senders"], data["receivers"], data["types"].astype(jnp.int32)
    network = Network(settings.layers, settings.l_max, settings.channels)
    variables = jax.jit(network.init)(jax.random.key(0), data["vectors"], *rest)
    serve(tasks_of(lambda v, vectors: network.apply(v, vectors, *rest), variables, data["vectors"], data["targets"]))


if __name__ == "__main__":
    main()

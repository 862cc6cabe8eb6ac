"""DeepMind's network of 2020 (Bapst et al., Nature Physics 16, 448) on jraph: 7 recurrent passes, two layers of 64 in every block.

Edges carry r_j - r_i, nodes their type. Each pass sees the encoded graph beside the one before; the sums run over a particle's neighbours.
It is not equivariant, and its size is the published one whatever --layers, --l-max and --channels say. Needs jax, flax and jraph.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import jraph
import numpy as np
from jax_tasks import tasks_of
from protocol import arguments, serve

WIDTH, PASSES = 64, 7


class Perceptron(nn.Module):
    """Two layers of 64 with ReLU."""

    @nn.compact
    def __call__(self, *parts: jax.Array) -> jax.Array:
        """Return the activations of the last layer."""
        x = jnp.concatenate(parts, -1)
        for _ in range(2):
            x = nn.relu(nn.Dense(WIDTH)(x))
        return x


class Network(nn.Module):
    """Encoder, recurrent passes, decoder."""

    @nn.compact
    def __call__(self, vectors: jax.Array, senders: jax.Array, receivers: jax.Array, types: jax.Array) -> jax.Array:
        """Return the outputs."""
        nodes, edges = Perceptron()(types[:, None].astype(vectors.dtype)), Perceptron()(vectors)
        edge_block, node_block = Perceptron(), Perceptron()
        one_pass = jraph.GraphNetwork(
            lambda edges, sent, received, _: edge_block(edges, sent, received),
            lambda nodes, _, received, __: node_block(nodes, received),
        )
        counts = jnp.array([len(types)]), jnp.array([len(senders)])
        encoded = graph = jraph.GraphsTuple(nodes, edges, receivers, senders, None, *counts)
        for _ in range(PASSES):
            beside = jax.tree.map(lambda a, b: jnp.concatenate([a, b], -1), (graph.nodes, graph.edges), (encoded.nodes, encoded.edges))
            graph = one_pass(graph._replace(nodes=beside[0], edges=beside[1]))
        return nn.Dense(10)(Perceptron()(graph.nodes))


def main() -> None:
    """Answer requests until told to quit."""
    settings = arguments(__doc__).parse_args()
    data = {key: jnp.asarray(value) for key, value in np.load(settings.problem).items()}
    rest = data["senders"], data["receivers"], data["types"].astype(jnp.int32)
    network = Network()
    variables = jax.jit(network.init)(jax.random.key(0), data["vectors"], *rest)
    serve(tasks_of(lambda v, vectors: network.apply(v, vectors, *rest), variables, data["vectors"], data["targets"]))


if __name__ == "__main__":
    main()

"""Any kernel of this package on the same problem."""

import jax
import jax.numpy as jnp
import numpy as np
from jax_tasks import tasks_of
from protocol import arguments, serve

from equijax.graph.graph import build_graph
from equijax.graph.pairs import Pairs
from equijax.network import Network, NetworkConfig


def main() -> None:
    """Answer requests until told to quit."""
    parser = arguments(__doc__)
    parser.add_argument("--kernel", default="auto")
    settings = parser.parse_args()
    data = np.load(settings.problem)
    graph = jax.tree.map(jnp.asarray, build_graph(Pairs(data["senders"], data["receivers"], data["vectors"]), data["types"], 2.0))
    shape = {"layers": settings.layers, "l_max": settings.l_max, "channels": settings.channels, "outputs": data["targets"].shape[1]}
    network = Network(NetworkConfig(**shape, activation="gate", batch_norm=False, decoder_hidden=(32, 32), kernel=settings.kernel))
    variables = jax.jit(network.init)(jax.random.key(0), graph)
    serve(tasks_of(lambda v, vectors: network.apply(v, graph.replace(vectors=vectors)), variables, graph.vectors, jnp.asarray(data["targets"])))


if __name__ == "__main__":
    main()

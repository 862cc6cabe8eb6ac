"""A small multi-layer perceptron on descriptors."""

import functools
from collections.abc import Sequence
from typing import Any

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Int

from equijax.bars import Bar
from equijax.baselines.config import PerceptronConfig
from equijax.baselines.ridge import Table
from equijax.metrics import pearson
from equijax.nn.decoder import Decoder
from equijax.snapshot import N_TYPES


class Perceptron:
    """Shared hidden layers with silu and a linear head for each particle type, trained on the squared error of standardised targets.

    Args:
        config: widths and rates.
        seed: of weights and order.
        quiet: no progress bar.
    """

    def __init__(self, config: PerceptronConfig, seed: int, quiet: bool = False) -> None:
        self.config, self.seed, self.quiet = config, seed, quiet
        self._hidden: tuple[int, ...] = ()
        self._params: Any = None
        self._mean, self._scale = np.zeros(0), np.ones(0)

    def fit(self, configurations: Sequence[Table], held_apart: Sequence[Table]) -> None:
        """Train with every choice of widths and weight decay, and keep that with the best validation of the A particles (at any epoch).

        Without a validation set, the training set chooses.
        """
        config, best = self.config, -np.inf
        train, validation = _joined(configurations), _joined(held_apart or configurations)
        self._mean, self._scale = train[0].mean(0), train[0].std(0)
        self._scale = np.where(self._scale > 0, self._scale, 1.0)
        arrays = self._scaled(train[0]), jnp.asarray(train[1], jnp.int32), jnp.asarray(train[2], jnp.float32)
        held, held_types = self._scaled(validation[0]), jnp.asarray(validation[1], jnp.int32)
        choices = [(hidden, decay) for hidden in config.hidden for decay in config.weight_decays]
        steps = max(len(train[0]) // config.batch, 1)
        bar = Bar(total=len(choices) * config.epochs, desc="perceptron", unit="epoch", disable=self.quiet)
        for number, (hidden, decay) in enumerate(choices):
            module = Decoder(train[2].shape[1], N_TYPES, hidden)
            optimizer = optax.adamw(optax.cosine_decay_schedule(config.learning_rate, steps * config.epochs), weight_decay=decay)
            params = module.init(jax.random.key(self.seed + number), arrays[0][:1], arrays[1][:1])["params"]
            state = params, optimizer.init(params)
            for epoch in range(config.epochs):
                order = np.random.default_rng([self.seed, number, epoch]).permutation(len(train[0]))[: steps * min(config.batch, len(train[0]))]
                state = _epoch(module, optimizer, state, jnp.asarray(order.reshape(steps, -1)), *arrays)
                outputs = np.asarray(_apply(module, state[0], held, held_types), np.float64)
                score = _score(outputs, validation)
                if score > best:
                    best, self._hidden, self._params = score, hidden, jax.tree.map(np.asarray, state[0])
                bar.set_postfix_str(f"validation r {score:.3f}, best {best:.3f}")
                bar.update()
        bar.close()

    def outputs(self, x: Float[np.ndarray, "n d"], types: Int[np.ndarray, "n"]) -> Float[np.ndarray, "n t"]:
        """Return the predicted targets."""
        times = self._params["bias"].shape[-1]
        return np.asarray(_apply(Decoder(times, N_TYPES, self._hidden), self._params, self._scaled(x), jnp.asarray(types, jnp.int32)), np.float64)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what there is to keep."""
        weights = {f"params/{name}": np.asarray(value) for name, value in flax.traverse_util.flatten_dict(self._params, sep="/").items()}
        return weights | {"mean": self._mean, "scale": self._scale, "hidden": np.array(self._hidden, int)}

    def load(self, arrays: dict[str, np.ndarray]) -> None:
        """Take up what was kept."""
        self._mean, self._scale, self._hidden = arrays["mean"], arrays["scale"], tuple(int(width) for width in arrays["hidden"])
        self._params = flax.traverse_util.unflatten_dict({name.removeprefix("params/"): value for name, value in arrays.items() if name.startswith("params/")}, sep="/")

    def _scaled(self, x: np.ndarray) -> jax.Array:
        return jnp.asarray((x - self._mean) / self._scale, jnp.float32)


def _score(outputs: np.ndarray, held: tuple[np.ndarray, ...]) -> float:
    chosen = held[1] == 0
    return float(np.mean(np.nan_to_num([pearson(outputs[chosen, t], held[2][chosen, t]) for t in range(outputs.shape[1])], nan=-2)))


@functools.partial(jax.jit, static_argnums=0)
def _apply(module: Decoder, params: Any, x: jax.Array, types: jax.Array) -> Any:
    return module.apply({"params": params}, x, types)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _epoch(module: Decoder, optimizer: optax.GradientTransformation, state: Any, order: jax.Array, x: jax.Array, types: jax.Array, y: jax.Array) -> Any:
    def loss(params: Any, chosen: jax.Array) -> jax.Array:
        outputs: Any = module.apply({"params": params}, x[chosen], types[chosen])
        return ((outputs - y[chosen]) ** 2).mean()

    def step(state: Any, chosen: jax.Array) -> Any:
        params, memory = state
        updates, memory = optimizer.update(jax.grad(loss)(params, chosen), memory, params)
        return (optax.apply_updates(params, updates), memory), None

    return jax.lax.scan(step, state, order)[0]


def _joined(parts: Sequence[tuple[np.ndarray, ...]]) -> tuple[np.ndarray, ...]:
    """Return the tables of several configurations as one."""
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))

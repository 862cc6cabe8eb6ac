"""Forward, training step and gradient of any model in JAX, jitted: the same for this package and its peers."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax


def tasks_of(apply: Callable[[Any, jax.Array], jax.Array], variables: Any, vectors: jax.Array, targets: jax.Array) -> dict[str, Callable[[], object]]:
    """Return the tasks of a model (variables, edge vectors) -> outputs."""
    optimizer = optax.adam(1e-3)
    state = variables, optimizer.init(variables)
    forward = jax.jit(apply)
    gradient = jax.jit(jax.grad(lambda v, x: jnp.square(apply(v, x)).sum(), argnums=1))

    @jax.jit
    def step(state, vectors, targets):  # noqa: ANN001, ANN202 (everything an argument: the compiler computes constants beforehand)
        variables, memory = state
        gradients = jax.grad(lambda v: jnp.square(apply(v, vectors) - targets).mean())(variables)
        updates, memory = optimizer.update(gradients, memory)
        return optax.apply_updates(variables, updates), memory

    def train() -> None:
        nonlocal state
        state = jax.block_until_ready(step(state, vectors, targets))

    return {
        "forward": lambda: jax.block_until_ready(forward(variables, vectors)),
        "step": train,
        "gradient": lambda: jax.block_until_ready(gradient(variables, vectors)),
    }

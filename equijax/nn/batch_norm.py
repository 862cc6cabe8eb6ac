"""Equivariant batch norm over the real particles of all graphs of a batch, on one device or many."""

import e3nn_jax as e3nn
import flax.linen as nn
import jax
import jax.numpy as jnp

from equijax._types import NodeMask

EPSILON = 1e-5


class BatchNorm(nn.Module):
    """Scalars to zero mean and unit variance, each channel of l > 0 to unit mean square component.

    There are no learned scales: the linear maps that follow absorb them. e3nn-jax's own layer has no axis name, so its statistics would
    belong to one graph of a batch only.

    Attributes:
        axis_name: mapped axis, or axes, over which the graphs of a batch are spread, if any.
        momentum: of the running statistics, used in evaluation.
    """

    axis_name: str | tuple[str, ...] | None = None
    momentum: float = 0.9

    @nn.compact
    def __call__(self, features: e3nn.IrrepsArray, mask: NodeMask, train: bool) -> e3nn.IrrepsArray:
        """Normalise (n, irreps) over the nodes of the mask; in training by the batch, otherwise by the running statistics."""
        out = []
        for chunk, (mul, ir) in zip(features.chunks, features.irreps, strict=True):
            assert chunk is not None
            dtype = chunk.dtype
            mean = self.variable("batch_stats", f"mean_{ir}", jnp.zeros, mul, dtype)
            square = self.variable("batch_stats", f"square_{ir}", jnp.ones, mul, dtype)
            scalar = ir.l == 0
            centre, power = mean.value, square.value
            if train:
                centre = self._average(chunk[..., 0], mask) if scalar else jnp.zeros(mul, dtype)
                power = self._average(((chunk - centre[:, None]) ** 2).mean(-1), mask)
                if not self.is_initializing():
                    mean.value = self.momentum * mean.value + (1 - self.momentum) * centre
                    square.value = self.momentum * square.value + (1 - self.momentum) * power
            out.append((chunk - centre[:, None]) * jax.lax.rsqrt(power + EPSILON)[:, None])
        return e3nn.IrrepsArray(features.irreps, jnp.concatenate([chunk.reshape(*chunk.shape[:-2], -1) for chunk in out], -1))

    def _average(self, values: jax.Array, mask: NodeMask) -> jax.Array:
        total = jnp.where(mask[:, None], values, 0).sum(0)
        count = mask.sum().astype(values.dtype)
        if self.axis_name is not None:
            total, count = jax.lax.psum((total, count), self.axis_name)
        return total / jnp.maximum(count, 1)

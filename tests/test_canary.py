"""Releases of jax have computed wrong numbers on CPU; these are the shapes that showed it (jax 0.10.2, github.com/jax-ml/jax/issues/39103)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest


@pytest.mark.parametrize(("n", "dtype"), [(20480, np.float64), (40000, np.float64), (40000, np.float32)])
def test_batched_matrix_vector_products_are_right(n, dtype):
    with jax.enable_x64(dtype == np.float64):
        rng = np.random.default_rng(0)
        matrix, vectors = rng.standard_normal((3, 3)).astype(dtype), rng.standard_normal((n, 3)).astype(dtype)
        computed = jax.jit(jax.vmap(lambda r: ((jnp.asarray(matrix) @ r) ** 2).sum()))(vectors)
        expected = ((vectors.astype(np.float64) @ matrix.T.astype(np.float64)) ** 2).sum(1)
        wrong = ~np.isclose(computed, expected, rtol=1e-5 if dtype == np.float32 else 1e-12)
        assert not wrong.any(), f"{wrong.sum()} of {n} rows are wrong: this jax must not be used"

"""Helpers for testing equijax and models built on it: tolerances, small liquids, equivariance and gradients."""

from collections.abc import Callable

import e3nn_jax as e3nn
import jax
import numpy as np
from jaxtyping import Float

from equijax.snapshot import Snapshot

EQUIVARIANCE = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-11}
"""Largest difference, relative to the largest output, that rounding may make in a network of the paper's depth."""


def toy_snapshot(cells: int = 5, seed: int = 0, jitter: float = 0.12, density: float = 1.2) -> Snapshot:
    """Return a disordered 80:20 mixture of cells^3 particles: a cubic lattice with Gaussian noise, for tests (not a liquid's structure)."""
    rng = np.random.default_rng(seed)
    side = (cells**3 / density) ** (1 / 3)
    lattice = np.stack(np.meshgrid(*[np.arange(cells)] * 3, indexing="ij"), -1).reshape(-1, 3) * side / cells
    types = (rng.permutation(cells**3) < cells**3 // 5).astype(np.int32)
    return Snapshot(lattice + jitter * rng.standard_normal(lattice.shape), types, np.full(3, side), name=f"toy/{seed}")


def random_rotation(seed: int) -> Float[np.ndarray, "3 3"]:
    """Return a proper rotation, uniform over SO(3)."""
    return np.asarray(e3nn.rand_matrix(jax.random.key(seed), dtype=np.float32), np.float64)


def cube_rotations() -> list[Float[np.ndarray, "3 3"]]:
    """Return the 24 proper rotations of the cube, which leave a cubic periodic box as it is."""
    out = []
    for permutation in ((0, 1, 2), (1, 2, 0), (2, 0, 1), (1, 0, 2), (0, 2, 1), (2, 1, 0)):
        for signs in np.ndindex(2, 2, 2):
            matrix = np.eye(3)[list(permutation)] * (1 - 2 * np.array(signs))
            if np.linalg.det(matrix) > 0:
                out.append(matrix)
    return out


def relative_difference(first: np.ndarray, second: np.ndarray) -> float:
    """Return the largest difference, relative to the largest number."""
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    return float(np.abs(first - second).max() / max(np.abs(second).max(), 1e-300))


def assert_se3_equivariant(
    function: Callable[[np.ndarray], e3nn.IrrepsArray], vectors: Float[np.ndarray, "*any 3"], tolerance: float | None = None, trials: int = 5
) -> None:
    """Check f(R v) = D(R) f(v) for random proper rotations; improper ones are not tried, for SE(3) promises nothing of them.

    Args:
        function: of vectors, with irreps as output.
        vectors: where to try.
        tolerance: relative to the largest output; by default that of the vectors' dtype.
        trials: number of rotations.

    Raises:
        AssertionError: with the error and the rotation's seed.
    """
    vectors = np.asarray(vectors)
    tolerance = tolerance or EQUIVARIANCE[vectors.dtype]
    plain = function(vectors)
    for seed in range(trials):
        rotation = orthonormal(random_rotation(seed))
        turned = function((np.asarray(vectors, np.float64) @ rotation.T).astype(vectors.dtype))
        with jax.enable_x64(True):
            wigner = [np.asarray(ir.D_from_matrix(jax.numpy.asarray(rotation))) for _, ir in plain.irreps]
        expected = np.concatenate(
            [
                np.einsum("ab,...ub->...ua", d, np.asarray(chunk, np.float64)).reshape(*plain.shape[:-1], -1)
                for d, chunk in zip(wigner, plain.chunks, strict=True)
                if chunk is not None
            ],
            -1,
        )
        error = relative_difference(np.asarray(turned.array), expected)
        assert error < tolerance, f"rotation {seed}: relative error {error:.2e} is not below {tolerance:.0e}"


def orthonormal(matrix: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3 3"]:
    """Return the rotation nearest to a matrix, exact to float64."""
    left, _, right = np.linalg.svd(matrix)
    return left @ right


def central_difference(function: Callable[[np.ndarray], float], point: np.ndarray, index: tuple[int, ...], step: float = 1e-5) -> float:
    """Return the derivative of a function with respect to one coordinate, to fourth order in the step."""
    values = []
    for multiple in (-2, -1, 1, 2):
        moved = point.copy()
        moved[index] += multiple * step
        values.append(function(moved))
    return (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)

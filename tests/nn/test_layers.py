"""Each layer by itself: equivariance, masks, what it promises at the cutoff."""

import e3nn_jax as e3nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from equijax.errors import ConfigError
from equijax.nn.activation import activate, gate_irreps
from equijax.nn.batch_norm import BatchNorm
from equijax.nn.convolution import Convolution
from equijax.nn.decoder import Decoder
from equijax.nn.geometry import edge_geometry
from equijax.nn.radial import RadialBasis, envelope
from equijax.nn.self_interaction import SelfInteraction
from equijax.nn.square import square
from equijax.nn.triplets import coupling, hidden_irreps
from equijax.testing import assert_se3_equivariant, toy_snapshot
from tests.conftest import fresh, graph_of, needs

HIDDEN = hidden_irreps(4, 2, parity=False)
DIRECTED = HIDDEN.filter(drop="0e")


SLOW = [pytest.param(kernel, dtype, marks=pytest.mark.slow) for kernel, dtype in (("reference", np.float32), ("reference", np.float64), ("xla", np.float32))]


@pytest.mark.parametrize(("kernel", "dtype"), [("native", np.float32), ("xla", np.float64), *SLOW])
def test_convolution_is_equivariant(kernel, dtype):
    needs(kernel)
    with jax.enable_x64(dtype == np.float64):
        graph = graph_of(toy_snapshot(4, density=0.8), dtype=dtype)
        layer = Convolution(2.0, 10, 16, 6, 2, False, 40.0, 256, kernel)
        types = e3nn.IrrepsArray("2x0e", jax.nn.one_hot(graph.types, 2, dtype=dtype))
        variables = fresh(layer, types, edge_geometry(graph, 2, False))

        @jax.jit
        def messages(vectors):
            return layer.apply(variables, types, edge_geometry(graph.replace(vectors=vectors), 2, False))

        assert_se3_equivariant(lambda v: messages(jnp.asarray(v)), np.asarray(graph.vectors))


@pytest.mark.parametrize("activation", ["gate", "shared_gate", "none"])
def test_self_interaction_and_activation_are_equivariant(activation):
    vectors = np.random.default_rng(0).standard_normal((9, 6, 3)).astype(np.float32)
    layer = SelfInteraction(gate_irreps(HIDDEN, activation))

    def inputs(v):
        return e3nn.concatenate([e3nn.IrrepsArray("8x0e", jnp.ones((9, 8))), e3nn.spherical_harmonics("1e + 2e", e3nn.IrrepsArray("1e", v), True).axis_to_mul()])

    variables = layer.init(jax.random.key(0), inputs(jnp.asarray(vectors)))
    assert_se3_equivariant(lambda v: activate(layer.apply(variables, inputs(jnp.asarray(v))), HIDDEN, activation), vectors)


def test_self_interaction_refuses_what_it_cannot_reach():
    with pytest.raises(ConfigError, match="no path to the rest"):
        SelfInteraction(e3nn.Irreps("4x0e + 4x1e + 4x2e")).init(jax.random.key(0), e3nn.IrrepsArray("2x0e + 2x1e", jnp.ones((3, 8))))


def test_products_of_features_are_those_of_their_components():
    features = e3nn.normal(DIRECTED, jax.random.key(0), (9,))
    found = square(features, HIDDEN)
    assert str(found.irreps) == "8x0e+4x1e+12x2e"  # 1 x 1 and 2 x 2 to 0; 1 x 2 to 1; 1 x 1, 1 x 2 and 2 x 2 to 2
    vectors, tensors = (np.asarray(chunk, np.float64) for chunk in features.chunks)
    size = 1 + np.concatenate([(chunk**2).reshape(9, -1) for chunk in (vectors, tensors)], 1).mean(1, keepdims=True)
    lengths = [(chunk**2).sum(-1) / np.sqrt(chunk.shape[-1]) / size for chunk in (vectors, tensors)]
    assert np.abs(np.asarray(found.chunks[0])[..., 0] - np.concatenate(lengths, 1)).max() < 1e-5
    first, second = np.asarray(found.chunks[1]), np.einsum("nci,ncj,ijk->nck", vectors, tensors, coupling(1, 2, 1)) / size[..., None]
    assert np.abs(first - second).max() < 1e-5  # single precision
    assert np.abs(found.array * size).max(0).min() > 0.1  # nothing vanishes, as the antisymmetric products would


def test_products_of_large_features_and_their_gradients_stay_finite():
    """Unbounded products grow from layer to layer as powers of powers: 2, 4, 16, 256, ..."""
    features = e3nn.normal(DIRECTED, jax.random.key(0), (9,)).array

    def products(array):
        return square(e3nn.IrrepsArray(DIRECTED, array), HIDDEN).array

    assert 1 < np.abs(products(1e15 * features)).max() < 32  # the number of components; Clebsch-Gordan coefficients are below one
    for size in (0.0, 1.0, 1e3, 1e15):
        gradient = jax.grad(lambda array: products(array)[:, 0].sum())(size * features)
        assert np.isfinite(gradient).all()
        assert size in (0.0, 1.0) or 0.1 < size * np.abs(gradient).max() < 100  # products of large features depend on their directions alone


def test_products_of_features_turn_with_them():
    vectors = np.random.default_rng(0).standard_normal((9, 4, 3)).astype(np.float32)
    assert_se3_equivariant(lambda v: square(e3nn.spherical_harmonics("1e + 2e", e3nn.IrrepsArray("1e", v), False).axis_to_mul(), HIDDEN), vectors)


def test_filters_vanish_smoothly_at_the_cutoff():
    """Value and first derivative continuous across the cutoff: particles may enter and leave without a jump in the gradient."""
    layer = RadialBasis(2.0, 10, 16, 6)
    variables = layer.init(jax.random.key(0), jnp.float32)
    basis = layer.apply(variables, jnp.float32)
    near = jnp.array([1.9999, 2.0, 2.0001, 4.0])
    values = basis(near)
    assert jnp.abs(values).max() < 1e-6
    assert not values[1:].any()
    slopes = jax.vmap(jax.jacfwd(basis))(near)
    assert jnp.abs(slopes).max() < 1e-2  # the second derivative times 1e-4
    assert not slopes[2:].any()
    assert envelope(jnp.zeros(1), 2.0, 6)[0] == 1


def test_batch_norm_sees_real_nodes_of_the_whole_batch_and_only_those():
    rng = np.random.default_rng(0)
    features = jnp.asarray(3 + 2 * rng.standard_normal((4, 50, HIDDEN.dim)), jnp.float32)
    mask = jnp.arange(50) < jnp.array([50, 40, 30, 20])[:, None]
    features = jnp.where(mask[..., None], features, 1e6)
    layer = BatchNorm(axis_name="graph")
    variables = BatchNorm().init(jax.random.key(0), e3nn.IrrepsArray(HIDDEN, features[0]), mask[0], True)

    def apply(x, m):
        return layer.apply(variables, e3nn.IrrepsArray(HIDDEN, x), m, True, mutable=["batch_stats"])

    out, updated = jax.vmap(apply, axis_name="graph", out_axes=(0, None))(features, mask)
    for chunk, (_, ir) in zip(out.chunks, HIDDEN, strict=True):
        real = np.asarray(chunk)[np.asarray(mask)]
        assert np.abs((real**2).mean((0, 2)) - 1).max() < 1e-3  # unit mean square, up to the epsilon and float32
        if ir.l == 0:
            assert np.abs(real.mean((0, 2))).max() < 1e-4
    running = updated["batch_stats"]["mean_0e"]
    expected = 0.1 * np.asarray(features)[np.asarray(mask)][:, :4].mean(0)
    assert np.abs(running - expected).max() < 1e-4
    with jax.debug_nans(True):
        frozen = layer.apply({"batch_stats": updated["batch_stats"]}, e3nn.IrrepsArray(HIDDEN, features[0]), mask[0], False)
    assert np.isfinite(frozen.array).all()


def test_batch_norm_is_equivariant():
    vectors = np.random.default_rng(0).standard_normal((30, 4, 3)).astype(np.float32)
    mask = jnp.ones(30, bool)

    def features(v):
        return e3nn.IrrepsArray("1e", jnp.asarray(v)).axis_to_mul()

    variables = BatchNorm().init(jax.random.key(0), features(vectors), mask, True)
    assert_se3_equivariant(lambda v: BatchNorm().apply(variables, features(v), mask, True, mutable=["batch_stats"])[0], vectors)


def test_each_type_has_a_head_of_its_own():
    layer = Decoder(outputs=3, n_types=2)
    invariants, types = jnp.ones((2, 5)), jnp.array([0, 1])
    variables = layer.init(jax.random.key(0), invariants, types)
    out = layer.apply(variables, invariants, types)
    kernel = variables["params"]["kernel"]
    assert np.allclose(out, kernel.sum(1), atol=1e-6)
    assert not np.allclose(out[0], out[1])

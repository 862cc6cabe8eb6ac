"""Products of a particle's features with each other: correlations of more neighbours than one convolution sees."""

import itertools

import e3nn_jax as e3nn
import jax


def square(features: e3nn.IrrepsArray, wanted: e3nn.Irreps) -> e3nn.IrrepsArray:
    """Return sum C[l1, l2, l3] h_l1,c h_l2,c / (1 + <h^2>) for every pair of orders l1 <= l2 and every order l3 among the wanted ones.

    Channel c meets channel c. The antisymmetric products of a feature with itself vanish. With features that are sums over neighbours these are sums over
    pairs of neighbours, as in MACE (Batatia et al., NeurIPS 2022). The mean is over all components of the particle: divided so, products stay of order
    one, where they would grow as powers of powers from layer to layer.

    Args:
        features: (n, irreps) of l > 0, equally many channels of each order. Scalars have no place here: the activation multiplies by functions of them.
        wanted: irreps whose orders and parities are kept; how many of each does not matter.

    Returns:
        The products (n, irreps), sorted.
    """
    kept = [ir for _, ir in wanted]
    # Scaled before they meet: squares of large features would overflow, and their derivatives vanish.
    features = features * jax.lax.rsqrt(1 + (features.array**2).mean(-1, keepdims=True))
    found = []
    for first, second in itertools.combinations_with_replacement([ir for _, ir in features.irreps], 2):
        outputs = [ir for ir in first * second if ir in kept and not (first == second and ir.l % 2)]
        if outputs:
            left, right = (features.filter(keep=ir) for ir in (first, second))
            found.append(e3nn.elementwise_tensor_product(left, right, filter_ir_out=outputs))
    return e3nn.concatenate(found).regroup()

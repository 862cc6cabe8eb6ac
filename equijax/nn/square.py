"""Products of a particle's features with each other: correlations of more neighbours than one convolution sees."""

import itertools

import e3nn_jax as e3nn


def square(features: e3nn.IrrepsArray) -> e3nn.IrrepsArray:
    """Return sum C[l1, l2, l3] h_l1,c h_l2,c / (1 + <h^2>) for every pair of orders 0 < l1 <= l2 and every order l3 among the features' own.

    Channel c meets channel c. Scalars are left out: the activation multiplies by functions of them. The antisymmetric products of a feature with itself
    vanish. With features that are sums over neighbours these are sums over pairs of neighbours, as in MACE (Batatia et al., NeurIPS 2022). The mean is over
    all components of l > 0 of the particle: divided so, products stay of order one, where they would grow as powers of powers from layer to layer.

    Args:
        features: (n, irreps), equally many channels of each order.

    Returns:
        The products (n, irreps), sorted; none where all features are scalars.
    """
    kept = [ir for _, ir in features.irreps]
    found = []
    for first, second in itertools.combinations_with_replacement([ir for ir in kept if ir.l > 0], 2):
        outputs = [ir for ir in first * second if ir in kept and not (first == second and ir.l % 2)]
        if outputs:
            left, right = (features.filter(keep=ir) for ir in (first, second))
            found.append(e3nn.elementwise_tensor_product(left, right, filter_ir_out=outputs))
    if not found:
        return e3nn.zeros("", features.shape[:-1])
    size = (features.filter(drop=[ir for ir in kept if ir.l == 0]).array ** 2).mean(-1, keepdims=True)
    return e3nn.concatenate(found).regroup() / (1 + size)

"""The SE(3) convolution: Clebsch-Gordan products with learned radial filters, summed over the neighbours."""

import e3nn_jax as e3nn
import flax.linen as nn
import jax

from equijax.nn.geometry import Geometry
from equijax.nn.kernels import convolve
from equijax.nn.radial import Filters, RadialBasis
from equijax.nn.triplets import triplets


class Convolution(nn.Module):
    """B_i[l_O, (triplet, c)] = z^(-1/2) sum_j phi_(triplet, c)(r_ij) sum C[l_I, l_F, l_O] Y_lF(r_ij) h_j,lI,c  (paper, figure 3).

    Channels meet depth-wise: channel c of h meets channel c of the filter only.

    Attributes:
        cutoff, bessel, radial_hidden, envelope_power: of the radial filters.
        l_max, parity: which triplets exist.
        mean_degree: z, the mean number of neighbours.
        table_knots: knots of the table that may stand for the radial network; 0 for none.
        kernel: which implementation sums over the neighbours.
    """

    cutoff: float
    bessel: int
    radial_hidden: int
    envelope_power: int
    l_max: int
    parity: bool
    mean_degree: float
    table_knots: int
    kernel: str

    @nn.compact
    def __call__(self, features: e3nn.IrrepsArray, geometry: Geometry) -> e3nn.IrrepsArray:
        """Return the messages (n, one chunk an output order) of the features (n, irreps)."""
        paths = triplets(features.irreps, self.l_max, self.parity)
        filters = sum(path.channels for path in paths)
        dtype = features.array.dtype
        basis = RadialBasis(self.cutoff, self.bessel, self.radial_hidden, self.envelope_power, name="radial")(dtype)
        kernel = self.param("filters", nn.initializers.lecun_normal(), (self.radial_hidden, filters), dtype)
        bias = self.param("filter_bias", nn.initializers.normal(0.5), (1, filters), dtype)
        weights = jax.numpy.concatenate([kernel, bias]) / self.mean_degree**0.5
        return convolve(self.kernel, features, geometry, Filters(basis, weights, self.cutoff, self.table_knots), paths)

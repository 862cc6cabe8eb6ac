import e3nn_jax as e3nn
import numpy as np
import pytest

from equijax.nn.triplets import hidden_irreps, message_irreps, triplets


@pytest.mark.parametrize(("l_max", "parity", "count"), [(3, False, 34), (3, True, 23), (2, False, 15), (2, True, 11), (0, False, 1)])
def test_number_of_triplets(l_max, parity, count):
    """34 triplets for l_max = 3, 23 if parity were used: the paper's count."""
    paths = triplets(hidden_irreps(8, l_max, parity), l_max, parity)
    assert len(paths) == count


def test_weights_are_laid_out_without_gaps_sorted_by_output():
    paths = triplets(e3nn.Irreps("10x0e + 8x1e + 8x2e"), 2, False)
    assert [path.start for path in paths] == np.cumsum([0] + [path.channels for path in paths])[:-1].tolist()
    assert [path.output.l for path in paths] == sorted(path.output.l for path in paths)
    assert message_irreps(paths).num_irreps == sum(path.channels for path in paths)

import numpy as np
import pytest

from equijax.least_squares import selected_slopes


def left_out(x, y):
    """Errors of the least-squares line with each sample left out in turn, one fit for each."""
    errors = []
    for i in range(len(y)):
        rest = np.arange(len(y)) != i
        columns = np.c_[x, np.ones(len(y))]
        errors.append(y[i] - columns[i] @ np.linalg.lstsq(columns[rest], y[rest], rcond=None)[0])
    return (np.array(errors) ** 2).sum()


def test_the_columns_are_those_that_predict_best_when_a_sample_is_left_out():
    rng = np.random.default_rng(0)
    for _ in range(20):
        x, noise = rng.standard_normal((9, 3)) * [1, 1e-2, 1e2] + [0, 5, -7], rng.standard_normal(9)
        y = x[:, 0] + 30 * x[:, 1] + noise
        found = selected_slopes(x, y)
        subsets = [np.array(mask, bool) for mask in np.ndindex(2, 2, 2)]
        best = min(subsets, key=lambda mask: left_out(x[:, mask], y))
        assert (found != 0).tolist() == best.tolist()
        columns = np.c_[x[:, best], np.ones(9)]
        assert found[best] == pytest.approx(np.linalg.lstsq(columns, y, rcond=None)[0][:-1], rel=1e-9)


def test_what_predicts_nothing_or_never_changes_is_not_used():
    rng = np.random.default_rng(1)
    x = np.c_[np.full(50, 0.1), np.arange(50.0)]
    assert selected_slopes(x, 2 * x[:, 1]) == pytest.approx([0, 2])
    assert not selected_slopes(rng.standard_normal((6, 1)), np.arange(6) % 2 * 1.0).any()


def test_three_samples_give_no_slope():
    assert not selected_slopes(np.arange(3.0)[:, None], np.arange(3.0)).any()
    assert selected_slopes(np.arange(4.0)[:, None], np.arange(4.0)) == pytest.approx([1])

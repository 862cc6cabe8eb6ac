import numpy as np
import pytest

from equijax.errors import ConfigError
from equijax.metrics import Scored, noise_ceiling, pearson, selection_score, table


def scored(seed, n=400, noise=0.5, times=2, halves=True):
    rng = np.random.default_rng(seed)
    measured = rng.standard_normal((n, times))
    both = measured + 0.3 * rng.standard_normal((2, n, times)) if halves else None
    return Scored(f"c{seed}", (np.arange(n) % 5 == 0).astype(int), measured + noise * rng.standard_normal((n, times)), measured, both)


def test_pearson_equals_numpy():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 100))
    assert pearson(x, y) == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-14)
    assert np.isnan(pearson(x, np.ones(100)))


def test_the_ceiling_is_what_a_perfect_model_reaches():
    """Truth seen through 32 noisy trajectories: the truth itself correlates with their mean as the ceiling says, to sampling error."""
    rng = np.random.default_rng(0)
    truth = rng.standard_normal(200_000)
    trajectories = truth + 3.0 * rng.standard_normal((32, truth.size))
    halves = trajectories[:16].mean(0), trajectories[16:].mean(0)
    assert noise_ceiling(*halves) == pytest.approx(pearson(truth, trajectories.mean(0)), abs=2e-3)
    assert np.isnan(noise_ceiling(halves[0], -halves[1]))


def test_the_ceiling_of_fewer_trajectories_is_that_of_theirs():
    """Of 64 trajectories a quarter: the correlation of the truth with the mean of sixteen, which 20,000 particles give to 0.002."""
    rng = np.random.default_rng(1)
    truth = rng.standard_normal(20_000)
    trajectories = truth + 6 * rng.standard_normal((64, 20_000))
    halves = trajectories[:32].mean(0), trajectories[32:].mean(0)
    assert noise_ceiling(*halves, 0.25) == pytest.approx(pearson(truth, trajectories[:16].mean(0)), abs=0.01)
    assert noise_ceiling(*halves, 1.0) == noise_ceiling(*halves)


def test_pooled_and_per_configuration_differ_by_the_configurations_means():
    parts = [scored(seed) for seed in range(3)]
    shifted = [Scored(s.name, s.types, s.predicted, s.measured + 10 * k, s.halves) for k, s in enumerate(parts)]
    plain, moved = table(parts, [1.0, 2.0]), table(shifted, [1.0, 2.0])
    assert [row.type for row in plain] == ["A", "A", "B", "B"]
    assert moved[0].pooled < 0.3 < plain[0].pooled
    assert moved[0].per_configuration == pytest.approx(plain[0].per_configuration, abs=1e-12)
    assert plain[0].particles == 3 * 320
    assert plain[0].ceiling is not None
    assert table([scored(0, halves=False)], [1.0, 2.0])[0].ceiling is None


@pytest.mark.parametrize("count", [1, 4, 20])
def test_errors_are_of_the_size_of_repetitions(count):
    """The root mean square of errors that samples state is the spread of what they measure, within 25 %: forty samples know it to 11 %."""
    rows = [table([scored(1000 * k + i, n=100) for i in range(count)], [1.0, 2.0])[0] for k in range(40)]
    for what in ("pooled", "per_configuration"):
        stated = np.sqrt(np.mean([getattr(row, f"{what}_error") ** 2 for row in rows]))
        assert stated / np.std([getattr(row, what) for row in rows]) == pytest.approx(1, abs=0.25)


def test_errors_show_that_particles_of_a_configuration_are_alike():
    """The same particles nine times in each configuration make the coefficient no surer."""
    few, many = ([Scored(s.name, np.tile(s.types, m), np.tile(s.predicted, (m, 1)), np.tile(s.measured, (m, 1)), None) for s in map(scored, range(6))] for m in (1, 9))
    first, second = (table(part, [1.0, 2.0])[0] for part in (few, many))
    assert second.pooled_error == pytest.approx(first.pooled_error, rel=1e-9)
    assert second.per_configuration_error == pytest.approx(first.per_configuration_error, rel=1e-9)


def test_selection_looks_at_a_particles_only():
    good = scored(0)
    spoiled = good.predicted.copy()
    spoiled[good.types == 1] = 0
    assert selection_score([Scored(good.name, good.types, spoiled, good.measured, None)]) == selection_score([good])


def test_configurations_without_a_particles_choose_nothing():
    good = scored(0)
    other = Scored("b", np.ones_like(good.types), good.predicted, good.measured, None)
    assert selection_score([good, other]) == selection_score([good])
    with pytest.raises(ConfigError, match="to choose by have no A particles"):
        selection_score([other])

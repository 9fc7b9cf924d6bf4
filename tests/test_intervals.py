import numpy as np
import pytest
from scipy.stats import binom, binomtest, norm, t

from trustlib import estimates, intervals


@pytest.mark.parametrize(("successes", "n"), [(0, 5), (5, 5), (1, 40), (37, 40), (500, 656)])
@pytest.mark.parametrize("level", [0.9, 0.9875])
def test_exact_limits_agree_with_scipys_clopper_pearson(successes, n, level):
    expected = binomtest(successes, n).proportion_ci(level, method="exact")
    found = intervals.exact_limits(successes / n, n, level=level)
    assert found == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_exact_limits_need_no_whole_number_of_trials():
    narrow, between, wide = (intervals.exact_limits(0.8, n) for n in (20, 19.5, 19))
    assert wide[0] < between[0] < narrow[0] < 0.8 < narrow[1] < between[1] < wide[1]


def test_exact_limits_miss_at_most_as_often_as_promised():
    # Every number of successes of 12, weighed by its chance: no simulation is needed.
    for share in (0.03, 0.2, 0.5, 0.77, 0.99):
        limits = [intervals.exact_limits(k / 12, 12) for k in range(13)]
        holds = [low <= share <= high for low, high in limits]
        assert np.dot(binom.pmf(np.arange(13), 12, share), holds) >= 0.95


def test_wilson_limits_take_a_t_quantile_where_n_was_estimated():
    plain, few = intervals.wilson_limits(0.7, 50), intervals.wilson_limits(0.7, 50, df=10)
    # Wilson's limits are the shares p with |0.7 - p| = z sqrt(p (1 - p) / n).
    for limits, quantile in ((plain, norm.ppf(0.975)), (few, t.ppf(0.975, 10))):
        for p in limits:
            assert abs(0.7 - p) == pytest.approx(quantile * np.sqrt(p * (1 - p) / 50))


def test_studentised_limits_by_hand():
    # Deviations of 1, 2 and 3 errors to either side: the median is 2 errors of 0.5 away.
    deviations, errors = np.array([0.5, -1.0, 1.5]), np.array([0.5, 0.5, 0.5])
    assert intervals.studentised_limits(10.0, 0.5, deviations, errors, level=0.5) == (9.0, 11.0)
    # An error of 0.1 is taken for half of the sample's, so 0.5 counts for 2 and not for 5.
    small = intervals.studentised_limits(10.0, 0.5, np.array([0.5, 0.5]), np.array([0.1, 0.1]), level=0.5)
    assert small == (9.0, 11.0)
    assert intervals.studentised_limits(10.0, 0.0, deviations, errors) == (10.0, 10.0)


def test_copies_have_a_design_effect_of_their_number():
    values = np.random.default_rng(0).normal(size=200)
    copies = np.repeat(values, 5)
    effect = intervals.design_effect(copies, np.repeat(np.arange(200), 5))
    assert effect == pytest.approx(5, rel=0.01)


def test_independent_samples_in_groups_have_no_design_effect():
    rng = np.random.default_rng(1)
    effects = [intervals.design_effect(rng.normal(size=400), np.arange(400) // 4) for _ in range(50)]
    assert min(effects) == 1.0
    assert np.mean(effects) < 1.15
    assert intervals.design_effect(rng.normal(size=30), np.arange(30)) == pytest.approx(1.0)


def test_equal_values_are_worth_one_sample_a_group():
    assert intervals.design_effect(np.ones(12), np.arange(12) // 4) == 4.0
    assert intervals.design_effect(np.ones(1), np.zeros(1, dtype=int)) == 1.0


def test_a_share_in_groups_has_wilsons_limits_for_what_the_groups_are_worth():
    right = np.random.default_rng(2).random(60) < 0.7
    copies, codes = np.repeat(right, 4), np.repeat(np.arange(60), 4)
    found = intervals.grouped_share_limits(copies, codes)
    assert found == pytest.approx(intervals.wilson_limits(right.mean(), 60, df=59), abs=0.003)
    # Nothing varies: each group is one sample, and no spread was estimated.
    assert intervals.grouped_share_limits(np.ones(20), np.arange(20) // 2) == intervals.wilson_limits(1.0, 10)
    assert intervals.grouped_share_limits(np.array([1, 0]), np.array([3, 3])) == intervals.wilson_limits(
        0.5, 1
    )


def test_few_groups_are_worth_less_than_many():
    many, few = intervals.trials_worth(100, 2.0, 1000), intervals.trials_worth(100, 2.0, 5)
    assert many == pytest.approx(50, rel=0.01)
    assert few == pytest.approx(50 * (norm.ppf(0.975) / t.ppf(0.975, 4)) ** 2)
    assert intervals.trials_worth(100, 50.0, 1) == 1.0


def test_two_sources_of_variance_are_worth_as_many_units_as_welch_says():
    a, b = np.random.default_rng(2).normal(size=(2, 30))
    variances = a.var(ddof=1) / 30, b[:12].var(ddof=1) / 12
    welch = sum(variances) ** 2 / (variances[0] ** 2 / 29 + variances[1] ** 2 / 11)
    assert intervals.joint_units(variances, (30, 12)) == pytest.approx(1 + welch)
    assert intervals.joint_units((0.0, 0.0), (30, 12)) == 12


def test_percentile_limits_refuse_draws_that_are_mostly_undefined():
    with pytest.raises(ValueError, match="finite in most draws, got 1 of 3"):
        intervals.percentile_limits(np.array([0.5, np.nan, np.nan]), n_units=10)


def test_percentiles_are_moved_outwards_for_few_units():
    draws = np.random.default_rng(3).normal(size=200_000)
    for n_units in (5, 20, 1000):
        half = t.ppf(0.975, n_units - 1) * np.sqrt(n_units / (n_units - 1))
        assert intervals.percentile_limits(draws, n_units=n_units) == pytest.approx((-half, half), rel=0.05)


def test_a_mean_and_a_share_agree_where_both_apply():
    right = np.repeat([0, 1], [150, 850])
    mean = estimates.bootstrap(np.mean, right)
    share = estimates.proportion(850, 1000)
    assert (mean.low, mean.high) == pytest.approx((share.low, share.high), abs=0.004)

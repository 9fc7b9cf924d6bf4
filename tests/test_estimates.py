import numpy as np
import pytest
from scipy.stats import binomtest, kstest, norm, t, ttest_rel
from scipy.stats import bootstrap as scipy_bootstrap
from scipy.stats import permutation_test as scipy_permutation_test

from trustlib import estimates
from trustlib.estimates import Estimate


def limits(estimate):
    return estimate.low, estimate.high


def test_an_estimate_prints_its_interval_and_is_a_number():
    estimate = Estimate(0.874, 0.852, 0.894, 1000)
    assert str(estimate) == "0.874 [0.852, 0.894]"
    assert f"{estimate}" == "0.874 [0.852, 0.894]"
    assert f"{estimate:.1%}" == "87.4% [85.2%, 89.4%]"
    assert float(estimate) == 0.874
    assert estimate.level == 0.95


def test_an_estimate_cannot_be_changed():
    with pytest.raises(AttributeError):
        Estimate(0.5, 0.4, 0.6, 10).value = 1.0


@pytest.mark.parametrize(("successes", "n"), [(0, 7), (7, 7), (1, 2), (87, 100), (656, 2624)])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_proportion_agrees_with_scipy_wilson(successes, n, level):
    estimate = estimates.proportion(successes, n, level=level)
    expected = binomtest(successes, n).proportion_ci(level, method="wilson")
    assert limits(estimate) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert estimate.low <= estimate.value <= estimate.high
    assert (estimate.n, estimate.level) == (n, level)


def test_no_trials_say_nothing():
    assert estimates.proportion(0, 0) == Estimate(0.0, 0.0, 1.0, 0)


@pytest.mark.parametrize(
    ("successes", "n", "message"), [(3, 2, "from 0 to n = 2"), (-1, 2, "got -1"), (0.5, 2, "got 0.5")]
)
def test_proportion_refuses_impossible_counts(successes, n, message):
    with pytest.raises(ValueError, match=message):
        estimates.proportion(successes, n)


def test_bootstrap_of_a_mean_reaches_the_t_interval():
    # For a mean of normal values, the studentised interval is the t interval but for the draws' own noise.
    values = np.random.default_rng(3).normal(5, 2, size=40)
    estimate = estimates.bootstrap(np.mean, values, n_draws=20_000)
    half = t.ppf(0.975, 39) * values.std(ddof=1) / np.sqrt(40)
    assert estimate.value == values.mean()
    assert limits(estimate) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.08 * half)


def test_bootstrap_agrees_with_scipy_when_the_sample_is_large():
    values = np.random.default_rng(1).exponential(size=2000)
    estimate = estimates.bootstrap(np.median, values)
    expected = scipy_bootstrap((values,), np.median, method="percentile", rng=2).confidence_interval
    assert limits(estimate) == pytest.approx((expected.low, expected.high), abs=0.01)


def test_the_fast_mean_is_the_mean_of_any_other_statistic():
    values = np.random.default_rng(2).normal(size=300)
    groups = np.repeat(np.arange(30), 10)
    for options in ({}, {"groups": groups}):
        fast = estimates.bootstrap(np.mean, values, **options)
        slow = estimates.bootstrap(lambda v: v.mean(), values, **options)
        assert fast.value == slow.value
        assert limits(fast) == pytest.approx(limits(slow), abs=0.015)


def test_one_seed_gives_one_interval_and_another_seed_another():
    values = np.random.default_rng(0).normal(size=50)
    for statistic in (np.mean, np.median):
        first, again = (estimates.bootstrap(statistic, values, seed=7) for _ in range(2))
        assert first == again
        assert first != estimates.bootstrap(statistic, values, seed=8)


def test_the_global_random_state_is_neither_read_nor_moved():
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    first = estimates.bootstrap(np.median, np.arange(30))
    np.random.seed(2)
    assert estimates.bootstrap(np.median, np.arange(30)) == first
    np.random.seed(1)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_numbers_of_any_size_have_an_interval():
    values = np.random.default_rng(0).normal(3, 1, 50)
    plain = estimates.bootstrap(np.mean, values)
    for scale in (1e-200, 1e200):
        found = estimates.bootstrap(np.mean, values * scale)
        assert limits(found) == pytest.approx((plain.low * scale, plain.high * scale), rel=1e-9)


def test_a_difference_of_means_of_unlike_arrays_is_resampled_one_by_one():
    a, b = np.random.default_rng(1).normal(size=60), np.random.default_rng(2).normal(size=(30, 2))
    mixed = estimates.independent_difference(np.mean, (a,), (b,))
    assert mixed.value == pytest.approx(a.mean() - b.mean())
    plain = estimates.independent_difference(np.mean, (a,), (b.mean(axis=1),))
    assert limits(mixed) == pytest.approx(limits(plain), abs=0.05)


def test_permuting_rows_with_their_groups_changes_nothing():
    rng = np.random.default_rng(0)
    right, groups = rng.integers(0, 2, 200), rng.integers(0, 20, 200)
    order = rng.permutation(200)
    for given in (None, groups):
        shuffled = None if given is None else given[order]
        first = estimates.bootstrap(np.mean, right, groups=given)
        assert limits(first) == pytest.approx(
            limits(estimates.bootstrap(np.mean, right[order], groups=shuffled))
        )


def test_copies_of_a_sample_in_one_group_add_no_certainty():
    # Ten copies of each of 40 values are still 40 facts; taken for 400, they look sqrt(10) times as certain.
    values = np.random.default_rng(4).normal(size=40)
    once = estimates.bootstrap(np.mean, values, n_draws=5000)
    copies, groups = np.repeat(values, 10), np.repeat(np.arange(40), 10)
    grouped = estimates.bootstrap(np.mean, copies, groups=groups, n_draws=5000)
    naive = estimates.bootstrap(np.mean, copies, n_draws=5000)
    assert limits(grouped) == pytest.approx(limits(once), abs=0.03)
    assert (naive.high - naive.low) * np.sqrt(10) == pytest.approx(grouped.high - grouped.low, rel=0.1)


def test_groups_of_different_size_are_weighed_by_their_size():
    # Two groups, 1 and 3 rows, all 0 and all 1: a draw of both gives 3/4, else 0 or 1.
    values, groups = [0, 1, 1, 1], ["a", "b", "b", "b"]
    estimate = estimates.bootstrap(lambda v: v.mean(), values, groups=groups, level=0.5)
    assert (estimate.value, *limits(estimate)) == (0.75, 0.0, 1.0)
    # Sums above the mean are -3/4 and 3/4: a standard error of 3/8. The draw of 0 twice is 3/4 off, has no
    # error of its own, and is measured in half of that: 4 of them, so 4 x 3/8 to both sides.
    estimate = estimates.bootstrap(np.mean, values, groups=groups)
    assert (estimate.value, *limits(estimate)) == pytest.approx((0.75, -0.75, 2.25))


def test_many_units_are_joined_without_changing_the_interval():
    values = np.random.default_rng(5).exponential(size=60_001)
    estimate = estimates.bootstrap(np.mean, values)
    half = norm.ppf(0.975) * values.std() / np.sqrt(len(values))
    assert limits(estimate) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)
    by_pair = estimates.bootstrap(np.mean, values, groups=np.arange(60_001) // 2)
    assert by_pair.high - by_pair.low == pytest.approx(2 * half, rel=0.1)


def test_draws_without_a_value_are_left_out():
    def share_of_rare(values):
        return np.mean(values[values > 0]) if (values > 0).any() else np.nan

    estimate = estimates.bootstrap(share_of_rare, np.array([0.0] * 18 + [1.0, 3.0]))
    assert limits(estimate) == (1.0, 3.0)
    with pytest.raises(ValueError, match="finite in most draws"):
        estimates.bootstrap(lambda v: 1.0 if len(set(v)) == 10 else np.nan, np.arange(10))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: estimates.bootstrap(np.mean, [1.0]), "at least 2"),
        (lambda: estimates.bootstrap(np.mean), "at least 2"),
        (lambda: estimates.bootstrap(max, [1, 2], [1, 2, 3]), "same number of rows"),
        (lambda: estimates.bootstrap(np.mean, [1, 2], groups=[1]), "expected groups"),
        (lambda: estimates.bootstrap(np.mean, [1, 2], n_draws=100), "n_draws as a whole number from 2000 up"),
        (lambda: estimates.bootstrap(np.mean, [1, 2], level=95), "expected level between 0 and 1"),
        (lambda: estimates.bootstrap(np.mean, [1.0, np.nan]), "finite number, got .*nan"),
        (lambda: estimates.bootstrap(lambda v: v, [1, 2]), "finite number"),
        (lambda: estimates.independent_difference(np.mean, [1, 2], ([1, 2],)), "expected a tuple"),
        (lambda: estimates.crossed_difference(np.mean, [[1, 2]], [[1, 2]]), "at least 2 seeds"),
        (lambda: estimates.crossed_difference(np.mean, [1, 2], [1, 2]), "at least 2 seeds"),
        (lambda: estimates.permutation_p_value(np.mean, [1, 2], [1, 2, 3]), "same number of rows"),
        (lambda: estimates.permutation_p_value(np.mean, [1, 2], [[1, 2], [3, 4]]), "a and b of one shape"),
        (lambda: estimates.permutation_p_value(np.mean, [1], [2]), "at least 2"),
        (lambda: estimates.permutation_p_value(np.mean, [1, np.nan], [1, 2]), "finite number"),
        (lambda: estimates.permutation_p_value(np.mean, [1, 2], [1, 2], n_draws=10), "from 999 up, got 10"),
        (lambda: estimates.permutation_p_value(np.mean, [1, 2], [1, 2], groups=[1, 1]), "at least 2 groups"),
        (lambda: estimates.holm([0.5, 1.2]), r"in \[0, 1\]"),
        (lambda: estimates.holm([]), r"shape \(m,\)"),
        (lambda: estimates.holm([np.nan]), r"in \[0, 1\]"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_pairing_removes_what_both_share():
    rng = np.random.default_rng(6)
    shared = rng.normal(0, 10, size=200)
    a, b = shared + rng.normal(0.5, 1, 200), shared + rng.normal(0, 1, 200)
    paired = estimates.paired_difference(np.mean, a, b)
    independent = estimates.independent_difference(np.mean, (a,), (b,))
    assert paired.value == pytest.approx(a.mean() - b.mean())
    assert independent.value == pytest.approx(paired.value)
    half = t.ppf(0.975, 199) * (a - b).std(ddof=1) / np.sqrt(200)
    assert (paired.high - paired.low) / 2 == pytest.approx(half, rel=0.1)
    assert independent.high - independent.low > 5 * (paired.high - paired.low)


def test_paired_difference_passes_shared_arrays_to_the_statistic():
    labels = np.array([0, 1] * 50)
    a, b = np.where(np.arange(100) < 90, labels, 1 - labels), np.zeros(100, dtype=int)

    def accuracy(answers, labels):
        return (answers == labels).mean()

    given = estimates.paired_difference(accuracy, a, b, labels)
    fast = estimates.paired_difference(np.mean, a == labels, b == labels)
    assert given.value == pytest.approx(0.4)
    assert fast.value == pytest.approx(0.4)
    assert limits(given) == pytest.approx(limits(fast), abs=0.02)


def test_equal_answers_differ_by_nothing():
    a = np.random.default_rng(0).normal(size=30)
    assert limits(estimates.paired_difference(np.mean, a, a)) == (0.0, 0.0)
    assert limits(estimates.crossed_difference(np.mean, np.stack([a, a]), np.stack([a, a]))) == (0.0, 0.0)


def test_independent_difference_agrees_with_welch():
    rng = np.random.default_rng(7)
    a, b = rng.normal(1, 1, 30), rng.normal(0, 3, 60)
    estimate = estimates.independent_difference(np.mean, (a,), (b,), n_draws=10_000)
    variances = a.var(ddof=1) / 30, b.var(ddof=1) / 60
    df = sum(variances) ** 2 / (variances[0] ** 2 / 29 + variances[1] ** 2 / 59)
    half = t.ppf(0.975, df) * np.sqrt(sum(variances))
    assert estimate.value == pytest.approx(a.mean() - b.mean())
    assert (estimate.high - estimate.low) / 2 == pytest.approx(half, rel=0.06)
    assert estimate.n == 90


def test_crossed_difference_sees_what_differs_between_training_seeds():
    # Every sample of a seed moves together: only the five seeds carry information, a t interval of five.
    by_seed = np.array([0.00, 0.02, 0.04, 0.06, 0.08])
    a = np.tile(by_seed[:, None], (1, 400))
    estimate = estimates.crossed_difference(np.mean, a, np.zeros_like(a))
    half = t.ppf(0.975, 4) * by_seed.std(ddof=1) / np.sqrt(5)
    assert estimate.value == pytest.approx(0.04)
    assert (estimate.high - estimate.low) / 2 == pytest.approx(half, rel=0.2)
    these = estimates.paired_difference(np.mean, a.mean(axis=0), np.zeros(400))
    assert these.high - these.low < 1e-9


def test_crossed_difference_sees_what_differs_between_samples():
    values = np.random.default_rng(8).normal(size=300)
    a = np.tile(values, (5, 1))
    estimate = estimates.crossed_difference(np.mean, a, np.zeros_like(a))
    paired = estimates.paired_difference(np.mean, values, np.zeros(300))
    assert limits(estimate) == pytest.approx(limits(paired), abs=0.02)


def test_crossed_difference_of_any_statistic_agrees_with_the_fast_mean():
    rng = np.random.default_rng(9)
    a = rng.normal(size=(3, 1)) / 5 + rng.normal(size=(3, 60))
    b, groups = rng.normal(size=(3, 60)), np.repeat(np.arange(20), 3)
    fast = estimates.crossed_difference(np.mean, a, b, groups=groups)
    slow = estimates.crossed_difference(lambda v, w: (v * w).mean(), a, b, np.ones(60), groups=groups)
    assert fast.value == pytest.approx(slow.value)
    assert limits(fast) == pytest.approx(limits(slow), abs=0.06)


def test_crossed_difference_passes_over_samples_that_a_seed_was_not_asked():
    rng = np.random.default_rng(0)
    a, b, groups = rng.random((4, 60)) < 0.8, rng.random((4, 60)) < 0.6, np.arange(60) // 2
    a, b = np.where(rng.random((4, 60)) < 0.3, np.nan, [a, b])
    fast = estimates.crossed_difference(np.nanmean, a, b, groups=groups)
    slow = estimates.crossed_difference(lambda v: float(np.nanmean(v)), a, b, groups=groups)
    assert fast.value == pytest.approx(np.mean(np.nanmean(a, axis=1) - np.nanmean(b, axis=1)))
    assert limits(fast) == pytest.approx(limits(slow), abs=0.02)


def test_seeds_are_paired():
    shift = np.array([[-5.0], [0.0], [5.0]])
    base = np.random.default_rng(0).normal(size=(3, 50)) + shift
    estimate = estimates.crossed_difference(np.mean, base + 1, base)
    assert limits(estimate) == pytest.approx((1, 1))


def test_holm_by_hand():
    # Sorted: 0.005 x 4, 0.01 x 3, 0.03 x 2, 0.04 x 1, and none below the one before it.
    np.testing.assert_allclose(estimates.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(estimates.holm([0.9, 0.8]), [1.0, 1.0])
    np.testing.assert_allclose(estimates.holm([0.02]), [0.02])


def test_holm_does_not_depend_on_the_order():
    p = np.random.default_rng(0).uniform(size=12)
    order = np.random.default_rng(1).permutation(12)
    np.testing.assert_array_equal(estimates.holm(p)[order], estimates.holm(p[order]))


def test_swapping_answers_by_hand():
    # Differences 1, 1, 1, 1, 0: only all four to one side are as far apart, 2 of 16 ways.
    p = estimates.permutation_p_value(np.mean, [1, 1, 1, 1, 0], [0, 0, 0, 0, 0])
    assert p == pytest.approx(2 / 16, abs=0.01)
    assert (p * 10_000) % 1 == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("only_a", "only_b"), [(12, 4), (9, 7), (3, 3)])
def test_swapping_right_and_wrong_is_the_exact_mcnemar_test(only_a, only_b):
    a = np.repeat([1, 0, 1, 0], [only_a, only_b, 20, 5])
    b = np.repeat([0, 1, 1, 0], [only_a, only_b, 20, 5])
    exact = binomtest(only_a, only_a + only_b).pvalue
    assert estimates.permutation_p_value(np.mean, a, b) == pytest.approx(exact, abs=0.015)


def test_swapping_agrees_with_scipy():
    rng = np.random.default_rng(0)
    a, b = rng.exponential(size=(2, 60)) + [[0.25], [0.0]]
    expected = scipy_permutation_test(
        (a, b),
        lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        rng=1,
    )
    assert estimates.permutation_p_value(np.mean, a, b) == pytest.approx(expected.pvalue, abs=0.015)


def test_swapping_for_any_statistic_agrees_with_the_fast_mean():
    rng = np.random.default_rng(1)
    a, b, weights = rng.normal(0.2, 1, 40), rng.normal(size=40), np.ones(40)
    groups = np.arange(40) // 4
    for given in (None, groups):
        fast = estimates.permutation_p_value(np.mean, a, b, groups=given)
        slow = estimates.permutation_p_value(
            lambda v, w: (v * w).mean(), a, b, weights, groups=given, n_draws=1999
        )
        assert fast == pytest.approx(slow, abs=0.035)


def test_copies_in_one_group_make_no_difference_more_certain():
    rng = np.random.default_rng(2)
    a, b = rng.normal(0.4, 1, 25), rng.normal(size=25)
    once = estimates.permutation_p_value(np.mean, a, b)
    copies = [np.repeat(x, 8) for x in (a, b)]
    assert estimates.permutation_p_value(
        np.mean, *copies, groups=np.repeat(np.arange(25), 8)
    ) == pytest.approx(once, abs=0.015)
    assert estimates.permutation_p_value(np.mean, *copies) < once / 10


def test_swapping_equal_answers_finds_nothing_and_swapping_the_models_changes_nothing():
    rng = np.random.default_rng(3)
    a, b = rng.random(30) < 0.8, rng.random(30) < 0.6
    assert estimates.permutation_p_value(np.mean, a, a) == 1.0
    assert estimates.permutation_p_value(np.mean, a, b) == estimates.permutation_p_value(np.mean, b, a)
    # Sums of 0.1 differ in their last bit with the order of the signs; they are as far apart all the same.
    assert estimates.permutation_p_value(np.mean, [0.1, 0.2, 0.3], [0.0, 0.0, 0.0]) == pytest.approx(
        0.25, abs=0.02
    )


def test_very_many_samples_are_swapped_in_teams():
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(2, 30_000))
    expected = ttest_rel(a, b).pvalue
    assert estimates.permutation_p_value(np.mean, a, b) == pytest.approx(expected, abs=0.02)


def test_p_values_of_equal_models_are_uniform():
    rng = np.random.default_rng(5)
    p = [
        estimates.permutation_p_value(np.mean, *rng.exponential(size=(2, 20)), n_draws=999)
        for _ in range(400)
    ]
    assert kstest(p, "uniform").pvalue > 0.01


@pytest.mark.slow
def test_nineteen_of_twenty_intervals_hold_the_truth():
    rng = np.random.default_rng(10)

    def crossed(from_seeds, from_samples, n_seeds=5, n=200):
        d = rng.normal(0, from_seeds, (n_seeds, 1)) + rng.normal(0, from_samples, (1, n))
        d = d + rng.normal(0, 0.3, (n_seeds, n))
        return estimates.crossed_difference(np.mean, d, np.zeros_like(d))

    def grouped():
        values = np.repeat(rng.normal(size=10), 20) + rng.normal(size=200)
        return estimates.bootstrap(np.mean, values, groups=np.repeat(np.arange(10), 20))

    makers = {
        "ten rows": lambda: estimates.bootstrap(np.mean, rng.normal(size=10)),
        "ten groups": grouped,
        "seeds": lambda: crossed(0.3, 0.3),
        "samples": lambda: crossed(0.0, 1.0),
    }
    for name, make in makers.items():
        held = np.mean([estimate.low <= 0 <= estimate.high for estimate in (make() for _ in range(300))])
        assert 0.90 <= held <= 0.99, name

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from trustlib import calibration, estimates


def limits(estimate):
    return estimate.low, estimate.high


def sample(n=600, k=3, sharp=1.0, seed=0):
    """Calibrated at sharp = 1, overconfident above: labels are drawn from softmax(logits)."""
    rng = np.random.default_rng(seed)
    logits = 1.5 * rng.normal(size=(n, k))
    labels = (rng.random((n, 1)) > softmax(logits, axis=1).cumsum(axis=1)).sum(axis=1)
    return softmax(sharp * logits, axis=1), np.minimum(labels, k - 1)


def plain_ece(probs, labels, n_bins):
    confidence, right = probs.max(axis=1), probs.argmax(axis=1) == labels
    bins = np.ceil(confidence * n_bins).clip(1) - 1  # right-closed
    return sum(abs((confidence[bins == b] - right[bins == b]).sum()) for b in np.unique(bins)) / len(labels)


def plain_ce2(gaps, bins):
    total = 0.0
    for b in np.unique(bins):
        gap = gaps[bins == b]
        total += len(gap) / len(gaps) * (gap.mean() ** 2 - gap.var(ddof=1) / len(gap))
    return total


# By hand

FOUR = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
LABELS = np.array([0, 1, 1, 1])


def test_brier_and_nll_by_hand():
    result = calibration.evaluate(FOUR, LABELS)
    # (0.1² + 0.8² + 0.3² + 0.4²) / 4, and the mean of -log 0.9, 0.2, 0.7, 0.6
    assert result.brier.value == pytest.approx((0.01 + 0.64 + 0.09 + 0.16) / 4)
    assert result.nll.value == pytest.approx(-np.log([0.9, 0.2, 0.7, 0.6]).mean())
    assert (result.brier.n, result.nll.n) == (4, 4)


def test_brier_of_three_classes_by_hand():
    # Half of 0.5² + 0.3² + 0.2², and of 0.1² + 0.1² + 0.2²
    result = calibration.evaluate([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]], [0, 2])
    assert result.brier.value == pytest.approx((0.25 + 0.09 + 0.04 + 0.01 + 0.01 + 0.04) / 4)


def test_ece_and_its_bins_by_hand():
    result = calibration.evaluate(FOUR, LABELS, n_bins=4)
    # Confidences 0.9, 0.8 | 0.7, 0.6 in (0.75, 1] and (0.5, 0.75]; right: 1 of 2, 2 of 2.
    bins = result.bins
    np.testing.assert_allclose(bins.edges, [0, 0.25, 0.5, 0.75, 1])
    assert bins.counts.tolist() == [0, 0, 2, 2]
    np.testing.assert_allclose(bins.confidence, [np.nan, np.nan, 0.65, 0.85])
    np.testing.assert_allclose(bins.right, [np.nan, np.nan, 1, 0.5])
    assert result.ece == pytest.approx((0.35 + 0.35) / 2)
    for i, successes in ((2, 2), (3, 1)):
        share = estimates.proportion(successes, 2)
        assert (bins.low[i], bins.high[i]) == pytest.approx(limits(share))
    assert np.isnan(bins.low[:2]).all()


def test_ce2_by_hand():
    # Two bins of two. Gaps -0.4, -0.3: mean² 0.1225 less 0.005 / 2; gaps -0.1, 0.8: 0.1225 less 0.405 / 2.
    result = calibration.evaluate(FOUR, LABELS, n_bins=2)
    assert result.ce2.value == pytest.approx((0.1225 - 0.0025 + 0.1225 - 0.2025) / 2)
    assert result.even_bins.counts.tolist() == [2, 2]
    np.testing.assert_allclose(result.even_bins.edges, [0, 0.75, 1])


def test_ce2_of_one_confidence_a_bin_is_the_formula_of_kumar_et_al():
    # 70 of 100 are right at 0.8, and 45 of 50 at 0.9.
    probs = np.repeat([[0.8, 0.2], [0.9, 0.1]], [100, 50], axis=0)
    labels = np.repeat([0, 1, 0, 1], [70, 30, 45, 5])
    result = calibration.evaluate(probs, labels, n_bins=3)
    expected = 100 / 150 * ((0.8 - 0.7) ** 2 - 0.7 * 0.3 / 99) + 50 / 150 * (
        (0.9 - 0.9) ** 2 - 0.9 * 0.1 / 49
    )
    assert result.even_bins.counts.tolist() == [100, 50]
    assert result.ce2.value == pytest.approx(expected)
    assert result.ce2.value - result.ce2.low == pytest.approx(result.ce2.high - result.ce2.value)


def test_a_probability_of_zero_costs_as_much_as_one_in_a_million():
    result = calibration.evaluate([[1.0, 0.0], [1.0, 0.0]], [1, 1])
    assert result.nll.value == pytest.approx(6 * np.log(10))
    assert (result.brier.value, result.ece) == (1.0, 1.0)


# References


@pytest.mark.parametrize("k", [2, 5])
def test_brier_and_nll_agree_with_scikit_learn(k):
    probs, labels = sample(k=k)
    result = calibration.evaluate(probs, labels)
    every = np.arange(k)
    assert result.nll.value == pytest.approx(log_loss(labels, probs, labels=every))
    assert result.brier.value == pytest.approx(
        brier_score_loss(labels, probs, labels=every, scale_by_half=True)
    )


@pytest.mark.parametrize("n_bins", [5, 15])
def test_bins_agree_with_scikit_learn(n_bins):
    probs, labels = sample(sharp=2)
    bins = calibration.evaluate(probs, labels, n_bins=n_bins).bins
    right, confidence = calibration_curve(probs.argmax(axis=1) == labels, probs.max(axis=1), n_bins=n_bins)
    held = bins.counts > 0
    np.testing.assert_allclose(bins.right[held], right)
    np.testing.assert_allclose(bins.confidence[held], confidence)
    assert bins.counts.sum() == 600


@pytest.mark.parametrize("n_bins", [1, 4, 15, 100])
def test_ece_and_ce2_agree_with_ten_plain_lines(n_bins):
    probs, labels = sample(sharp=2)
    result = calibration.evaluate(probs, labels, n_bins=n_bins)
    assert result.ece == pytest.approx(plain_ece(probs, labels, n_bins))
    gaps = probs.max(axis=1) - (probs.argmax(axis=1) == labels)
    order = np.argsort(probs.max(axis=1))
    bins = np.empty(600)
    for b, part in enumerate(np.array_split(order, n_bins)):
        bins[part] = b
    assert result.ce2.value == pytest.approx(plain_ce2(gaps, bins))
    assert len(result.even_bins.counts) == n_bins


def test_ce2_deviations_agree_with_resampling_rows():
    probs, labels = sample(sharp=2)
    result = calibration.evaluate(probs, labels, n_bins=6)
    gaps = probs.max(axis=1) - (probs.argmax(axis=1) == labels)
    bins = np.searchsorted(result.even_bins.edges[1:-1], probs.max(axis=1))
    rng = np.random.default_rng(1)
    draws = []
    for _ in range(800):
        rows = rng.integers(600, size=600)
        draws.append(plain_ce2(gaps[rows], bins[rows]))
    assert result.ce2.high - result.ce2.value == pytest.approx(1.96 * np.std(draws), rel=0.1)


def test_ece_if_calibrated_agrees_with_drawing_each_label():
    probs, labels = sample(300)
    confidence = probs.max(axis=1)
    bins = np.ceil(confidence * 15) - 1
    rng = np.random.default_rng(1)
    draws = []
    for _ in range(3000):
        gap = confidence - (rng.random(300) < confidence)
        draws.append(np.abs(np.bincount(bins.astype(int), weights=gap)).sum() / 300)
    found = calibration.evaluate(probs, labels)
    assert found.ece_if_calibrated.value == pytest.approx(np.mean(draws), abs=0.001)
    assert limits(found.ece_if_calibrated) == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.003)
    assert found.ece_draws.shape == (2000,)
    assert found.ece_draws.mean() == pytest.approx(found.ece_if_calibrated.value)


# What they are for


def test_a_calibrated_model_shows_an_ece_that_chance_explains():
    inside, ce2 = [], []
    for seed in range(200):
        result = calibration.evaluate(*sample(200, seed=seed))
        assert result.ece > 0.01
        inside.append(result.ece_if_calibrated.low <= result.ece <= result.ece_if_calibrated.high)
        ce2.append(result.ce2.value)
    assert 0.9 <= np.mean(inside) <= 0.99
    # Free of bias: the mean is 0 within three of its errors, and the plain squared gap would not be.
    assert abs(np.mean(ce2)) < 3 * np.std(ce2) / np.sqrt(200)
    assert np.mean(ce2) < 0.001
    assert min(ce2) < 0


def test_an_overconfident_model_is_found_out():
    result = calibration.evaluate(*sample(2000, sharp=2))
    assert result.ece > result.ece_if_calibrated.high + 0.05
    assert result.ce2.low > 0.005
    held = result.bins.counts > 50
    assert (result.bins.right < result.bins.confidence)[held].all()


def test_ece_grows_with_the_number_of_bins_even_of_a_calibrated_model():
    probs, labels = sample(200)
    expected = [calibration.evaluate(probs, labels, n_bins=b).ece_if_calibrated.value for b in (2, 10, 50)]
    assert expected[0] < 0.7 * expected[1] < 0.5 * expected[2]


# Groups


def test_copies_in_one_group_add_no_certainty():
    probs, labels = sample(200, sharp=2)
    copies = np.repeat(probs, 5, axis=0), np.repeat(labels, 5)
    once = calibration.evaluate(probs, labels, n_bins=5)
    grouped = calibration.evaluate(*copies, n_bins=5, groups=np.repeat(np.arange(200), 5))
    naive = calibration.evaluate(*copies, n_bins=5)
    for name in ("brier", "nll", "ce2"):
        alone, together = getattr(once, name), getattr(grouped, name)
        assert together.value == pytest.approx(alone.value)
        assert together.high - together.low == pytest.approx(alone.high - alone.low, rel=0.08)
    # Taken for independent, the copies hide how much of the gap is chance.
    assert naive.ce2.value > grouped.ce2.value
    np.testing.assert_allclose(grouped.bins.low, once.bins.low, atol=0.02)
    assert np.nanmax(naive.bins.low - once.bins.low) > 0.05


def test_grouped_intervals_agree_with_the_bootstrap_over_groups():
    probs, labels = sample(300, sharp=2)
    groups = np.arange(300) // 10
    result = calibration.evaluate(probs, labels, groups=groups)
    losses = -np.log(probs[np.arange(300), labels])
    assert result.nll == estimates.bootstrap(np.mean, losses, groups=groups)


# Awkward input


@pytest.mark.parametrize("grouped", [False, True])
def test_permuting_samples_changes_nothing(grouped):
    probs, labels = sample(300)
    probs = probs.round(1)  # many equal confidences
    probs /= probs.sum(axis=1, keepdims=True)
    order, groups = np.random.default_rng(2).permutation(300), np.arange(300) // 5
    first = calibration.evaluate(probs, labels, groups=groups if grouped else None)
    second = calibration.evaluate(probs[order], labels[order], groups=groups[order] if grouped else None)
    for name in ("brier", "nll", "ce2"):
        one, other = getattr(first, name), getattr(second, name)
        assert one.value == pytest.approx(other.value)
        assert limits(one) == pytest.approx(limits(other), rel=0.1, abs=0.003)
    assert first.ece == pytest.approx(second.ece)
    np.testing.assert_array_equal(first.even_bins.counts, second.even_bins.counts)


def test_renaming_the_classes_changes_nothing():
    probs, labels = sample(300)
    renamed = calibration.evaluate(probs[:, [2, 0, 1]], np.array([1, 2, 0])[labels])
    first = calibration.evaluate(probs, labels)
    assert renamed.brier.value == pytest.approx(first.brier.value)
    assert (renamed.nll, renamed.ece) == (first.nll, first.ece)
    assert limits(renamed.ce2) == limits(first.ce2)


def test_one_seed_gives_one_result():
    probs, labels = sample(100)
    first, again, other = (calibration.evaluate(probs, labels, seed=seed) for seed in (1, 1, 2))
    assert (first.nll, first.ce2, first.ece_if_calibrated) == (again.nll, again.ce2, again.ece_if_calibrated)
    assert first.nll != other.nll
    assert first.ce2 != other.ce2


def test_two_samples_are_enough_to_be_unsure():
    result = calibration.evaluate([[0.9, 0.1], [0.6, 0.4]], [0, 1])
    assert len(result.even_bins.counts) == 1
    for estimate in (result.brier, result.nll):
        assert 0 <= estimate.low < estimate.value < estimate.high
    assert result.brier.high <= 1


def test_answers_that_are_all_alike_have_finite_results():
    result = calibration.evaluate([[1.0, 0.0]] * 20, [0] * 20)
    assert (result.brier.value, result.nll.value, result.ece, result.ce2.value) == (0, 0, 0, 0)
    assert limits(result.ece_if_calibrated) == (0, 0)


def test_twenty_sure_and_right_answers_are_not_certain():
    # Up to 16 % of answers may be wrong (Wilson), at 1 in Brier and 13.8 in NLL; their gap is as large.
    share = estimates.proportion(0, 20).high
    alone = calibration.evaluate([[1.0, 0.0]] * 20, [0] * 20)
    assert limits(alone.brier) == pytest.approx((0, share))
    assert limits(alone.nll) == pytest.approx((0, share * 6 * np.log(10)))
    assert alone.ce2.high == pytest.approx(share**2)
    grouped = calibration.evaluate([[1.0, 0.0]] * 40, [0] * 40, groups=np.arange(40) // 2)
    assert limits(grouped.brier) == pytest.approx((0, share))
    # One wrong answer among them, and resampling sees the spread itself.
    seen = calibration.evaluate([[1.0, 0.0]] * 20, [0] * 19 + [1])
    assert seen.brier.low == 0 < seen.brier.value < seen.brier.high < 0.3


def test_a_model_that_says_nothing_costs_the_same_whatever_is_true():
    result = calibration.evaluate([[0.25] * 4] * 20, [0, 1, 2, 3] * 5)
    assert limits(result.brier) == pytest.approx((0.375, 0.375))
    assert limits(result.nll) == pytest.approx((np.log(4), np.log(4)))


def test_a_bin_of_one_group_counts_nothing_in_ce2():
    probs = np.repeat([[0.6, 0.4], [0.9, 0.1]], [4, 6], axis=0)
    result = calibration.evaluate(
        probs, [0, 1] * 5, n_bins=2, groups=["a"] * 4 + ["a"] * 2 + ["b", "b", "c", "c"]
    )
    # The upper bin alone: gaps sum to 0.8 in each of three groups of two, so their mean has no spread.
    assert result.ce2.value == pytest.approx(6 / 10 * 0.4**2)
    assert np.isfinite(limits(result.ce2)).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: calibration.evaluate([[0.5, np.nan]] * 2, [0, 1]), "finite probs, got NaN"),
        (lambda: calibration.evaluate([[0.5, 0.6]] * 2, [0, 1]), "sum to 1, got a sum of 1.1"),
        (lambda: calibration.evaluate([[3.0, -2.0]] * 2, [0, 1]), "apply softmax if these are logits"),
        (lambda: calibration.evaluate(FOUR, [0, 1, 2, 1]), "labels from 0 to 1, got 0 to 2"),
        (lambda: calibration.evaluate(FOUR, [0, 1, -1, 1]), "labels from 0 to 1, got -1 to 1"),
        (lambda: calibration.evaluate(FOUR, [0, 1]), "expected 4 labels, got 2"),
        (lambda: calibration.evaluate(FOUR, [0.0, 1, 1, 1]), "labels as integers, got float64"),
        (lambda: calibration.evaluate(np.empty((0, 2)), []), r"at least 2 rows and 2 classes, got \(0, 2\)"),
        (lambda: calibration.evaluate([[1.0]] * 3, [0] * 3), r"2 classes, got \(3, 1\)"),
        (lambda: calibration.evaluate([[0.5, 0.5]], [0]), r"at least 2 rows and 2 classes, got \(1, 2\)"),
        (lambda: calibration.evaluate(FOUR, LABELS, n_bins=0), "n_bins as a whole number from 1 up, got 0"),
        (lambda: calibration.evaluate(FOUR, LABELS, groups=[1] * 4), "at least 2 groups, got 1"),
        (lambda: calibration.evaluate(FOUR, LABELS, groups=[1, 2]), r"groups of shape \(4,\), got \(2,\)"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()

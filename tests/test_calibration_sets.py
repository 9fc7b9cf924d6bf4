import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import betabinom

from trustlib import calibration, estimates


def two(p_of_label):
    """Probabilities of two classes; the label is always the first."""
    p = np.asarray(p_of_label, dtype=float)
    return np.column_stack([p, 1 - p]), np.zeros(len(p), dtype=int)


def sample(n, seed, k=4):
    rng = np.random.default_rng(seed)
    logits = 1.5 * rng.normal(size=(n, k))
    labels = (rng.random((n, 1)) > softmax(logits, axis=1).cumsum(axis=1)).sum(axis=1)
    return softmax(2 * logits, axis=1), np.minimum(labels, k - 1)  # overconfident, which must not matter


def test_the_threshold_by_hand():
    # Nine samples miss 0.1 ... 0.9. At alpha 0.2, ceil(10 x 0.8) = 8th smallest; at 0.1 the ninth.
    probs, labels = two(1 - np.arange(1, 10) / 10)
    assert calibration.conformal(probs, labels, alpha=0.2).threshold == pytest.approx(0.8)
    assert calibration.conformal(probs, labels, alpha=0.1).threshold == pytest.approx(0.9)
    # At 0.05 a tenth sample would have to be inside as well: only sets of everything keep that promise.
    rule = calibration.conformal(probs, labels, alpha=0.05)
    assert rule.threshold == 1.0
    assert rule.sets([[1.0, 0.0], [0.5, 0.5]]).all()


@pytest.mark.parametrize("n", [*range(2, 30), 59, 99, 199, 999])
@pytest.mark.parametrize("percent", [1, 5, 10, 20, 30, 70, 90])
def test_the_rank_is_exact_whatever_the_rounding(n, percent):
    probs, labels = two(np.linspace(0.9, 0.1, n))
    rule = calibration.conformal(probs, labels, alpha=percent / 100)
    rank = -(-(n + 1) * (100 - percent) // 100)  # whole numbers, rounded up
    expected = 1.0 if rank > n else np.sort(1 - probs[:, 0])[rank - 1]
    assert rule.threshold == expected


def test_sets_hold_what_is_likely_enough():
    rule = calibration.Conformal(threshold=0.7, alpha=0.1, n=9, k=3)
    sets = rule.sets([[0.6, 0.3, 0.1], [0.28, 0.36, 0.36], [0.29, 0.29, 0.42]])
    assert sets.tolist() == [[True, True, False], [False, True, True], [False, False, True]]
    assert rule.sets([[0.25, 0.25, 0.5]]).sum() == 1
    tight = calibration.Conformal(threshold=0.3, alpha=0.1, n=9, k=3)
    assert tight.sets([[0.6, 0.3, 0.1]]).sum() == 0


def test_the_sample_that_sets_the_threshold_is_inside():
    probs, labels = sample(99, 0)
    rule = calibration.conformal(probs, labels)
    held = rule.sets(probs)[np.arange(99), labels]
    assert held.sum() == 90  # ceil(100 x 0.9), counted among the calibration samples themselves


def test_coverage_by_hand():
    rule = calibration.Conformal(threshold=0.7, alpha=0.1, n=99, k=2)
    covered = rule.coverage([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [0.8, 0.2]], [0, 1, 0, 0])
    assert covered == estimates.proportion(3, 4)


def test_coverage_in_groups_counts_the_groups():
    rule = calibration.Conformal(threshold=0.5, alpha=0.1, n=99, k=2)
    probs, labels = two(np.repeat(np.random.default_rng(0).random(60), 5))
    grouped = rule.coverage(probs, labels, groups=np.arange(300) // 5)
    alone = rule.coverage(probs, labels)
    assert grouped.value == alone.value
    assert grouped.high - grouped.low == pytest.approx(np.sqrt(5) * (alone.high - alone.low), rel=0.1)


def test_the_band_is_beta_binomial():
    # Of 99 + 1 exchangeable samples, 10 may be missed: Beta(90, 10).
    rule = calibration.Conformal(threshold=0.7, alpha=0.1, n=99, k=2)
    band = rule.promised(500)
    expected = betabinom(500, 90, 10)
    assert band.value == pytest.approx(0.9)
    assert band.low == expected.ppf(0.025) / 500
    assert band.high == expected.ppf(0.975) / 500
    assert calibration.Conformal(threshold=1.0, alpha=0.001, n=99, k=2).promised(500).low == 1.0
    # A large calibration split leaves the binomial scatter of the new samples.
    large = calibration.Conformal(threshold=0.7, alpha=0.1, n=10**7 - 1, k=2).promised(500)
    assert large.high - large.low == pytest.approx(2 * 1.96 * np.sqrt(0.9 * 0.1 / 500), rel=0.05)


def test_a_perfectly_shuffled_world_keeps_the_promise_and_stays_in_the_band():
    probs, labels = sample(400_000, 1)
    covered, inside = [], []
    for i in range(400):
        part = slice(1000 * i, 1000 * i + 200), slice(1000 * i + 200, 1000 * i + 500)
        rule = calibration.conformal(probs[part[0]], labels[part[0]])
        covered.append(rule.coverage(probs[part[1]], labels[part[1]]).value)
        band = rule.promised(300)
        inside.append(band.low <= covered[-1] <= band.high)
    assert np.mean(covered) == pytest.approx(1 - 20 / 201, abs=0.005)
    assert 0.93 <= np.mean(inside) <= 0.985


def test_another_world_breaks_the_promise():
    rule = calibration.conformal(*sample(1000, 2))
    probs, labels = sample(1000, 3)
    moved = np.roll(labels, 1)  # the model knows nothing here
    assert rule.coverage(probs, moved).high < rule.promised(1000).low


def test_permuting_samples_and_renaming_classes_changes_nothing():
    probs, labels = sample(200, 4)
    order = np.random.default_rng(0).permutation(200)
    first = calibration.conformal(probs, labels)
    assert calibration.conformal(probs[order], labels[order]) == first
    assert calibration.conformal(probs[:, ::-1], 3 - labels) == first


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: calibration.conformal(*two([0.5, 0.6]), alpha=0), "alpha between 0 and 1"),
        (lambda: calibration.conformal(*two([0.5, 0.6]), alpha=10), "divide by 100"),
        (lambda: calibration.conformal([[0.5, 0.5]] * 2, [0, 2]), "labels from 0 to 1"),
        (lambda: calibration.conformal([[0.5, 0.5]] * 2, [0]), "expected 2 labels, got 1"),
        (lambda: calibration.conformal([[0.5, np.nan]] * 2, [0, 1]), "finite probs"),
        (lambda: calibration.conformal([[0.5, 0.6]] * 2, [0, 1]), "sum to 1"),
        (lambda: calibration.conformal([[1.0]] * 2, [0, 0]), "2 classes, got"),
        (lambda: calibration.conformal([[0.5, 0.5]], [0]), "at least 2 rows"),
        (lambda: calibration.conformal(np.empty((0, 2)), []), r"got \(0, 2\)"),
        (
            lambda: calibration.conformal(*two([0.5, 0.6])).sets([[0.2, 0.3, 0.5]]),
            "expected probs of 2 classes, as in calibration, got 3",
        ),
        (lambda: calibration.conformal(*two([0.5, 0.6])).coverage([[0.5, 0.5]], [2]), "labels from 0 to 1"),
        (lambda: calibration.conformal(*two([0.5, 0.6])).coverage([[0.5, 0.5]], []), "labels of shape"),
        (lambda: calibration.conformal(*two([0.5, 0.6])).promised(0), "m as a whole number from 1 up"),
        (lambda: calibration.conformal(*two([0.5, 0.6])).promised(10, level=95), "expected level between"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()

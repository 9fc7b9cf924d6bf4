import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from trustlib import calibration, estimates


def limits(estimate):
    return estimate.low, estimate.high


def binary(p):
    p = np.asarray(p, dtype=float)
    return np.column_stack([1 - p, p])


# Certain or not


def test_the_auroc_of_doubt_by_hand():
    # Certain cells have confidence 0.9, 0.8 and 0.55; the uncertain one 0.6: 2 of 3 pairs.
    probs = binary([0.1, 0.8, 0.55, 0.4])
    human = binary([0, 1, 1, 1 / 3])
    found = calibration.doubt_auroc(probs, human)
    assert found.value == pytest.approx(2 / 3)
    assert found.n == 4


@pytest.mark.parametrize("groups", [None, np.arange(300) // 6])
def test_the_auroc_of_doubt_agrees_with_scikit_learn(groups):
    rng = np.random.default_rng(0)
    probs, human = binary(rng.random(300)), binary(rng.choice([0, 1 / 3, 2 / 3, 1], size=300))
    found = calibration.doubt_auroc(probs, human, groups=groups)
    certain = (human == 1).any(axis=1)
    assert found.value == pytest.approx(roc_auc_score(certain, probs.max(axis=1)))
    assert found.low < 0.5 < found.high


def test_cells_that_nobody_judged_are_left_out():
    probs, human = binary([0.1, 0.6, 0.9, 0.5]), binary([0, 0.5, 1, np.nan])
    found = calibration.doubt_auroc(probs, human, groups=["a", "b", "c", "d"])
    assert found.n == 3
    assert found.value == calibration.doubt_auroc(probs[:3], human[:3]).value == 1.0


def test_a_model_that_knows_its_doubt_is_told_from_one_that_does_not():
    rng = np.random.default_rng(1)
    human = rng.choice([0, 1 / 3, 2 / 3, 1], p=[0.4, 0.1, 0.1, 0.4], size=500)
    knowing = calibration.doubt_auroc(binary(np.clip(human + rng.normal(0, 0.1, 500), 0, 1)), binary(human))
    sure = calibration.doubt_auroc(binary(rng.choice([0.01, 0.99], size=500)), binary(human))
    assert knowing.low > 0.9
    assert sure.low <= 0.5 <= sure.high


# The raters' share


def test_the_error_from_raters_by_hand():
    # (0.5 - 0.6)² - 0.6 x 0.4 / 4 and (0.9 - 0.8)² - 0.8 x 0.2 / 9
    found = calibration.error_from_raters(binary([0.5, 0.9]), binary([0.6, 0.8]), [5, 10])
    assert found.value == pytest.approx((0.01 - 0.06 + 0.01 - 0.16 / 9) / 2)
    assert found.n == 2


def test_the_error_of_three_classes_by_hand():
    probs, shares = [[0.2, 0.3, 0.5], [1, 0, 0]], [[0.25, 0.25, 0.5], [1, 0, 0]]
    found = calibration.error_from_raters(probs, shares, [4, 7])
    scatter = (2 * 0.25 * 0.75 + 0.5 * 0.5) / 3
    assert found.value == pytest.approx((0.05**2 + 0.05**2 - scatter) / 2 / 2)


def test_the_correction_takes_off_just_the_raters_scatter():
    # The crowd is divided as q; a model that says q has no error, one that is 0.1 off has 0.01.
    rng = np.random.default_rng(2)
    q = rng.uniform(0.05, 0.95, size=40_000)
    m = rng.integers(2, 20, size=40_000)
    shares = rng.binomial(m, q) / m
    perfect = calibration.error_from_raters(binary(q), binary(shares), m)
    off = calibration.error_from_raters(binary(q + np.where(q < 0.5, 0.1, -0.1)), binary(shares), m)
    assert perfect.low < 0 < perfect.high
    assert off.low < 0.01 < off.high
    assert perfect.high - perfect.low < 0.004
    assert np.mean((q - shares) ** 2) > 0.02  # what it would be without the correction


def test_the_interval_is_that_of_the_corrected_errors():
    rng = np.random.default_rng(3)
    p, s, groups = rng.random(200), rng.binomial(10, 0.5, 200) / 10, np.arange(200) // 4
    found = calibration.error_from_raters(binary(p), binary(s), np.full(200, 10), groups=groups)
    expected = estimates.bootstrap(np.mean, (p - s) ** 2 - s * (1 - s) / 9, groups=groups)
    assert found.value == pytest.approx(expected.value)
    assert limits(found) == pytest.approx(limits(expected))


def test_samples_with_one_rating_are_left_out():
    probs, shares = binary([0.5, 0.9, 0.1, 0.4]), binary([0.6, 0.8, 1.0, np.nan])
    found = calibration.error_from_raters(probs, shares, [5, 10, 1, 0])
    assert found == calibration.error_from_raters(probs[:2], shares[:2], [5, 10])


TWO = binary([0.5, 0.9])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: calibration.doubt_auroc(TWO, binary([0, 1])), "got 2 certain ones of 2 judged"),
        (lambda: calibration.doubt_auroc(TWO, binary([0.5, 0.4])), "got 0 certain ones of 2 judged"),
        (lambda: calibration.doubt_auroc(TWO, binary([np.nan, np.nan])), "got 0 certain ones of 0 judged"),
        (lambda: calibration.doubt_auroc(TWO, binary([0.5])), r"human_probs of shape \(2, 2\), got \(1, 2\)"),
        (lambda: calibration.doubt_auroc(TWO, [[0.5, 0.6]] * 2), "rows of human_probs that sum to 1"),
        (lambda: calibration.doubt_auroc([[0.5, np.nan]] * 2, TWO), "finite probs"),
        (lambda: calibration.doubt_auroc(TWO[:1], TWO[:1]), "probs of shape .* at least 2 rows"),
        (lambda: calibration.doubt_auroc(TWO, binary([0, 0.5]), groups=["a"]), "expected groups of shape"),
        (lambda: calibration.error_from_raters(TWO, TWO, [1, 1]), "2 ratings or more, got 0 of 2"),
        (lambda: calibration.error_from_raters(TWO, TWO, [3, 1]), "2 ratings or more, got 1 of 2"),
        (lambda: calibration.error_from_raters(TWO, TWO, [3]), "n_ratings as 2 whole numbers from 0 up"),
        (
            lambda: calibration.error_from_raters(TWO, TWO, [3.0, 2.0]),
            "n_ratings as 2 whole numbers.*float64",
        ),
        (lambda: calibration.error_from_raters(TWO, TWO, [3, -1]), "the least -1"),
        (lambda: calibration.error_from_raters([[1.0]] * 2, [[1.0]] * 2, [3, 3]), "2 classes, got"),
        (lambda: calibration.error_from_raters(np.empty((0, 2)), np.empty((0, 2)), []), r"got \(0, 2\)"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()

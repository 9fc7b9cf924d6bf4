import numpy as np
import pytest

from trustlib import calibration
from trustlib.course import answers_calibration


def test_excess_looks_only_at_answers_that_are_surer_than_the_bound():
    probs, labels = np.array([[0.9, 0.1], [0.05, 0.95], [0.2, 0.8]]), np.array([0, 0, 1])
    assert answers_calibration.excess(probs, labels, above=0.9) == pytest.approx(0.95 - 0)
    assert answers_calibration.excess(probs, labels, above=0.85) == pytest.approx(0.925 - 0.5)


def test_debiased_is_ce2_where_a_bin_has_one_confidence():
    probs, labels = np.array([[0.8, 0.2]] * 10 + [[0.4, 0.6]] * 20), np.array([0] * 7 + [1] * 3 + [0, 1] * 10)
    result = calibration.evaluate(probs, labels, n_bins=3)
    bins = result.even_bins
    found = answers_calibration.debiased(bins.counts, bins.confidence, bins.right)
    assert bins.counts.tolist() == [20, 10]
    assert found == pytest.approx((10 * (0.1**2 - 0.21 / 9) + 20 * (0.1**2 - 0.25 / 19)) / 30)
    assert found == pytest.approx(result.ce2.value)


def test_class_thresholds_cover_each_class_where_one_threshold_leaves_the_rarer_one_short():
    rng = np.random.default_rng(0)
    labels = rng.binomial(1, 0.2, size=20_000)
    of_one = 1 / (1 + np.exp(1 - 2 * rng.normal(2 * labels - 1, 1.4)))
    probs = np.column_stack([1 - of_one, of_one])
    learn, judge = np.arange(10_000), np.arange(10_000, 20_000)
    thresholds = answers_calibration.class_thresholds(probs[learn], labels[learn], 0.1)
    one = calibration.conformal(probs[learn], labels[learn], alpha=0.1)
    rare = judge[labels[judge] == 1]
    assert one.sets(probs[rare])[:, 1].mean() < 0.8
    for c in (0, 1):
        own = judge[labels[judge] == c]
        assert np.mean(1 - probs[own, c] <= thresholds[c]) == pytest.approx(0.9, abs=0.02)

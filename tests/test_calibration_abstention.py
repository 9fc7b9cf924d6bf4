import numpy as np
import pytest

from trustlib import calibration, estimates


def limits(estimate):
    return estimate.low, estimate.high


def answers(confidence, right):
    """Two classes, always the first answered, so labels of 1 are wrong."""
    confidence = np.asarray(confidence)
    return np.column_stack([confidence, 1 - confidence]), np.where(right, 0, 1)


def sample(n=400, seed=0, digits=6):
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.55, 1, n).round(digits)
    return answers(confidence, rng.random(n) < confidence)


def plain_area(wrong, confidence):
    """Mean, over samples, of the risk among all that are at least as sure."""
    return np.mean([wrong[confidence >= c].mean() for c in confidence])


def test_four_answers_by_hand():
    # From the surest: right, wrong, right, wrong.
    curve = calibration.risk_coverage(*answers([0.9, 0.8, 0.7, 0.6], [1, 0, 1, 0]), at_risk=0.4)
    np.testing.assert_allclose(curve.threshold, [0.9, 0.8, 0.7, 0.6])
    np.testing.assert_allclose(curve.coverage, [0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(curve.risk, [0, 1 / 2, 1 / 3, 1 / 2])
    assert curve.aurc.value == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)
    assert curve.coverage_at_risk.value == 0.75
    assert curve.at_risk == 0.4


def test_equal_confidences_are_kept_or_left_together():
    curve = calibration.risk_coverage(*answers([0.9, 0.7, 0.7, 0.7], [1, 0, 1, 1]))
    np.testing.assert_allclose(curve.coverage, [0.25, 1])
    np.testing.assert_allclose(curve.risk, [0, 1 / 4])
    assert curve.aurc.value == pytest.approx((0 + 3 * 1 / 4) / 4)


@pytest.mark.parametrize("digits", [6, 1])
def test_the_area_agrees_with_its_definition(digits):
    probs, labels = sample(digits=digits)
    wrong = probs.argmax(axis=1) != labels
    curve = calibration.risk_coverage(probs, labels)
    assert curve.aurc.value == pytest.approx(plain_area(wrong, probs.max(axis=1)))
    assert curve.risk[-1] == pytest.approx(wrong.mean())


def test_without_knowledge_the_area_is_the_error_rate():
    curve = calibration.risk_coverage(*answers([0.8] * 10, [1] * 7 + [0] * 3))
    assert curve.aurc.value == pytest.approx(0.3)
    assert curve.coverage.tolist() == [1.0]


@pytest.mark.parametrize("groups", [None, np.arange(400) // 8])
def test_intervals_agree_with_resampling(groups):
    probs, labels = sample()
    curve = calibration.risk_coverage(probs, labels, at_risk=0.15, groups=groups)
    wrong, confidence = probs.argmax(axis=1) != labels, probs.max(axis=1)

    def kept(wrong, confidence):
        risk = [wrong[confidence >= c].mean() for c in confidence]
        return max(
            (np.mean(confidence >= c) for c, r in zip(confidence, risk, strict=True) if r <= 0.15), default=0
        )

    rng, units = np.random.default_rng(1), np.arange(400) if groups is None else groups
    area, share = [], []
    for _ in range(150):
        drawn = rng.integers(units.max() + 1, size=units.max() + 1)
        rows = np.concatenate([np.flatnonzero(units == unit) for unit in drawn])
        area.append(plain_area(wrong[rows], confidence[rows]))
        share.append(kept(wrong[rows], confidence[rows]))
    assert curve.aurc.high - curve.aurc.low == pytest.approx(4 * np.std(area), rel=0.25)
    assert curve.coverage_at_risk.high - curve.coverage_at_risk.low == pytest.approx(
        4 * np.std(share), rel=0.4
    )
    assert curve.coverage_at_risk.value == pytest.approx(kept(wrong, confidence))


def test_keeping_more_of_the_sure_ones_lowers_the_risk():
    curve = calibration.risk_coverage(*sample(4000))
    half = curve.risk[np.searchsorted(curve.coverage, 0.5)]
    assert half < 0.75 * curve.risk[-1]
    assert curve.aurc.high < curve.risk[-1]


def test_all_or_nothing_may_be_kept():
    everything = calibration.risk_coverage(*sample(), at_risk=1)
    nothing = calibration.risk_coverage(*answers([0.9, 0.8, 0.7], [0, 0, 1]), at_risk=0)
    assert everything.coverage_at_risk.value == everything.coverage_at_risk.high == 1
    assert everything.coverage_at_risk.low < 1
    assert nothing.coverage_at_risk.value == nothing.coverage_at_risk.low == 0


def test_all_right_is_not_certain():
    curve = calibration.risk_coverage(*answers([0.9, 0.8, 0.7, 0.6], [1, 1, 1, 1]))
    assert curve.aurc.value == curve.aurc.low == 0
    assert curve.aurc.high == pytest.approx(estimates.proportion(0, 4).high)


@pytest.mark.parametrize("grouped", [False, True])
def test_permuting_samples_changes_nothing(grouped):
    probs, labels = sample(digits=2)
    order, groups = np.random.default_rng(1).permutation(400), np.arange(400) // 5
    first = calibration.risk_coverage(probs, labels, groups=groups if grouped else None)
    second = calibration.risk_coverage(probs[order], labels[order], groups=groups[order] if grouped else None)
    np.testing.assert_allclose(first.risk, second.risk)
    assert first.aurc.value == pytest.approx(second.aurc.value)
    assert limits(first.aurc) == pytest.approx(limits(second.aurc), abs=0.006)


def test_very_many_samples_are_joined_without_moving_the_area():
    probs, labels = sample(40_000)
    curve = calibration.risk_coverage(probs, labels, at_risk=0.1)
    wrong, confidence = probs.argmax(axis=1) != labels, probs.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    plain = np.mean(np.cumsum(wrong[order]) / np.arange(1, 40_001))
    assert curve.aurc.value == pytest.approx(plain, abs=1e-5)
    for estimate in (curve.aurc, curve.coverage_at_risk):
        assert estimate.low < estimate.value < estimate.high
    assert curve.aurc.high - curve.aurc.low < 0.01


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: calibration.risk_coverage([[0.5, 0.5]] * 2, [0, 1], at_risk=5),
            "at_risk from 0 to 1, got 5",
        ),
        (lambda: calibration.risk_coverage([[0.5, 0.5]] * 2, [0, 2]), "labels from 0 to 1"),
        (lambda: calibration.risk_coverage([[0.5, 0.5]] * 2, [0]), "expected 2 labels, got 1"),
        (lambda: calibration.risk_coverage([[0.5, np.nan]] * 2, [0, 1]), "finite probs"),
        (lambda: calibration.risk_coverage([[0.5, 0.6]] * 2, [0, 1]), "sum to 1"),
        (lambda: calibration.risk_coverage([[0.5, 0.5]], [0]), "at least 2 rows"),
        (lambda: calibration.risk_coverage([[1.0]] * 2, [0, 0]), "2 classes, got"),
        (lambda: calibration.risk_coverage(np.empty((0, 2)), []), r"got \(0, 2\)"),
        (lambda: calibration.risk_coverage([[0.5, 0.5]] * 2, [0, 1], groups=["a", "a"]), "at least 2 groups"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, brier_score_loss, log_loss

from trustlib import accuracy, calibration, generalization
from trustlib.predictions import Predictions

CLASSES = ("no", "yes")


def binary(p, labels, groups=None):
    p = np.asarray(p, dtype=float)
    return Predictions(np.column_stack([1 - p, p]), labels, CLASSES, groups=groups)


def world(n, seed, *, flipped=0.1, groups=None):
    """A model that says 0.1 or 0.9, wrong for a share of the samples."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=n)
    said = np.where(rng.random(n) < flipped, 1 - labels, labels)
    return binary(0.1 + 0.8 * said, labels, groups)


def test_the_drops_of_six_rows_by_hand():
    # Home: 3 of 3 right. Away: of two no one is found, of one yes none: 1/3 right, mean recall 1/4.
    home, away = binary([0.2, 0.8, 0.8], [0, 1, 1]), binary([0.2, 0.8, 0.2], [0, 0, 1])
    found = generalization.shift(home, away)
    assert found.accuracy.value == pytest.approx(1 - 1 / 3)
    assert found.balanced_accuracy.value == pytest.approx(1 - 1 / 4)
    assert found.brier.value == pytest.approx((0.04 + 0.64 + 0.64) / 3 - 0.04)
    assert found.nll.value == pytest.approx(-(np.log(0.8) + 2 * np.log(0.2)) / 3 + np.log(0.8))
    assert found.coverage is found.rule is found.source.coverage is None
    assert (found.source.n, found.target.n, found.accuracy.n) == (3, 3, 6)


def test_the_sides_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    sides = [binary(rng.random(n), rng.integers(2, size=n)) for n in (150, 90)]
    found = generalization.shift(*sides)
    expected = [balanced_accuracy_score(side.labels, side.probs.argmax(1)) for side in sides]
    assert found.balanced_accuracy.value == pytest.approx(expected[0] - expected[1])
    briers = [brier_score_loss(side.labels, side.probs[:, 1]) for side in sides]
    losses = [log_loss(side.labels, side.probs) for side in sides]
    assert found.brier.value == pytest.approx(briers[1] - briers[0])
    assert found.nll.value == pytest.approx(losses[1] - losses[0])


def test_other_class_shares_move_accuracy_and_leave_balanced_accuracy():
    # 9 of 10 no are found and 5 of 10 yes; at home they are as many, away no is nine times as frequent.
    def place(n_no, n_yes):
        p = [0.1] * round(0.9 * n_no) + [0.9] * round(0.1 * n_no) + [0.9, 0.1] * (n_yes // 2)
        return binary(p, [0] * n_no + [1] * n_yes)

    found = generalization.shift(place(500, 500), place(900, 100))
    assert found.accuracy.high < 0  # it looks better away
    assert found.balanced_accuracy.value == pytest.approx(0)


def test_the_conformal_promise_is_kept_at_home_and_broken_away():
    held, home, away = world(500, 0), world(2000, 1), world(1500, 2, flipped=0.35)
    found = generalization.shift(home, away, calibration=held, alpha=0.2)
    rule = calibration.conformal(held.probs, held.labels, alpha=0.2)
    assert found.rule == rule
    assert found.source.coverage == rule.coverage(home.probs, home.labels)
    assert found.coverage.value == pytest.approx(
        found.source.coverage.value - rule.coverage(away.probs, away.labels).value
    )
    assert found.coverage.low > 0.15 and found.source.coverage.value > 0.85


def test_two_samples_of_one_place_show_no_drop_more_often_than_promised():
    measures = ("accuracy", "balanced_accuracy", "brier", "nll")
    held = []
    for draw in range(60):
        found = generalization.shift(world(80, 2 * draw), world(120, 2 * draw + 1))
        drops = [getattr(found, name) for name in measures]
        held.append([drop.low <= 0 <= drop.high for drop in drops])
    assert (np.mean(held, axis=0) > 0.86).all()  # 0.95 less three standard errors


def test_a_place_without_mistakes_still_has_an_interval():
    found = generalization.shift(world(40, 0, flipped=0), world(40, 1, flipped=0))
    for drop in (found.accuracy, found.balanced_accuracy):
        assert drop.value == 0 and drop.low < -0.05 and drop.high > 0.05


def test_groups_on_either_side_widen_the_interval():
    rng = np.random.default_rng(3)
    labels = np.repeat(rng.integers(2, size=40), 10)
    p, groups = np.repeat(rng.uniform(0.1, 0.9, size=40), 10), np.arange(400) // 10
    home = world(400, 4)
    alone = generalization.shift(home, binary(p, labels))
    there = generalization.shift(home, binary(p, labels, groups))
    back = generalization.shift(binary(p, labels, groups), home)
    for name in ("accuracy", "brier", "nll", "balanced_accuracy"):
        one, two, three = (getattr(found, name) for found in (alone, there, back))
        assert two.value == pytest.approx(one.value) == -three.value
        assert min(two.high - two.low, three.high - three.low) > 1.8 * (one.high - one.low)


def test_the_order_of_the_samples_changes_no_value():
    home, away, order = world(60, 5), world(60, 6, flipped=0.3), np.random.default_rng(0).permutation(60)
    shuffled = binary(away.probs[order, 1], away.labels[order])
    one, other = (generalization.shift(home, place, calibration=home) for place in (away, shuffled))
    for name in ("accuracy", "balanced_accuracy", "brier", "nll", "coverage"):
        assert getattr(one, name).value == pytest.approx(getattr(other, name).value)


def changed(answers, seed, share):
    """The same samples; a share of the answers is turned round."""
    p = answers.probs[:, 1]
    turned = np.random.default_rng(seed).random(len(p)) < share
    return np.where(turned, 1 - p, p)


def test_the_same_samples_changed_are_paired():
    home = world(400, 7)
    labels, p = home.labels, changed(home, 8, 0.06)
    ids = np.arange(400)
    clean = Predictions(home.probs, labels, CLASSES, ids=ids)
    noisy = Predictions(np.column_stack([1 - p, p]), labels, CLASSES, ids=ids)
    paired = generalization.shift(clean, noisy, calibration=home)
    apart = generalization.shift(home, binary(p, labels), calibration=home)
    assert paired.paired and not apart.paired
    for name in ("accuracy", "balanced_accuracy", "brier", "nll", "coverage"):
        one, other = getattr(paired, name), getattr(apart, name)
        assert one.value == pytest.approx(other.value)
        assert one.low <= one.value <= one.high
        assert one.high - one.low < 0.8 * (other.high - other.low)
    assert paired.accuracy == accuracy.compare(clean.probs, noisy.probs, labels).difference


def test_changed_samples_keep_their_labels():
    one, two = (Predictions([[0.9, 0.1], [0.2, 0.8]], y, CLASSES, ids=[1, 2]) for y in ([0, 1], [1, 1]))
    with pytest.raises(ValueError, match="the same labels on both sides"):
        generalization.shift(one, two)


def test_nothing_changed_is_no_drop():
    home = Predictions(world(50, 9).probs, world(50, 9).labels, CLASSES, ids=np.arange(50))
    found = generalization.shift(home, home)
    assert (found.brier.value, found.brier.low, found.brier.high) == (0, 0, 0)
    assert found.accuracy.value == found.balanced_accuracy.value == 0


def test_other_classes_and_a_wrong_alpha_are_refused():
    home = world(10, 0)
    other = Predictions(home.probs, home.labels, ("yes", "no"))
    with pytest.raises(ValueError, match="source and target with the same classes"):
        generalization.shift(home, other)
    with pytest.raises(ValueError, match="calibration and source with the same classes"):
        generalization.shift(home, home, calibration=other)
    with pytest.raises(ValueError, match="expected alpha between 0 and 1"):
        generalization.shift(home, home, calibration=home, alpha=1.0)

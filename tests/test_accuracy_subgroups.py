import numpy as np
import pytest
from scipy.stats import binomtest

from trustlib import accuracy


def answers(right):
    return np.eye(2)[1 - np.asarray(right, dtype=int)], np.zeros(len(right), dtype=int)


def limits(estimate):
    return estimate.low, estimate.high


def test_two_groups_by_hand():
    # mono: 5 of 5; poly: 4 of 5. Each at level 1 - 0.05 / 2, so that both hold at once.
    result = accuracy.by_group(*answers([1] * 9 + [0]), ["mono"] * 5 + ["poly"] * 5)
    assert list(result.groups) == ["mono", "poly"]
    assert (result.groups["mono"].value, result.groups["poly"].value) == (1.0, 0.8)
    assert (result.worst, result.overall, result.level) == ("poly", 0.9, 0.95)
    assert result.groups["poly"].level == pytest.approx(0.975)
    for name, right in (("mono", 5), ("poly", 4)):
        expected = binomtest(right, 5).proportion_ci(0.975, method="exact")
        assert limits(result.groups[name]) == pytest.approx((expected.low, expected.high))


def test_groups_may_be_numbers_and_are_sorted():
    result = accuracy.by_group(*answers([1, 0, 1, 1]), [10, 2, 10, 2])
    assert list(result.groups) == ["2", "10"]
    assert result.worst == "2"


def test_of_equal_groups_the_larger_one_is_the_worst():
    result = accuracy.by_group(*answers([1, 0, 1, 1, 0, 0]), ["a", "a", "b", "b", "b", "b"])
    assert (result.groups["a"].value, result.groups["b"].value, result.worst) == (0.5, 0.5, "b")


def test_more_groups_need_wider_intervals():
    rng = np.random.default_rng(0)
    probs, labels = answers(rng.random(600) < 0.8)
    first = np.arange(600) < 100
    few = accuracy.by_group(probs, labels, np.where(first, 0, 1)).groups["0"]
    many = accuracy.by_group(probs, labels, np.where(first, 0, 1 + np.arange(600) % 9)).groups["0"]
    assert few.value == many.value
    assert many.low < few.low < few.high < many.high


def test_permuting_samples_changes_nothing():
    rng = np.random.default_rng(1)
    probs, labels = answers(rng.random(300) < 0.7)
    groups, units, order = rng.integers(0, 4, 300), np.arange(300) // 6, rng.permutation(300)
    first = accuracy.by_group(probs, labels, groups, units=units)
    second = accuracy.by_group(probs[order], labels[order], groups[order], units=units[order])
    assert first.worst == second.worst
    for name in first.groups:
        assert limits(first.groups[name]) == pytest.approx(limits(second.groups[name]))


def test_copies_in_one_unit_add_no_certainty():
    rng = np.random.default_rng(2)
    right, groups = rng.random(120) < 0.7, np.repeat(["a", "b"], 60)
    once = accuracy.by_group(*answers(right), groups).groups
    copies = accuracy.by_group(
        *answers(np.repeat(right, 5)), np.repeat(groups, 5), units=np.repeat(np.arange(120), 5)
    ).groups
    for name in once:
        assert copies[name].value == once[name].value
        assert copies[name].n == 5 * once[name].n
        assert limits(copies[name]) == pytest.approx(limits(once[name]), abs=0.015)


def test_a_group_of_one_unit_is_worth_one_sample():
    result = accuracy.by_group(
        *answers([1] * 8 + [0]), ["a"] * 4 + ["b"] * 5, units=["u"] * 4 + ["v", "v", "w", "w", "x"]
    )
    expected = binomtest(1, 1).proportion_ci(0.975, method="exact")
    assert limits(result.groups["a"]) == pytest.approx((expected.low, expected.high))


def test_all_intervals_hold_at_once_although_the_worst_was_picked():
    # Eight equally good groups of 40: the lowest of eight looks bad, and its interval still holds.
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(8), 40)
    held, worst = [], []
    for _ in range(400):
        result = accuracy.by_group(*answers(rng.random(320) < 0.85), groups)
        held.append(all(e.low <= 0.85 <= e.high for e in result.groups.values()))
        worst.append(result.groups[result.worst].value)
    assert np.mean(held) >= 0.95
    assert np.mean(worst) < 0.78


def test_all_intervals_hold_at_once_with_units_that_hang_together():
    rng = np.random.default_rng(4)
    groups, units = np.repeat(np.arange(4), 100), np.arange(400) // 5
    held = []
    for _ in range(400):
        share = rng.beta(4, 1, size=80)[units]  # mean 0.8, very different from unit to unit
        result = accuracy.by_group(*answers(rng.random(400) < share), groups, units=units)
        held.append(all(e.low <= 0.8 <= e.high for e in result.groups.values()))
    assert np.mean(held) >= 0.94


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: accuracy.by_group([[0.5, 0.5]] * 2, [0, 1], ["a", "a"]), "at least 2 groups, got 1"),
        (lambda: accuracy.by_group([[0.5, 0.5]] * 2, [0, 1], ["a"]), r"groups of shape \(2,\), got \(1,\)"),
        (lambda: accuracy.by_group([[0.5, 0.5]] * 2, [0, 1], [0.1, 0.2]), "got float64"),
        (
            lambda: accuracy.by_group([[0.5, 0.5]] * 2, [0, 1], ["a", "b"], units=["u", "u"]),
            "at least 2 units, got 1",
        ),
        (
            lambda: accuracy.by_group([[0.5, 0.5]] * 2, [0, 1], ["a", "b"], units=["u"]),
            "expected units of shape",
        ),
        (lambda: accuracy.by_group([[0.5, 0.5]] * 2, [0, 2], ["a", "b"]), "labels from 0 to 1"),
        (lambda: accuracy.by_group([[0.5, 0.5]] * 2, [0], ["a", "b"]), "expected 2 labels, got 1"),
        (lambda: accuracy.by_group([[0.5, 0.4]] * 2, [0, 1], ["a", "b"]), "that sum to 1"),
        (lambda: accuracy.by_group([[np.nan, 1]] * 2, [0, 1], ["a", "b"]), "finite probs"),
        (lambda: accuracy.by_group([[1.0]] * 2, [0, 0], ["a", "b"]), "2 classes, got"),
        (lambda: accuracy.by_group([[0.5, 0.5]], [0], ["a"]), "at least 2 rows"),
        (lambda: accuracy.by_group(np.empty((0, 2)), [], []), r"got \(0, 2\)"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()

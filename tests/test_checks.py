import numpy as np
import pytest

from trustlib import checks


def test_probs_become_float64_and_keep_their_values():
    given = np.array([[0.25, 0.75], [1.0, 0.0]], dtype=np.float32)
    checked = checks.probs(given)
    assert checked.dtype == np.float64
    np.testing.assert_array_equal(checked, given)


def test_half_precision_probs_pass():
    logits = np.random.default_rng(0).normal(size=(500, 10))
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert checks.probs(probs.astype(np.float16)).shape == (500, 10)


@pytest.mark.parametrize(
    ("probs", "message"),
    [
        ([0.5, 0.5], r"shape \(n, k\).*got \(2,\)"),
        ([[1.0], [1.0]], "at least 1 row and 2 classes"),
        (np.empty((0, 2)), r"got \(0, 2\)"),
        ([[0.5, np.nan]], "finite probs"),
        ([[np.nan, np.nan]], "finite probs"),
        ([[2.0, -1.0]], "apply softmax if these are logits"),
        ([[0.5, 0.6], [0.5, 0.5]], r"got a sum of 1\.1 \(1 of 2 rows are off\)"),
        ([["a", "b"]], "array of numbers"),
        ([[0.5, 0.5], [1.0]], "array of numbers"),
    ],
)
def test_wrong_probs_are_refused_with_what_to_do(probs, message):
    with pytest.raises(ValueError, match=message):
        checks.probs(probs)


def test_rows_that_nobody_judged_pass_only_where_they_may_be_missing():
    human = np.array([[0.5, 0.5], [np.nan, np.nan]])
    np.testing.assert_array_equal(checks.probs(human, missing=True), human)
    with pytest.raises(ValueError, match="finite votes"):
        checks.probs([[0.5, np.nan]], name="votes", missing=True)
    assert checks.probs(np.full((3, 2), np.nan), missing=True).shape == (3, 2)


def test_labels_become_int64():
    checked = checks.labels(np.array([0, 2], dtype=np.uint8), n_classes=3, n=2)
    assert checked.dtype == np.int64
    assert checked.tolist() == [0, 2]
    assert checks.labels([True, False], n_classes=2).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 3], "expected labels from 0 to 2, got 0 to 3"),
        ([-1, 0], "got -1 to 0"),
        ([0.0, 1.0], "as integers, got float64"),
        (["cat", "dog"], "not names"),
        ([[0, 1]], r"shape \(n,\)"),
        ([], r"got \(0,\)"),
        ([0], "expected 2 labels, got 1"),
    ],
)
def test_wrong_labels_are_refused_with_what_to_do(labels, message):
    with pytest.raises(ValueError, match=message):
        checks.labels(labels, n_classes=3, n=2)


def test_class_names_are_a_tuple_of_different_strings():
    assert checks.classes(None, n_classes=2) == ("0", "1")
    assert checks.classes(np.array(["no", "yes"]), n_classes=2) == ("no", "yes")
    for wrong in (["no"], ["no", "no"], [0, 1], "no"):
        with pytest.raises(ValueError, match="expected 2 different class names"):
            checks.classes(wrong, n_classes=2)


def test_group_codes_depend_on_names_and_not_on_order():
    names = np.array(["c", "a", "c", "b"])
    codes = checks.groups(names, n=4)
    assert codes.tolist() == [2, 0, 2, 1]
    order = [3, 1, 0, 2]
    assert checks.groups(names[order], n=4).tolist() == codes[order].tolist()


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([1, 2], r"shape \(3,\), got \(2,\)"),
        ([1, 1, 1], "at least 2 groups, got 1"),
        ([1.0, 2.0, np.nan], "got float64"),
        ([None, "a", "b"], "got object"),
    ],
)
def test_wrong_groups_are_refused(groups, message):
    with pytest.raises(ValueError, match=message):
        checks.groups(groups, n=3)


def test_a_part_of_the_contract_is_named_in_the_message():
    with pytest.raises(ValueError, match="at least 2 units, got 1"):
        checks.groups([1, 1], n=2, name="units")
    with pytest.raises(ValueError, match=r"at least 2 rows and 2 classes, got \(1, 2\)"):
        checks.probs([[0.5, 0.5]], least=2)


def test_logits_may_be_any_finite_numbers():
    np.testing.assert_array_equal(checks.logits([[2, -30], [0, 1]]), [[2.0, -30.0], [0.0, 1.0]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: checks.logits([[1.0, np.inf]] * 2), "finite logits, got NaN or infinity"),
        (lambda: checks.logits([[1.0, 2.0]]), "logits of shape .* at least 2 rows"),
        (lambda: checks.logits([1.0, 2.0]), r"got \(2,\)"),
        (lambda: checks.numbers([1, 2], name="losses", n=3), r"losses of shape \(3,\), got \(2,\)"),
        (lambda: checks.numbers([], name="losses"), r"losses of shape \(n,\) with n >= 1, got \(0,\)"),
        (lambda: checks.numbers([1, -np.inf, 2], name="losses"), "finite losses, got -inf at position 1"),
        (lambda: checks.numbers(["a"], name="losses"), "losses as an array of numbers"),
        (lambda: checks.counts([1, 2], name="m", n=3), r"m as 3 whole numbers from 0 up, got shape \(2,\)"),
        (lambda: checks.counts([1, -2], name="m", n=2), "got shape .* of int64, the least -2"),
        (lambda: checks.counts([1.0, 2.0], name="m", n=2), "of float64"),
        (lambda: checks.counts([True, False], name="m", n=2), "of bool"),
        (lambda: checks.counts([], name="m", n=2), r"got shape \(0,\)"),
        (lambda: checks.paired_probs([[1, 0]] * 2, [[1, 0]] * 3), r"one shape, got \(2, 2\) and \(3, 2\)"),
    ],
)
def test_wrong_arrays_are_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_numbers_are_checked_and_named():
    assert checks.positive(np.float32(2), name="sigma") == 2.0
    assert checks.fraction(0, name="smoothing", closed=True) == 0.0
    assert checks.count(np.int64(5), name="folds", least=2) == 5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: checks.positive(0, name="sigma"), "expected sigma above 0, got 0"),
        (lambda: checks.positive(float("nan"), name="sigma"), "finite number"),
        (lambda: checks.positive("3", name="sigma"), "got '3'"),
        (lambda: checks.positive(True, name="sigma"), "got True"),
        (lambda: checks.fraction(0, name="alpha"), "both excluded, got 0"),
        (lambda: checks.fraction(95, name="level"), "divide by 100"),
        (lambda: checks.fraction(1.5, name="rate", closed=True), "from 0 to 1, got 1.5"),
        (lambda: checks.count(2.0, name="folds"), "whole number from 1 up, got 2.0"),
        (lambda: checks.count(1, name="folds", least=2), "from 2 up, got 1"),
        (lambda: checks.count(True, name="folds"), "got True"),
    ],
)
def test_wrong_numbers_are_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import (
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    precision_score,
    recall_score,
)

from trustlib import accuracy, estimates


def sure(answers, k):
    return np.eye(k)[np.asarray(answers)]


def sample(n=500, k=4, seed=0):
    """Uneven classes, some confused with the next one."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(k, size=n, p=np.arange(k, 0, -1) / np.arange(k, 0, -1).sum())
    logits = rng.normal(size=(n, k)) + 1.5 * np.eye(k)[labels]
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), labels


def limits(estimate):
    return estimate.low, estimate.high


def test_six_answers_by_hand():
    # true:     cat cat cat dog dog bird;  answered: cat cat dog dog cat bird
    result = accuracy.evaluate(
        sure([0, 0, 1, 1, 0, 2], 3), [0, 0, 0, 1, 1, 2], classes=("cat", "dog", "bird")
    )
    assert result.confusion.tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert result.accuracy.value == pytest.approx(4 / 6)
    assert list(result.per_class) == ["cat", "dog", "bird"]
    cat = result.per_class["cat"]
    assert (cat.recall.value, cat.precision.value, cat.f1.value, cat.n) == pytest.approx(
        (2 / 3, 2 / 3, 2 / 3, 3)
    )
    assert result.per_class["dog"].f1.value == pytest.approx(1 / 2)
    assert result.macro_f1.value == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert result.balanced_accuracy.value == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)


@pytest.mark.parametrize("groups", [None, np.arange(500) // 5])
def test_values_agree_with_scikit_learn(groups):
    probs, labels = sample()
    answers = probs.argmax(axis=1)
    result = accuracy.evaluate(probs, labels, groups=groups)
    scores = list(result.per_class.values())
    np.testing.assert_array_equal(result.confusion, confusion_matrix(labels, answers))
    assert result.accuracy.value == pytest.approx((answers == labels).mean())
    assert result.macro_f1.value == pytest.approx(f1_score(labels, answers, average="macro"))
    recalls = [score.recall.value for score in scores]
    assert recalls == pytest.approx(recall_score(labels, answers, average=None))
    assert result.balanced_accuracy.value == pytest.approx(balanced_accuracy_score(labels, answers))
    assert [s.precision.value for s in scores] == pytest.approx(
        precision_score(labels, answers, average=None)
    )
    assert [s.f1.value for s in scores] == pytest.approx(f1_score(labels, answers, average=None))
    assert [s.n for s in scores] == np.bincount(labels).tolist()


def test_shares_carry_wilsons_interval():
    probs, labels = sample()
    result = accuracy.evaluate(probs, labels)
    right = int((probs.argmax(axis=1) == labels).sum())
    expected = binomtest(right, 500).proportion_ci(method="wilson")
    assert limits(result.accuracy) == pytest.approx((expected.low, expected.high))
    third = result.per_class["2"]
    found, true, answered = result.confusion[2, 2], result.confusion[2].sum(), result.confusion[:, 2].sum()
    assert third.recall == estimates.proportion(int(found), int(true))
    assert third.precision == estimates.proportion(int(found), int(answered))


def test_macro_f1_interval_agrees_with_resampling_rows():
    probs, labels = sample(300, 3)
    answers = probs.argmax(axis=1)

    def macro_f1(answers, labels):
        return f1_score(labels, answers, average="macro", labels=[0, 1, 2], zero_division=0)

    rng = np.random.default_rng(1)
    draws = []
    for _ in range(600):
        rows = rng.integers(300, size=300)
        draws.append(macro_f1(answers[rows], labels[rows]))
    expected = np.quantile(draws, [0.025, 0.975])
    assert limits(accuracy.evaluate(probs, labels).macro_f1) == pytest.approx(expected, abs=0.012)


def test_f1_interval_agrees_with_resampling():
    probs, labels = sample(2000, 3)
    answers = probs.argmax(axis=1)

    def f1_of_class_1(answers, labels):
        return 2 * ((answers == 1) & (labels == 1)).sum() / ((answers == 1).sum() + (labels == 1).sum())

    expected = estimates.bootstrap(f1_of_class_1, answers, labels)
    found = accuracy.evaluate(probs, labels).per_class["1"].f1
    assert found.value == pytest.approx(expected.value)
    assert limits(found) == pytest.approx(limits(expected), abs=0.006)


def test_grouped_intervals_agree_with_the_bootstrap_over_groups():
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(30), 10)
    right = rng.random(300) < np.repeat(rng.beta(6, 2, 30), 10)
    labels = rng.integers(0, 2, 300)
    probs = sure(np.where(right, labels, 1 - labels), 2)
    result = accuracy.evaluate(probs, labels, groups=groups)
    expected = estimates.bootstrap(np.mean, right, groups=groups)
    assert limits(result.accuracy) == pytest.approx(limits(expected), abs=0.01)
    independent = accuracy.evaluate(probs, labels)
    assert result.accuracy.high - result.accuracy.low > 1.2 * (
        independent.accuracy.high - independent.accuracy.low
    )

    def recall(right, labels):
        return right[labels == 1].mean()

    expected = estimates.bootstrap(recall, right, labels, groups=groups)
    assert limits(result.per_class["1"].recall) == pytest.approx(limits(expected), abs=0.015)


def test_copies_in_one_group_add_no_certainty():
    probs, labels = sample(200, 3)
    once = accuracy.evaluate(probs, labels, groups=np.arange(200))
    copies = accuracy.evaluate(
        np.repeat(probs, 5, axis=0), np.repeat(labels, 5), groups=np.repeat(np.arange(200), 5)
    )
    assert limits(copies.accuracy) == pytest.approx(limits(once.accuracy), abs=0.01)
    assert limits(copies.macro_f1) == pytest.approx(limits(once.macro_f1), abs=0.015)
    assert limits(copies.balanced_accuracy) == pytest.approx(limits(once.balanced_accuracy), abs=0.015)


def test_all_right_is_not_certain():
    labels = np.repeat([0, 1], 20)
    alone = accuracy.evaluate(sure(labels, 2), labels)
    grouped = accuracy.evaluate(sure(labels, 2), labels, groups=np.arange(40) // 4)
    for result in (alone, grouped):
        for estimate in (
            result.accuracy,
            result.balanced_accuracy,
            result.macro_f1,
            result.per_class["0"].recall,
            result.per_class["0"].f1,
        ):
            assert estimate.value == estimate.high == 1.0
            assert 0.5 < estimate.low < 0.97
    # Ten groups, all right, say as much as ten answers, all right.
    assert grouped.accuracy.low == pytest.approx(estimates.proportion(10, 10).low)


def test_all_wrong_is_not_certain():
    result = accuracy.evaluate(sure([1, 1, 0, 0], 2), [0, 0, 1, 1])
    assert (result.accuracy.value, result.macro_f1.value) == (0.0, 0.0)
    assert result.macro_f1.low == 0.0
    assert result.macro_f1.high > 0.4


def test_a_class_without_samples_has_no_nan():
    result = accuracy.evaluate(sure([0, 1, 1], 4), [0, 0, 1])
    absent = result.per_class["3"]
    for estimate in (absent.recall, absent.precision, absent.f1):
        assert estimate == estimates.Estimate(0.0, 0.0, 1.0, 0)
    assert absent.n == 0
    assert result.macro_f1.value == pytest.approx(f1_score([0, 0, 1], [0, 1, 1], average="macro"))
    grouped = accuracy.evaluate(sure([0, 1, 1], 4), [0, 0, 1], groups=["a", "b", "b"])
    assert grouped.per_class["3"] == absent
    assert grouped.macro_f1.value == result.macro_f1.value


def test_a_class_that_is_answered_but_never_true_counts_with_zero():
    answers, labels = [0, 1, 2, 2], [0, 1, 1, 0]
    result = accuracy.evaluate(sure(answers, 3), labels)
    assert result.macro_f1.value == pytest.approx(
        f1_score(labels, answers, average="macro", labels=[0, 1, 2], zero_division=0)
    )
    assert result.per_class["2"].recall == estimates.Estimate(0.0, 0.0, 1.0, 0)
    assert result.per_class["2"].precision == estimates.proportion(0, 2)


@pytest.mark.parametrize("groups", [None, np.arange(500) // 7])
def test_permuting_samples_changes_nothing(groups):
    probs, labels = sample()
    order = np.random.default_rng(5).permutation(500)
    shuffled = None if groups is None else groups[order]
    first = accuracy.evaluate(probs, labels, groups=groups)
    second = accuracy.evaluate(probs[order], labels[order], groups=shuffled)
    assert first.per_class == second.per_class
    for name in ("accuracy", "balanced_accuracy", "macro_f1"):
        assert getattr(first, name) == getattr(second, name)


def test_one_seed_gives_one_interval():
    probs, labels = sample()
    first, again, other = (accuracy.evaluate(probs, labels, seed=seed).macro_f1 for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: accuracy.evaluate([[0.5, 0.5]] * 2, [0, 2]), "expected labels from 0 to 1, got 0 to 2"),
        (lambda: accuracy.evaluate([[0.5, 0.5]] * 2, [0, -1]), "expected labels from 0 to 1, got -1 to 0"),
        (lambda: accuracy.evaluate([[0.5, 0.5]] * 2, [0]), "expected 2 labels, got 1"),
        (lambda: accuracy.evaluate([[0.5, 0.5]] * 2, [0.0, 1.0]), "labels as integers, got float64"),
        (lambda: accuracy.evaluate([[0.5, 0.5]] * 2, [0, 1], classes=("a",)), "2 different class names"),
        (lambda: accuracy.evaluate([[0.5, 0.5]] * 2, [0, 1], groups=[1, 1]), "at least 2 groups"),
        (
            lambda: accuracy.evaluate([[0.5, 0.5]] * 2, [0, 1], groups=[1]),
            r"groups of shape \(2,\), got \(1,\)",
        ),
        (lambda: accuracy.evaluate([[0.5, np.nan]] * 2, [0, 1]), "finite probs, got NaN"),
        (
            lambda: accuracy.evaluate([[0.5, 0.6]] * 2, [0, 1]),
            "rows of probs that sum to 1, got a sum of 1.1",
        ),
        (lambda: accuracy.evaluate([[2.0, -1.0]] * 2, [0, 1]), "apply softmax if these are logits"),
        (lambda: accuracy.evaluate([[1.0]] * 2, [0, 0]), r"2 classes, got \(2, 1\)"),
        (lambda: accuracy.evaluate([[0.5, 0.5]], [0]), r"at least 2 rows and 2 classes, got \(1, 2\)"),
        (lambda: accuracy.evaluate(np.empty((0, 2)), []), r"at least 2 rows and 2 classes, got \(0, 2\)"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_balanced_accuracy_counts_every_true_class_the_same():
    # 90 of 100 of the one class and 1 of 4 of the other; a class that is only answered does not count.
    answers, labels = [0] * 90 + [2] * 10 + [1] + [0] * 3, [0] * 100 + [1] * 4
    result = accuracy.evaluate(sure(answers, 3), labels)
    assert result.balanced_accuracy.value == pytest.approx((0.9 + 0.25) / 2)
    # Wilson's distances of both shares, squared and added, by hand.
    shares = [binomtest(k, n).proportion_ci(method="wilson") for k, n in ((90, 100), (1, 4))]
    below = np.hypot(0.9 - shares[0].low, 0.25 - shares[1].low) / 2
    above = np.hypot(0.9 - shares[0].high, 0.25 - shares[1].high) / 2
    assert limits(result.balanced_accuracy) == pytest.approx((0.575 - below, 0.575 + above))


def test_duplicating_every_sample_keeps_the_values_and_narrows_the_intervals():
    probs, labels = sample(200, 3)
    once, twice = (
        accuracy.evaluate(probs, labels),
        accuracy.evaluate(*(np.repeat(x, 2, 0) for x in (probs, labels))),
    )
    for name in ("accuracy", "balanced_accuracy", "macro_f1"):
        first, second = getattr(once, name), getattr(twice, name)
        assert second.value == pytest.approx(first.value)
        assert (first.high - first.low) / (second.high - second.low) == pytest.approx(np.sqrt(2), rel=0.08)


def test_renaming_the_classes_permutes_their_scores():
    probs, labels = sample(300, 4)
    order = np.array([2, 0, 3, 1])  # class i becomes class order[i]
    renamed = np.empty_like(probs)
    renamed[:, order] = probs
    first, second = accuracy.evaluate(probs, labels), accuracy.evaluate(renamed, order[labels])
    for i in range(4):
        assert first.per_class[str(i)] == second.per_class[str(order[i])]
    assert limits(first.balanced_accuracy) == pytest.approx(limits(second.balanced_accuracy))


def test_very_many_groups_are_joined():
    probs, labels = sample(30_000, 3)
    grouped, alone = (
        accuracy.evaluate(probs, labels, groups=np.arange(30_000)),
        accuracy.evaluate(probs, labels),
    )
    for name in ("accuracy", "balanced_accuracy", "macro_f1"):
        assert limits(getattr(grouped, name)) == pytest.approx(limits(getattr(alone, name)), abs=0.001)

"""How often is the model right, overall, class by class, and with each class counting the same?

An answer is the class with the largest probability; the first one where several are equal.

Intervals, without groups: Wilson for accuracy, recall and precision. A class's F1 is 2 s / (1 + s) with
s = right / (true or answered), a share of independent trials, so Wilson's limits of s give those of F1.
Balanced accuracy is a mean of such shares of different samples: the distances of their limits are squared
and added. Macro-F1 has no such form: its interval resamples the confusion matrix, whose cells are a
multinomial, so that a million samples cost no more than a thousand. With groups: Wilson for as many samples
as the groups are worth, and for the two means over classes, whole groups are resampled.

Sources: Wilson (1927); Kish (1965), design effect; Zou & Donner (2008), Statistics in Medicine 27, 1693-1702.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from trustlib import checks
from trustlib.estimates import Estimate, proportion
from trustlib.intervals import grouped_share_limits, percentile_limits
from trustlib.resampling import N_DRAWS, resampled_sums, teams

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class ClassScores:
    """How well one class is found; n: how many true samples it has.

    recall: share of its samples that the model names so; precision: share of the answers for it that
    are right; f1: their harmonic mean. A share of nothing has the value 0 and the interval [0, 1],
    never NaN: a class without a true sample has such a recall.
    """

    recall: Estimate
    precision: Estimate
    f1: Estimate
    n: int


@dataclass(frozen=True, eq=False)
class Accuracy:
    """How often the model is right.

    accuracy: share of right answers; balanced_accuracy: mean recall of the classes that occur among labels;
    macro_f1: mean F1 of the classes that occur among labels or answers; per_class: scores by class name, in
    class order; confusion: (k, k) counts, rows true, columns answered.
    """

    accuracy: Estimate
    balanced_accuracy: Estimate
    macro_f1: Estimate
    per_class: dict[str, ClassScores]
    confusion: Ints


@dataclass(frozen=True, eq=False)
class _Counts:
    """Per class, on the last axis: right answers, true samples, answers."""

    right: Floats
    true: Floats
    answered: Floats


def evaluate(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    classes: Sequence[str] | None = None,
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> Accuracy:
    """How often the most probable class is the true one, overall and class by class.

    Args:
        probs: (n, k), rows sum to 1.
        labels: (n,), integers in [0, k).
        classes: k names; by default "0", "1", and so on.
        groups: (n,), samples that hang together; None takes every sample for independent.
        seed: for the resampling behind macro-F1, and behind balanced accuracy where there are groups.
    Returns: Accuracy. A class that neither occurs nor is answered does not count in macro-F1; one that
        is answered but never true counts with 0, as in scikit-learn. n is at least 2.
    Raises: ValueError.

    >>> result = evaluate([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]], [0, 1, 1, 1])
    >>> print(result.accuracy)
    0.750 [0.301, 0.954]
    >>> result.confusion
    array([[1, 0],
           [1, 2]])
    """
    probs = checks.probs(probs, least=2)
    n, k = probs.shape
    labels = checks.labels(labels, n_classes=k, n=n)
    names = checks.classes(classes, n_classes=k)
    codes = None if groups is None else checks.groups(groups, n=n)
    n_units = n if codes is None else int(codes.max()) + 1
    answers = probs.argmax(axis=1)
    confusion = np.bincount(labels * k + answers, minlength=k * k).reshape(k, k)
    seen = _Counts(confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0))
    drawn = _resampled(confusion, labels, answers, codes, np.random.default_rng(seed))
    accuracy = _share(answers == labels, codes)
    per_class = {name: _class_scores(labels == i, answers == i, codes) for i, name in enumerate(names)}
    scores = list(per_class.values())
    f1 = _class_mean(2 * seen.right, seen.true + seen.answered)
    f1_draws = _class_mean(2 * drawn.right, drawn.true + drawn.answered)
    macro_f1 = _resampled_mean(f1, f1_draws, [score.f1 for score in scores], n, n_units)
    recalls = [score.recall for score in scores]
    if codes is None:
        balanced = _mean_of_independent(recalls, n)
    else:
        recall, recall_draws = _class_mean(seen.right, seen.true), _class_mean(drawn.right, drawn.true)
        balanced = _resampled_mean(recall, recall_draws, recalls, n, n_units)
    return Accuracy(accuracy, balanced, macro_f1, per_class, confusion)


def _resampled(
    confusion: Ints, labels: Ints, answers: Ints, codes: Ints | None, rng: np.random.Generator
) -> _Counts:
    """Counts (N_DRAWS, k) in resampled data."""
    k = len(confusion)
    if codes is None:
        true, answered = np.nonzero(confusion)
        row, counts = np.arange(len(true)), confusion[true, answered]
    else:
        row = teams(codes, rng)
        true, answered, counts = labels, answers, np.ones(row.max() + 1, dtype=np.int64)
    right = true == answered
    columns = np.concatenate([true[right], true + k, answered + 2 * k])
    entries = (np.ones(len(columns)), (np.concatenate([row[right], row, row]), columns))
    table = sparse.coo_array(entries, shape=(len(counts), 3 * k)).tocsr()
    sums = resampled_sums(table, counts, rng=rng, n_draws=N_DRAWS)
    return _Counts(*np.split(sums, 3, axis=1))


def _class_scores(true: Flags, answered: Flags, codes: Ints | None) -> ClassScores:
    both, either = true & answered, true | answered

    def share(whole: Flags) -> Estimate:
        return _share(both[whole], None if codes is None else codes[whole])

    return ClassScores(share(true), share(answered), _f1(share(either)), int(true.sum()))


def _share(right: Flags, codes: Ints | None) -> Estimate:
    """The share of true flags, in groups with what these are worth; of nothing, nothing is known."""
    n = len(right)
    if codes is None or n == 0:
        return proportion(int(right.sum()), n)
    return Estimate(float(right.mean()), *grouped_share_limits(right, codes), n)


def _f1(share: Estimate) -> Estimate:
    value, low, high = (2 * s / (1 + s) for s in (share.value, share.low, share.high))
    return Estimate(value, low, high, share.n, share.level)


def _class_mean(part: Floats, whole: Floats) -> Floats:
    """Mean of part / whole over the classes, on the last axis, that have a whole."""
    shares = np.divide(part, whole, out=np.zeros(whole.shape), where=whole > 0)
    return shares.sum(axis=-1) / (whole > 0).sum(axis=-1)


def _resampled_mean(
    value: float, draws: Floats, scores: Sequence[Estimate], n: int, n_units: int
) -> Estimate:
    if np.ptp(draws) > 0:
        low, high = percentile_limits(draws, n_units=n_units)
    else:  # all right or all wrong leaves nothing to resample; the mean of the classes' limits is wide
        low, high = np.mean([(score.low, score.high) for score in scores if score.n], axis=0).tolist()
    return Estimate(float(value), low, high, n)


def _mean_of_independent(shares: Sequence[Estimate], n: int) -> Estimate:
    """Mean of shares of different samples; how far their limits lie off is squared and added."""
    value, low, high = np.array([(s.value, s.low, s.high) for s in shares if s.n]).T
    below, above = (np.sqrt(np.sum((value - side) ** 2)) / len(value) for side in (low, high))
    return Estimate(float(value.mean()), float(value.mean() - below), float(value.mean() + above), n)

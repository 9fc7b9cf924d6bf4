"""How often is the model right, for which classes, how sure is that, and is another model better?

An answer is the class with the largest probability; the first one where several are equal.

Intervals, without groups: Wilson for accuracy, recall and precision. A class's F1 is 2 s / (1 + s) with
s = right / (true or answered), a share of independent trials, so Wilson's limits of s give those of F1.
Macro-F1 has no such form: its interval resamples the confusion matrix, whose cells are a multinomial,
so that a million samples cost no more than a thousand. With groups: everything resamples whole groups.

Sources: Wilson (1927); McNemar (1947); Newcombe (1998), Statistics in Medicine 17, 2635-2650.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.stats import binomtest

from trustlib import checks
from trustlib.estimates import (
    N_DRAWS,
    Estimate,
    percentile_limits,
    proportion,
    resampled_sums,
    wilson_limits,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


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

    accuracy: share of right answers; macro_f1: mean F1 of the classes that occur among labels or answers;
    per_class: scores by class name, in class order; confusion: (k, k) counts, rows true, columns answered.
    """

    accuracy: Estimate
    macro_f1: Estimate
    per_class: dict[str, ClassScores]
    confusion: Ints


@dataclass(frozen=True)
class Comparison:
    """Two models on the same samples.

    difference: accuracy of a minus accuracy of b; p_value: exact McNemar, two-sided;
    only_a_right, only_b_right: the samples on which just one of them is right.
    """

    difference: Estimate
    p_value: float
    only_a_right: int
    only_b_right: int


@dataclass(frozen=True, eq=False)
class _Counts:
    """Per class, on the last axis: right answers, true samples, answers."""

    right: Floats
    true: Floats
    answered: Floats

    @property
    def either(self) -> Floats:
        return self.true + self.answered - self.right


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
        seed: for the resampling behind macro-F1, and behind every interval where there are groups.
    Returns: Accuracy. A class that neither occurs nor is answered does not count in macro-F1; one that
        is answered but never true counts with 0, as in scikit-learn.
    Raises: ValueError.

    >>> result = evaluate([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]], [0, 1, 1, 1])
    >>> print(result.accuracy)
    0.750 [0.301, 0.954]
    >>> result.confusion
    array([[1, 0],
           [1, 2]])
    """
    probs = checks.probs(probs)
    n, k = probs.shape
    labels = checks.labels(labels, n_classes=k, n=n)
    names = checks.classes(classes, n_classes=k)
    codes = None if groups is None else checks.groups(groups, n=n)
    n_units = n if codes is None else int(codes.max()) + 1
    answers = probs.argmax(axis=1)
    confusion = np.bincount(labels * k + answers, minlength=k * k).reshape(k, k)
    seen = _Counts(confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0))
    drawn, present = _resampled(confusion, labels, answers, codes, np.random.default_rng(seed))
    right = int(seen.right.sum())
    if codes is None:
        accuracy = proportion(right, n)
        per_class = {name: _class_scores(seen, i) for i, name in enumerate(names)}
    else:
        accuracy = _grouped(right, n, drawn.right.sum(axis=1), drawn.true.sum(axis=1), n_units)
        per_class = {name: _grouped_class_scores(seen, drawn, present, i) for i, name in enumerate(names)}
    macro_f1 = _macro_f1(seen, drawn, list(per_class.values()), n_units)
    return Accuracy(accuracy, macro_f1, per_class, confusion)


def compare(probs_a: ArrayLike, probs_b: ArrayLike, labels: ArrayLike, *, seed: int = 0) -> Comparison:
    """Is model a more often right than model b on the same independent samples?

    Args:
        probs_a, probs_b: (n, k), the answers of both to the same samples.
        labels: (n,), integers in [0, k).
        seed: taken as everywhere; nothing here is random.
    Returns: Comparison. The difference has Newcombe's paired interval (method 10); the p-value is the
        exact one of McNemar's test, from the samples on which just one model is right.
        Samples in groups are not independent: give `estimates.paired_difference` both arrays of
        right and wrong, and the groups.
    Raises: ValueError.
    Source: Newcombe (1998); McNemar (1947).

    >>> a, b = np.eye(2)[[0] * 6 + [1] * 2], np.eye(2)[[0] * 2 + [1] * 6]
    >>> result = compare(a, b, [0] * 8)
    >>> print(result.difference, result.only_a_right, result.only_b_right, result.p_value)
    0.500 [0.018, 0.752] 4 0 0.125
    """
    probs_a, probs_b = checks.probs(probs_a, name="probs_a"), checks.probs(probs_b, name="probs_b")
    if probs_a.shape != probs_b.shape:
        raise ValueError(
            f"expected probs_a and probs_b of one shape, got {probs_a.shape} and {probs_b.shape}; "
            "let both models answer the same samples"
        )
    n, k = probs_a.shape
    labels = checks.labels(labels, n_classes=k, n=n)
    a_right, b_right = probs_a.argmax(axis=1) == labels, probs_b.argmax(axis=1) == labels
    only_a, only_b = int((a_right & ~b_right).sum()), int((b_right & ~a_right).sum())
    both, neither = int((a_right & b_right).sum()), int((~a_right & ~b_right).sum())
    p_value = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    low, high = _newcombe(both, only_a, only_b, neither)
    difference = Estimate((only_a - only_b) / n, low, high, n)
    return Comparison(difference, float(p_value), only_a, only_b)


def _newcombe(both: int, only_a: int, only_b: int, neither: int) -> tuple[float, float]:
    """Newcombe's method 10: Wilson limits of both shares, squared and added, with their correlation."""
    n = both + only_a + only_b + neither
    a, b = (both + only_a) / n, (both + only_b) / n
    (a_low, a_high), (b_low, b_high) = wilson_limits(a, n), wilson_limits(b, n)
    spread = np.sqrt(float(both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither))
    product = both * neither - only_a * only_b
    if product > 0:  # a continuity correction, which keeps equal answers from giving an interval of no width
        product = max(product - n / 2, 0)
    phi = product / spread if spread else 0.0
    below = (a - a_low) ** 2 - 2 * phi * (a - a_low) * (b_high - b) + (b_high - b) ** 2
    above = (a_high - a) ** 2 - 2 * phi * (a_high - a) * (b - b_low) + (b - b_low) ** 2
    return float(a - b - np.sqrt(below)), float(a - b + np.sqrt(above))


def _resampled(
    confusion: Ints, labels: Ints, answers: Ints, codes: Ints | None, rng: np.random.Generator
) -> tuple[_Counts, _Counts]:
    """Counts (N_DRAWS, k) in resampled data; and (k,) how many groups hold each kind of count."""
    k = len(confusion)
    if codes is None:
        true, answered = np.nonzero(confusion)
        row, counts = np.arange(len(true)), confusion[true, answered]
    else:
        true, answered, row, counts = labels, answers, codes, np.ones(codes.max() + 1, dtype=np.int64)
    right = true == answered
    columns = np.concatenate([true[right], true + k, answered + 2 * k])
    entries = (np.ones(len(columns)), (np.concatenate([row[right], row, row]), columns))
    table = sparse.coo_array(entries, shape=(len(counts), 3 * k)).tocsr()
    sums = resampled_sums(table, counts, rng=rng, n_draws=N_DRAWS)
    return _Counts(*np.split(sums, 3, axis=1)), _Counts(*np.split((table > 0).sum(axis=0), 3))


def _class_scores(seen: _Counts, i: int) -> ClassScores:
    right, true, answered, either = (int(x[i]) for x in (seen.right, seen.true, seen.answered, seen.either))
    found = _f1(proportion(right, either))
    return ClassScores(proportion(right, true), proportion(right, answered), found, true)


def _grouped_class_scores(seen: _Counts, drawn: _Counts, present: _Counts, i: int) -> ClassScores:
    def share(part: str, n_groups: int) -> Estimate:
        whole, draws = getattr(seen, part)[i], getattr(drawn, part)[:, i]
        return _grouped(seen.right[i], whole, drawn.right[:, i], draws, n_groups)

    # At least this many groups hold the class, true or answered; to count too few is the safe side.
    n_groups = max(present.true[i], present.answered[i])
    recall, precision = share("true", present.true[i]), share("answered", present.answered[i])
    return ClassScores(recall, precision, _f1(share("either", n_groups)), int(seen.true[i]))


def _grouped(right: int, whole: int, right_draws: Floats, whole_draws: Floats, n_groups: int) -> Estimate:
    """A share whose interval resamples groups; Wilson over groups where they are few or all alike."""
    if whole == 0:
        return Estimate(0.0, 0.0, 1.0, 0)
    draws = right_draws[whole_draws > 0] / whole_draws[whole_draws > 0]
    if n_groups < 2 or np.ptp(draws) == 0:
        low, high = wilson_limits(right / whole, n_groups)
    else:
        low, high = percentile_limits(draws, n_units=n_groups)
    return Estimate(float(right / whole), low, high, int(whole))


def _f1(share: Estimate) -> Estimate:
    value, low, high = (2 * s / (1 + s) for s in (share.value, share.low, share.high))
    return Estimate(value, low, high, share.n, share.level)


def _macro_f1(seen: _Counts, drawn: _Counts, scores: list[ClassScores], n_units: int) -> Estimate:
    def mean_f1(counts: _Counts) -> Floats:
        total = counts.true + counts.answered
        f1 = np.divide(2 * counts.right, total, out=np.zeros(total.shape), where=total > 0)
        return f1.sum(axis=-1) / (total > 0).sum(axis=-1)

    draws = mean_f1(drawn)
    if np.ptp(draws) > 0:
        low, high = percentile_limits(draws, n_units=n_units)
    else:  # all right or all wrong leaves nothing to resample; the mean of the classes' limits is wide
        occurring = [score.f1 for score in scores if score.f1.n]
        low, high = (float(np.mean([getattr(f1, side) for f1 in occurring])) for side in ("low", "high"))
    return Estimate(float(mean_f1(seen)), low, high, int(seen.true.sum()))

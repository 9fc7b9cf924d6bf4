"""How often is the model right, for which classes, and how sure is that?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trustlib import checks
from trustlib.estimates import Estimate, proportion, wilson_limits


@dataclass(frozen=True)
class ClassScores:
    """How well one class is found. n: its true samples.

    recall: share of its samples that the model names so; precision: share of such answers that are right;
    f1: their harmonic mean. A share of nothing has the value 0 and the interval [0, 1], never NaN.
    """

    recall: Estimate
    precision: Estimate
    f1: Estimate
    n: int


@dataclass(frozen=True, eq=False)
class Accuracy:
    """How often the model is right. confusion: (k, k) counts, rows true, columns answered."""

    accuracy: Estimate
    macro_f1: Estimate
    per_class: dict[str, ClassScores]
    confusion: NDArray[np.int64]


def evaluate(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    classes: Sequence[str] | None = None,
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> Accuracy:
    """How often the most probable class is the true one, overall and class by class."""
    probs = checks.probs(probs)
    n, k = probs.shape
    labels = checks.labels(labels, n_classes=k, n=n)
    names = checks.classes(classes, n_classes=k)
    answers = probs.argmax(axis=1)
    confusion = np.bincount(labels * k + answers, minlength=k * k).reshape(k, k)
    right, true, answered = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    per_class = {
        name: ClassScores(
            recall=proportion(int(right[i]), int(true[i])),
            precision=proportion(int(right[i]), int(answered[i])),
            f1=_f1(int(right[i]), int(true[i] + answered[i] - right[i])),
            n=int(true[i]),
        )
        for i, name in enumerate(names)
    }
    draws = np.random.default_rng(seed).multinomial(n, confusion.ravel() / n, size=2000).reshape(-1, k, k)
    scores = _macro_f1(draws)
    low, high = np.quantile(scores, [0.025, 0.975])
    macro_f1 = Estimate(float(_macro_f1(confusion[None])[0]), float(low), float(high), n)
    return Accuracy(proportion(int(right.sum()), n), macro_f1, per_class, confusion)


def _macro_f1(confusions: NDArray[np.int64]) -> NDArray[np.float64]:
    right = np.diagonal(confusions, axis1=1, axis2=2)
    total = confusions.sum(axis=1) + confusions.sum(axis=2)
    return np.nanmean(np.where(total > 0, 2 * right / np.maximum(total, 1), np.nan), axis=1)


def _f1(right: int, union: int) -> Estimate:
    if union == 0:
        return Estimate(0.0, 0.0, 1.0, 0)
    share = right / union
    value, low, high = (2 * s / (1 + s) for s in (share, *wilson_limits(share, union)))
    return Estimate(value, low, high, union)

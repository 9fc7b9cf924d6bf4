"""Which columns does a model need? Shuffle one, and see what is lost; or read the weights of a linear model.

A shuffled column keeps its values and loses what they have to do with everything else. Whatever accuracy
falls then, the model took from that column. Two columns that say the same stand in for each other: shuffle
one, and the model reads the other, so that both look idle. And a row with one shuffled value may be one that
never occurs, where nobody knows what the model does.

Sources: Breiman (2001), section 10; Fisher, Rudin & Dominici (2019), model reliance; Hooker, Mentch & Zhou
(2021), why shuffled rows mislead where columns hang together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trustlib import asking, checks, estimates
from trustlib.calibration.scores import nll_losses
from trustlib.estimates import Estimate

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Importance:
    """How much each column matters.

    estimates: by column, the most important first; measure: what the numbers are, with their unit;
    repeats: (d, n_repeats), the raw repeats, rows in the order of the table's columns.
    """

    estimates: dict[str, Estimate]
    measure: str
    repeats: Floats


@dataclass(frozen=True, eq=False)
class PermutationImportance:
    """What shuffling a column costs.

    accuracy: the drop in accuracy, in [-1, 1]; nll: the rise of the mean NLL, in nats, probabilities clipped
    at 1e-6; n_calls: inputs that the model answered.
    """

    accuracy: Importance
    nll: Importance
    n_calls: int


def permutation_importance(
    predict_proba: Callable[[Any], Any],
    inputs: ArrayLike,
    labels: ArrayLike,
    *,
    columns: Sequence[str] | None = None,
    n_repeats: int = 10,
    groups: ArrayLike | None = None,
    batch_size: int = 1024,
    seed: int = 0,
) -> PermutationImportance:
    """How much worse the model gets when one column is shuffled.

    Args:
        predict_proba: takes rows (b, d), returns (b, k) probabilities.
        inputs: (n, d), n at least 2; rows that the model has not learned from, or the loss is that of memory.
        labels: (n,), integers in [0, k).
        columns: d names; by default "0", "1", and so on.
        n_repeats: how often each column is shuffled. All repeats of one row are one sample: they make the
            values steadier, and the intervals tell of the rows.
        groups: (n,), samples that hang together; None takes every row for independent.
        batch_size: rows in one question.
        seed: of the shuffling and of the intervals.
    Returns: PermutationImportance. Costs n (1 + d n_repeats) calls.
    Raises: ValueError; ModelError when the model answers something else than probabilities.
    Source: Breiman (2001); Fisher, Rudin & Dominici (2019).

    >>> rows = np.array([[0.0, 5.0], [0.0, 7.0], [1.0, 5.0], [1.0, 7.0]] * 10)
    >>> found = permutation_importance(lambda rows: np.eye(2)[rows[:, 0].astype(int)], rows, rows[:, 0] > 0)
    >>> print(found.accuracy.estimates["1"])
    0.000 [0.000, 0.000]
    """
    rows = checks.table(inputs, name="inputs", least=2)
    n, d = rows.shape
    names = column_names(columns, d)
    n_repeats = checks.count(n_repeats, name="n_repeats")
    codes = None if groups is None else checks.groups(groups, n=n)
    total = n * (1 + d * n_repeats)
    rng = np.random.default_rng(seed)
    # Accuracy and NLL on the first axis; by row over the repeats, by repeat over the rows.
    by_row, repeats = np.zeros((2, d, n)), np.empty((2, d, n_repeats))
    with asking.calls(total, "permutation importance") as bar:
        probs = asking.ask(predict_proba, asking.batches(rows, batch_size), bar=bar)
        labels = checks.labels(labels, n_classes=probs.shape[1], n=n)
        before = _losses(probs, labels)
        for j, r in np.ndindex(d, n_repeats):
            shuffled = _shuffled(rows, j, rng.permutation(n), batch_size)
            after = asking.ask(predict_proba, shuffled, n_classes=probs.shape[1], bar=bar)
            lost = _losses(after, labels) - before
            by_row[:, j] += lost / n_repeats
            repeats[:, j, r] = lost.mean(axis=1)
    accuracy, nll = (
        {
            name: estimates.bootstrap(np.mean, lost, groups=codes, seed=seed)
            for name, lost in zip(names, measured, strict=True)
        }
        for measured in by_row
    )
    return PermutationImportance(
        Importance(most_important_first(accuracy), "drop in accuracy when shuffled", repeats[0]),
        Importance(most_important_first(nll), "rise of NLL when shuffled (nats)", repeats[1]),
        total,
    )


def linear_importance(weights: ArrayLike, inputs: ArrayLike) -> Floats:
    """The size of a linear model's weights, each as if its column had a standard deviation of 1.

    A weight alone says nothing: in millimetres instead of metres it is a thousandth.

    Args:
        weights: (d,), of the columns as they are in `inputs`.
        inputs: (n, d), whose standard deviations count.
    Returns: (d,), |w| times the deviation of the column: what a usual change of it does to the score.
    Raises: ValueError.

    >>> linear_importance([2.0, -100.0], [[0, 0.00], [2, 0.02]])
    array([2., 1.])
    """
    rows = checks.table(inputs, name="inputs", least=2)
    return np.abs(checks.numbers(weights, name="weights", n=rows.shape[1])) * rows.std(axis=0)


def linear_attributions(weights: ArrayLike, row: ArrayLike, *, baseline: ArrayLike) -> Floats:
    """What each column adds to a linear model's score, from the baseline to the row: w (x - baseline).

    For such a model these are the exact Shapley values, and what LIME finds without penalty and bins.

    Args:
        weights, row, baseline: (d,); the mean of the training rows is a usual baseline.
    Returns: (d,); their sum is score(row) - score(baseline).
    Raises: ValueError.

    >>> linear_attributions([2.0, -1.0], [3.0, 5.0], baseline=[1.0, 4.0])
    array([ 4., -1.])
    """
    weights = checks.numbers(weights, name="weights")
    row, baseline = (
        checks.numbers(values, name=name, n=len(weights))
        for name, values in (("row", row), ("baseline", baseline))
    )
    return weights * (row - baseline)


def column_names(columns: Sequence[str] | None, d: int) -> tuple[str, ...]:
    """d different names of columns; None gives "0", "1", and so on. Raises: ValueError."""
    names = tuple(str(i) for i in range(d)) if columns is None else tuple(columns)
    if not all(isinstance(name, str) for name in names) or not len(set(names)) == len(names) == d:
        raise ValueError(f"expected {d} different names of columns, got {names!r}; pass one str for each")
    return names


def most_important_first(found: dict[str, Estimate]) -> dict[str, Estimate]:
    """The same Estimates, from the largest value down."""
    return dict(sorted(found.items(), key=lambda item: -item[1].value))


def _losses(probs: Floats, labels: NDArray[np.int64]) -> Floats:
    """(2, n): whether each answer is wrong, and its NLL."""
    return np.stack([probs.argmax(axis=1) != labels, nll_losses(probs, labels)])


def _shuffled(rows: Floats, column: int, order: NDArray[np.int64], batch_size: int) -> Iterator[Floats]:
    """Batches of the rows, one column in another order; the rows themselves stay as they are."""
    for start in range(0, len(rows), batch_size):
        batch = rows[start : start + batch_size].copy()
        batch[:, column] = rows[order[start : start + batch_size], column]
        yield batch

"""A model is asked in batches, its answers are checked, and a bar counts them: what every probe stands on.

A model is a callable `predict_proba(inputs) -> (n, k)`. It may be scikit-learn's, torch's, or a web service,
so nothing is taken for granted: an answer of another shape, or one that is no probability, is refused at the
first batch. One *call* is one input answered, however many stand in a batch. Several processes (see
processes.py) each answer some of the batches, and all get all answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from trustlib import checks, predictions, processes, progress
from trustlib.errors import ModelError

BATCH = 64  # inputs in one question, unless a caller knows better


def batches(inputs: Sequence[Any], batch_size: int = BATCH) -> Iterator[Any]:
    """Slices of at most `batch_size` inputs; an array stays an array, a list a list.

    >>> list(batches(["a", "b", "c"], 2))
    [['a', 'b'], ['c']]
    """
    batch_size = checks.count(batch_size, name="batch_size")
    for start in range(0, len(inputs), batch_size):
        yield inputs[start : start + batch_size]


def ask(
    predict_proba: Callable[[Any], Any],
    batches: Iterable[Any],
    *,
    n_classes: int | None = None,
    bar: tqdm | None = None,
) -> NDArray[np.float64]:
    """The probabilities (n, k) of all inputs in the batches, in their order.

    Args:
        predict_proba: takes a batch, returns (len(batch), k) probabilities.
        batches: made when they are needed, so a generator keeps one in memory. Every process makes all.
        n_classes: k where it is known; else that of the first answer.
        bar: moved on by one for each input.
    Raises: ModelError when an answer has another shape or is no probability.

    >>> ask(lambda rows: [[0.25, 0.75]] * len(rows), [[1, 2], [3]]).shape
    (3, 2)
    """

    def answered(batch: Any) -> NDArray[np.float64]:
        nonlocal n_classes
        probs = _answer(predict_proba, batch, n_classes)
        n_classes = probs.shape[1]
        return probs

    answers = processes.share(answered, batches if bar is None else _counted(batches, bar))
    if not answers:
        return np.empty((0, n_classes or 0))
    if len({probs.shape[1] for probs in answers}) > 1:  # two processes may each have seen one number only
        raise ModelError("expected answers with one number of classes, got several; mend predict_proba")
    return np.concatenate(answers)


def calls(total: int, description: str) -> tqdm:
    """A bar that says how many calls there will be, how many a second, and how long is left."""
    return progress.bar(total=total, description=description, unit="call")


def _counted(batches: Iterable[Any], bar: tqdm) -> Iterator[Any]:
    """The batches; the bar moves on when the next one is asked for."""
    for batch in batches:
        yield batch
        bar.update(len(batch))


def _answer(predict_proba: Callable, batch: Any, n_classes: int | None) -> NDArray[np.float64]:
    probs = predictions.ask(predict_proba, batch, len(batch), n_classes)
    try:
        return checks.probs(probs, name="answers of predict_proba")
    except ValueError as error:
        raise ModelError(str(error)) from None

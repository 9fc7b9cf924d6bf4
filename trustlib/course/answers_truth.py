"""Reference answers of lesson 09's exercises; its checks call them."""

from collections.abc import Sequence

import numpy as np


def area(answers: Sequence[float]) -> float:
    """Area under a deletion curve: answers (m + 1,), from nothing hidden to all m features hidden."""
    answers = np.asarray(answers, dtype=float)
    return float((answers[1:] + answers[:-1]).mean() / 2)


def place(values: np.ndarray, true: np.ndarray) -> int:
    """The place of the best true feature among all values (m,), 1 is first; true (m,) booleans."""
    return 1 + int((values > values[true].max()).sum())


def beaten(first: np.ndarray, second: np.ndarray, orders: Sequence[Sequence[int]]) -> float:
    """Share of orders in which second (m,), so permuted, agrees less with first (m,) than as it is.

    Agreement is the rank correlation; no two values of one explanation are equal.
    """
    a, b = (np.argsort(np.argsort(values)) for values in (first, second))
    agreed = np.corrcoef(a, b)[0, 1]
    drawn = np.array([np.corrcoef(a, b[list(order)])[0, 1] for order in orders])
    return float((drawn < agreed).mean())

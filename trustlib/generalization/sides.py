"""Two separate samples held against each other, measure by measure.

A mean (loss, Brier) is resampled on both sides. Shares (accuracy, coverage) and means of shares (balanced
accuracy) have an interval of their own on each side; how far its limits lie off is squared and added, as
Newcombe does for two independent shares. That holds where one side is all right or all wrong too, where
there is nothing to resample.

Sources: Newcombe (1998), Statistics in Medicine 17, 873-890, method 10; Zou & Donner (2008).
"""

import numpy as np

from trustlib.estimates import Estimate
from trustlib.predictions import Predictions


def apart(a: Estimate, b: Estimate) -> Estimate:
    """a - b of two independent samples, from the intervals of both.

    >>> from trustlib.estimates import proportion
    >>> print(apart(proportion(56, 70), proportion(48, 80)))  # the example of Newcombe (1998), table II
    0.200 [0.052, 0.334]
    """
    below = np.hypot(a.value - a.low, b.high - b.value)
    above = np.hypot(a.high - a.value, b.value - b.low)
    value = a.value - b.value
    return Estimate(value, float(value - below), float(value + above), a.n + b.n, a.level)


def same_classes(a: Predictions, b: Predictions, *, names: tuple[str, str]) -> None:
    """Raises: ValueError unless both are answers to one question, of at least 2 samples each."""
    if a.classes != b.classes:
        raise ValueError(
            f"expected {names[0]} and {names[1]} with the same classes, got {a.classes} and {b.classes}; "
            "let one model answer both"
        )
    for name, answers in zip(names, (a, b), strict=True):
        if len(answers) < 2:
            raise ValueError(f"expected at least 2 samples in {name}, got {len(answers)}; add some")

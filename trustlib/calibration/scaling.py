"""One number that makes an overconfident model as sure as it may be: logits are divided by it.

No answer changes, since the order of the classes stays. The temperature is chosen where NLL on a
calibration split is least; there NLL has one minimum, and its slope one zero, which is found by bisection.

Source: Guo et al. (2017).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import softmax

from trustlib import checks

REACH = 30.0  # logarithm of the largest and least sharpness looked at, for logits scaled to size 1


def temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """The number to divide logits by, so that softmax(logits / temperature) has the least NLL.

    Args:
        logits: (n, k), n >= 2, from a calibration split that no training and no choice has seen; logarithms
            of probabilities do as well.
        labels: (n,), integers in [0, k).
    Returns: above 1 for an overconfident model, below 1 for a timid one.
    Raises: ValueError; also where no temperature is best: every answer is right, so that ever smaller ones
        fit better, or the logits do not speak for the labels at all.
    Source: Guo et al. (2017).

    >>> from math import log
    >>> round(temperature([[2 * log(3), 0.0]] * 4, [0, 0, 0, 1]), 6)  # says 9 in 10, is right 3 in 4
    2.0
    """
    logits = checks.logits(logits)
    n, k = logits.shape
    labels = checks.labels(labels, n_classes=k, n=n)
    logits = logits - logits.max(axis=1, keepdims=True)
    scale = np.abs(logits).max() or 1.0
    logits = logits / scale
    of_label = logits[np.arange(n), labels]

    def slope(log_sharpness: float) -> float:
        """Of mean NLL, by the inverse of the temperature; it grows all the way."""
        shares = softmax(np.exp(log_sharpness) * logits, axis=1)
        return float(np.mean((shares * logits).sum(axis=1) - of_label))

    if (of_label == 0).all():
        raise ValueError(
            f"expected logits that are smaller for the label than for another class in some of {n} samples, "
            "got none; no temperature is best then, so collect more samples"
        )
    if slope(-REACH) >= 0:
        raise ValueError(
            "expected logits that are larger for the label on the average, got as large or smaller ones; "
            "no temperature is best then, so check the order of the classes"
        )
    return float(scale / np.exp(brentq(slope, -REACH, REACH, xtol=1e-12)))

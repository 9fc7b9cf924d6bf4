"""Is one model more often right than another, on the same samples? And how often do two of them differ?

Two accuracies on one test set share its easy and its hard samples. What tells the models apart are the
samples on which just one of them is right, so the difference is measured there, pair by pair.

The difference has Newcombe's paired interval (method 10), which holds more than it promises where the two
rarely differ. In groups, n is divided by the design effect of the differences, and a t quantile takes the
normal one's place. The p-value is McNemar's exact one; in groups, that of swapping whole groups.

Sources: McNemar (1947); Newcombe (1998), Statistics in Medicine 17, 2635-2650; Kish (1965), design effect;
Milani Fard et al. (2016), churn.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest

from trustlib import checks
from trustlib.estimates import Estimate, permutation_p_value, proportion
from trustlib.intervals import design_effect, grouped_share_limits, wilson_limits


@dataclass(frozen=True)
class Comparison:
    """Two models on the same samples.

    difference: accuracy of a minus accuracy of b; p_value: exact McNemar, two-sided, or by swapping groups;
    only_a_right, only_b_right: the samples on which just one of them is right.
    """

    difference: Estimate
    p_value: float
    only_a_right: int
    only_b_right: int


def compare(
    probs_a: ArrayLike,
    probs_b: ArrayLike,
    labels: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> Comparison:
    """Is model a more often right than model b on the same samples?

    Args:
        probs_a, probs_b: (n, k), the answers of both to the same samples, n >= 2.
        labels: (n,), integers in [0, k).
        groups: (n,), samples that hang together; None takes every sample for independent.
        seed: for the swaps behind the p-value where there are groups; nothing else is random.
    Returns: Comparison. The difference is above 0 when a is more often right.
    Raises: ValueError.
    Source: Newcombe (1998); McNemar (1947).

    >>> a, b = np.eye(2)[[0] * 6 + [1] * 2], np.eye(2)[[0] * 2 + [1] * 6]
    >>> result = compare(a, b, [0] * 8)
    >>> print(result.difference, result.only_a_right, result.only_b_right, result.p_value)
    0.500 [0.018, 0.752] 4 0 0.125
    """
    probs_a, probs_b = checks.paired_probs(probs_a, probs_b)
    n, k = probs_a.shape
    labels = checks.labels(labels, n_classes=k, n=n)
    a_right, b_right = probs_a.argmax(axis=1) == labels, probs_b.argmax(axis=1) == labels
    only_a, only_b = int((a_right & ~b_right).sum()), int((b_right & ~a_right).sum())
    cells = np.array([(a_right & b_right).sum(), only_a, only_b, (~a_right & ~b_right).sum()])
    if groups is None:
        low, high = _newcombe(cells)
        p_value = float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
    else:
        codes = checks.groups(groups, n=n)
        effect = design_effect(a_right.astype(float) - b_right, codes)
        low, high = _newcombe(cells / effect, df=float(codes.max()))
        p_value = permutation_p_value(np.mean, a_right, b_right, groups=codes, seed=seed)
    return Comparison(Estimate((only_a - only_b) / n, low, high, n), p_value, only_a, only_b)


def churn(probs_a: ArrayLike, probs_b: ArrayLike, *, groups: ArrayLike | None = None) -> Estimate:
    """The share of samples to which two models give different answers, right or wrong.

    Two fine-tunings that differ in nothing but the seed can be equally accurate and yet disagree: for so
    many samples the answer was decided by chance.

    Args:
        probs_a, probs_b: (n, k), the answers of both to the same samples, n >= 2.
        groups: (n,), samples that hang together; None takes every sample for independent.
    Returns: Estimate in [0, 1], with Wilson's interval; with groups, for as many samples as they are worth.
    Raises: ValueError.
    Source: Milani Fard et al. (2016).

    >>> print(churn(np.eye(2)[[0, 0, 1, 1]], np.eye(2)[[0, 1, 1, 1]]))
    0.250 [0.046, 0.699]
    """
    probs_a, probs_b = checks.paired_probs(probs_a, probs_b)
    differ = probs_a.argmax(axis=1) != probs_b.argmax(axis=1)
    n = len(differ)
    if groups is None:
        return proportion(int(differ.sum()), n)
    return Estimate(float(differ.mean()), *grouped_share_limits(differ, checks.groups(groups, n=n)), n)


def _newcombe(cells: NDArray[np.float64], *, df: float = np.inf) -> tuple[float, float]:
    """Newcombe's method 10: Wilson limits of both shares, squared and added, with their correlation.

    cells: (4,), samples on which both, only a, only b and neither is right; they need not be whole.
    """
    both, only_a, only_b, neither = (float(cell) for cell in cells)
    n = both + only_a + only_b + neither
    a, b = (both + only_a) / n, (both + only_b) / n
    (a_low, a_high), (b_low, b_high) = wilson_limits(a, n, df=df), wilson_limits(b, n, df=df)
    spread = np.sqrt((both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither))
    product = both * neither - only_a * only_b
    if product > 0:  # a continuity correction, which keeps equal answers from giving an interval of no width
        product = max(product - n / 2, 0)
    phi = product / spread if spread else 0.0
    below = (a - a_low) ** 2 - 2 * phi * (a - a_low) * (b_high - b) + (b_high - b) ** 2
    above = (a_high - a) ** 2 - 2 * phi * (a_high - a) * (b - b_low) + (b - b_low) ** 2
    return float(a - b - np.sqrt(below)), float(a - b + np.sqrt(above))

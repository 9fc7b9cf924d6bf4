"""Sets of classes instead of one answer: the right one is inside as often as promised.

A calibration split, which no training and no choice has touched, shows how small the probability of the
right class gets. The class of a new sample belongs to its set when its probability is not smaller than all
but a share alpha of those. Then the set holds the right class with probability 1 - alpha at least, whatever
the model, as long as calibration and new samples are drawn alike (exchangeable). Groups that hang together,
or another world, break that, and the promise with it.

The promise is kept on the average over calibration splits. One split of n samples gives sets whose coverage
varies, and so does what m new samples show of it: together they are beta-binomial, and a coverage inside
that band says nothing against the promise.

Sources: Vovk, Gammerman & Shafer (2005); Vovk (2012), the beta distribution of coverage; Sadinle, Lei &
Wasserman (2019), sets by a threshold on the probability; Angelopoulos & Bates (2023), section 3.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import betabinom

from trustlib import checks
from trustlib.estimates import Estimate, proportion
from trustlib.intervals import grouped_share_limits


@dataclass(frozen=True)
class Conformal:
    """What split conformal prediction learned.

    threshold: a class is in a set when 1 - its probability is at most this, in [0, 1];
    alpha: how often a set may miss; n: calibration samples; k: classes.
    """

    threshold: float
    alpha: float
    n: int
    k: int

    def sets(self, probs: ArrayLike) -> NDArray[np.bool_]:
        """Which classes the set of each sample holds: (m, k). A set may be empty, where no class is likely.

        Raises: ValueError, also when there are other classes than in calibration.
        """
        probs = checks.probs(probs)
        if probs.shape[1] != self.k:
            raise ValueError(
                f"expected probs of {self.k} classes, as in calibration, got {probs.shape[1]}; "
                "ask the model that was calibrated"
            )
        return 1 - probs <= self.threshold

    def coverage(self, probs: ArrayLike, labels: ArrayLike, *, groups: ArrayLike | None = None) -> Estimate:
        """How often the sets of new samples hold the label; compare the value with `promised(m)`.

        Args:
            probs: (m, k); labels: (m,), integers in [0, k).
            groups: (m,), samples that hang together; None takes every sample for independent.
        Returns: Estimate of these sets' coverage, with Wilson's interval; with groups, for as many samples
            as they are worth.
        Raises: ValueError.
        """
        sets = self.sets(probs)
        m = len(sets)
        held = sets[np.arange(m), checks.labels(labels, n_classes=self.k, n=m)]
        if groups is None:
            return proportion(int(held.sum()), m)
        return Estimate(float(held.mean()), *grouped_share_limits(held, checks.groups(groups, n=m)), m)

    def promised(self, m: int, *, level: float = 0.95) -> Estimate:
        """The coverage to expect on m new samples, and the central band in which it falls.

        Returns: Estimate: mean, and the limits of the beta-binomial distribution. With probabilities that
            repeat, sets cover more.
        Raises: ValueError.
        Source: Vovk (2012); Angelopoulos & Bates (2023).

        >>> print(Conformal(threshold=0.7, alpha=0.1, n=99, k=2).promised(1000))
        0.900 [0.831, 0.953]
        """
        m, level = checks.count(m, name="m"), checks.fraction(level, name="level")
        missed = _missed(self.n, self.alpha)
        if missed == 0:
            return Estimate(1.0, 1.0, 1.0, m, level)
        counts = betabinom(m, self.n + 1 - missed, missed)
        low, high = (float(counts.ppf(tail)) / m for tail in ((1 - level) / 2, (1 + level) / 2))
        return Estimate(1 - missed / (self.n + 1), low, high, m, level)


def conformal(probs: ArrayLike, labels: ArrayLike, *, alpha: float = 0.1) -> Conformal:
    """Learn from a calibration split how large sets must be to miss the label with chance alpha at most.

    Args:
        probs: (n, k), n >= 2, a calibration split's, which neither training nor any choice has seen.
        labels: (n,), integers in [0, k).
        alpha: how often a set may miss, in (0, 1). Below 1 / (n + 1), every set must hold every class.
    Returns: Conformal: `.sets(probs)`, `.coverage(probs, labels)`, `.promised(m)`, `.threshold`.
    Raises: ValueError.
    Source: Vovk, Gammerman & Shafer (2005); Sadinle, Lei & Wasserman (2019).

    >>> probs = [[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.4, 0.6]]  # misses of 0.1, 0.2, 0.3, 0.6
    >>> rule = conformal(probs, [0, 0, 0, 0], alpha=0.4)
    >>> round(rule.threshold, 3)  # the third smallest of four: ceil(5 * 0.6)
    0.3
    >>> rule.sets([[0.75, 0.25], [0.5, 0.5]])
    array([[ True, False],
           [False, False]])
    """
    probs = checks.probs(probs, least=2)
    n, k = probs.shape
    labels = checks.labels(labels, n_classes=k, n=n)
    alpha = checks.fraction(alpha, name="alpha")
    missed = _missed(n, alpha)
    scores = np.sort(1 - probs[np.arange(n), labels])
    return Conformal(float(scores[n - missed]) if missed else 1.0, alpha, n, k)


def _missed(n: int, alpha: float) -> int:
    """How many of n + 1 exchangeable samples may be missed; 1e-9 undoes the rounding of, say, 10 * 0.1."""
    return min(int(np.floor((n + 1) * alpha + 1e-9)), n)

"""Is the model unsure where people are?

Where one expert gave steps of certainty (solar cells), these are no frequencies, so no probability can be
held against them. But a model that knows what it does not know is less confident there: the AUROC of its
confidence, certain samples against uncertain ones, is above 0.5.

Where many people judged each sample (reviews), the share s of them is an estimate of how the crowd is
divided, and a model may be held against it. Its squared error from s also counts the scatter of m ratings
around what everybody would say; s (1 - s) / (m - 1) estimates that without bias, and is taken off.

Source of the correction: the variance of a sample proportion, Cochran (1977), section 3.3.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trustlib import checks, estimates, ranking
from trustlib.estimates import Estimate


def doubt_auroc(
    probs: ArrayLike, human_probs: ArrayLike, *, groups: ArrayLike | None = None, seed: int = 0
) -> Estimate:
    """The chance that the model is surer of a sample of which people are certain than of one they doubt.

    Args:
        probs: (n, k), rows sum to 1.
        human_probs: (n, k), what people said; a row of 0 and 1 is certain, any other uncertain, and one of
            NaN, where nobody judged, is left out.
        groups: (n,), samples that hang together; None takes every sample for independent.
        seed: for the draws behind the interval.
    Returns: Estimate of the AUROC of confidence, in [0, 1]; 0.5 where confidence knows nothing of doubt.
        Its n counts the samples that were judged.
    Raises: ValueError, also when people are certain of all samples or of none.

    >>> probs = [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.45, 0.55]]
    >>> doubt_auroc(probs, [[1, 0], [0, 1], [1 / 3, 2 / 3], [1, 0]]).value
    0.6666666666666666
    """
    probs, human = _both(probs, human_probs)
    judged = ~np.isnan(human).any(axis=1)
    certain = human[judged].max(axis=1, initial=0) > 1 - 1e-6
    if certain.all() or not certain.any():
        raise ValueError(
            f"expected samples of which people are certain and others of which they are not, got "
            f"{certain.sum()} certain ones of {len(certain)} judged; ask for a split with both"
        )
    codes = None if groups is None else checks.groups(groups, n=len(probs))[judged]
    return ranking.auroc(probs[judged].max(axis=1), certain, groups=codes, seed=seed)


def error_from_raters(
    probs: ArrayLike,
    human_probs: ArrayLike,
    n_ratings: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> Estimate:
    """Mean squared error from what all people would say, freed of the scatter of those who were asked.

    Args:
        probs: (n, k), rows sum to 1.
        human_probs: (n, k), the share of ratings for each class.
        n_ratings: (n,), how many ratings the shares are of; neutral ones, which are in no share, not
            counted. Samples with fewer than 2, or with shares of NaN, are left out.
        groups: (n,), samples that hang together; None takes every sample for independent.
        seed: for the draws behind the interval.
    Returns: Estimate of half the mean squared distance; for two classes, (p - s)^2 - s (1 - s) / (m - 1).
        0 is a model that says what everybody would say; chance may put it below. Its n counts the samples
        that were used.
    Raises: ValueError, also when fewer than 2 samples can be used.

    >>> probs, shares = [[0.5, 0.5], [0.2, 0.8]], [[0.5, 0.5], [0.5, 0.5]]
    >>> round(error_from_raters(probs, shares, [26, 26]).value, 6)  # (0 + 0.09) / 2 - 0.25 / 25
    0.035
    """
    probs, human = _both(probs, human_probs)
    m = checks.counts(n_ratings, name="n_ratings", n=len(probs))
    used = (m >= 2) & ~np.isnan(human).any(axis=1)
    if used.sum() < 2:
        raise ValueError(
            f"expected at least 2 samples with 2 ratings or more, got {used.sum()} of {len(used)}; "
            "one rating says nothing of the scatter between people"
        )
    codes = None if groups is None else checks.groups(groups, n=len(probs))[used]
    probs, human, m = probs[used], human[used], m[used]
    scatter = (human * (1 - human)).sum(axis=1) / (m - 1)
    errors = (((probs - human) ** 2).sum(axis=1) - scatter) / 2
    return estimates.bootstrap(np.mean, errors, groups=codes, seed=seed)


def _both(probs: ArrayLike, human_probs: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    probs = checks.probs(probs, least=2)
    human = checks.probs(human_probs, name="human_probs", missing=True)
    if human.shape != probs.shape:
        raise ValueError(
            f"expected human_probs of shape {probs.shape}, got {human.shape}; "
            "pass one row per sample and one column per class"
        )
    return probs, human

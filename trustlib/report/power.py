"""Which difference could have been found with so many samples, and how many samples find a given one?

"Not shown" may mean that there is no difference, or that too few samples were asked. So beside it stands the
smallest difference that would have been found in four of five such tests, at the level that a family of
tests leaves to one of them (Bonferroni's, from which Holm's procedure starts).

For two accuracies the answer is exact: McNemar's test looks at the samples on which just one model is right,
of which there is a share, taken as observed. For other means it is that of a t-test.

Sources: McNemar (1947); Connor (1987), sample size for McNemar; Cohen (1988), power.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom, t

from trustlib import checks
from trustlib.resampling import group_sums

POWER = 0.8


def mcnemar_power(n: int, discordant: float, difference: float, *, alpha: float = 0.05) -> float:
    """How often the exact McNemar test finds a true difference in accuracy.

    Args:
        n: samples that both models answer.
        discordant: the share of samples on which just one of them is right, in (0, 1].
        difference: between the accuracies, in [0, discordant].
        alpha: the level of the test, two-sided.
    Returns: a share in [0, 1].
    Raises: ValueError.
    Source: McNemar (1947).

    >>> round(mcnemar_power(656, 0.1, 0.05), 3)
    0.983
    """
    n = checks.count(n, name="n")
    discordant = checks.fraction(discordant, name="discordant", closed=True)
    difference = checks.fraction(difference, name="difference", closed=True)
    alpha = checks.fraction(alpha, name="alpha")
    if not 0 < discordant or difference > discordant + 1e-12:
        raise ValueError(
            f"expected 0 < discordant and difference <= discordant, got {discordant} and {difference}; "
            "no more samples can speak for one model than tell the two apart"
        )
    low, high = binom.ppf([1e-9, 1 - 1e-9], n, discordant)
    counts = np.arange(int(low), int(high) + 1)
    limits = binom.ppf(alpha / 2, counts, 0.5)  # the first count whose tail holds alpha / 2
    limits = np.where(2 * binom.cdf(limits, counts, 0.5) <= alpha, limits, limits - 1)
    share = min(0.5 * (1 + difference / discordant), 1.0)
    found = binom.cdf(limits, counts, share) + binom.cdf(limits, counts, 1 - share)
    return float(np.sum(binom.pmf(counts, n, discordant) * found))


def detectable_accuracy(n: int, discordant: float, *, alpha: float = 0.05, power: float = POWER) -> float:
    """The smallest difference in accuracy that the exact McNemar test finds with chance `power`.

    Args:
        n: samples. discordant: the share on which just one model is right, as observed, in [0, 1]; a larger
            difference than that needs more of them, and is taken to have them.
        alpha: the level of the test.
    Returns: in (0, 1]; NaN where not even models that differ on every sample would be told apart.
    Raises: ValueError.

    >>> round(detectable_accuracy(656, 0.1, alpha=0.05 / 12), 3)
    0.046
    """
    discordant = checks.fraction(discordant, name="discordant", closed=True)

    def enough(difference: float) -> bool:
        return mcnemar_power(n, max(discordant, difference), difference, alpha=alpha) >= power

    return _least(enough)


def samples_for(
    difference: float, discordant: float, *, alpha: float = 0.05, power: float = POWER, most: int = 10_000_000
) -> int:
    """How many samples find a true difference in accuracy with chance `power` (exact McNemar).

    Args: as in `mcnemar_power`; most: where the search ends.
    Raises: ValueError, also where even `most` samples are too few.

    >>> samples_for(0.05, 0.1, alpha=0.05 / 12)
    557
    """
    low, high = 1, 16
    while mcnemar_power(high, discordant, difference, alpha=alpha) < power:
        low, high = high, 2 * high
        if high > most:
            raise ValueError(
                f"expected a difference that {most:,} samples find, got {difference}; look for a larger one"
            )
    while high - low > 1:
        middle = (low + high) // 2
        enough = mcnemar_power(middle, discordant, difference, alpha=alpha) >= power
        low, high = (low, middle) if enough else (middle, high)
    return high


def detectable_mean(
    differences: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    alpha: float = 0.05,
    power: float = POWER,
    n_draws: int = 9_999,
) -> float:
    """The smallest mean difference that a paired test of these samples finds with chance `power`.

    Args:
        differences: (n,), a - b sample by sample; what counts is how much they vary.
        groups: (n,), samples that hang together.
        alpha: the level of the test. n_draws: swaps behind its p-value, which cannot be below
            1 / (1 + n_draws), nor below 2 / 2**units.
    Returns: above 0 in the unit of the differences; NaN where no difference could reach the level, or where
        none was seen, so that nothing is known of their size. It is what a t-test finds; or, where most
        differences are 0, as of answers that seldom change, what a test of the others' signs finds, if more.
    Raises: ValueError.
    Source: Cohen (1988).

    >>> round(detectable_mean([1.0, -1.0] * 50), 2)
    0.29
    """
    values = checks.numbers(differences, name="differences", least=2)
    codes = np.arange(len(values)) if groups is None else checks.groups(groups, n=len(values))
    units = int(codes.max()) + 1
    error = standard_error(values, codes)
    if max(2.0 ** (1 - units), 1 / (1 + n_draws)) > alpha or error == 0:
        return float("nan")
    by_t = float((t.ppf(1 - alpha / 2, units - 1) + t.ppf(power, units - 1)) * error)
    each = group_sums(values[:, None], codes)[:, 0] * units / len(values)  # with the mean of the values
    apart = np.abs(each) > 1e-12
    by_signs = np.abs(each[apart]).mean() * detectable_accuracy(
        units, float(apart.mean()), alpha=alpha, power=power
    )
    return max(by_t, float(by_signs))


def standard_error(values: NDArray[np.float64], codes: NDArray[np.int64]) -> float:
    """The standard error of the mean of values (n,) whose groups (n,) are drawn whole.

    >>> round(standard_error(np.array([0.0, 2.0]), np.array([0, 1])), 3)
    1.0
    """
    units = int(codes.max()) + 1
    sums = group_sums((values - values.mean())[:, None], codes)[:, 0]
    return float(np.sqrt(np.sum(sums**2) * units / (units - 1)) / len(values))


def _least(enough) -> float:
    """The least number in (0, 1] that is enough, to four digits; NaN where 1 is not."""
    if not enough(1.0):
        return float("nan")
    low, high = 0.0, 1.0
    while high - low > 1e-5:
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high

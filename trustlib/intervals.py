"""Interval limits, each for its case: closed forms for a share, percentiles or studentised draws for others.

Percentile limits respect a statistic's range and the lopsidedness of its draws. For m units (rows, or
groups where there are groups) the plain ones are too narrow: by sqrt((m - 1) / m), and by a normal
quantile where a t quantile belongs. So they are moved outwards by both (Hesterberg 2015).

Studentised limits are for means. Percentiles miss the mean NLL of an overconfident model more often than
promised, since draws that lack the few large losses are low and look certain; so do they miss a difference
between models that seldom differ. Here each draw is measured in its own standard error, and the limits
reach as far to both sides, which is what makes them hold in small samples too (Hall 1988).

A share among groups has fewer independent samples than rows: n divided by the design effect (Kish 1965),
and less again for its being estimated from few groups (Korn & Graubard 1998).

Sources: Wilson (1927); Clopper & Pearson (1934); Kish (1965); Hall (1988), Annals of Statistics 16;
Korn & Graubard (1998), Survey Methodology 24; Hesterberg (2015), section 5; Satterthwaite (1946).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtr, ndtri, stdtrit

from trustlib import checks
from trustlib.resampling import group_sums

Array = NDArray[Any]
# A draw may lack all large values: its standard error is not taken for less than this part of the sample's.
LEAST_ERROR = 0.5


def wilson_limits(share: float, n: float, *, level: float = 0.95, df: float = np.inf) -> tuple[float, float]:
    """Wilson's score limits for a share in [0, 1] of n trials, n > 0; n need not be whole.

    df: degrees of freedom that n was estimated with; a t quantile takes the normal one's place.
    """
    z2 = _quantile(level, df) ** 2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    # At a share of 0 or 1 the limit is exact; rounding must not put the value outside its interval.
    return float(max(0.0, min(centre - half, share))), float(min(1.0, max(centre + half, share)))


def exact_limits(share: float, n: float, *, level: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's limits for a share of n trials, n > 0: they miss at most as often as promised.

    n need not be whole; with whole n and successes these are exact.
    """
    tail, successes = (1 - level) / 2, share * n
    low = betaincinv(successes, n - successes + 1, tail) if share > 0 else 0.0
    high = betaincinv(successes + 1, n - successes, 1 - tail) if share < 1 else 1.0
    return float(low), float(high)


def percentile_limits(draws: Array, *, n_units: float, level: float = 0.95) -> tuple[float, float]:
    """Expanded percentile limits of draws (n_draws,) from n_units > 1 resampled units, whole or not."""
    level = checks.fraction(level, name="level")
    kept = draws[np.isfinite(draws)]
    if 2 * len(kept) < len(draws):
        raise ValueError(
            f"expected a statistic that is finite in most draws, got {len(kept)} of {len(draws)}; "
            "collect more samples of the rare classes"
        )
    reach = stdtrit(n_units - 1, 0.5 + level / 2) * np.sqrt(n_units / (n_units - 1))
    low, high = np.quantile(kept, [ndtr(-reach), ndtr(reach)])
    return float(low), float(high)


def studentised_limits(
    mean: float, error: float, deviations: Array, errors: Array, *, level: float = 0.95
) -> tuple[float, float]:
    """Symmetric bootstrap-t limits of a mean.

    error: its standard error; deviations, errors: (n_draws,), how far each draw's mean is from it, and the
    standard error of each draw.
    """
    level = checks.fraction(level, name="level")
    if error == 0:
        return mean, mean
    reach = np.quantile(np.abs(deviations) / np.maximum(errors, LEAST_ERROR * error), level) * error
    return float(mean - reach), float(mean + reach)


def design_effect(values: Array, codes: Array) -> float:
    """How many times groups enlarge the variance of the mean of values (n,): never less than 1.

    codes: (n,), group of each sample, whole numbers from 0. Where all values are equal, each group is
    taken for one sample, since nothing else is known.
    """
    values = np.asarray(values, dtype=np.float64)
    n, n_groups = len(values), len(np.unique(codes))
    if n < 2:
        return 1.0
    residuals = values - values.mean()
    alone = np.sum(residuals**2) / (n - 1) / n
    if n_groups < 2 or alone == 0:
        return n / n_groups
    sums = group_sums(residuals[:, None], codes)[:, 0]
    together = np.sum(sums**2) * n_groups / (n_groups - 1) / n**2
    return float(max(1.0, together / alone))


def grouped_share_limits(values: Array, codes: Array) -> tuple[float, float]:
    """Wilson's 95 % limits for the share of true values (n,), with as many trials as the groups are worth."""
    share, n_groups = float(np.mean(values)), len(np.unique(codes))
    if n_groups < 2 or share in (0.0, 1.0):
        return wilson_limits(share, n_groups)
    return wilson_limits(share, len(values) / design_effect(values, codes), df=n_groups - 1)


def trials_worth(n: float, effect: float, n_groups: int, *, level: float = 0.95) -> float:
    """The independent trials that n samples in groups are worth to `exact_limits`, which knows no df."""
    if n_groups < 2:
        return 1.0
    return float(n / effect * (_quantile(level, np.inf) / _quantile(level, n_groups - 1)) ** 2)


def joint_units(variances: Sequence[float], units: Sequence[int]) -> float:
    """How many units two sources of variance are worth together (Satterthwaite 1946)."""
    worth = sum(variance**2 / (n - 1) for variance, n in zip(variances, units, strict=True))
    return 1 + sum(variances) ** 2 / worth if worth > 0 else min(units)


def _quantile(level: float, df: float) -> float:
    return float(ndtri(0.5 + level / 2) if np.isinf(df) else stdtrit(df, 0.5 + level / 2))

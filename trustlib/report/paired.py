"""Two models on the same samples: the p-value of their difference, its interval, and what could be found.

Shares of single checkpoints have McNemar's exact test. Other means, and all where samples hang together, have
9,999 random swaps of the two models' answers. Such tests speak of these checkpoints.

To speak of a way of training, several models of it must be trained: with five seeds or more on both sides,
seeds and samples count as two sources of chance (Owen 2007), and a t-test with Satterthwaite's degrees of
freedom takes the place of the swaps.

Sources: McNemar (1947); Owen (2007); Satterthwaite (1946); Phipson & Smyth (2010).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from trustlib import accuracy, estimates
from trustlib.estimates import Estimate
from trustlib.intervals import joint_units
from trustlib.report import power
from trustlib.report.result import Primary

Array = NDArray[Any]
LEAST_SEEDS = 5


@dataclass(frozen=True, eq=False)
class Pair:
    """Two models under one primary measure.

    first, second: their names; a, b: (seeds, n), the samples where both are defined; groups: (n,) codes of
    samples that hang together, or None.
    """

    primary: Primary
    first: str
    second: str
    a: Array
    b: Array
    groups: Array | None

    @property
    def seeds(self) -> int:
        """Training seeds of each side."""
        return len(self.a)

    @property
    def undefined(self) -> bool:
        """Whether there are too few samples for any test."""
        return self.a.shape[1] < 2 or (self.groups is not None and len(np.unique(self.groups)) < 2)

    @property
    def apart(self) -> Array:
        """a - b, the mean over seeds, sample by sample: (n,)."""
        return (self.a - self.b).mean(axis=0)


def pair(primary: Primary, first: str, second: str) -> Pair:
    """Two models of a primary measure, as many seeds of each, and the samples where both are defined.

    Raises: ValueError where they were not measured on the same samples.

    >>> pair(Primary("x", "x", {"a": [1, 2, 3], "b": [1, float("nan"), 2]}, None, True), "a", "b").apart
    array([0., 1.])
    """
    a, b = (np.atleast_2d(np.asarray(primary.values[name], dtype=np.float64)) for name in (first, second))
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"expected as many values of {primary.measure} for {first} and {second}, got {a.shape[1]} and "
            f"{b.shape[1]}; ask both models about the same samples"
        )
    seeds = min(len(a), len(b))
    a, b = a[:seeds], b[:seeds]
    known = ~np.isnan(a + b).any(axis=0)
    groups = None if primary.groups is None else np.asarray(primary.groups)[known]
    if groups is not None:
        groups = np.unique(groups, return_inverse=True)[1].reshape(-1)
        if len(groups) == groups.max(initial=-1) + 1:
            groups = None  # every sample by itself
    return Pair(primary, first, second, a[:, known], b[:, known], groups)


def p_value(pair: Pair, *, seed: int = 0) -> float:
    """How often chance alone sets two equal models so far apart; 1 where too little is defined."""
    if pair.undefined:
        return 1.0
    if pair.seeds >= LEAST_SEEDS:
        error, df = _crossed_error(pair)
        apart = abs(float(pair.apart.mean()))
        if error == 0:
            return 1.0 if apart == 0 else 0.0
        return float(2 * t.sf(apart / error, df))
    if _exact(pair):
        return _compared(pair).p_value
    return estimates.permutation_p_value(
        np.mean, pair.a.mean(axis=0), pair.b.mean(axis=0), groups=pair.groups, seed=seed
    )


def difference(pair: Pair, *, seed: int = 0) -> Estimate:
    """Mean of a minus mean of b, with a 95 % interval; NaN where too little is defined."""
    if pair.undefined:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    if pair.seeds >= LEAST_SEEDS:
        return estimates.crossed_difference(np.mean, pair.a, pair.b, groups=pair.groups, seed=seed)
    if pair.primary.shares and pair.seeds == 1:
        return _compared(pair, groups=pair.groups, seed=seed).difference
    return estimates.paired_difference(
        np.mean, pair.a.mean(axis=0), pair.b.mean(axis=0), groups=pair.groups, seed=seed
    )


def detectable(pair: Pair, *, level: float) -> float | None:
    """The true difference that a test at this level finds in 80 % of cases; None where it could find none."""
    if pair.undefined:
        return None
    if pair.seeds >= LEAST_SEEDS:
        error, df = _crossed_error(pair)
        found = float((t.ppf(1 - level / 2, df) + t.ppf(power.POWER, df)) * error)
    elif _exact(pair):
        discordant = float(np.mean(pair.a != pair.b))
        found = power.detectable_accuracy(pair.a.shape[1], discordant, alpha=level)
    else:
        found = power.detectable_mean(pair.apart, groups=pair.groups, alpha=level)
    return found if found > 0 else None  # NaN is not above 0


def _exact(pair: Pair) -> bool:
    return pair.primary.shares and pair.seeds == 1 and pair.groups is None


def _compared(pair: Pair, *, groups: Array | None = None, seed: int = 0) -> accuracy.Comparison:
    """McNemar's test wants answers: 1 is the answer of whoever is right."""
    answers = (np.column_stack([1 - right[0], right[0]]) for right in (pair.a, pair.b))
    return accuracy.compare(*answers, np.ones(pair.a.shape[1], dtype=np.int64), groups=groups, seed=seed)


def _crossed_error(pair: Pair) -> tuple[float, float]:
    """Standard error of the mean difference over seeds and samples, and its degrees of freedom."""
    apart = pair.a - pair.b
    n_seeds, n = apart.shape
    codes = np.arange(n) if pair.groups is None else pair.groups
    variances = (
        float(apart.mean(axis=1).var(ddof=1)) / n_seeds,
        power.standard_error(apart.mean(axis=0), codes) ** 2,
    )
    units = (n_seeds, int(codes.max()) + 1)
    return float(np.sqrt(sum(variances))), joint_units(variances, units) - 1

"""Better, worse, or not shown: models compared pair by pair, with the chance of a false verdict held at 5 %.

The family of tests is known before anything is measured: one primary measure for each axis, every pair of
models. Each test is paired, since the models answer the same samples: McNemar's exact test for shares,
9,999 random swaps of the two models' answers for other means and wherever samples hang together. Holm's
procedure adjusts the p-values; the intervals beside them are not adjusted.

A test over samples speaks of these checkpoints. To speak of a way of training, several models of it must be
trained: with five seeds or more on both sides, seeds and samples count as two sources of chance (Owen 2007),
and a t-test with Satterthwaite's degrees of freedom takes the place of the swaps.

Sources: McNemar (1947); Holm (1979); Owen (2007); Satterthwaite (1946); Phipson & Smyth (2010).
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from trustlib import accuracy, checks, estimates
from trustlib.estimates import Estimate
from trustlib.intervals import joint_units
from trustlib.report import power, wording
from trustlib.report.result import Primary, Verdict

Array = NDArray[Any]
ALPHA = 0.05
LEAST_SEEDS = 5
NOTHING = Estimate(float("nan"), float("nan"), float("nan"), 0)


def judge(primaries: Sequence[Primary], *, alpha: float = ALPHA, seed: int = 0) -> tuple[Verdict, ...]:
    """A verdict for each axis and each pair of models.

    Args:
        primaries: one for each axis, all with the same models.
        alpha: how often the family may hold a false verdict, at most, in (0, 1).
        seed: for swaps and intervals.
    Returns: Verdicts, axis by axis; none for a single model.
    Raises: ValueError.
    Source: Holm (1979).

    >>> right = {"a": np.ones(30), "b": np.r_[np.ones(15), np.zeros(15)]}
    >>> found = judge([Primary("accuracy", "accuracy", right, None, True, shares=True)])
    >>> found[0].verdict, found[0].difference.value
    ('better', 0.5)
    """
    alpha = checks.fraction(alpha, name="alpha")
    family = [(primary, a, b) for primary in primaries for a, b in combinations(primary.values, 2)]
    if not family:
        return ()
    level = alpha / len(family)
    tested = [_tested(primary, a, b, level, seed) for primary, a, b in family]
    adjusted = estimates.holm([p for _, p, _, _ in tested])
    found = []
    for (primary, a, b), (difference, p, detectable, seeds), holm in zip(
        family, tested, adjusted, strict=True
    ):
        verdict = "not shown"
        if holm <= alpha and difference.value != 0:
            verdict = "better" if (difference.value > 0) == primary.higher_is_better else "worse"
        detectable = None if np.isnan(detectable) else detectable
        sentence = _sentence(primary, a, b, verdict, difference, float(holm), detectable, seeds, len(family))
        found.append(
            Verdict(
                primary.axis,
                primary.measure,
                a,
                b,
                verdict,
                difference,
                p,
                float(holm),
                detectable,
                seeds,
                sentence,
            )
        )
    return tuple(found)


def _tested(
    primary: Primary, a: str, b: str, level: float, seed: int
) -> tuple[Estimate, float, float, int]:
    """Difference with its interval, p-value, detectable difference, and training seeds of each side."""
    first, second = np.atleast_2d(primary.values[a]), np.atleast_2d(primary.values[b])
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"expected as many values of {primary.measure} for {a} and {b}, got {first.shape[1]} and "
            f"{second.shape[1]}; ask both models about the same samples"
        )
    seeds = min(len(first), len(second))
    first, second = first[:seeds].astype(float), second[:seeds].astype(float)
    known = ~np.isnan(first + second).any(axis=0)
    first, second = first[:, known], second[:, known]
    groups = None if primary.groups is None else np.asarray(primary.groups)[known]
    if groups is not None and len(np.unique(groups)) == len(groups):
        groups = None  # every sample by itself
    n = first.shape[1]
    if n < 2 or (groups is not None and len(np.unique(groups)) < 2):
        return NOTHING, 1.0, float("nan"), seeds
    if seeds >= LEAST_SEEDS:
        return *_crossed(first, second, groups, level, seed), seeds
    if seeds > 1:  # too few to speak of training; the mean over them, sample by sample
        first, second = first.mean(axis=0), second.mean(axis=0)
        return *_swapped(first, second, groups, level, seed), seeds
    if primary.shares:
        return *_shares(first[0], second[0], groups, level, seed), seeds
    return *_swapped(first[0], second[0], groups, level, seed), seeds


def _shares(
    a: Array, b: Array, groups: Array | None, level: float, seed: int
) -> tuple[Estimate, float, float]:
    found = accuracy.compare(
        np.column_stack([1 - a, a]), np.column_stack([1 - b, b]), np.ones(len(a), int), groups=groups, seed=seed
    )
    if groups is None:
        discordant = (found.only_a_right + found.only_b_right) / len(a)
        detectable = power.detectable_accuracy(len(a), discordant, alpha=level)
    else:
        detectable = power.detectable_mean(a - b, groups=groups, alpha=level)
    return found.difference, found.p_value, detectable


def _swapped(
    a: Array, b: Array, groups: Array | None, level: float, seed: int
) -> tuple[Estimate, float, float]:
    difference = estimates.paired_difference(np.mean, a, b, groups=groups, seed=seed)
    p = estimates.permutation_p_value(np.mean, a, b, groups=groups, seed=seed)
    return difference, p, power.detectable_mean(a - b, groups=groups, alpha=level)


def _crossed(
    a: Array, b: Array, groups: Array | None, level: float, seed: int
) -> tuple[Estimate, float, float]:
    """Seeds (rows) and samples (columns) as two sources of chance."""
    difference = estimates.crossed_difference(np.mean, a, b, groups=groups, seed=seed)
    apart = a - b
    n_seeds, n = apart.shape
    codes = np.arange(n) if groups is None else checks.groups(groups, n=n)
    variances = (
        float(apart.mean(axis=1).var(ddof=1)) / n_seeds,
        power.standard_error(apart.mean(axis=0), codes) ** 2,
    )
    error = float(np.sqrt(sum(variances)))
    if error == 0:
        return difference, 1.0 if difference.value == 0 else 0.0, float("nan")
    df = joint_units(variances, (n_seeds, int(codes.max()) + 1)) - 1
    p = float(2 * t.sf(abs(difference.value) / error, df))
    reach = float((t.ppf(1 - level / 2, df) + t.ppf(power.POWER, df)) * error)
    return difference, p, reach


def _sentence(
    primary: Primary,
    a: str,
    b: str,
    verdict: str,
    difference: Estimate,
    adjusted: float,
    detectable: float | None,
    seeds: int,
    n_tests: int,
) -> str:
    """The verdict as a person would say it."""
    first, second = wording.shown(a), wording.shown(b)
    if seeds >= LEAST_SEEDS:
        who = f"Over {seeds} training seeds each,"
        first, second = f"training as in {first}", f"training as in {second}"
    else:
        who = "Of these checkpoints,"
    if np.isnan(difference.value):
        return (
            f"{who} no difference in {primary.measure} between {first} and {second} was shown: it is defined "
            "for too few inputs of both."
        )
    size = wording.points(difference) if primary.percent else wording.estimate(difference)
    tests = "" if n_tests == 1 else f" after Holm over {n_tests} tests"
    evidence = f"a difference of {size}, p {wording.p_value(adjusted)}{tests}"
    if verdict != "not shown":
        return f"{who} {first} is {verdict} than {second} by {primary.measure}: {evidence}."
    start = f"{who} no difference in {primary.measure} between {first} and {second} was shown: {evidence}."
    if detectable is None:
        return f"{start} So few inputs could not have shown any difference at this level."
    found = f"{100 * detectable:.1f} points" if primary.percent else f"{detectable:.3f}"
    return f"{start} A true difference of {found} would have been found in about 4 of 5 such tests."

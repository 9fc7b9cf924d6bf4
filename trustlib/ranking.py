"""Samples in the order of a score, and that order drawn again: what AUROC and risk-coverage stand on.

Samples with one score share a step of the order, so that nothing depends on the order of the rows. More
than STEPS steps are joined with their neighbours while resampling, which moves no result that is shown by
more than one part in STEPS.

Sources: Hanley & McNeil (1982); Efron & Tibshirani (1993), chapter 13.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from trustlib import checks
from trustlib.estimates import Estimate
from trustlib.intervals import percentile_limits, wilson_limits
from trustlib.resampling import MOST_UNITS, N_DRAWS, resampled_units, teams

Array = NDArray[Any]
STEPS = 1000


def auroc(
    scores: ArrayLike, positive: ArrayLike, *, groups: ArrayLike | None = None, seed: int = 0
) -> Estimate:
    """The chance that a positive sample has a higher score than a negative one; a tie counts one half.

    Args:
        scores: (n,), finite.
        positive: (n,), booleans or 0 and 1; both kinds must occur.
        groups: (n,), samples that hang together; None takes every sample for independent.
        seed: for the draws behind the interval.
    Returns: Estimate in [0, 1]; 0.5 where the score tells nothing apart.
    Raises: ValueError.
    Source: Hanley & McNeil (1982).

    >>> auroc([0.9, 0.8, 0.8, 0.1], [1, 1, 0, 0]).value
    0.875
    """
    scores = checks.numbers(scores, name="scores", least=2)
    n = len(scores)
    positive = checks.labels(positive, n_classes=2, n=n, name="positive").astype(bool)
    if positive.all() or not positive.any():
        raise ValueError(
            f"expected samples of both kinds, got {positive.sum()} positive of {n}; add some of the other"
        )
    codes = None if groups is None else checks.groups(groups, n=n)
    step = order(scores)
    value = float(_area(*step_counts(step, positive)))
    all_draws, positive_draws = resampled_steps(step, positive, codes, np.random.default_rng(seed))
    draws = _area(all_draws, positive_draws)
    units = np.arange(n) if codes is None else codes
    fewest = min(len(np.unique(units[positive])), len(np.unique(units[~positive])))
    return Estimate(value, *limits(value, draws, fewest), n)


def order(scores: Array) -> NDArray[np.int64]:
    """The step of each sample (n,): 0 for the highest score, 1 for the next, and so on."""
    return np.unique(-scores, return_inverse=True)[1].reshape(-1)


def step_counts(step: Array, flags: Array) -> tuple[Array, Array]:
    """How many samples stand on each step, and how many of those are flagged: (steps,) each."""
    return np.bincount(step), np.bincount(step, weights=flags)


def coarse(step: Array) -> NDArray[np.int64]:
    """Steps (n,) joined with their neighbours, so that at most STEPS are left, with about as many samples."""
    sizes = np.bincount(step)
    if len(sizes) <= STEPS:
        return step
    middle = np.cumsum(sizes) - sizes / 2
    return np.unique((middle / len(step) * STEPS).astype(np.int64), return_inverse=True)[1][step]


def resampled_steps(
    step: Array, flags: Array, codes: Array | None, rng: np.random.Generator
) -> tuple[Array, Array]:
    """`step_counts` of resampled samples or groups: (N_DRAWS, steps) each, with coarse steps."""
    step = coarse(step)
    n, n_steps = len(step), int(step.max()) + 1
    cell = step + n_steps * flags
    if codes is None and n > MOST_UNITS:
        counts = np.bincount(cell, minlength=2 * n_steps)
        drawn = rng.multinomial(n, counts / n, size=N_DRAWS)
    else:
        row = np.arange(n) if codes is None else teams(codes, rng)
        entries = (np.ones(n), (row, cell))
        table = sparse.coo_array(entries, shape=(int(row.max()) + 1, 2 * n_steps)).tocsr()
        drawn = resampled_units(table, rng=rng, n_draws=N_DRAWS)
    unflagged, flagged = np.split(drawn, 2, axis=1)
    return unflagged + flagged, flagged


def limits(value: float, draws: Array, n_units: int) -> tuple[float, float]:
    """Percentile limits; where the draws are all alike or from one unit, Wilson's for so many units."""
    if n_units < 2 or np.nanmin(draws) == np.nanmax(draws):
        return wilson_limits(value, n_units)
    return percentile_limits(draws, n_units=n_units)


def _area(counts: Array, positive: Array) -> Array:
    """AUROC from counts on each step, on the last axis; NaN where a kind is missing."""
    negative = counts - positive
    above = np.cumsum(positive, axis=-1) - positive / 2
    pairs = positive.sum(axis=-1) * negative.sum(axis=-1)
    with np.errstate(invalid="ignore"):
        return (negative * above).sum(axis=-1) / np.where(pairs > 0, pairs, np.nan)

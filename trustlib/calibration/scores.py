"""Are the probabilities true? Brier, NLL, the debiased calibration error, and what ECE is worth.

Brier: half the squared distance between the probabilities and the label, so in [0, 1]; for two classes
(p - y)^2. NLL: minus the logarithm of the label's probability, in nats, where a probability below 1e-6
counts as 1e-6: one sample costs at most 13.8. Both reward right and honest answers at once, and are means,
so their intervals hold; verdicts rest on them. Where every answer is right, the few large losses that there
may be were not seen, and intervals reach to what Wilson's upper limit of wrong answers would cost.

Calibration alone looks at the most probable class. Its probability is the confidence, and in a bin of
samples of like confidence the share of right answers should be the mean confidence.
ECE: the gap between both, its size averaged over samples. A gap's size is never below 0, so chance alone
makes ECE positive, more so in small bins; and large bins hide gaps that cancel. So beside it stands what
it would be if the model were calibrated: labels are drawn from the probabilities, again and again.
ce2: the squared gap, less what chance adds to it. It may come out below 0, and says then that no
miscalibration was found. Its bins hold equally many samples each, so that none is left to chance.
The confidences of a bin may differ, so what chance adds is estimated from confidence minus right, sample by
sample; with one confidence a bin, that is the formula of Kumar et al. With groups, from sums of groups.

Sources: Brier (1950); Guo et al. (2017), ECE; Bröcker & Smith (2007), drawing labels from the
probabilities; Kumar, Liang & Ma (2019), section 5.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trustlib import checks, estimates
from trustlib.estimates import Estimate
from trustlib.intervals import grouped_share_limits, wilson_limits
from trustlib.resampling import N_DRAWS, resampled_units, teams

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
CLIP = 1e-6  # the least probability that NLL believes
FINE = 1000  # confidences are told apart to this part of 1 when labels are drawn


@dataclass(frozen=True, eq=False)
class Bins:
    """Samples of like confidence; b bins from low to high confidence, those without samples too.

    edges: (b + 1,), a bin takes its upper edge; counts: (b,), samples; confidence, right: (b,), mean
    confidence and share of right answers; low, high: (b,), Wilson's 95 % limits of that share.
    An empty bin has NaN.
    """

    edges: Floats
    counts: Ints
    confidence: Floats
    right: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, eq=False)
class Calibration:
    """How true the probabilities are; of each number less is better.

    brier, nll: primary, with intervals for verdicts; ce2: debiased squared calibration error, value ± 1.96
    bootstrap deviations; ece: plain expected calibration error; ece_if_calibrated: mean and central 95 % of
    what ECE would be if the probabilities were true, and ece_draws (2000,) the draws of it;
    bins: of equal width, those of ece; even_bins: of equally many samples, those of ce2.
    """

    brier: Estimate
    nll: Estimate
    ce2: Estimate
    ece: float
    ece_if_calibrated: Estimate
    ece_draws: Floats
    bins: Bins
    even_bins: Bins


def evaluate(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    n_bins: int = 15,
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> Calibration:
    """How true the probabilities are: as a whole (Brier, NLL), and the most probable class's alone.

    Args:
        probs: (n, k), rows sum to 1, n >= 2.
        labels: (n,), integers in [0, k).
        n_bins: as many equal-width bins from 0 to 1 for ECE, right-closed; an empty one counts nothing.
            ce2 has as many bins of equal counts, fewer where confidences repeat or samples are few.
        groups: (n,), samples that hang together; None takes every sample for independent.
            ece_if_calibrated takes them for independent always.
        seed: for every interval and every drawn label.
    Returns: Calibration.
    Raises: ValueError.
    Source: Brier (1950); Guo et al. (2017); Kumar, Liang & Ma (2019).

    >>> result = evaluate([[0.8, 0.2]] * 50, [0] * 40 + [1] * 10, n_bins=1)
    >>> print(result.brier)
    0.160 [0.089, 0.231]
    >>> print(f"{result.ece:.3f}, and if calibrated {result.ece_if_calibrated}")
    0.000, and if calibrated 0.045 [0.000, 0.120]
    """
    probs = checks.probs(probs, least=2)
    n, k = probs.shape
    labels = checks.labels(labels, n_classes=k, n=n)
    n_bins = checks.count(n_bins, name="n_bins")
    codes = None if groups is None else checks.groups(groups, n=n)
    ce2_rng, ece_rng = np.random.default_rng(seed).spawn(2)
    confidence = np.minimum(probs.max(axis=1), 1.0)
    right = probs.argmax(axis=1) == labels
    brier, nll = (
        estimates.bootstrap(np.mean, losses(probs, labels), groups=codes, seed=seed)
        for losses in (brier_losses, nll_losses)
    )
    wide, even = _equal_width(confidence, n_bins), _equal_counts(confidence, n_bins)
    bins = _bins(wide, confidence, right, codes, np.linspace(0, 1, n_bins + 1))
    even_bins = _bins(even, confidence, right, codes, _edges(even, confidence))
    ce2 = _ce2(even, confidence - right, codes, ce2_rng)
    if right.all():
        brier, nll, ce2 = _unseen_errors(probs, codes, brier, nll, ce2)
    ece = float(np.nansum(bins.counts * np.abs(bins.confidence - bins.right)) / n)
    draws = _ece_draws(wide, confidence, ece_rng)
    central = np.quantile(draws, [0.025, 0.975]).tolist()
    if_calibrated = Estimate(float(draws.mean()), *central, n)
    brier, nll = _within(brier, 1.0), _within(nll, -float(np.log(CLIP)))
    return Calibration(brier, nll, ce2, ece, if_calibrated, draws, bins, even_bins)


def brier_losses(probs: Floats, labels: Ints) -> Floats:
    """Half the squared distance of each row of probs (n, k) to its label: (n,), in [0, 1]."""
    of_label = probs[np.arange(len(labels)), labels]
    return np.maximum((probs**2).sum(axis=1) - 2 * of_label + 1, 0) / 2


def nll_losses(probs: Floats, labels: Ints) -> Floats:
    """Minus the logarithm of the label's probability, at least 1e-6: (n,), in nats, in [0, 13.8]."""
    return -np.log(np.clip(probs[np.arange(len(labels)), labels], CLIP, 1.0))


def _unseen_errors(probs: Floats, codes: Ints | None, *found: Estimate) -> tuple[Estimate, ...]:
    """Brier, NLL and ce2 where all answers are right: they reach to what errors that nobody saw would cost.

    As many may be wrong as Wilson's upper limit says; such a one has the runner-up's label.
    """
    share = wilson_limits(0.0, len(probs) if codes is None else float(codes.max() + 1))[1]
    runner_up = np.argsort(probs, axis=1)[:, -2]
    costs = (losses(probs, runner_up).mean() for losses in (brier_losses, nll_losses))
    limits = [e.value + share * (cost - e.value) for e, cost in zip(found[:2], costs, strict=True)]
    reach = zip(found, [*limits, share**2], strict=True)
    return tuple(replace(estimate, high=max(estimate.high, float(limit))) for estimate, limit in reach)


def _within(estimate: Estimate, highest: float) -> Estimate:
    return replace(estimate, low=max(estimate.low, 0.0), high=min(estimate.high, highest))


def _equal_width(confidence: Floats, n_bins: int) -> Ints:
    """The bin of each sample, of n_bins from 0 to 1; a bin takes its upper edge."""
    return np.searchsorted(np.linspace(0, 1, n_bins + 1)[1:-1], confidence, side="left")


def _equal_counts(confidence: Floats, n_bins: int) -> Ints:
    """The bin of each sample, of n_bins with equally many, 2 at least; equal confidences share one."""
    n = len(confidence)
    ranked = np.sort(confidence)
    pieces = np.array_split(ranked, min(n_bins, n // 2))
    part = np.repeat(np.arange(len(pieces)), [len(piece) for piece in pieces])
    first, last = (np.searchsorted(ranked, confidence, side) for side in ("left", "right"))
    return np.unique(part[(first + last - 1) // 2], return_inverse=True)[1].reshape(-1)


def _edges(own: Ints, confidence: Floats) -> Floats:
    """Edges of bins that are given by their samples: 0, half-way between neighbours, 1."""
    b = int(own.max()) + 1
    least, most = np.full(b, np.inf), np.full(b, -np.inf)
    np.minimum.at(least, own, confidence)
    np.maximum.at(most, own, confidence)
    return np.concatenate([[0.0], (most[:-1] + least[1:]) / 2, [1.0]])


def _bins(own: Ints, confidence: Floats, right: NDArray[np.bool_], codes: Ints | None, edges: Floats) -> Bins:
    b = len(edges) - 1
    counts = np.bincount(own, minlength=b)
    sums = (np.bincount(own, weights=column, minlength=b) for column in (confidence, right))
    mean, share = (np.divide(column, counts, out=np.full(b, np.nan), where=counts > 0) for column in sums)
    limits = np.full((b, 2), np.nan)
    for i in np.flatnonzero(counts):
        if codes is None:
            limits[i] = wilson_limits(share[i], counts[i])
        else:
            limits[i] = grouped_share_limits(right[own == i], codes[own == i])
    return Bins(edges, counts, mean, share, limits[:, 0], limits[:, 1])


def _ce2(own: Ints, gaps: Floats, codes: Ints | None, rng: np.random.Generator) -> Estimate:
    """Squared mean gap of each bin, less its estimated variance, weighted by the bin's size."""
    n, b = len(gaps), int(own.max()) + 1
    units = np.arange(n) if codes is None else codes
    # One cell for what a unit has in a bin: the sum of its gaps there, and its samples.
    cell, inverse = np.unique(units * b + own, return_inverse=True)
    s, w = np.bincount(inverse, weights=gaps), np.bincount(inverse).astype(float)
    team = teams(cell // b, rng)
    entry, m = team * b + cell % b, int(team.max()) + 1
    columns = (s, w, s**2, s * w, w**2, np.ones(len(cell)))
    table = [np.bincount(entry, weights=column, minlength=m * b).reshape(m, b) for column in columns]
    draws = resampled_units(np.concatenate(table, axis=1), rng=rng, n_draws=N_DRAWS)
    value = float(_debiased(np.concatenate(table, axis=1).sum(axis=0)[None])[0])
    reach = 1.96 * float(_debiased(draws).std(ddof=1))
    return Estimate(value, value - reach, value + reach, n)


def _debiased(sums: Floats) -> Floats:
    """ce2 from rows of sums over units, b columns each of s, w, s squared, s w, w squared and units."""
    s, w, ss, sw, ww, units = np.split(sums, 6, axis=1)
    known = units >= 2  # one unit alone says nothing of chance
    gap = np.divide(s, w, out=np.zeros_like(s), where=known)
    spread = (ss - 2 * gap * sw + gap**2 * ww) * units
    variance = np.divide(spread, (units - 1) * w**2, out=np.zeros_like(s), where=known)
    return (w * (gap**2 - variance)).sum(axis=1) / w.sum(axis=1)


def _ece_draws(own: Ints, confidence: Floats, rng: np.random.Generator) -> Floats:
    """ECE of labels drawn from the probabilities: (N_DRAWS,).

    Confidences that differ by less than one part in FINE are drawn together, with their mean: that keeps
    the expectation of every bin, and a million samples cost no more than a thousand.
    """
    near = np.unique(own * (FINE + 1) + np.rint(confidence * FINE).astype(np.int64), return_inverse=True)[1]
    counts = np.bincount(near)
    means = np.bincount(near, weights=confidence) / counts
    drawn = rng.binomial(counts, np.minimum(means, 1.0), size=(N_DRAWS, len(counts)))
    bins = np.zeros(len(counts), dtype=np.int64)
    bins[near] = own
    starts = np.flatnonzero(np.diff(bins, prepend=-1))
    gaps = np.add.reduceat(drawn - counts * means, starts, axis=1)
    return np.abs(gaps).sum(axis=1) / len(own)

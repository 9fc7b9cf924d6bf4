"""Every number with its interval: Wilson for a share, bootstrap for the rest, Holm for many p-values.

A share has Wilson's interval, a mean and a difference of means a studentised bootstrap interval, and any
other statistic an expanded percentile interval; `intervals` says why, and data/measured/coverage.md how
often each holds the truth. Where nothing varies, nothing can be resampled and the interval has no width:
take `proportion` for shares near 0 or 1.

Sources: Wilson (1927); Holm (1979); Efron & Tibshirani (1993), chapters 12, 13, 15; Davison & Hinkley
(1997), section 3.8 (groups); Owen (2007), seeds crossed with samples; Phipson & Smyth (2010), p-values
from draws; Hesterberg (2015), section 5.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trustlib import checks, resampling
from trustlib.intervals import joint_units, percentile_limits, studentised_limits, wilson_limits
from trustlib.resampling import N_DRAWS

Array = NDArray[Any]


@dataclass(frozen=True)
class Estimate:
    """A measured number and the interval around it.

    value, low, high: in the unit of what was measured; n: how many samples it rests on, whether or not
    they hang together in groups; level: how often such intervals hold the truth, in (0, 1).

    >>> print(Estimate(0.874, 0.852, 0.894, n=1000))
    0.874 [0.852, 0.894]
    >>> f"{Estimate(0.874, 0.852, 0.894, n=1000):.1%}"
    '87.4% [85.2%, 89.4%]'
    """

    value: float
    low: float
    high: float
    n: int
    level: float = 0.95

    def __float__(self) -> float:
        return self.value

    def __format__(self, spec: str) -> str:
        spec = spec or ".3f"
        return f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"

    def __str__(self) -> str:
        return format(self, "")


def proportion(successes: int, n: int, *, level: float = 0.95) -> Estimate:
    """The share of successes among n independent trials, with Wilson's interval.

    Args:
        successes: how many of the n, from 0 to n.
        n: how many trials. With 0 trials nothing is known: the value is 0 and the interval [0, 1].
        level: in (0, 1).
    Returns: Estimate in [0, 1].
    Raises: ValueError.
    Source: Wilson (1927).

    >>> print(proportion(8, 10))
    0.800 [0.490, 0.943]
    """
    n = checks.count(n, name="n", least=0)
    successes = checks.count(successes, name="successes", least=0)
    level = checks.fraction(level, name="level")
    if successes > n:
        raise ValueError(f"expected successes from 0 to n = {n}, got {successes}; pass a count")
    if n == 0:
        return Estimate(0.0, 0.0, 1.0, 0, level)
    low, high = wilson_limits(successes / n, n, level=level)
    return Estimate(successes / n, low, high, n, level)


def bootstrap(
    statistic: Callable[..., float],
    *arrays: ArrayLike,
    groups: ArrayLike | None = None,
    seed: int = 0,
    n_draws: int = N_DRAWS,
    level: float = 0.95,
) -> Estimate:
    """Any statistic of a sample, with an interval from resampling rows or whole groups.

    Args:
        statistic: takes the arrays, returns one number. `np.mean` of one 1-D array is computed at once for
            all draws, and its interval is studentised: as wide to both sides, and perhaps wider than the
            range of the values. Anything else is called n_draws times and has percentile limits.
        arrays: each with n rows, resampled together.
        groups: (n,), samples that hang together; whole groups are drawn. None: every row by itself.
        seed: the same seed gives the same interval.
        n_draws: at least 2,000.
        level: in (0, 1).
    Returns: Estimate. Draws where the statistic is NaN (a class is missing, say) are left out.
    Raises: ValueError; also when the statistic itself, or more than half of its draws, is not finite.
    Source: Efron & Tibshirani (1993); Hall (1988), studentised means; Hesterberg (2015), percentiles.

    >>> print(bootstrap(np.mean, [0, 0, 1, 1] * 25))
    0.500 [0.409, 0.591]
    """
    rows = _rows(arrays)
    n = len(rows[0])
    codes = None if groups is None else checks.groups(groups, n=n)
    rng = np.random.default_rng(seed)
    n_draws = checks.count(n_draws, name="n_draws", least=N_DRAWS)
    value = _finite(statistic(*rows))
    if _is_mean(statistic, rows):
        low, high = studentised_limits(
            value, *resampling.mean_errors(rows[0], codes, rng, n_draws), level=level
        )
    else:
        draws = resampling.draws(statistic, rows, codes, rng, n_draws)
        low, high = percentile_limits(draws, n_units=resampling.n_units(n, codes), level=level)
    return Estimate(value, low, high, n, level)


def paired_difference(
    statistic: Callable[..., float],
    a: ArrayLike,
    b: ArrayLike,
    *shared: ArrayLike,
    groups: ArrayLike | None = None,
    seed: int = 0,
    n_draws: int = N_DRAWS,
    level: float = 0.95,
) -> Estimate:
    """statistic(a, *shared) - statistic(b, *shared), two answers to the same samples.

    Args:
        statistic: takes a or b and the shared arrays, returns one number; `np.mean` is fast.
        a, b: (n, ...), row i of both belongs to sample i.
        shared: (n, ...), such as the labels.
        groups, seed, n_draws, level: as in `bootstrap`.
    Returns: Estimate; above 0 when a scores higher.
    Raises: ValueError.

    >>> print(paired_difference(np.mean, [1, 1, 1, 0] * 25, [1, 1, 0, 0] * 25))
    0.250 [0.158, 0.342]
    """
    rows = _rows((a, b, *shared))
    options = {"groups": groups, "seed": seed, "n_draws": n_draws, "level": level}
    if statistic is np.mean and not shared and rows[0].ndim == rows[1].ndim == 1:
        return bootstrap(np.mean, rows[0].astype(float) - rows[1], **options)

    def difference(a: Array, b: Array, *shared: Array) -> float:
        return statistic(a, *shared) - statistic(b, *shared)

    return bootstrap(difference, *rows, **options)


def independent_difference(
    statistic: Callable[..., float],
    a: Sequence[ArrayLike],
    b: Sequence[ArrayLike],
    *,
    groups_a: ArrayLike | None = None,
    groups_b: ArrayLike | None = None,
    seed: int = 0,
    n_draws: int = N_DRAWS,
    level: float = 0.95,
) -> Estimate:
    """statistic(*a) - statistic(*b) for two separate samples, each resampled by itself.

    Args:
        statistic: takes the arrays of one sample, returns one number; `np.mean` is fast.
        a, b: tuples of arrays, those of a with n_a rows, those of b with n_b.
        groups_a, groups_b: (n_a,) and (n_b,); None resamples rows.
        seed, n_draws, level: as in `bootstrap`.
    Returns: Estimate with n = n_a + n_b; above 0 when a scores higher.
    Raises: ValueError.

    >>> print(independent_difference(np.mean, ([1, 1, 1, 0] * 25,), ([1, 1, 0, 0] * 25,)))
    0.250 [0.118, 0.382]
    """
    n_draws = checks.count(n_draws, name="n_draws", least=N_DRAWS)
    samples, values, codes = [], [], []
    for sample, groups in ((a, groups_a), (b, groups_b)):
        if not isinstance(sample, tuple):
            raise ValueError(f"expected a tuple of arrays, got {type(sample).__name__}; write (array,)")
        rows = _rows(sample)
        samples.append(rows)
        values.append(_finite(statistic(*rows)))
        codes.append(None if groups is None else checks.groups(groups, n=len(rows[0])))
    value, n = values[0] - values[1], sum(len(rows[0]) for rows in samples)
    sources = list(zip(samples, codes, np.random.default_rng(seed).spawn(2), strict=True))
    if all(_is_mean(statistic, rows) for rows in samples):
        (error_a, above_a, errors_a), (error_b, above_b, errors_b) = (
            resampling.mean_errors(rows[0], code, rng, n_draws) for rows, code, rng in sources
        )
        both = np.hypot(error_a, error_b), above_a - above_b, np.hypot(errors_a, errors_b)
        low, high = studentised_limits(value, *both, level=level)
    else:
        draws = [resampling.draws(statistic, rows, code, rng, n_draws) for rows, code, rng in sources]
        units = [resampling.n_units(len(rows[0]), code) for rows, code, _ in sources]
        n_units = joint_units([np.nanvar(each) for each in draws], units)
        low, high = percentile_limits(draws[0] - draws[1], n_units=n_units, level=level)
    return Estimate(value, low, high, n, level)


def crossed_difference(
    statistic: Callable[..., float],
    a: ArrayLike,
    b: ArrayLike,
    *shared: ArrayLike,
    groups: ArrayLike | None = None,
    seed: int = 0,
    n_draws: int = N_DRAWS,
    level: float = 0.95,
) -> Estimate:
    """A difference between two ways of training, over training seeds and samples at once.

    Seeds and samples are drawn independently and crossed: a draw of 5 seeds and n samples takes all
    5 n answers where they meet. A claim about a recipe needs this; resampling samples alone is
    a claim about these checkpoints.

    Args:
        statistic: takes (n, ...) answers of one seed and the shared arrays; `np.mean` is fast, and so is
            `np.nanmean`, for answers (seeds, n) with NaN where a seed was not asked that sample.
        a, b: (seeds, n, ...), at least 2 seeds; seed i of a is paired with seed i of b.
        shared: (n, ...), such as the labels.
        groups: (n,), samples that hang together. seed, n_draws, level: as in `bootstrap`.
    Returns: Estimate of the mean over seeds of statistic(a) - statistic(b). It is rather too wide than
        too narrow, since noise of one seed on one sample is counted more than once.
    Raises: ValueError.
    Source: Owen (2007).

    >>> right = np.ones((5, 40))
    >>> print(crossed_difference(np.mean, right, 1 - right))
    1.000 [1.000, 1.000]
    """
    a, b = np.asarray(a), np.asarray(b)
    if a.ndim < 2 or b.ndim < 2 or a.shape[:2] != b.shape[:2] or len(a) < 2:
        raise ValueError(
            f"expected a and b of shape (seeds, n, ...) with at least 2 seeds, got {a.shape} and {b.shape}; "
            "stack one row of answers for each training seed"
        )
    n_seeds, n = a.shape[:2]
    rows = _rows((a[0], *shared))[1:]
    codes = None if groups is None else checks.groups(groups, n=n)
    n_draws = checks.count(n_draws, name="n_draws", least=N_DRAWS)
    sample_rng, seed_rng = np.random.default_rng(seed).spawn(2)

    def difference(i: int, pick: Any) -> float:
        cut = [array[pick] for array in rows]
        return statistic(a[i][pick], *cut) - statistic(b[i][pick], *cut)

    by_seed = np.array([_finite(difference(i, slice(None))) for i in range(n_seeds)])
    weights = seed_rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=n_draws) / n_seeds
    if statistic in (np.mean, np.nanmean) and not rows and a.ndim == b.ndim == 2:
        means = resampling.mean_draws(np.concatenate([a, b]).T, codes, sample_rng, n_draws)
        differences = means[:, :n_seeds] - means[:, n_seeds:]
        draws = (np.where(weights > 0, differences, 0) * weights).sum(axis=1)
    else:
        picks = resampling.resampled_rows(n, codes, sample_rng, n_draws)
        drawn = zip(picks, weights, strict=True)
        draws = np.array([sum(w * difference(i, pick) for i, w in enumerate(ws) if w) for pick, ws in drawn])
    from_seeds = by_seed.var() / n_seeds
    from_samples = max(np.nanvar(draws) - from_seeds, 0.0)
    n_units = joint_units([from_seeds, from_samples], [n_seeds, resampling.n_units(n, codes)])
    low, high = percentile_limits(draws, n_units=n_units, level=level)
    return Estimate(float(by_seed.mean()), low, high, n, level)


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """p-values adjusted for being several, in the order given.

    Rejecting where the adjusted value is at most alpha keeps the chance of any false claim below alpha.

    Args:
        p_values: (m,), each in [0, 1].
    Returns: (m,), each in [0, 1], none below its p-value.
    Raises: ValueError.
    Source: Holm (1979).

    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not len(p) or not ((p >= 0) & (p <= 1)).all():
        raise ValueError(
            f"expected p-values of shape (m,) in [0, 1], got {p_values!r}; pass one for each test"
        )
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    steps = p[order] * np.arange(len(p), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def permutation_p_value(
    statistic: Callable[..., float],
    a: ArrayLike,
    b: ArrayLike,
    *shared: ArrayLike,
    groups: ArrayLike | None = None,
    seed: int = 0,
    n_draws: int = 9_999,
) -> float:
    """How often chance alone would set two models as far apart as they are, on either side.

    If the models were equal, it would not matter which answer to a sample is whose. So the two answers
    are swapped for a random half of the samples, again and again.

    Args:
        statistic: takes a or b and the shared arrays, returns one number; `np.mean` is fast.
        a, b: (n, ...), row i of both belongs to sample i.
        shared: (n, ...), such as the labels.
        groups: (n,), samples that hang together; they are swapped together.
        seed: the same seed gives the same p-value.
        n_draws: how many times to swap, at least 999.
    Returns: (1 + draws at least as far apart) / (1 + n_draws), in (0, 1].
    Raises: ValueError.
    Source: Efron & Tibshirani (1993), chapter 15; Phipson & Smyth (2010).

    >>> permutation_p_value(np.mean, [1, 1, 1, 1, 0], [0, 0, 0, 0, 0])  # exactly 2 / 2**4 = 0.125
    0.1224
    """
    rows = _rows((a, b, *shared))
    a, b, rest = rows[0], rows[1], rows[2:]
    if a.shape != b.shape:
        raise ValueError(f"expected a and b of one shape, got {a.shape} and {b.shape}; pair the answers")
    n = len(a)
    codes = np.arange(n) if groups is None else checks.groups(groups, n=n)
    n_draws = checks.count(n_draws, name="n_draws", least=999)
    rng = np.random.default_rng(seed)
    observed = _finite(statistic(a, *rest) - statistic(b, *rest))
    if statistic is np.mean and not rest and a.ndim == 1:
        apart = resampling.unit_table((a.astype(float) - b)[:, None], codes, rng)[:, 0]
        differences = resampling.signed_sums(apart, rng=rng, n_draws=n_draws) / n
    else:
        differences = np.empty(n_draws)
        for i in range(n_draws):
            swap = rng.random(codes.max() + 1)[codes] < 0.5
            swap = swap.reshape(n, *[1] * (a.ndim - 1))
            first, second = np.where(swap, b, a), np.where(swap, a, b)
            differences[i] = statistic(first, *rest) - statistic(second, *rest)
    # The observed difference itself must count as far apart, whatever the rounding of its sum.
    reached = np.abs(differences) >= abs(observed) * (1 - 1e-9) - 1e-12
    return float((1 + reached.sum()) / (1 + n_draws))


def _is_mean(statistic: Callable, rows: list[Array]) -> bool:
    return statistic is np.mean and len(rows) == 1 and rows[0].ndim == 1


def _rows(arrays: Sequence[ArrayLike]) -> list[Array]:
    rows = [np.asarray(array) for array in arrays]
    shapes = [array.shape for array in rows]
    if not rows or any(len(shape) < 1 or shape[0] < 2 or shape[0] != shapes[0][0] for shape in shapes):
        raise ValueError(
            f"expected arrays with the same number of rows, at least 2, got {shapes}; pass one row a sample"
        )
    return rows


def _finite(value: Any) -> float:
    if np.ndim(value) != 0 or not np.isfinite(value):
        raise ValueError(
            f"expected a statistic that returns a finite number, got {value!r}; try it on its own"
        )
    return float(value)

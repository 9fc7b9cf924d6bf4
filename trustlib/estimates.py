"""Every number with its interval: Wilson for a share, bootstrap for the rest, Holm for many p-values.

Bootstrap intervals are percentile intervals, since these respect a statistic's range and the
lopsidedness of its draws. For m units (rows, or groups where there are groups) the plain one is too
narrow: by sqrt((m - 1) / m), and by a normal quantile where a t quantile belongs. So its percentiles
are moved outwards by both (Hesterberg 2015). Where nothing varies, nothing can be resampled and the
interval has no width: take `proportion` for shares near 0 or 1.

Sources: Wilson (1927); Satterthwaite (1946); Holm (1979); Efron & Tibshirani (1993), chapter 13;
Davison & Hinkley (1997), section 3.8 (groups); Owen (2007), seeds crossed with samples;
Hesterberg (2015), section 5.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri, stdtrit

from trustlib import checks

Array = NDArray[Any]
N_DRAWS = 2000
# More units than this are first joined at random: the same interval in seconds, not minutes.
MOST_UNITS = 10_000
# Numbers held at once while resampling, so that memory stays near 50 MB.
CHUNK = 4_000_000


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
    """Any statistic of a sample, with a percentile interval from resampling rows or whole groups.

    Args:
        statistic: takes the arrays, returns one number. `np.mean` of one 1-D array is computed at once
            for all draws; anything else is called n_draws times.
        arrays: each with n rows, resampled together.
        groups: (n,), samples that hang together; whole groups are drawn. None: every row by itself.
        seed: the same seed gives the same interval.
        n_draws: at least 2,000.
        level: in (0, 1).
    Returns: Estimate. Draws where the statistic is NaN (a class is missing, say) are left out.
    Raises: ValueError; also when the statistic itself, or more than half of its draws, is not finite.
    Source: Efron & Tibshirani (1993); Hesterberg (2015) for the expanded percentiles.

    >>> print(bootstrap(np.mean, [0, 0, 1, 1] * 25))
    0.500 [0.400, 0.600]
    """
    rows = _rows(arrays)
    n = len(rows[0])
    codes = None if groups is None else checks.groups(groups, n=n)
    rng = np.random.default_rng(seed)
    n_draws = checks.count(n_draws, name="n_draws", least=N_DRAWS)
    value = _finite(statistic(*rows))
    draws = _draws(statistic, rows, codes, rng, n_draws)
    low, high = percentile_limits(draws, n_units=_n_units(n, codes), level=level)
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
    0.250 [0.160, 0.340]
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
    0.250 [0.110, 0.380]
    """
    n_draws = checks.count(n_draws, name="n_draws", least=N_DRAWS)
    values, draws, units, n = [], [], [], 0
    streams = np.random.default_rng(seed).spawn(2)
    for sample, groups, rng in ((a, groups_a, streams[0]), (b, groups_b, streams[1])):
        if not isinstance(sample, tuple):
            raise ValueError(f"expected a tuple of arrays, got {type(sample).__name__}; write (array,)")
        rows = _rows(sample)
        codes = None if groups is None else checks.groups(groups, n=len(rows[0]))
        values.append(_finite(statistic(*rows)))
        draws.append(_draws(statistic, rows, codes, rng, n_draws))
        units.append(_n_units(len(rows[0]), codes))
        n += len(rows[0])
    n_units = _joint_units([np.nanvar(each) for each in draws], units)
    low, high = percentile_limits(draws[0] - draws[1], n_units=n_units, level=level)
    return Estimate(values[0] - values[1], low, high, n, level)


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
        statistic: takes (n, ...) answers of one seed and the shared arrays; `np.mean` is fast.
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
    if statistic is np.mean and not rows and a.ndim == b.ndim == 2:
        means = _mean_draws((a.astype(float) - b).T, codes, sample_rng, n_draws)  # (n_draws, seeds)
        draws = (weights * means).sum(axis=1)
    else:
        picks = _resampled_rows(n, codes, sample_rng, n_draws)
        drawn = zip(picks, weights, strict=True)
        draws = np.array([sum(w * difference(i, pick) for i, w in enumerate(ws) if w) for pick, ws in drawn])
    from_seeds = by_seed.var() / n_seeds
    from_samples = max(np.nanvar(draws) - from_seeds, 0.0)
    n_units = _joint_units([from_seeds, from_samples], [n_seeds, _n_units(n, codes)])
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


def wilson_limits(share: float, n: float, *, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score limits for a share in [0, 1] of n trials, n > 0; n need not be whole."""
    z2 = float(ndtri(0.5 + level / 2)) ** 2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    # At a share of 0 or 1 the limit is exact; rounding must not put the value outside its interval.
    return float(max(0.0, min(centre - half, share))), float(min(1.0, max(centre + half, share)))


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


def resampled_sums(table: Any, counts: Array, *, rng: np.random.Generator, n_draws: int) -> Array:
    """Column sums of a table whose rows are resampled, for all draws at once: (n_draws, columns).

    Args:
        table: (m, columns), dense or scipy.sparse; row i stands for each of counts[i] equal units.
        counts: (m,), whole numbers; a draw takes counts.sum() units with replacement.
    """
    chances = counts / counts.sum()
    sums = np.empty((n_draws, table.shape[1]))
    step = max(1, CHUNK // len(counts))
    for start in range(0, n_draws, step):
        size = min(step, n_draws - start)
        sums[start : start + size] = rng.multinomial(int(counts.sum()), chances, size=size) @ table
    return sums


def _draws(
    statistic: Callable, rows: list[Array], codes: Array | None, rng: np.random.Generator, n_draws: int
) -> Array:
    if statistic is np.mean and len(rows) == 1 and rows[0].ndim == 1:
        return _mean_draws(rows[0], codes, rng, n_draws)
    picks = _resampled_rows(len(rows[0]), codes, rng, n_draws)
    return np.array([statistic(*(array[pick] for array in rows)) for pick in picks], dtype=float)


def _mean_draws(values: Array, codes: Array | None, rng: np.random.Generator, n_draws: int) -> Array:
    """Means of resampled rows of (n,) or (n, columns): (n_draws,) or (n_draws, columns)."""
    columns = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    if codes is None:
        columns, counts = np.unique(columns, axis=0, return_counts=True)  # 0 and 1 need two rows, not n
        table = np.column_stack([columns, np.ones(len(columns))])
    else:
        table = np.column_stack(
            [np.bincount(codes, weights=column) for column in (*columns.T, np.ones(len(codes)))]
        )
        counts = np.ones(len(table), dtype=np.int64)
    if len(table) > MOST_UNITS:
        table, counts = _joined(table, counts, rng)
    sums = resampled_sums(table, counts, rng=rng, n_draws=n_draws)
    means = sums[:, :-1] / sums[:, -1:]
    return means[:, 0] if np.ndim(values) == 1 else means


def _joined(table: Array, counts: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Units joined at random into MOST_UNITS larger ones. Joining independent units keeps their spread."""
    units = rng.permutation(np.repeat(np.arange(len(table)), counts))
    team = np.arange(len(units)) % MOST_UNITS
    joined = np.column_stack([np.bincount(team, weights=column[units]) for column in table.T])
    return joined, np.ones(MOST_UNITS, dtype=np.int64)


def _resampled_rows(n: int, codes: Array | None, rng: np.random.Generator, n_draws: int) -> Iterator[Array]:
    if codes is None:
        yield from (rng.integers(n, size=n) for _ in range(n_draws))
        return
    members = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    for _ in range(n_draws):
        yield np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])


def _n_units(n: int, codes: Array | None) -> int:
    return n if codes is None else int(codes.max()) + 1


def _joint_units(variances: Sequence[float], units: Sequence[int]) -> float:
    """How many units two sources of variance are worth together (Satterthwaite 1946)."""
    worth = sum(variance**2 / (n - 1) for variance, n in zip(variances, units, strict=True))
    return 1 + sum(variances) ** 2 / worth if worth > 0 else min(units)


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

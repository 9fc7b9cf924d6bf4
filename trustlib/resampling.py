"""A sample drawn again from itself, by rows or by whole groups: the draws behind every bootstrap interval.

A statistic that is made of sums needs no loop: the counts of how often each row is drawn, times a table
of what each row adds, give the sums of all draws in one matrix product.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
N_DRAWS = 2000
# More units than this are first joined at random: the same interval in seconds, not minutes.
MOST_UNITS = 10_000
# Numbers held at once while resampling, so that memory stays near 50 MB.
CHUNK = 4_000_000
# The same for means, which everything has many of: near 10 MB for a thousand samples as for a million.
UNITS_CHUNK = 400_000


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


def resampled_units(table: Any, *, rng: np.random.Generator, n_draws: int) -> Array:
    """`resampled_sums` of a table (m, columns) whose rows are one unit each, several times as fast."""
    m = table.shape[0]
    sums = np.empty((n_draws, table.shape[1]))
    step = max(1, UNITS_CHUNK // m)
    for start in range(0, n_draws, step):
        size = min(step, n_draws - start)
        picks = rng.integers(m, size=(size, m)) + m * np.arange(size)[:, None]
        drawn = np.bincount(picks.ravel(), minlength=size * m).reshape(size, m)
        sums[start : start + size] = drawn.astype(np.float64) @ table
    return sums


def signed_sums(values: Array, *, rng: np.random.Generator, n_draws: int) -> Array:
    """Sums of values (m,), each with a sign from a fair coin of its own, for all draws: (n_draws,)."""
    step = max(1, CHUNK // len(values))
    sizes = [min(step, n_draws - start) for start in range(0, n_draws, step)]
    signs = (rng.integers(2, size=(size, len(values)), dtype=np.int8) for size in sizes)
    return np.concatenate([2 * (sign @ values) - values.sum() for sign in signs])


def unit_table(columns: Array, codes: Array | None, rng: np.random.Generator) -> Array:
    """What each unit adds to the sum of each column: (n, columns) to (units, columns).

    A unit is a row, or a group where there are group codes (n,). More than MOST_UNITS are joined at random.
    """
    if codes is None and len(columns) <= MOST_UNITS:
        return columns
    return group_sums(columns, teams(np.arange(len(columns)) if codes is None else codes, rng))


def teams(codes: Array, rng: np.random.Generator) -> Array:
    """Group codes (n,) from 0, with groups joined at random into MOST_UNITS where there are more."""
    n_groups = int(codes.max()) + 1
    return codes if n_groups <= MOST_UNITS else rng.permutation(n_groups)[codes] % MOST_UNITS


def group_sums(columns: Array, codes: Array) -> Array:
    """Sums of the rows of each group: (n, columns) and codes (n,) from 0 to (groups, columns)."""
    return np.column_stack([np.bincount(codes, weights=column) for column in columns.T])


def joined(table: Array, counts: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Units joined at random into MOST_UNITS larger ones. Joining independent units keeps their spread."""
    units = rng.permutation(np.repeat(np.arange(len(table)), counts))
    team = np.arange(len(units)) % MOST_UNITS
    table = np.column_stack([np.bincount(team, weights=column[units]) for column in table.T])
    return table, np.ones(MOST_UNITS, dtype=np.int64)


def draws(
    statistic: Callable, rows: Sequence[Array], codes: Array | None, rng: np.random.Generator, n_draws: int
) -> Array:
    """A statistic of resampled rows, (n_draws,), called once for each draw."""
    picks = resampled_rows(len(rows[0]), codes, rng, n_draws)
    return np.array([statistic(*(array[pick] for array in rows)) for pick in picks], dtype=float)


def mean_errors(
    values: Array, codes: Array | None, rng: np.random.Generator, n_draws: int
) -> tuple[float, Array, Array]:
    """The standard error of the mean of values (n,); and of each draw, (n_draws,), how far its mean lies
    above, and its standard error."""
    values = np.asarray(values, dtype=np.float64)
    above = values - values.mean()
    scale = np.abs(above).max() or 1.0  # numbers of any size can be squared then
    # Each unit's sum of what lies above the mean, and its size; and what their variance is made of.
    above, size = unit_table(np.column_stack([above / scale, np.ones(len(values))]), codes, rng).T
    table = np.column_stack([above, size, above**2, above * size, size**2])
    m = len(table)

    def ratio(sums: Array) -> tuple[Array, Array]:
        s, w, ss, sw, ww = sums.T
        means = s / w
        spread = np.maximum(ss - 2 * means * sw + means**2 * ww, 0)
        return means, np.sqrt(spread * m / (m - 1)) / w

    error = float(ratio(table.sum(axis=0)[None])[1][0])
    means, errors = ratio(resampled_units(table, rng=rng, n_draws=n_draws))
    return error * scale, means * scale, errors * scale


def mean_draws(columns: Array, codes: Array | None, rng: np.random.Generator, n_draws: int) -> Array:
    """Means of resampled rows of (n, columns): (n_draws, columns).

    NaN counts as not there; a draw in which all of a column is missing has the mean NaN.
    """
    columns = np.asarray(columns, dtype=np.float64)
    known = ~np.isnan(columns)
    table = np.column_stack([np.where(known, columns, 0), known])
    if codes is None:
        table, counts = np.unique(table, axis=0, return_counts=True)  # 0 and 1 need two rows, not n
    else:
        table = group_sums(table, codes)
        counts = np.ones(len(table), dtype=np.int64)
    if len(table) > MOST_UNITS:
        table, counts = joined(table, counts, rng)
    sums = resampled_sums(table, counts, rng=rng, n_draws=n_draws)
    total, found = np.split(sums, 2, axis=1)
    return np.divide(total, found, out=np.full_like(total, np.nan), where=found > 0)


def resampled_rows(n: int, codes: Array | None, rng: np.random.Generator, n_draws: int) -> Iterator[Array]:
    """Indices of the rows of each draw; with codes, the rows of whole groups."""
    if codes is None:
        yield from (rng.integers(n, size=n) for _ in range(n_draws))
        return
    members = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    for _ in range(n_draws):
        yield np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])


def n_units(n: int, codes: Array | None) -> int:
    """How many units are resampled: rows, or groups where there are group codes from 0."""
    return n if codes is None else int(codes.max()) + 1

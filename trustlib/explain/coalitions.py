"""Which coalitions a game is asked about: all of them, or pairs of one and its complement.

Of each size the same number of pairs is taken, as leverage scores say, without replacement, and small sizes
completely where the budget covers them. How many of each size is no matter of chance; which ones, is.

Sources: Lundberg & Lee (2017), the Shapley kernel; Covert & Lee (2021), pairs; Musco & Witter (2025),
leverage scores without replacement.
"""

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

LISTED = 2**16  # up to so many coalitions of one size are listed and picked from


@dataclass(frozen=True, eq=False)
class Pairs:
    """n coalitions that stand for themselves and their complements.

    masks: (n, m), True for players inside; weights: (n,), the Shapley kernel over the chance of being drawn;
    unseen: (n,), the share of the coalitions of this size that were not drawn.
    """

    masks: NDArray[np.bool_]
    weights: NDArray[np.float64]
    unseen: NDArray[np.float64]


def every(m: int) -> NDArray[np.bool_]:
    """All coalitions of m players as masks (2**m, m), the empty one first and the full one last.

    >>> every(2).tolist()
    [[False, False], [True, False], [False, True], [True, True]]
    """
    return (np.arange(2**m)[:, None] >> np.arange(m) & 1).astype(bool)


def draw(m: int, n_pairs: int, rng: np.random.Generator) -> Pairs:
    """That many pairs of m players, from the sizes 1 to m / 2 and their complements.

    Args:
        m: at least 2. n_pairs: at least m / 2, so that no size is missed, and below 2**(m - 1) - 1.

    >>> draw(4, 5, np.random.default_rng(0)).masks.sum(axis=1)  # 3 of 4 single ones, 2 of 3 halves
    array([1, 1, 1, 2, 2])
    """
    masks, weights, unseen = [], [], []
    for size, n in enumerate(per_size(m, n_pairs), start=1):
        found = _subsets(m, size, n, rng)
        total = _n_pairs(m, size)
        masks.append(found)
        weights.append(np.full(n, total / n / (comb(m, size) * size * (m - size))))
        unseen.append(np.full(n, 1 - n / total))
    return Pairs(np.concatenate(masks), np.concatenate(weights), np.concatenate(unseen))


def per_size(m: int, n_pairs: int) -> list[int]:
    """How many pairs of the sizes 1, 2, ... m / 2: as many of each, none more than there are.

    A pair of halves counts for one size, other pairs for two, so halves get half as many.

    >>> per_size(12, 59)
    [11, 11, 11, 11, 10, 5]
    """
    sizes = range(1, m // 2 + 1)
    totals = np.array([min(_n_pairs(m, size), n_pairs) for size in sizes], dtype=float)
    shares = np.array([1.0 if 2 * size < m else 0.5 for size in sizes])
    wanted = np.zeros(len(shares))
    open_sizes = np.ones(len(shares), dtype=bool)
    while open_sizes.any():
        left = n_pairs - totals[~open_sizes].sum()
        wanted = np.where(open_sizes, left * shares / shares[open_sizes].sum(), totals)
        if not (wanted > totals).any():
            break
        open_sizes &= wanted <= totals
    counts = np.floor(wanted + 1e-9).astype(int)
    short = np.argsort(counts - wanted, kind="stable")[: n_pairs - counts.sum()]
    counts[short] += 1
    return counts.tolist()


def _n_pairs(m: int, size: int) -> int:
    return comb(m, size) if 2 * size < m else comb(m, size) // 2


def _subsets(m: int, size: int, n: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """n different subsets (n, m) of one size; of two halves that complete each other, one at most."""
    halves = 2 * size == m
    total = _n_pairs(m, size)
    if total <= max(LISTED, 4 * n):
        # The half that holds the first player stands for both.
        rest = combinations(range(1, m), size - 1) if halves else combinations(range(m), size)
        members = np.array([(0, *chosen) if halves else chosen for chosen in rest])
        members = members if n == total else members[rng.choice(total, n, replace=False)]
        masks = np.zeros((n, m), dtype=bool)
        np.put_along_axis(masks, members, True, axis=1)
        return masks
    found: dict[bytes, NDArray[np.bool_]] = {}
    while len(found) < n:  # at least 3 of 4 draws are new
        for mask in rng.random((n - len(found), m)).argsort(axis=1) < size:
            mask = ~mask if halves and not mask[0] else mask
            found.setdefault(mask.tobytes(), mask)
    return np.array(list(found.values()))

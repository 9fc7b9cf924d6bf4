"""Do two explanations of one input say the same? Rank correlation, top features in common, their signs.

Agreement is no truth: two methods can share a mistake. But where they disagree, one of them is wrong.
Sources: Spearman (1904); Krishna et al. (2022), agreement of top features and of their signs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trustlib import checks
from trustlib.explain.explanation import Explanation
from trustlib.faithfulness.control import Controlled, beside, constant, permutations, values_of

TOP = 5
N_DRAWS = 1000


@dataclass(frozen=True, eq=False)
class Agreement:
    """How far two explanations agree, each measure beside what it is when one of them is permuted.

    spearman: correlation of the ranks of the values, in [-1, 1]; overlap: share of the k features largest by
    magnitude that are in both; signs: share of these k that are in both with the same sign; k: how many are
    on top. All NaN where one explanation is constant and so ranks nothing.
    """

    spearman: Controlled
    overlap: Controlled
    signs: Controlled
    k: int


def agreement(
    first: Explanation, second: Explanation, *, k: int | None = None, n_draws: int = N_DRAWS, seed: int = 0
) -> Agreement:
    """How far two explanations of one answer, over the same features, agree.

    Args:
        first, second: explanations of the same class with the same m >= 2 features.
        k: how many features are on top; by default 5, and at most half of them.
        n_draws: permutations of the second explanation's values, the control.
        seed: of the permutations, and of the order among features of equal magnitude.
    Returns: Agreement.
    Raises: ValueError when features or classes differ.
    Source: Krishna et al. (2022).

    >>> a, b = (Explanation(np.array(v), 0.0, 0.9, 1, ["x", "y", "z"], np.zeros(3), 0.0, 0, 0, "by hand",
    ...                     np.zeros(3)) for v in ([0.5, 0.2, -0.1], [0.2, 0.3, -0.4]))
    >>> found = agreement(a, b, k=2)
    >>> found.spearman.score, found.overlap.score, found.signs.score
    (0.5, 0.5, 0.5)
    """
    same_question(first, second)
    n_draws = checks.count(n_draws, name="n_draws", least=1)
    a, b = values_of(first, name="first"), values_of(second, name="second")
    k = top(len(a), k)
    scores, controls = agreements(a, b, k, n_draws, np.random.default_rng(seed))
    return Agreement(*(beside(scores[i], controls[i]) for i in range(3)), k)


def agreements(
    a: NDArray[np.float64], b: NDArray[np.float64], k: int, n_draws: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Spearman, overlap and signs of values a and b (m,): scores (3,) and controls (3, n_draws)."""
    from scipy.stats import rankdata

    if constant(a) or constant(b):
        return np.full(3, np.nan), np.full((3, n_draws), np.nan)
    # One draw decides ties in both, so that an explanation agrees with itself.
    ties = rng.random(len(a))
    tops = [np.isin(np.arange(len(a)), np.lexsort((ties, -np.abs(values)))[:k]) for values in (a, b)]
    ranks = [rankdata(values) - (len(a) + 1) / 2 for values in (a, b)]
    size = np.sqrt((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum())
    orders = np.vstack([np.arange(len(a)), permutations(len(a), n_draws, rng)])  # the first is as it is
    both = tops[0] & tops[1][orders]
    alike = np.sign(a) == np.sign(b)[orders]
    found = np.stack(
        [ranks[1][orders] @ ranks[0] / size, both.sum(axis=1) / k, (both & alike).sum(axis=1) / k]
    )
    found[0] = found[0].round(12)  # a sum of squares over itself is 1, not 0.9999999999999999
    return found[:, 0], found[:, 1:]


def top(m: int, k: int | None) -> int:
    """How many of m features are on top: k, or by default 5 and at most half. Raises: ValueError."""
    if k is None:
        return max(1, min(TOP, m // 2))
    k = checks.count(k, name="k")
    if k > m:
        raise ValueError(f"expected k up to the number of features, {m}, got {k}; take fewer")
    return k


def same_question(first: Explanation, second: Explanation) -> None:
    """Refuse two explanations of different classes or over different features. Raises: ValueError."""
    same_target(first, second)
    if first.kind != second.kind or not _same_features(first, second):
        raise ValueError(
            f"expected the same features in both explanations, got {len(first.values)} and "
            f"{len(second.values)} that differ; hand the same segments or words to both explainers"
        )


def _same_features(first: Explanation, second: Explanation) -> bool:
    if first.kind == "image":
        return np.array_equal(first.features, second.features)
    return list(first.features) == list(second.features)


def same_target(first: Explanation, second: Explanation) -> None:
    """Refuse explanations of different classes. Raises: ValueError."""
    if first.target != second.target:
        raise ValueError(
            f"expected explanations of one class, got {first.target} and {second.target}; "
            "give the explainer a target"
        )

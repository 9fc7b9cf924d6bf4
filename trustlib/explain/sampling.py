"""How many samples an explanation needs to say the same again.

Sources: Zhou, Hooker & Wang (2021), S-LIME, who ask the same question and answer it by testing step by
step; here all pairs of a feature inside and one outside are counted at once, with their covariances.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from trustlib import checks
from trustlib.explain.explanation import Explanation

A_FEATURE = 10  # samples; with fewer, standard errors mean little


@dataclass(frozen=True)
class SamplesNeeded:
    """How many samples make the k largest features the same ones again.

    n: so many, or None where even `most` are too few: the features are not separable; top: the k features
    that the pilot found largest, in order; closest: one inside and one outside that are hardest to tell
    apart; level: the probability aimed at; most: where the search ended.
    """

    n: int | None
    top: tuple[int, ...]
    closest: tuple[int, int]
    level: float
    most: int

    def __str__(self) -> str:
        inside, outside = self.closest
        if self.n is None:
            return f"not separable: features {inside} and {outside} are too alike for {self.most:,} samples"
        return f"{self.n:,} samples for the same {len(self.top)} largest features in {self.level:.1%} of runs"


def samples_needed(pilot: Explanation, k: int, *, level: float = 0.95, most: int = 100_000) -> SamplesNeeded:
    """From a pilot: how many samples until the k largest features are the same, whatever the seed.

    Standard errors shrink with the root of the number of samples. So from their covariances follows how
    likely it is that some feature outside overtakes one inside; the sum over all pairs is at most 1 - level.

    Args:
        pilot: an explanation with a covariance, such as lime's of some ten samples a feature.
        k: how many features, from 1 to m - 1; largest in size, whatever the sign.
        level: in (0, 1).
        most: more samples than these count as never.
    Returns: SamplesNeeded; `n` is None where the features are not separable. The pilot's own gaps are
        uncertain: where n is many times the pilot's number, make a larger pilot. Never below ten a feature.
    Raises: ValueError, also for an explanation whose draws nothing is known of.

    >>> two = Explanation(np.array([0.3, 0.1]), 0, 0, 0, ("a", "b"), np.full(2, 0.1), 1, 100, 0, "lime",
    ...                   np.zeros(2), covariance=np.eye(2) / 100, n_samples=100)
    >>> print(samples_needed(two, 1, level=0.975))  # 100 (1.96 * 0.1 * root of 2 / 0.2)²
    193 samples for the same 1 largest features in 97.5% of runs
    """
    level = checks.fraction(level, name="level")
    most = checks.count(most, name="most")
    if pilot.covariance is None or pilot.n_samples is None:
        raise ValueError(
            f"expected an explanation with the covariance of its values, got {pilot.method!r} without one; "
            "pass what explain.lime_image, lime_text or lime_table returned"
        )
    m = len(pilot.values)
    k = checks.count(k, name="k")
    if k >= m:
        raise ValueError(f"expected k from 1 to {m - 1}, got {k}; all {m} features are always the same ones")
    order = np.argsort(-np.abs(pilot.values), kind="stable")
    inside, outside = order[:k, None], order[None, k:]
    scores = _scores(pilot, inside, outside)  # (2, k, m - k)
    hardest = scores.min(axis=0)
    i, j = np.unravel_index(hardest.argmin(), hardest.shape)

    def enough(n: int) -> bool:
        return norm.sf(scores * np.sqrt(n / pilot.n_samples)).sum() <= 1 - level

    n = None
    if enough(most):
        low, n = A_FEATURE * m - 1, max(most, A_FEATURE * m)
        while n - low > 1:  # the risk falls as samples are added
            middle = (low + n) // 2
            low, n = (low, middle) if enough(middle) else (middle, n)
    closest = (int(inside[i, 0]), int(outside[0, j]))
    return SamplesNeeded(n, tuple(order[:k].tolist()), closest, level, most)


def _scores(pilot: Explanation, inside: NDArray[np.int64], outside: NDArray[np.int64]) -> NDArray[np.float64]:
    """How far |value| inside lies above + and - the value outside, in the pilot's standard errors."""
    values, covariance = pilot.values, pilot.covariance
    side = np.where(values[inside] < 0, -1, 1)
    variances = np.diag(covariance)[inside] + np.diag(covariance)[outside]
    signs = np.array([1, -1])[:, None, None]
    gaps = np.abs(values[inside]) - signs * values[outside]
    spreads = np.sqrt(np.maximum(variances - 2 * signs * side * covariance[inside, outside], 0))
    never = np.where(gaps > 0, np.inf, 0.0)  # without any spread a gap is sure, and none is a tie
    return np.divide(gaps, spreads, out=never, where=spreads > 0)

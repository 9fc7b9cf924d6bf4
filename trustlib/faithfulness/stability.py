"""Does the explanation stay when nothing that matters has changed: another seed, a little noise?

An explainer that draws samples gives other values with every seed. And an input that has changed by less
than anyone can see should have the same explanation. Source: Alvarez-Melis & Jaakkola (2018).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trustlib import checks, estimates, progress
from trustlib.estimates import Estimate
from trustlib.explain.explanation import Explanation
from trustlib.faithfulness.agreement import agreements, same_question, same_target, top
from trustlib.faithfulness.control import Controlled, beside, values_of
from trustlib.intervals import percentile_limits

Array = NDArray[np.float64]
Explain = Callable[[Callable[[Any], Any], Any, int], Explanation]
N_DRAWS, N_BOOTSTRAP = 200, 2000


@dataclass(frozen=True, eq=False)
class Repeats:
    """The mean agreement of repeated explanations, beside that of permuted values.

    spearman, overlap: as in `Agreement`, means over pairs of explanations, each with its interval in
    `.estimate`; spearmans, overlaps: (pairs,), those means' terms, NaN where an explanation is constant;
    n_undefined: pairs that are left out for that reason; k: how many features are on top.
    """

    spearman: Controlled
    overlap: Controlled
    spearmans: NDArray[np.float64]
    overlaps: NDArray[np.float64]
    n_undefined: int
    k: int


@dataclass(frozen=True, eq=False)
class Stability:
    """What other seeds and small noise do to the explanation of one input.

    over_seeds: all pairs of seeds compared; None with one seed; under_noise: the explanation of each noisy
    input compared with that of the input itself, both with the first seed; None without noise; of_seeds,
    of_noise: the explanations; n_calls: inputs that the model answered.
    """

    over_seeds: Repeats | None
    under_noise: Repeats | None
    of_seeds: tuple[Explanation, ...]
    of_noise: tuple[Explanation, ...]
    n_calls: int


def stability(
    explain: Explain,
    predict_proba: Callable[[Any], Any],
    input: Any,
    *,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    sigma: float | None = None,
    neighbours: Sequence[Any] = (),
    k: int | None = None,
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> Stability:
    """Rank agreement of explanations across seeds and under small noise.

    Args:
        explain: `explain(predict_proba, input, seed) -> Explanation`, always of the same class: give the
            explainer a target. For a picture give it the same segments each time, those of the clean one,
            such as `lambda p, x, seed: explain.lime_image(p, x, segments=segments, target=1, seed=seed)`;
            else the noise moves the segments, and there is nothing to compare.
        predict_proba: the model.
        input: a picture, a text or a row.
        seeds: different whole numbers, which `explain` is called with.
        sigma: deviation of the noise that is added to a picture, in units where a pixel spans [0, 1], or to
            a row, in its own unit; as many noisy inputs as seeds. None adds none.
        neighbours: further inputs as near as makes no difference, with the same features in the same order,
            such as a text with another spelling; the way for texts, to which no noise can be added.
        k: features on top; by default 5, and at most half of them.
        n_draws: permutations of the values, the control.
        seed: of the noise, the permutations and the intervals.
    Returns: Stability. An interval over seeds resamples seeds, one under noise resamples noisy inputs; both
        are about this input. For many inputs hand the scores to `across`.
    Raises: ValueError.
    Source: Alvarez-Melis & Jaakkola (2018); Spearman (1904).

    >>> def explain(predict_proba, row, seed):
    ...     names, errors = ["a", "b", "c"], np.zeros(3)
    ...     return Explanation(row * [1, 2, 3], 0.0, 0.5, 1, names, errors, 0.0, 0, seed, "by hand", row)
    >>> found = stability(explain, lambda rows: np.full((len(rows), 2), 0.5), np.ones(3), sigma=0.01)
    >>> print(found.over_seeds.spearman.estimate, found.under_noise.spearman.estimate)
    1.000 [1.000, 1.000] 1.000 [1.000, 1.000]
    """
    seeds = [checks.count(number, name="each seed", least=0) for number in seeds]
    neighbours = list(neighbours)
    rng = np.random.default_rng(seed)
    if sigma is not None:
        sigma = checks.positive(sigma, name="sigma")
        neighbours += [_noisy(input, sigma, rng) for _ in range(max(len(seeds), 2))]
    if (
        not seeds
        or len(set(seeds)) < len(seeds)
        or (len(seeds) == 1 and not neighbours)
        or len(neighbours) == 1
    ):
        raise ValueError(
            f"expected two different seeds, or two noisy inputs or more, got seeds {seeds} and "
            f"{len(neighbours)} noisy inputs; add some"
        )
    asked = [(input, number) for number in seeds] + [(near, seeds[0]) for near in neighbours]
    made = [
        explain(predict_proba, near, number)
        for near, number in progress.bar(asked, description="stability", unit="explanation")
    ]
    of_seeds, of_noise = made[: len(seeds)], made[len(seeds) :]
    for other in of_seeds[1:]:
        same_question(of_seeds[0], other)
    for other in of_noise:
        same_target(of_seeds[0], other)
        _same_number(of_seeds[0], other)
    pairs = list(combinations(range(len(seeds)), 2))
    with_itself = [(of_seeds[0], other) for other in of_noise]
    between = [(of_seeds[i], of_seeds[j]) for i, j in pairs]
    return Stability(
        over_seeds=_repeats(between, k, n_draws, rng, pairs) if pairs else None,
        under_noise=_repeats(with_itself, k, n_draws, rng) if of_noise else None,
        of_seeds=tuple(of_seeds),
        of_noise=tuple(of_noise),
        n_calls=sum(explanation.n_calls for explanation in made),
    )


def _repeats(compared, k, n_draws, rng, pairs=None) -> Repeats:
    """Agreement of pairs of explanations; with `pairs`, the numbers of the two that each pair is made of."""
    n_draws = checks.count(n_draws, name="n_draws", least=1)
    k = top(len(compared[0][0].values), k)
    found = [agreements(values_of(a), values_of(b), k, n_draws, rng) for a, b in compared]
    scores = np.array([score for score, _ in found])  # (pairs, 3)
    controls = np.array([control for _, control in found])  # (pairs, 3, n_draws)
    undefined = np.isnan(scores[:, 0])
    beside_control = [
        mean_beside(scores[:, i], controls[:, i], rng, pairs, lowest=lowest)
        for i, lowest in ((0, -1.0), (1, 0.0))
    ]
    return Repeats(*beside_control, scores[:, 0], scores[:, 1], int(undefined.sum()), k)


def mean_beside(scores, controls, rng, pairs=None, *, lowest: float) -> Controlled:
    """The mean of scores (p,) that are defined, with its interval, beside the means of controls (p, n_draws).

    With `pairs` (p, 2), what is resampled are the members of the pairs; each counts in several pairs, so
    the pairs themselves are not independent. One score alone may be anything from `lowest` to 1.
    """
    known = ~np.isnan(scores)
    seed = int(rng.integers(2**32))
    if not known.any():
        return beside(np.nan, controls[0])
    score, control = float(scores[known].mean()), controls[known].mean(axis=0)
    if pairs is not None and known.sum() > 1:
        interval = _over_members(scores[known], np.array(pairs)[known], score, seed)
    elif known.sum() > 1:
        interval = estimates.bootstrap(np.mean, scores[known], seed=seed)
    else:
        interval = Estimate(score, lowest, 1.0, 1)
    # A studentised interval of a mean may reach beyond what the measure can be.
    limits = max(interval.low, lowest), min(interval.high, 1.0)
    return beside(score, control, estimate=Estimate(score, *limits, interval.n, interval.level))


def _over_members(scores: Array, pairs: NDArray[np.int64], score: float, seed: int) -> Estimate:
    """The mean score of pairs, with an interval from resampling the members that the pairs are made of.

    A member that is drawn twice says nothing of itself, so only pairs of different members count.
    """
    members, codes = np.unique(pairs, return_inverse=True)
    n, (first, second) = len(members), codes.reshape(pairs.shape).T
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=N_BOOTSTRAP)
    weights = drawn[:, first] * drawn[:, second]  # (draws, pairs)
    total = weights.sum(axis=1)
    means = np.divide(weights @ scores, total, out=np.full(len(drawn), np.nan), where=total > 0)
    return Estimate(score, *percentile_limits(means, n_units=n), n)


def _noisy(input: Any, sigma: float, rng: np.random.Generator) -> Any:
    if isinstance(input, str):
        raise ValueError(
            f"expected sigma to be None for a text, got {sigma}; pass texts that mean the same as neighbours"
        )
    clean = np.asarray(input)
    if clean.ndim == 1:
        return checks.numbers(clean, name="input") + rng.normal(0, sigma, len(clean))
    clean = checks.picture(clean)
    most = 255 if clean.dtype == np.uint8 else 1
    noisy = (clean + rng.normal(0, sigma * most, clean.shape)).clip(0, most)
    return noisy.round().astype(np.uint8) if most == 255 else noisy.astype(clean.dtype)


def _same_number(first: Explanation, second: Explanation) -> None:
    if len(first.values) != len(second.values):
        raise ValueError(
            f"expected as many features with noise as without, got {len(second.values)} and "
            f"{len(first.values)}; hand the segments of the clean picture to the explainer"
        )

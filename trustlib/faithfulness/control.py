"""A score beside what random attributions get: the same features, the same values, permuted.

No single measure of an explanation is to be trusted: some are met by any explanation at all, some by none.
What random attributions score on the same input says where chance stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trustlib import checks, estimates
from trustlib.estimates import Estimate

NOTHING = Estimate(np.nan, np.nan, np.nan, 0)  # where a score is not defined, no share is either


@dataclass(frozen=True, eq=False)
class Controlled:
    """One score of one explanation, and the scores of random attributions.

    score: NaN where it is not defined; controls: (n_draws,), the same measure with the values permuted;
    beats: the share of controls that are worse, ties counted half, 0.5 where the explanation is no better
    than chance; estimate: the score with its interval, where the score itself is a mean over draws (seeds,
    noise, fresh weights), else None.
    """

    score: float
    controls: NDArray[np.float64]
    beats: Estimate
    estimate: Estimate | None = None

    @property
    def defined(self) -> bool:
        """False where the score is NaN, such as a rank correlation with a constant."""
        return bool(np.isfinite(self.score))


@dataclass(frozen=True, eq=False)
class Across:
    """One score over many inputs.

    score, control, difference: Estimates of the mean score, of the mean control, and of score - control,
    paired by input; scores, controls: (n,), each input's score and the mean of its controls; n_undefined:
    inputs that are left out, since their score is not defined.
    """

    score: Estimate
    control: Estimate
    difference: Estimate
    scores: NDArray[np.float64]
    controls: NDArray[np.float64]
    n_undefined: int


def beside(
    score: float, controls: ArrayLike, *, lower_is_better: bool = False, estimate: Estimate | None = None
) -> Controlled:
    """A score with its controls, and how many of them it beats.

    Args:
        score: a number; NaN where it is not defined.
        controls: (n_draws,), what random attributions score.
        lower_is_better: as for a deletion area or a rank.
        estimate: the score with an interval, where it has one.

    >>> beside(0.9, [0.1, 0.2, 0.9, 0.3]).beats.value
    0.75
    """
    controls = np.asarray(controls, dtype=np.float64)
    if not np.isfinite(score):
        return Controlled(float(score), controls, NOTHING, estimate)
    better = (score - controls) * (-1 if lower_is_better else 1)
    ties = np.isclose(better, 0, atol=1e-9)  # the last bits of a mean must not decide
    worse = int((better[~ties] > 0).sum()) + int(ties.sum()) // 2
    return Controlled(float(score), controls, estimates.proportion(worse, len(controls)), estimate)


def across(results: Sequence[Controlled], *, groups: ArrayLike | None = None, seed: int = 0) -> Across:
    """The mean of one score over many inputs, beside that of random attributions on the same inputs.

    Args:
        results: one for each input, such as `[curve.area for curve in curves]`.
        groups: (n,), inputs that hang together; None takes every input for independent.
        seed: for the draws behind the intervals.
    Returns: Across. Inputs whose score is not defined are left out and counted. A score that is 0 or 1 for
        every input, such as a hit, has Wilson's interval where there are no groups.
    Raises: ValueError with fewer than two inputs whose score is defined.

    >>> found = across([beside(1.0, [0.0, 0.5]), beside(0.5, [0.25, 0.25])])
    >>> found.score.value, found.control.value, found.difference.value
    (0.75, 0.25, 0.5)
    """
    defined = np.array([result.defined for result in results], dtype=bool)
    if defined.sum() < 2:
        raise ValueError(
            f"expected at least 2 inputs whose score is defined, got {defined.sum()} of {len(results)}; "
            "pass one result for each input"
        )
    kept = [result for result, known in zip(results, defined, strict=True) if known]
    if groups is not None:
        groups = checks.groups(groups, n=len(defined))[defined]
    scores = np.array([result.score for result in kept])
    controls = np.array([result.controls.mean() for result in kept])
    if groups is None and np.isin(scores, (0, 1)).all():
        score = estimates.proportion(int(scores.sum()), len(scores))
    else:
        score = estimates.bootstrap(np.mean, scores, groups=groups, seed=seed)
    return Across(
        score=score,
        control=estimates.bootstrap(np.mean, controls, groups=groups, seed=seed),
        difference=estimates.paired_difference(np.mean, scores, controls, groups=groups, seed=seed),
        scores=scores,
        controls=controls,
        n_undefined=int((~defined).sum()),
    )


def permutations(m: int, n_draws: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Orders of m features drawn at random: (n_draws, m)."""
    return rng.permuted(np.tile(np.arange(m), (n_draws, 1)), axis=1)


def values_of(explanation, *, name: str = "the explanation") -> NDArray[np.float64]:
    """The m attributions of an explanation, checked: finite, two or more. Raises: ValueError."""
    return checks.numbers(explanation.values, name=f"values of {name}", least=2)


def constant(values: NDArray[np.float64]) -> bool:
    """Whether all attributions are alike, up to rounding, so that they rank nothing."""
    return bool(np.ptp(values) <= 1e-9 * np.abs(values).max(initial=0.0))

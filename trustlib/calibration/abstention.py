"""If the model keeps quiet where it is not sure, how right is it on the rest?

Samples are sorted by confidence, the probability of the most probable class. Keep those above a threshold:
their share is the coverage, the share of wrong answers among them the risk. The area under the
risk-coverage curve is the mean, over samples, of the risk among all at least as sure as that one; a model
whose confidence knows nothing has its overall error rate there.

Sources: Chow (1970); El-Yaniv & Wiener (2010); Geifman, Uziel & El-Yaniv (2019), the area.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trustlib import checks, ranking
from trustlib.estimates import Estimate

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """Errors among the answers that are kept, from the surest one on.

    threshold: (m,), each confidence that occurs, from high to low; coverage, risk: (m,), share of samples
    at least as sure, and share of wrong answers among those; aurc: the area under the curve;
    coverage_at_risk: the largest coverage whose risk is at most at_risk, 0 where there is none.
    """

    threshold: Floats
    coverage: Floats
    risk: Floats
    aurc: Estimate
    at_risk: float
    coverage_at_risk: Estimate


def risk_coverage(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    at_risk: float = 0.05,
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> RiskCoverage:
    """How the share of wrong answers falls when the least sure ones are not given.

    Args:
        probs: (n, k), rows sum to 1, n >= 2.
        labels: (n,), integers in [0, k).
        at_risk: the error rate for which `coverage_at_risk` asks, in [0, 1]. A threshold that was read off
            here looks a little better here than on new samples: choose it on other samples than it is
            judged on.
        groups: (n,), samples that hang together; None takes every sample for independent.
        seed: for the draws behind the intervals.
    Returns: RiskCoverage.
    Raises: ValueError.
    Source: El-Yaniv & Wiener (2010); Geifman, Uziel & El-Yaniv (2019).

    >>> curve = risk_coverage([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]], [0, 0, 1, 0])
    >>> curve.coverage, curve.risk.round(2)
    (array([0.25, 0.5 , 0.75, 1.  ]), array([0.  , 0.  , 0.33, 0.25]))
    >>> round(curve.aurc.value, 4), curve.coverage_at_risk.value
    (0.1458, 0.5)
    """
    probs = checks.probs(probs, least=2)
    n, k = probs.shape
    wrong = probs.argmax(axis=1) != checks.labels(labels, n_classes=k, n=n)
    at_risk = checks.fraction(at_risk, name="at_risk", closed=True)
    codes = None if groups is None else checks.groups(groups, n=n)
    n_units = n if codes is None else int(codes.max()) + 1
    confidence = probs.max(axis=1)
    step = ranking.order(confidence)
    coverage, risk = _curve(*ranking.step_counts(step, wrong))
    area, kept = _area(coverage, risk), _kept(coverage, risk, at_risk)
    rough = _curve(*ranking.step_counts(ranking.coarse(step), wrong))
    drawn = _curve(*ranking.resampled_steps(step, wrong, codes, np.random.default_rng(seed)))
    area_draws = _area(*drawn) + area - _area(*rough)
    kept_draws = _kept(*drawn, at_risk) + kept - _kept(*rough, at_risk)
    return RiskCoverage(
        -np.unique(-confidence),
        coverage,
        risk,
        Estimate(float(area), *ranking.limits(float(area), area_draws, n_units), n),
        at_risk,
        Estimate(float(kept), *ranking.limits(float(kept), kept_draws, n_units), n),
    )


def _curve(counts: Floats, errors: Floats) -> tuple[Floats, Floats]:
    """Coverage and risk after each step, on the last axis; risk 0 before the first sample."""
    taken, wrong = np.cumsum(counts, axis=-1), np.cumsum(errors, axis=-1)
    risk = np.divide(wrong, taken, out=np.zeros(taken.shape), where=taken > 0)
    return taken / taken[..., -1:], risk


def _area(coverage: Floats, risk: Floats) -> Floats:
    return (np.diff(coverage, axis=-1, prepend=0) * risk).sum(axis=-1)


def _kept(coverage: Floats, risk: Floats, at_risk: float) -> Floats:
    return np.where(risk <= at_risk + 1e-12, coverage, 0).max(axis=-1)

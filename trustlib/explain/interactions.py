"""What interactions of three players do to Shapley values that are regressed on drawn coalitions.

In a pair of a coalition and its complement, interactions of two players cancel; those of three do not, and
in a small sample they pass for the work of single players. Here they are estimated from what the regression
left over (a Gaussian process over all products of three signs, none of them favoured), so that they can be
taken off again. With signs z in {-1, 1} the product of three adds 2/3 to the Shapley value of each of them.

Sources: Covert & Lee (2021), what pairs cancel; Rasmussen & Williams (2006), sections 2.2 and 5.4
(evidence, leave-one-out residuals); Witter, Liu & Musco (2025), regression as adjustment.
"""

from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky
from scipy.linalg.lapack import dtrtri

Array = NDArray[np.float64]

SHARES = (0.05, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98)  # of the variance, tried in turn
AT_MOST = 1024  # pairs that a model of interactions is fitted to; more cost more than they tell
TO_CHOOSE = 300  # pairs that the share is chosen on
STRAIGHT = 100.0  # prior variance of single players: so wide that nothing of them is left in the rest
KNOWN = 1e-3  # the noise of a value that is known, as a share of that of others


@dataclass(frozen=True, eq=False)
class ThirdOrder:
    """values: (m,), Shapley values of the interactions; fitted: (n,), what they add to each pair; full: what
    they add to the pair of the full and the empty coalition; left_over: (n,), each pair's residual from a
    model that has not seen it.
    """

    values: Array
    fitted: Array
    full: float
    left_over: Array


def third_order(signs: Array, residuals: Array, rng: np.random.Generator) -> ThirdOrder:
    """Interactions of three players in the residuals of a regression on single ones.

    Args:
        signs: (n, m), 1 for players inside and -1 for others. residuals: (n,), halves of the differences
            between a coalition and its complement that single players leave over.
        rng: picks the pairs to fit where there are more than AT_MOST.
    """
    n, m = signs.shape
    chosen = rng.permutation(n)[:AT_MOST]
    # The full coalition has no residual: the values add up to what is to be shared.
    known = np.concatenate([signs[chosen], np.ones((1, m))])
    seen = np.append(residuals[chosen], 0.0)
    overlaps = known @ known.T
    share = _share(overlaps[-TO_CHOOSE:, -TO_CHOOSE:], seen[-TO_CHOOSE:], m)
    factor, _ = _factor(overlaps, _products(overlaps, m), share, m)
    alphas = cho_solve((factor, True), seen)
    # Of the inverse only the diagonal is needed: the squares of the inverse factor's columns.
    diagonal = (dtrtri(factor, lower=1)[0] ** 2).sum(axis=0)

    three = share * _products(signs @ known.T, m)
    fitted = three @ alphas
    left_over = residuals - fitted - STRAIGHT / m * (signs @ (known.T @ alphas))
    left_over[chosen] = (alphas / diagonal)[:-1]
    return ThirdOrder(
        values=share * (alphas @ _values(known)),
        fitted=fitted,
        full=float(share * _products(known.sum(axis=1), m) @ alphas),
        left_over=left_over,
    )


def _products(overlaps: Array, m: int) -> Array:
    """Mean over all triples of the product of their six signs, from the sum over players of both signs."""
    return overlaps * (overlaps * overlaps - (3 * m - 2)) * (1 / 6 / comb(m, 3))


def _values(signs: Array) -> Array:
    """Covariance of `_products` with Shapley values: 2/3 z_i times all pairs of others, (n, m)."""
    m = signs.shape[1]
    others = signs.sum(axis=1, keepdims=True) - signs
    return 2 / 3 * signs * (others**2 - (m - 1)) / 2 / comb(m, 3)


def _share(overlaps: Array, seen: Array, m: int) -> float:
    """The share of the variance that is due to interactions: the one of the largest evidence."""
    products = _products(overlaps, m)

    def evidence(share: float) -> float:  # log marginal likelihood, with the scale at its best
        factor, lower = _factor(overlaps, products, share, m)
        fit = seen @ cho_solve((factor, lower), seen)
        return -0.5 * len(seen) * np.log(fit) - np.log(np.diag(factor)).sum()

    return max(SHARES, key=evidence)


def _factor(overlaps: Array, products: Array, share: float, m: int) -> tuple[Array, bool]:
    """Cholesky factor, lower, of the covariance of what is seen; the last of it is known."""
    covariance = share * products + STRAIGHT / m * overlaps
    noise = np.full(len(overlaps), 1 - share)
    noise[-1] *= KNOWN
    covariance[np.diag_indices_from(covariance)] += noise
    return cholesky(covariance, lower=True, overwrite_a=True, check_finite=False), True

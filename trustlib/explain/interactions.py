"""What interactions of three players do to Shapley values that are regressed on drawn coalitions.

In a pair of a coalition and its complement, interactions of two players cancel; those of three do not, and
in a small sample they pass for the work of single players. Here they are estimated from what the regression
left over (a Gaussian process over all products of three signs), so that they can be taken off again. Players
of large values are expected to interact more (heredity); how much more, and how much of what is left over
interactions explain, is what makes the answers most likely. With signs z in {-1, 1} the product of three
adds 2/3 to the Shapley value of each of them.

Sources: Chipman (1996), heredity; Covert & Lee (2021), what pairs cancel; Rasmussen & Williams (2006),
sections 2.2 and 5.4 (evidence, leave-one-out residuals); Witter, Liu & Musco (2025), adjustment by a
regression.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky
from scipy.linalg.lapack import dtrtri

Array = NDArray[np.float64]

SHARES = (0.05, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98)  # of the variance, tried in turn
HEREDITIES = (0.0, 0.5, 1.0)  # powers of the players' sizes, tried in turn
FLOOR = 0.3  # of the mean size: a player who seems to do nothing may still interact
AT_MOST = 1024  # pairs that a model of interactions is fitted to; more cost more than they tell
TO_CHOOSE = 300  # pairs that share and heredity are chosen on
STRAIGHT = 100.0  # prior variance of single players: so wide that nothing of them is left in the rest
KNOWN = 1e-3  # the noise of a value that is known, as a share of that of others

TINY = np.finfo(np.float64).tiny


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


def third_order(signs: Array, residuals: Array, sizes: Array, rng: np.random.Generator) -> ThirdOrder:
    """Interactions of three players in the residuals of a regression on single ones.

    Args:
        signs: (n, m), 1 for players inside and -1 for others, m at least 3. residuals: (n,), halves of the
            differences between a coalition and its complement that single players leave over.
        sizes: (m,), how large the players' values are.
        rng: picks the pairs to fit where there are more than AT_MOST.
    """
    n, m = signs.shape
    chosen = rng.permutation(n)[:AT_MOST]
    full = np.ones((1, m))
    # The full coalition has no residual: the values add up to what is to be shared.
    known = np.concatenate([signs[chosen], full])
    seen = np.append(residuals[chosen], 0.0)
    share, weights = _likeliest(known[-TO_CHOOSE:], seen[-TO_CHOOSE:], sizes + FLOOR * (sizes.mean() or 1.0))
    scale = share / _products(full, full, weights)[0, 0]

    factor = _factor(scale * _products(known, known, weights), known, share)
    alphas = cho_solve((factor, True), seen)
    # Of the inverse only the diagonal is needed: the squares of the inverse factor's columns.
    diagonal = (dtrtri(factor, lower=1)[0] ** 2).sum(axis=0)
    fitted = scale * _products(signs, known, weights) @ alphas
    left_over = residuals - fitted - STRAIGHT / m * (signs @ (known.T @ alphas))
    left_over[chosen] = (alphas / diagonal)[:-1]
    return ThirdOrder(
        values=scale * (alphas @ _values(known, weights)),
        fitted=fitted,
        full=float(scale * _products(full, known, weights)[0] @ alphas),
        left_over=left_over,
    )


def _products(a: Array, b: Array, weights: Array) -> Array:
    """Sum over all triples of the product of their three weights and six signs, (len(a), len(b)).

    Newton's identity gives it from the power sums of weights x signs x signs.
    """
    first, third = (a * weights) @ b.T, (a * weights**3) @ b.T
    return (first * (first * first - 3 * (weights**2).sum()) + 2 * third) / 6


def _values(signs: Array, weights: Array) -> Array:
    """Covariance of what is seen with Shapley values: 2/3 of all triples that a player is in, (n, m)."""
    own = signs * weights
    others = own.sum(axis=1, keepdims=True) - own
    pairs = (others**2 - ((weights**2).sum() - weights**2)) / 2
    return 2 / 3 * own * pairs


def _likeliest(known: Array, seen: Array, sizes: Array) -> tuple[float, Array]:
    """The share of the variance that is due to interactions and the players' weights: largest evidence."""
    full = np.ones((1, known.shape[1]))
    best = (-np.inf, SHARES[0], np.ones(known.shape[1]))
    for heredity in HEREDITIES:
        weights = sizes**heredity / (sizes**heredity).mean()
        products = _products(known, known, weights) / _products(full, full, weights)[0, 0]
        for share in SHARES:
            factor = _factor(share * products, known, share)
            fit = seen @ cho_solve((factor, True), seen)
            # Log marginal likelihood, with the scale at its best.
            evidence = -0.5 * len(seen) * np.log(max(fit, TINY)) - np.log(np.diag(factor)).sum()
            best = max(best, (evidence, share, weights), key=lambda tried: tried[0])
    return best[1], best[2]


def _factor(interactions: Array, known: Array, share: float) -> Array:
    """Cholesky factor, lower, of the covariance of what is seen; the last of it is known."""
    covariance = interactions + STRAIGHT / known.shape[1] * (known @ known.T)
    noise = np.full(len(known), 1 - share)
    noise[-1] *= KNOWN
    covariance[np.diag_indices_from(covariance)] += noise
    return cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)

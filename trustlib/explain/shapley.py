"""Shapley values of any game: who deserves how much of what all achieve together?

    found = shapley.values(game, 20)         # game(masks (b, 20)) -> (b,)
    found.values, found.standard_errors      # values add up to prediction - base_value

A game says what each coalition of m players achieves; in an explanation the players are segments, words or
columns, and the coalition's value is the model's answer when the others are hidden. `exact` asks about all
2**m coalitions. `values` does so where its budget covers them, and else regresses on pairs of a coalition
and its complement (KernelSHAP), with the constraint that the values add up eliminated beforehand.

What was compared, at equal numbers of coalitions, on forests, networks and sigmoids of 12 players with known
values: permutations, each with its reverse, have larger squared errors than shap.KernelExplainer; pairs
without replacement, a fixed number of each size, have smaller ones, much the same by the kernel's weights as
by leverage scores. With these last, interactions of three players are estimated and taken off
(`interactions`), which saves more than that at ten coalitions a player, and far more beyond; to expect more
of players with large values saves a further part; to fit on other pairs than are corrected saves less. The
numbers for the course's networks are in data/measured/bench.md.

Sources: Shapley (1953); Lundberg & Lee (2017), KernelSHAP; Covert & Lee (2021), pairs; Musco & Witter
(2025), leverage scores; Witter, Liu & Musco (2025), adjustment by a regression; White (1980) and MacKinnon &
White (1985), sandwich errors; Cochran (1977), the finite-population correction.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trustlib import checks
from trustlib.errors import ModelError
from trustlib.explain import coalitions
from trustlib.explain.interactions import third_order

Array = NDArray[np.float64]
Game = Callable[[NDArray[np.bool_]], Any]

NUM_SAMPLES = 2048  # all coalitions of 11 players
LISTED_PLAYERS = 20  # whose coalitions, a million, are as many as `exact` lists
A_PLAYER = 4  # coalitions; with fewer, a regression on pairs leaves too little to judge its errors by


@dataclass(frozen=True, eq=False)
class Shapley:
    """Shapley values of a game of m players.

    values: (m,), adding up to prediction - base_value; base_value, prediction: what nobody and what all
    achieve; standard_errors: (m,), 0 where exact; covariance: (m, m) of the values over draws; n_samples:
    coalitions that were asked.
    """

    values: Array
    base_value: float
    prediction: float
    standard_errors: Array
    covariance: Array
    n_samples: int


@dataclass(frozen=True, eq=False)
class Plan:
    """Which coalitions will be asked: masks (b, m), the empty one first and the full one last.

    pairs: those drawn, or None where the masks are all there are; rng: for what is drawn later.
    """

    masks: NDArray[np.bool_]
    pairs: coalitions.Pairs | None
    rng: np.random.Generator


def exact(game: Game, m: int) -> Shapley:
    """Shapley values from all 2**m coalitions.

    Args:
        game: takes masks (b, m), True for players inside; returns (b,) numbers. It is called once.
        m: from 1 to 20.
    Raises: ValueError; ModelError when the game's answer is not (b,) finite numbers.
    Source: Shapley (1953).

    >>> gloves = lambda masks: np.minimum(masks[:, 0], masks[:, 1] | masks[:, 2])  # one left, two right
    >>> exact(gloves, 3).values.round(3)
    array([0.667, 0.167, 0.167])
    """
    m = checks.count(m, name="m")
    if m > LISTED_PLAYERS:
        raise ValueError(
            f"expected at most {LISTED_PLAYERS} players, got {m}, and so 2**{m} coalitions; "
            "use shapley.values, which draws some of them"
        )
    return values(game, m, num_samples=2**m)


def values(game: Game, m: int, *, num_samples: int = NUM_SAMPLES, seed: int = 0) -> Shapley:
    """Shapley values from at most num_samples coalitions; exact where these are all.

    Args:
        game: takes masks (b, m), True for players inside; returns (b,) numbers. It is called once.
        m: players.
        num_samples: coalitions asked, the empty and the full one among them; at least 4 m, or all 2**m.
        seed: the same seed draws the same coalitions.
    Returns: Shapley. From ten coalitions a player the standard errors may be trusted.
    Raises: ValueError; ModelError when the game's answer is not (b,) finite numbers.
    Source: Lundberg & Lee (2017); Musco & Witter (2025).

    >>> found = values(lambda masks: masks @ np.arange(16.0), 16, num_samples=160)
    >>> found.values.round(6)[:4] + 0, found.n_samples
    (array([0., 1., 2., 3.]), 160)
    """
    made = plan(m, num_samples=num_samples, seed=seed)
    return solve(made, game(made.masks))


def plan(m: int, *, num_samples: int = NUM_SAMPLES, seed: int = 0) -> Plan:
    """Which coalitions to ask, before anything is asked; arguments as in `values`.

    >>> plan(3).masks.shape, plan(40, num_samples=401).masks.shape
    ((8, 3), (400, 40))
    """
    m = checks.count(m, name="m")
    num_samples = checks.count(num_samples, name="num_samples")
    rng = np.random.default_rng(seed)
    if num_samples >= 2**m:
        return Plan(coalitions.every(m), None, rng)
    least = min(2**m, A_PLAYER * m)
    if num_samples < least:
        raise ValueError(
            f"expected num_samples of at least {least} for {m} features, got {num_samples}; "
            "ask more often, or merge features (larger segments, fewer columns)"
        )
    pairs = coalitions.draw(m, (num_samples - 2) // 2, rng)
    nobody = np.zeros((1, m), dtype=bool)
    return Plan(np.concatenate([nobody, pairs.masks, ~pairs.masks, ~nobody]), pairs, rng)


def solve(plan: Plan, answers: ArrayLike) -> Shapley:
    """Shapley values from what a game answered (b,) to the coalitions of a plan.

    Raises: ModelError when these are not (b,) finite numbers.

    >>> solve(plan(2), [0, 1, 2, 5]).values
    array([2., 3.])
    """
    answers = _answers(answers, len(plan.masks))
    if plan.pairs is None:
        found = _weigh(plan.masks, answers)
        covariance = np.zeros((len(found), len(found)))
    else:
        found, covariance = _regress(plan.pairs, answers, plan.rng)
    return Shapley(
        values=found,
        base_value=float(answers[0]),
        prediction=float(answers[-1]),
        standard_errors=np.sqrt(np.diag(covariance)),
        covariance=covariance,
        n_samples=len(answers),
    )


def _weigh(masks: NDArray[np.bool_], answers: Array) -> Array:
    """The definition: what a player adds to each coalition of others, weighed by the coalition's size."""
    m = masks.shape[1]
    weights = np.array([1 / (m * comb(m - 1, size)) for size in range(m)])
    sizes = masks.sum(axis=1)
    inside, outside = weights[np.maximum(sizes - 1, 0)], weights[np.minimum(sizes, m - 1)]
    return (inside * answers) @ masks - (outside * answers) @ ~masks


def _regress(pairs: coalitions.Pairs, answers: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Values (m,) and their covariance (m, m) from drawn pairs.

    With z = 1 inside and -1 outside, half the difference between a coalition and its complement is z @ values
    / 2 and what interactions add. Values are an equal share of the total plus a part that sums to zero; that
    part alone is regressed, so they add up exactly.
    """
    n, m = pairs.masks.shape
    total = answers[-1] - answers[0]
    halves = (answers[1 : n + 1] - answers[n + 1 : -1]) / 2
    design = pairs.masks - 0.5
    centred = design - design.mean(axis=1, keepdims=True)
    weighted = centred.T * pairs.weights
    # Sums over players are all zero here; ones in their place make the matrix invertible.
    ones = np.full((m, m), pairs.weights.sum() / m)
    to_values = np.linalg.lstsq(weighted @ centred + ones, weighted, rcond=None)[0]  # (m, n)
    to_values -= to_values.mean(axis=0)

    def regression(halves: Array, total: float) -> Array:
        return total / m + to_values @ (halves - design.sum(axis=1) * total / m)

    found = regression(halves, total)
    residuals = halves - design @ found
    if np.abs(residuals).max() <= 1e-12 * np.abs(answers).max():
        return found, np.zeros((m, m))
    three = third_order(2 * design, residuals, np.abs(found), rng)
    found = found + three.values - regression(three.fitted, 2 * three.full)
    # A residual from a model that has not seen the pair is too large by what the pair would pull at the
    # regression (HC3); the root takes that back to the size it has on average (HC2).
    pull = np.clip((to_values * design.T).sum(axis=0), 0, 1)
    spread = three.left_over * np.sqrt(1 - pull) * np.sqrt(pairs.unseen)
    scaled = to_values * spread
    found += (total - found.sum()) / m  # rounding
    return found, scaled @ scaled.T


def _answers(answers: ArrayLike, n: int) -> Array:
    try:
        array = np.asarray(answers, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.shape != (n,) or not np.isfinite(array).all():
        raise ModelError(
            f"expected answers of the game as {n} finite numbers, got shape {np.shape(answers)}"
            f"{' with NaN or infinity' if array.shape == (n,) else ''}; return one number for each mask"
        )
    return array

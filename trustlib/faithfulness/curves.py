"""Deletion and insertion: does the answer move when what is said to matter goes, or comes?

Features are hidden (deletion) or shown (insertion) from the most to the least important one, and the model
is asked after each step. A true explanation makes the answer fall early, or rise early. Random orders on the
same input say what any order would get. Source: Petsiuk, Das & Saenko (2018).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trustlib import asking, checks
from trustlib.explain import masking
from trustlib.explain.explanation import Explanation
from trustlib.faithfulness.baselines import hider
from trustlib.faithfulness.control import Controlled, beside, permutations, values_of

N_ORDERS = 20


@dataclass(frozen=True, eq=False)
class Curve:
    """The answer to one input as its features go or come, the most important first.

    shares: (s + 1,), the share of features that went or came, from 0 to 1; answers: (s + 1,), the
    probability of the target; control_answers: (n_draws, s + 1), the same for random orders; area: under the
    answers, in [0, 1], beside the areas of the random orders: low is good in deletion, high in insertion;
    kind: "deletion" or "insertion"; n_calls: inputs that the model answered.
    """

    shares: NDArray[np.float64]
    answers: NDArray[np.float64]
    control_answers: NDArray[np.float64]
    area: Controlled
    kind: str
    n_calls: int


def deletion(
    predict_proba: Callable[[Any], Any],
    input: Any,
    explanation: Explanation,
    *,
    baseline: Any = None,
    steps: int = 20,
    n_draws: int = N_ORDERS,
    seed: int = 0,
    batch_size: int = asking.BATCH,
) -> Curve:
    """How fast the answer falls as features are hidden, from the most important one on.

    Args:
        predict_proba: the model that was explained.
        input: what was explained, a picture, a text or a row; it must be that of the explanation.
        explanation: attributions of m >= 2 features; the largest value goes first, the most negative last.
        baseline: what is seen where a feature is hidden. None takes what explainers do not: the picture
            itself, blurred, or "[UNK]" in place of a word. A row of a table needs one.
        steps: the answer is asked for at so many places at most, spread evenly over the features.
        n_draws: random orders of the same features, the control.
        seed: of these orders, and of the order among features of equal value.
        batch_size: inputs in one question.
    Returns: Curve; a low area is good. Costs about steps x (1 + n_draws) calls of the model.
    Raises: ValueError; ModelError when an answer is no probability.
    Source: Petsiuk et al. (2018).

    >>> seen = Explanation(np.array([0.9, 0.0]), 0.0, 0.9, 1, ["a", "b"], np.zeros(2), 0.0, 0, 0, "by hand",
    ...                    np.array([0.9, 0.5]))
    >>> curve = deletion(lambda rows: np.c_[1 - rows[:, 0], rows[:, 0]], seen.input, seen, baseline=[0, 0])
    >>> curve.answers, curve.area.score                     # 0.9 goes at once: half of half of 0.9
    (array([0.9, 0. , 0. ]), 0.225)
    """
    options = (baseline, steps, n_draws, seed, batch_size)
    return _curve("deletion", predict_proba, input, explanation, *options)


def insertion(
    predict_proba: Callable[[Any], Any],
    input: Any,
    explanation: Explanation,
    *,
    baseline: Any = None,
    steps: int = 20,
    n_draws: int = N_ORDERS,
    seed: int = 0,
    batch_size: int = asking.BATCH,
) -> Curve:
    """How fast the answer rises as features are shown on the bare baseline, from the most important one on.

    Args: as in `deletion`.
    Returns: Curve; a high area is good. Costs about steps x (1 + n_draws) calls of the model.
    Raises: ValueError; ModelError when an answer is no probability.
    Source: Petsiuk et al. (2018).

    >>> seen = Explanation(np.array([0.9, 0.0]), 0.0, 0.9, 1, ["a", "b"], np.zeros(2), 0.0, 0, 0, "by hand",
    ...                    np.array([0.9, 0.5]))
    >>> curve = insertion(lambda rows: np.c_[1 - rows[:, 0], rows[:, 0]], seen.input, seen, baseline=[0, 0])
    >>> curve.answers, curve.area.score
    (array([0. , 0.9, 0.9]), 0.675)
    """
    options = (baseline, steps, n_draws, seed, batch_size)
    return _curve("insertion", predict_proba, input, explanation, *options)


def _curve(
    kind: str,
    predict_proba: Callable,
    input: Any,
    explanation: Explanation,
    baseline,
    steps,
    n_draws,
    seed,
    size,
) -> Curve:
    values = values_of(explanation)
    steps = checks.count(steps, name="steps", least=2)
    n_draws = checks.count(n_draws, name="n_draws", least=1)
    if not _same(input, explanation.input):
        raise ValueError(
            "expected the input that the explanation is of, got another one; pass explanation.input"
        )
    m = len(values)
    hide = hider(explanation, baseline)
    rng = np.random.default_rng(seed)
    orders = np.vstack([by_importance(values, rng)[None], permutations(m, n_draws, rng)])
    counts = np.unique(np.round(np.linspace(0, m, min(steps, m) + 1)).astype(np.int64))
    places = np.argsort(orders, axis=1)  # (1 + n_draws, m): when each feature has its turn
    moved = places[:, None, :] < counts[:, None]  # (1 + n_draws, s + 1, m)
    masks = (moved if kind == "insertion" else ~moved).reshape(-1, m)
    total = len(masking.distinct(masks)[0])
    with asking.calls(total, kind) as bar:
        answers = masking.answers(
            predict_proba, hide, masks, target=explanation.target, batch_size=size, bar=bar
        ).reshape(1 + n_draws, -1)
    shares = counts / m
    areas = np.trapezoid(answers, shares, axis=1)
    area = beside(areas[0], areas[1:], lower_is_better=kind == "deletion")
    return Curve(shares, answers[0], answers[1:], area, kind, total)


def by_importance(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Features from the largest value down (m,); equal ones in random order."""
    return np.lexsort((rng.random(len(values)), -values))


def _same(a: Any, b: Any) -> bool:
    return a is b or (
        isinstance(a, str) == isinstance(b, str) and np.array_equal(np.asarray(a), np.asarray(b))
    )

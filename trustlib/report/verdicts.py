"""Better, worse, or not shown: models compared pair by pair, with the chance of a false verdict held at 5 %.

The family of tests is known before anything is measured: one primary measure for each axis, every pair of
models. Each test is paired, since the models answer the same samples: McNemar's exact test for shares,
9,999 random swaps of the two models' answers for other means and wherever samples hang together. Holm's
procedure adjusts the p-values; the intervals beside them are not adjusted.

Source: Holm (1979).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from trustlib import checks, estimates
from trustlib.estimates import Estimate
from trustlib.report import paired, wording
from trustlib.report.paired import LEAST_SEEDS, Pair
from trustlib.report.result import Primary, Verdict

ALPHA = 0.05


@dataclass(frozen=True, eq=False)
class Decision:
    """What the procedure decides on one pair; verdict: "better", "worse" or "not shown", said of its a."""

    pair: Pair
    p_value: float
    adjusted: float
    verdict: str


def decide(primaries: Sequence[Primary], *, alpha: float = ALPHA, seed: int = 0) -> tuple[Decision, ...]:
    """The decisions alone, without intervals: one for each axis and each pair of models.

    Args:
        primaries: one for each axis, all with the same models.
        alpha: how often the family may hold a false verdict, at most, in (0, 1).
        seed: for the swaps.
    Raises: ValueError.
    Source: Holm (1979).

    >>> right = {"a": np.ones(30), "b": np.r_[np.ones(15), np.zeros(15)]}
    >>> decide([Primary("accuracy", "accuracy", right, None, True, shares=True)])[0].verdict
    'better'
    """
    alpha = checks.fraction(alpha, name="alpha")
    family = [paired.pair(primary, *two) for primary in primaries for two in combinations(primary.values, 2)]
    if not family:
        return ()
    p_values = [paired.p_value(pair, seed=seed) for pair in family]
    adjusted = estimates.holm(p_values).tolist()
    return tuple(
        Decision(pair, p, holm, _verdict(pair, holm <= alpha))
        for pair, p, holm in zip(family, p_values, adjusted, strict=True)
    )


def judge(primaries: Sequence[Primary], *, alpha: float = ALPHA, seed: int = 0) -> tuple[Verdict, ...]:
    """A verdict for each axis and each pair of models, with its interval and what could have been found.

    Args: as in `decide`; seed: for the intervals too.
    Returns: Verdicts, axis by axis; none for a single model.
    Raises: ValueError.

    >>> right = {"a": np.ones(30), "b": np.r_[np.ones(15), np.zeros(15)]}
    >>> print(judge([Primary("accuracy", "accuracy", right, None, True, shares=True)])[0].difference)
    0.500 [0.297, 0.668]
    """
    decisions = decide(primaries, alpha=alpha, seed=seed)
    found = []
    for decision in decisions:
        pair = decision.pair
        difference = paired.difference(pair, seed=seed)
        least = paired.detectable(pair, level=alpha / len(decisions))
        found.append(
            Verdict(
                pair.primary.axis,
                pair.primary.measure,
                pair.first,
                pair.second,
                decision.verdict,
                difference,
                decision.p_value,
                decision.adjusted,
                least,
                pair.seeds,
                _sentence(decision, difference, least, len(decisions)),
            )
        )
    return tuple(found)


def _verdict(pair: Pair, shown: bool) -> str:
    apart = 0.0 if pair.undefined else float(np.mean(pair.a) - np.mean(pair.b))
    if not shown or apart == 0:
        return "not shown"
    return "better" if (apart > 0) == pair.primary.higher_is_better else "worse"


def _sentence(decision: Decision, difference: Estimate, least: float | None, n_tests: int) -> str:
    """The verdict as a person would say it."""
    pair, primary = decision.pair, decision.pair.primary
    first, second = wording.shown(pair.first), wording.shown(pair.second)
    if pair.seeds >= LEAST_SEEDS:
        who = f"Over {pair.seeds} training seeds each,"
        first, second = f"training as in {first}", f"training as in {second}"
    else:
        who = "Of these checkpoints,"
    if pair.undefined:
        return (
            f"{who} no difference in {primary.measure} between {first} and {second} was shown: it is defined "
            "for too few inputs of both."
        )
    size = wording.points(difference) if primary.percent else wording.estimate(difference)
    tests = "" if n_tests == 1 else f" after Holm over {n_tests} tests"
    evidence = f"measured {size}, p {wording.p_value(decision.adjusted)}{tests}"
    if decision.verdict != "not shown":
        return f"{who} {first} is {decision.verdict} than {second} by {primary.measure}: {evidence}."
    start = f"{who} no difference in {primary.measure} between {first} and {second} was shown: {evidence}."
    if not pair.apart.any():
        return f"{start} On none of these inputs do they differ, so what could have been found is not known."
    if least is None:
        return f"{start} So few inputs could not have shown any difference at this level."
    found = f"{100 * least:.1f} points" if primary.percent else f"{least:.3f}"
    return f"{start} A true difference of {found} would have been found in about 4 of 5 such tests."

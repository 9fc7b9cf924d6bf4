"""How much worse is the model elsewhere, and what are its probabilities and promises worth there?

Class shares differ from place to place, and accuracy follows them; balanced accuracy, where each class
counts the same, does not. So both are told. Brier and NLL say what the probabilities are worth. A conformal
promise, learned at home, is tested in both places: it holds at home by arithmetic, and elsewhere only by
luck.

Two places hold different samples, and each side is resampled by itself. A place may also be the same samples,
changed: clean and corrupted. Where all ids agree, in order, each sample is compared with itself.

Sources: Quiñonero-Candela et al. (2009), dataset shift; Ovadia et al. (2019), uncertainty under shift;
Tibshirani et al. (2019), conformal prediction under covariate shift.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trustlib import accuracy, checks, estimates
from trustlib import calibration as honesty
from trustlib.calibration import Conformal, scores
from trustlib.estimates import Estimate
from trustlib.generalization import sides
from trustlib.predictions import Predictions


@dataclass(frozen=True, eq=False)
class Side:
    """One model in one place.

    accuracy, balanced_accuracy: more is better; balanced accuracy is the mean recall of the classes that
    occur in that place; brier, nll: less is better; coverage: how often its conformal set holds the right
    class, None without calibration answers; n: samples.
    """

    accuracy: Estimate
    balanced_accuracy: Estimate
    brier: Estimate
    nll: Estimate
    coverage: Estimate | None
    n: int


@dataclass(frozen=True, eq=False)
class Shift:
    """What one model loses between two places; every drop is above 0 where the target is worse.

    accuracy, balanced_accuracy, coverage: source minus target; brier, nll: target minus source.
    coverage and rule, the conformal rule learned from the calibration answers, are None without them;
    source, target: what each is made of; paired: whether both hold the same samples.
    """

    accuracy: Estimate
    balanced_accuracy: Estimate
    brier: Estimate
    nll: Estimate
    coverage: Estimate | None
    source: Side
    target: Side
    rule: Conformal | None
    paired: bool


def shift(
    source: Predictions,
    target: Predictions,
    *,
    calibration: Predictions | None = None,
    alpha: float = 0.1,
    seed: int = 0,
) -> Shift:
    """How much worse is this model at the target than at the source?

    Args:
        source: its answers on test samples from where it was trained.
        target: its answers elsewhere, to other samples; or to the same ones changed, with the same ids in the
            same order, which are then paired. Groups on either side are kept whole.
        calibration: its answers on the calibration split, from the source; with it, coverage too.
        alpha: how often a conformal set may miss, in (0, 1).
        seed: for every draw.
    Returns: Shift. Its intervals are about other samples from the same two places.
    Raises: ValueError when the classes differ, also in order; or with fewer than 2 samples in a place.
    Source: Ovadia et al. (2019).

    >>> answers = np.eye(2)[[0, 0, 1, 1]] * 0.8 + 0.1
    >>> home = Predictions(answers, [0, 0, 1, 1], ("a", "b"))
    >>> away = Predictions(answers, [0, 1, 1, 1], ("a", "b"))
    >>> found = shift(home, away)
    >>> found.accuracy.value, round(found.balanced_accuracy.value, 3), round(found.brier.value, 3)
    (0.25, 0.167, 0.2)
    """
    sides.same_classes(source, target, names=("source", "target"))
    rule = None
    if calibration is not None:
        sides.same_classes(calibration, source, names=("calibration", "source"))
        rule = _learned(calibration, alpha)
    home, away = (_side(answers, rule, seed) for answers in (source, target))
    paired = source.ids is not None and np.array_equal(source.ids, target.ids)
    drops = (_paired if paired else _separate)(source, target, home, away, rule, seed)
    return Shift(*drops, home, away, rule, paired)


Drops = tuple[Estimate, Estimate, Estimate, Estimate, Estimate | None]


def _separate(
    source: Predictions, target: Predictions, home: Side, away: Side, rule: Conformal | None, seed: int
) -> Drops:
    def rise(losses: Callable) -> Estimate:
        there, here = losses(target.probs, target.labels), losses(source.probs, source.labels)
        return estimates.independent_difference(
            np.mean, (there,), (here,), groups_a=target.groups, groups_b=source.groups, seed=seed
        )

    return (
        sides.apart(home.accuracy, away.accuracy),
        sides.apart(home.balanced_accuracy, away.balanced_accuracy),
        rise(scores.brier_losses),
        rise(scores.nll_losses),
        None if rule is None else sides.apart(home.coverage, away.coverage),
    )


def _paired(
    source: Predictions, target: Predictions, home: Side, away: Side, rule: Conformal | None, seed: int
) -> Drops:
    if not np.array_equal(source.labels, target.labels):
        raise ValueError(
            "expected the same labels on both sides, since their ids are the same, got others; "
            "give changed samples the labels of the originals"
        )
    labels, groups, n = source.labels, source.groups, len(source)

    def fewer(here: NDArray[np.bool_], there: NDArray[np.bool_]) -> Estimate:
        # `compare` knows right from wrong by class: 1 stands for yes here
        certain = np.eye(2)
        return accuracy.compare(
            certain[here.astype(int)], certain[there.astype(int)], np.ones(n, int), groups=groups, seed=seed
        ).difference

    def rise(losses: Callable) -> Estimate:
        there, here = losses(target.probs, labels), losses(source.probs, labels)
        return estimates.paired_difference(np.mean, there, here, groups=groups, seed=seed)

    def held(answers: Predictions) -> NDArray[np.bool_]:
        return rule.sets(answers.probs)[np.arange(n), labels]

    right, still_right = (answers.probs.argmax(axis=1) == labels for answers in (source, target))
    return (
        fewer(right, still_right),
        estimates.paired_difference(_mean_recall, right, still_right, labels, groups=groups, seed=seed),
        rise(scores.brier_losses),
        rise(scores.nll_losses),
        None if rule is None else fewer(held(source), held(target)),
    )


def _mean_recall(right: NDArray[np.bool_], labels: NDArray[np.int64]) -> float:
    counts = np.bincount(labels)
    return float(np.mean((np.bincount(labels, weights=right) / np.maximum(counts, 1))[counts > 0]))


def _learned(answers: Predictions, alpha: float) -> Conformal:
    alpha = checks.fraction(alpha, name="alpha")
    return honesty.conformal(answers.probs, answers.labels, alpha=alpha)


def _side(answers: Predictions, rule: Conformal | None, seed: int) -> Side:
    probs, labels, groups = answers.probs, answers.labels, answers.groups
    right = accuracy.evaluate(probs, labels, groups=groups, seed=seed)
    honest = honesty.evaluate(probs, labels, groups=groups, seed=seed)
    coverage = None if rule is None else rule.coverage(probs, labels, groups=groups)
    return Side(right.accuracy, right.balanced_accuracy, honest.brier, honest.nll, coverage, len(answers))

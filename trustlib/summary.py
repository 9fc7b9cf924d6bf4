"""What can be said of a file of answers alone, as lines of text: the table of `trustlib measure FILE`."""

from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from trustlib import accuracy, calibration
from trustlib.accuracy import Accuracy
from trustlib.errors import DataError
from trustlib.predictions import Predictions

Array = NDArray[Any]
WIDTH = 22  # of the first column, at most, when classes have long names


def table(
    answers: Predictions,
    *,
    calibration_split: Predictions | None = None,
    grouped: bool | None = None,
    alpha: float = 0.1,
    seed: int = 0,
) -> Iterator[str]:
    """Accuracy, calibration and every class, each number with its 95 % interval.

    Args:
        answers: what a model said of a test split.
        calibration_split: the same model's answers to a calibration split; adds conformal sets learned there.
        grouped: whether intervals resample groups; None does where there are groups.
        alpha: how often a conformal set may miss.
        seed: for every interval.
    Raises: DataError when groups are wanted and there are none, or the classes of both splits differ.
    """
    if grouped and answers.groups is None:
        raise DataError("expected groups in the file, got none; add a column group, or leave --groups out")
    if calibration_split is not None and calibration_split.classes != answers.classes:
        raise DataError(
            f"expected the classes {', '.join(answers.classes)} in the calibration file too, "
            f"got {', '.join(calibration_split.classes)}; let one model answer both, its classes in one order"
        )
    groups = None if grouped is False else answers.groups
    n, k = answers.probs.shape
    scores = accuracy.evaluate(
        answers.probs, answers.labels, classes=answers.classes, groups=groups, seed=seed
    )
    trust = calibration.evaluate(answers.probs, answers.labels, groups=groups, seed=seed)
    yield f"{n:,} samples, {k} classes, {_units(answers, groups is not None)}; 95 % intervals"
    yield ""
    headline = {
        "accuracy": scores.accuracy,
        "balanced accuracy": scores.balanced_accuracy,
        "macro-F1": scores.macro_f1,
        "Brier": trust.brier,
        "NLL (nats)": trust.nll,
        "ce2": f"{trust.ce2:.4f}",
        "ECE, 15 bins": f"{trust.ece:.3f}; if calibrated it would be {trust.ece_if_calibrated}",
    }
    yield from (f"{name:<20} {value}" for name, value in headline.items())
    yield ""
    yield from _classes(scores)
    if calibration_split is not None:
        yield ""
        yield from _sets(answers, calibration_split, groups, alpha)


def _units(answers: Predictions, grouped: bool) -> str:
    if answers.groups is None:
        return "taken for independent"
    n = len(set(answers.groups.tolist()))
    return f"{n:,} groups" if grouped else f"taken for independent, although they are in {n:,} groups"


def _classes(scores: Accuracy) -> Iterator[str]:
    width = min(max(len("class"), *map(len, scores.per_class)), WIDTH)
    yield f"{'class':<{width}}  {'n':>9}  {'recall':<21}  {'precision':<21}  F1"
    for name, of in scores.per_class.items():
        shown = name if len(name) <= width else name[: width - 1] + "…"
        yield f"{shown:<{width}}  {of.n:>9,}  {of.recall!s:<21}  {of.precision!s:<21}  {of.f1}"


def _sets(answers: Predictions, split: Predictions, groups: Array | None, alpha: float) -> Iterator[str]:
    rule = calibration.conformal(split.probs, split.labels, alpha=alpha)
    covered = rule.coverage(answers.probs, answers.labels, groups=groups)
    size = rule.sets(answers.probs).sum(axis=1).mean()
    yield f"conformal sets at {1 - alpha:.0%}, from {rule.n:,} calibration samples:"
    yield f"{'coverage':<20} {covered}; promised on so many samples {rule.promised(len(answers))}"
    yield f"{'classes in a set':<20} {size:.2f} on average"

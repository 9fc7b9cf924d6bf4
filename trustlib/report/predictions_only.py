"""A report from answers alone: what can be said is said, what needs the model is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from trustlib import checks
from trustlib.predictions import Predictions
from trustlib.report import on_accuracy, on_calibration, on_generalization
from trustlib.report.answers import Answers, checked, groups_of, one_of
from trustlib.report.assembling import assembled
from trustlib.report.result import Section, TrustReport

Given = Mapping[str, Predictions | Sequence[Predictions]]
NEEDS_A_MODEL = (
    ("robustness", "Robustness", "How little must change before its answer does?"),
    ("faithfulness", "Faithfulness of explanations", "Does the answer move with what is said to matter?"),
    ("stability", "Stability of explanations", "Does the explanation stay under another seed?"),
)


def from_predictions(
    test: Given,
    *,
    train: Given | None = None,
    train_is_sample: bool = False,
    calibration: Given | None = None,
    shifts: Mapping[str, Given] | None = None,
    by: Mapping[str, ArrayLike] | None = None,
    n_ratings: ArrayLike | None = None,
    task: str = "answers from a file",
    question: str = "",
    alpha: float = 0.1,
    seed: int = 0,
) -> TrustReport:
    """A trust report on models of which only answers are known.

    Args:
        test: {model name: its answers to the test split}; the same samples for all. Several Predictions, one
            for each training seed, make a claim about the way of training; that needs five.
        train: their answers to the training set; train_is_sample: whether that is a random part of it.
        calibration: their answers to a calibration split that no training and no choice has seen.
        shifts: {name of another world: {model name: answers there}}.
        by: {name: (n,) group names}, such as {"cell type": [...]}; strings or integers, 2 different ones or
            more, chosen beforehand.
        n_ratings: (n,), how many ratings stand behind each row of human_probs.
        task, question: for the title.
        alpha: how often a conformal set may miss.
        seed: for intervals and swaps.
    Returns: TrustReport; `.save(folder)` writes it.
    Raises: ValueError where the answers do not belong together.

    >>> sure = np.array([[0.9, 0.1], [0.2, 0.8]] * 10)
    >>> found = from_predictions({"a": Predictions(sure, [0, 1] * 10, ("no", "yes"))})
    >>> print(found["accuracy"].findings["a"][0].estimate)
    1.000 [0.839, 1.000]
    """
    answers = checked(test, name="test")
    sections = from_answers(
        answers,
        train=None if train is None else checked(train, name="train", like=answers),
        train_is_sample=train_is_sample,
        calibration_split=None
        if calibration is None
        else checked(calibration, name="calibration", like=answers),
        shifts={
            name: checked(given, name=f"shift {name}", like=answers) for name, given in (shifts or {}).items()
        },
        by=by or {},
        n_ratings=n_ratings,
        alpha=alpha,
        seed=seed,
    )
    sections += tuple(_needs_a_model(*about) for about in NEEDS_A_MODEL)
    return assembled(sections, answers, task=task, question=question, facts=facts(answers), seed=seed)


def from_answers(
    answers: Answers,
    *,
    train: Answers | None,
    train_is_sample: bool,
    calibration_split: Answers | None,
    shifts: Mapping[str, Answers],
    by: Mapping[str, ArrayLike],
    n_ratings: ArrayLike | None,
    alpha: float,
    seed: int,
) -> tuple[Section, ...]:
    """The four axes that need no model."""
    alpha = checks.fraction(alpha, name="alpha")
    n = len(one_of(answers))
    for name, values in by.items():
        checks.groups(values, n=n, name=f"by[{name!r}]")
    if n_ratings is not None:
        n_ratings = checks.counts(n_ratings, name="n_ratings", n=n)
    return (
        on_accuracy.section(answers, by=by, seed=seed),
        on_calibration.section(
            answers, calibration_split=calibration_split, n_ratings=n_ratings, alpha=alpha, seed=seed
        ),
        on_generalization.gap_section(answers, train, train_is_sample=train_is_sample, seed=seed),
        on_generalization.shift_section(
            answers, shifts, calibration_split=calibration_split, alpha=alpha, seed=seed
        ),
    )


def facts(answers: Answers) -> dict[str, str]:
    """What was asked, in words, for the foot of the report."""
    shared = one_of(answers)
    groups = groups_of(shared)
    seeds = sorted({len(each) for each in answers.values()})
    return {
        "test samples": f"{len(shared):,}",
        "groups": "none: samples are taken for independent"
        if groups is None
        else f"{len(np.unique(groups)):,} groups, resampled and swapped whole",
        "training seeds": " or ".join(map(str, seeds)),
    }


def _needs_a_model(axis: str, title: str, question: str) -> Section:
    missing = (f"{title} was not measured: it needs the model itself, not its answers alone (trust_report).",)
    return Section(axis, title, question, {}, "", missing=missing)

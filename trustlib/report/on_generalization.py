"""Two axes: how much worse than on the training data (gap), and how good in other worlds (shift)."""

from collections.abc import Mapping
from functools import partial

import numpy as np

from trustlib import generalization
from trustlib.calibration import scores
from trustlib.report import wording
from trustlib.report.answers import Answers, groups_of, losses, mean, one_of, right
from trustlib.report.result import Figure, Finding, Primary, Section

GAP_LIMITS = (
    "A gap says how much a model remembers of its training data rather than what it has learned of the "
    "world; a model with a larger gap may still be the better one. It says nothing of other worlds."
)
SHIFT_LIMITS = (
    "Only the worlds that were asked are known, and models are judged here by how good they are there; how "
    "much they lose stands beside it. Class shares differ between worlds, so accuracy is told with balanced "
    "accuracy. The next world may be unlike all of these."
)


def gap_section(test: Answers, train: Answers | None, *, train_is_sample: bool, seed: int = 0) -> Section:
    """How much worse is it on what it has not seen?"""
    title, question = (
        "Generalization",
        "How much worse is it on what it has not seen than on its training data?",
    )
    if train is None:
        missing = (
            "The gap to the training data was not measured: that needs their answers to it (train=...).",
        )
        return Section("generalization", title, question, {}, GAP_LIMITS, missing=missing)
    findings, results, values = {}, {}, {}
    groups = _gap_groups(test, train, train_is_sample)
    for model, each in test.items():
        values[model] = _gap_values(each, train[model], train_is_sample)
        if len(each) > 1:
            found = mean(values[model], groups, seed)
            findings[model] = (_loss(model, found, f", trained {len(each)} times,"),)
            continue
        gap = generalization.gap(train[model][0], each[0], train_is_sample=train_is_sample, seed=seed)
        results[model] = {"gap": gap}
        findings[model] = (
            _loss(model, gap.loss, ""),
            Finding(
                ("gap_error",),
                "errors, test minus training",
                gap.error,
                f"It errs in {wording.number(gap.test_error.value, percent=True)} of test and "
                f"{wording.number(gap.train_error.value, percent=True)} of training samples: "
                f"a difference of {wording.points(gap.error)}.",
                percent=True,
            ),
        )
    rows = {wording.drawn(model): found[0].estimate for model, found in findings.items()}
    alt = "Loss on test minus loss on training samples, in nats: " + "; ".join(
        f"{wording.shown(model)} {wording.estimate(found[0].estimate)}" for model, found in findings.items()
    )
    return Section(
        "generalization",
        title,
        question,
        findings,
        GAP_LIMITS,
        Primary("generalization", "gap in loss", values, groups, False),
        figures=(Figure(f"{alt}.", partial(_rows, rows, "NLL on test minus training, nats", 0.0)),),
        notes=("Of the training data, a random part was asked.",) if train_is_sample else (),
        results=results,
    )


def _loss(model: str, found, trained: str) -> Finding:
    sentence = (
        f"{wording.shown(model)}{trained} loses {wording.estimate(found)} nats more on a test sample than on "
        "a training sample; 0 would be no gap."
    )
    return Finding(("gap_loss",), "loss (NLL), test minus training", found, sentence)


def _gap_values(test, train, train_is_sample: bool):
    """Numbers (seeds, n) whose mean is the gap.

    The loss of a whole training set is a known number. Of a sample of it, each loss is one more number; both
    sides are counted from their common middle, so that two models with one gap differ by 0 everywhere on
    average, which is what swapping the models' answers supposes.
    """
    tested, learned = losses(test, scores.nll_losses), losses(train, scores.nll_losses)
    if not train_is_sample:
        return tested - learned.mean(axis=1, keepdims=True)
    n, m = tested.shape[1], learned.shape[1]
    middle = (tested.mean(axis=1, keepdims=True) + learned.mean(axis=1, keepdims=True)) / 2
    return np.concatenate([(tested - middle) * (n + m) / n, (middle - learned) * (n + m) / m], axis=1)


def _gap_groups(test: Answers, train: Answers, train_is_sample: bool):
    groups = groups_of(one_of(test))
    if not train_is_sample:
        return groups
    return _joined({"test": one_of(test), "train": one_of(train)})


def shift_section(
    test: Answers,
    shifts: Mapping[str, Answers],
    *,
    calibration_split: Answers | None,
    alpha: float = 0.1,
    seed: int = 0,
) -> Section:
    """How good is it elsewhere?"""
    title, question = "Shift", "How good is it in another world than the one it learned from?"
    if not shifts:
        missing = (
            "Other worlds were not asked: that needs samples from elsewhere (shifts=..., or a task with "
            "shifts).",
        )
        return Section("shift", title, question, {}, SHIFT_LIMITS, missing=missing)
    findings, results = {}, {}
    for model, each in test.items():
        rows = []
        for place, answers in shifts.items():
            if len(each) > 1:
                there = mean(losses(answers[model], right), groups_of(one_of(answers)), seed)
                rows.append(_there(model, place, there, len(one_of(answers))))
                continue
            split = None if calibration_split is None else calibration_split[model][0]
            found = generalization.shift(
                each[0], answers[model][0], calibration=split, alpha=alpha, seed=seed
            )
            results.setdefault(model, {})[place] = found
            rows += _elsewhere(model, place, found, alpha)
        findings[model] = tuple(rows)
    drawn = {
        f"{wording.drawn(model)}, {wording.drawn(finding.path[1])}": finding.estimate
        for model, found in findings.items()
        for finding in found
        if finding.path[2] == "accuracy"
    }
    alt = "Accuracy in other worlds: " + "; ".join(
        f"{name} {wording.estimate(e, percent=True)}" for name, e in drawn.items()
    )
    measure = "accuracy in the other world" if len(shifts) == 1 else f"mean accuracy in {len(shifts)} worlds"
    values = {model: _shift_values(model, shifts) for model in test}
    groups = _joined({place: one_of(answers) for place, answers in shifts.items()})
    one = len(shifts) == 1
    return Section(
        "shift",
        title,
        question,
        findings,
        SHIFT_LIMITS,
        Primary("shift", measure, values, groups, True, shares=one, percent=True),
        figures=(Figure(f"{alt}.", partial(_rows, drawn, "accuracy", None)),),
        results=results,
    )


def _there(model: str, place: str, there, n: int) -> Finding:
    name = wording.shown(place)
    sentence = (
        f"In {name}, {wording.shown(model)} is right in {wording.estimate(there, percent=True)} of {n:,} "
        "samples."
    )
    return Finding(("shift", place, "accuracy"), f"accuracy in {name}", there, sentence, percent=True)


def _elsewhere(model: str, place: str, found: generalization.Shift, alpha: float) -> list[Finding]:
    name = wording.shown(place)
    rows = [
        _there(model, place, found.target.accuracy, found.target.n),
        Finding(
            ("shift", place, "drop"),
            f"accuracy lost in {name}",
            found.accuracy,
            f"Held against home it loses {wording.points(found.accuracy)} of accuracy there.",
            percent=True,
        ),
        Finding(
            ("shift", place, "balanced_drop"),
            f"balanced accuracy lost in {name}",
            found.balanced_accuracy,
            f"With every class counting the same, it loses {wording.points(found.balanced_accuracy)}.",
            percent=True,
        ),
        Finding(
            ("shift", place, "brier"),
            f"Brier score in {name}",
            found.target.brier,
            f"Its Brier score there is {wording.estimate(found.target.brier)}; at home it is "
            f"{wording.number(found.source.brier.value)}.",
        ),
    ]
    if found.coverage is not None:
        coverage = found.target.coverage
        rows.append(
            Finding(
                ("shift", place, "conformal_coverage"),
                f"coverage of conformal sets in {name}",
                coverage,
                f"Conformal sets that promise {wording.level(1 - alpha)} at home hold the right class there "
                f"in {wording.estimate(coverage, percent=True)} of cases.",
                percent=True,
            )
        )
    return rows


def _shift_values(model: str, shifts: Mapping[str, Answers]):
    """Right or not (seeds, n), weighted so that their mean is the mean of the worlds' accuracies."""
    each = [losses(answers[model], right) for answers in shifts.values()]
    total = sum(values.shape[1] for values in each)
    return np.concatenate([v * total / (len(each) * v.shape[1]) for v in each], axis=1)


def _joined(splits: Mapping[str, object]):
    """Groups over several splits together: a group never reaches from one into another."""
    if all(groups_of(split) is None for split in splits.values()):
        return None
    names = []
    for place, split in splits.items():
        groups = groups_of(split)
        codes = np.arange(len(split)) if groups is None else np.unique(groups, return_inverse=True)[1]
        names += [f"{place}/{code}" for code in codes.reshape(-1).tolist()]
    return np.unique(names, return_inverse=True)[1]


def _rows(rows, xlabel: str, reference):
    from trustlib import plots

    return plots.estimates(rows, xlabel=xlabel, reference=reference)

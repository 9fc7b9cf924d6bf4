"""The axis of accuracy: how often each model is right, for whom, and how often two of them differ."""

from collections.abc import Mapping
from functools import partial
from itertools import combinations
from typing import Any

from trustlib import accuracy
from trustlib.report import wording
from trustlib.report.answers import Answers, groups_of, losses, mean, one_of, right
from trustlib.report.result import Figure, Finding, Primary, Section

LIMITS = (
    "These are accuracies on samples like those that were asked. They say nothing of samples from elsewhere, "
    "nothing of why an answer is right, and nothing of what a wrong answer costs."
)


def section(test: Answers, *, by: Mapping[str, Any], seed: int = 0) -> Section:
    """How often is each model right?"""
    shared = one_of(test)
    groups = groups_of(shared)
    findings, results = {}, {}
    for model, each in test.items():
        if len(each) > 1:
            found = mean(losses(each, right), groups, seed)
            findings[model] = (_accuracy(model, found, len(shared), len(each)),)
            continue
        scores = accuracy.evaluate(
            each[0].probs, each[0].labels, classes=each[0].classes, groups=groups, seed=seed
        )
        by_group = {
            name: accuracy.by_group(each[0].probs, each[0].labels, values, units=groups, seed=seed)
            for name, values in by.items()
        }
        results[model] = {"scores": scores, "by": by_group}
        findings[model] = (
            _accuracy(model, scores.accuracy, len(shared), 1),
            *_balanced(model, scores),
            *_groups(model, by_group),
        )
    values = {model: losses(each, right) for model, each in test.items()}
    primary = Primary("accuracy", "accuracy", values, groups, True, shares=True, percent=True)
    return Section(
        "accuracy",
        "Accuracy",
        "How often is it right, and for whom is it worst?",
        findings,
        LIMITS,
        primary,
        figures=_figures(findings, results),
        notes=_churn(test, groups),
        results=results,
    )


def _accuracy(model: str, found, n: int, seeds: int) -> Finding:
    trained = f", trained {seeds} times," if seeds > 1 else ""
    sentence = (
        f"{wording.shown(model)}{trained} answers {wording.estimate(found, percent=True)} "
        f"of {n:,} test samples rightly."
    )
    return Finding(("accuracy",), "accuracy", found, sentence, percent=True)


def _balanced(model: str, scores: accuracy.Accuracy) -> tuple[Finding, ...]:
    balanced = scores.balanced_accuracy
    worst = min(
        (name for name, of in scores.per_class.items() if of.n),
        key=lambda name: scores.per_class[name].recall.value,
    )
    found = scores.per_class[worst]
    return (
        Finding(
            ("balanced_accuracy",),
            "balanced accuracy",
            balanced,
            "With every class counting the same, it is right in "
            f"{wording.estimate(balanced, percent=True)} of cases.",
            percent=True,
        ),
        Finding(
            ("worst_class_recall",),
            "recall of its worst class",
            found.recall,
            f"Of {found.n:,} samples of the class {wording.shown(worst)}, which it finds least often, it "
            f"finds {wording.estimate(found.recall, percent=True)}.",
            percent=True,
        ),
    )


def _groups(model: str, by_group: Mapping[str, accuracy.ByGroup]) -> tuple[Finding, ...]:
    found = []
    for name, result in by_group.items():
        for group, estimate in result.groups.items():
            worst = " This group is the worst." if group == result.worst else ""
            sentence = (
                f"Where {wording.shown(name)} is {wording.shown(group)}, {wording.shown(model)} is right in "
                f"{wording.number(estimate.value, percent=True)} of {estimate.n:,} samples "
                f"({100 * estimate.low:.1f} to {100 * estimate.high:.1f} %; the intervals of all "
                f"{len(result.groups)} groups hold together in {wording.level(result.level)} of data sets)."
                f"{worst}"
            )
            label = f"accuracy where {wording.shown(name)} is {wording.shown(group)}"
            found.append(Finding(("by", name, group), label, estimate, sentence, percent=True))
        worst = result.groups[result.worst]
        found.append(
            Finding(
                ("worst_group", name),
                f"lowest accuracy by {wording.shown(name)}",
                worst,
                f"By {wording.shown(name)}, accuracy is lowest for {wording.shown(result.worst)}.",
                percent=True,
            )
        )
    return tuple(found)


def _churn(test: Answers, groups) -> tuple[str, ...]:
    """How often two models, or two trainings of one, give different answers."""
    notes = []
    for model, each in test.items():
        if len(each) > 1:
            apart = [accuracy.churn(a.probs, b.probs, groups=groups).value for a, b in combinations(each, 2)]
            notes.append(
                f"Trained anew with nothing changed but the seed, {wording.shown(model)} gives other answers "
                f"to {wording.number(sum(apart) / len(apart), percent=True)} of samples, on average over "
                f"{len(apart)} pairs of seeds."
            )
    singles = [model for model, each in test.items() if len(each) == 1]
    for a, b in combinations(singles, 2):
        apart = accuracy.churn(test[a][0].probs, test[b][0].probs, groups=groups)
        notes.append(
            f"{wording.shown(a)} and {wording.shown(b)} give different answers to "
            f"{wording.estimate(apart, percent=True)} of samples (churn)."
        )
    return tuple(notes)


def _figures(findings, results) -> tuple[Figure, ...]:
    rows = {wording.drawn(model): found[0].estimate for model, found in findings.items()}
    alt = "Accuracy of each model with its interval: " + "; ".join(
        f"{wording.shown(model)} {wording.estimate(found[0].estimate, percent=True)}"
        for model, found in findings.items()
    )
    figures = [Figure(f"{alt}.", partial(_rows, rows, "accuracy"))]
    for model, result in results.items():
        for name, found in result["by"].items():
            if len(found.groups) > 20:
                continue
            told = "; ".join(
                f"{wording.shown(group)} {wording.number(e.value, percent=True)}"
                for group, e in found.groups.items()
            )
            figures.append(
                Figure(
                    f"Accuracy of {wording.shown(model)} by {wording.shown(name)}: {told}.",
                    partial(_by_group, model, name, found),
                )
            )
    return tuple(figures)


def _rows(rows, xlabel: str):
    from trustlib import plots

    return plots.estimates(rows, xlabel=xlabel)


def _by_group(model: str, name: str, found: accuracy.ByGroup):
    from dataclasses import replace

    from trustlib import plots

    safe = {wording.drawn(group): e for group, e in found.groups.items()}
    title = f"{wording.drawn(model)}, by {wording.drawn(name)}"
    return plots.groups(replace(found, groups=safe, worst=wording.drawn(found.worst)), title=title)

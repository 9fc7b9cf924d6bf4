"""The axis of calibration: whether the probabilities are true, and whether a model doubts where people do."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trustlib import calibration, checks
from trustlib.calibration import scores
from trustlib.predictions import Predictions
from trustlib.report import wording
from trustlib.report.answers import Answers, groups_of, losses, mean, one_of
from trustlib.report.result import Figure, Finding, Primary, Section

LIMITS = (
    "Brier and NLL reward right and honest answers at once, so a more accurate model gains on both. "
    "A small calibration error holds on average over samples like these: in a part of them it may be large. "
    "A conformal promise holds for samples drawn like the calibration split, and for no others."
)
NO_SPLIT = (
    "How often conformal sets hold the right class was not measured: that needs the models' answers to a "
    "calibration split (calibration=...)."
)
NO_PEOPLE = (
    "Whether the models doubt where people do was not measured: that needs what people said (human_probs)."
)


def section(
    test: Answers,
    *,
    calibration_split: Answers | None,
    n_ratings: NDArray[Any] | None,
    alpha: float = 0.1,
    seed: int = 0,
) -> Section:
    """When a model says 90 %, is it right nine times in ten?"""
    shared = one_of(test)
    groups = groups_of(shared)
    findings, results, missing = {}, {}, []
    for model, each in test.items():
        if len(each) > 1:
            findings[model] = _over_seeds(each, groups, seed)
            continue
        found = calibration.evaluate(each[0].probs, each[0].labels, groups=groups, seed=seed)
        results[model] = {"calibration": found}
        rows = [*_probabilities(found), *_abstaining(each[0], groups, seed)]
        if calibration_split is not None:
            (split,) = calibration_split[model]
            rows += _sets(model, each[0], split, groups, alpha)
        rows += _people(model, each[0], n_ratings, groups, seed)
        findings[model] = tuple(rows)
    if calibration_split is None:
        missing.append(NO_SPLIT)
    if shared.human_probs is None:
        missing.append(NO_PEOPLE)
    values = {model: losses(each, scores.brier_losses) for model, each in test.items()}
    return Section(
        "calibration",
        "Calibration",
        "When it says 90 %, is it right nine times in ten, and does it doubt where people do?",
        findings,
        LIMITS,
        Primary("calibration", "Brier score", values, groups, False),
        figures=tuple(
            Figure(_reliability_alt(model, result["calibration"]), partial(_reliability, model, result))
            for model, result in results.items()
        ),
        missing=tuple(missing),
        results=results,
    )


def _over_seeds(each: tuple[Predictions, ...], groups, seed: int) -> tuple[Finding, ...]:
    found = []
    for path, label, loss in (
        ("brier", "Brier score", scores.brier_losses),
        ("nll", "NLL, nats", scores.nll_losses),
    ):
        estimate = mean(losses(each, loss), groups, seed)
        sentence = (
            f"Its {label}, over {len(each)} trainings, is {wording.estimate(estimate)}; less is better."
        )
        found.append(Finding((path,), label, estimate, sentence))
    return tuple(found)


def _probabilities(found: calibration.Calibration) -> tuple[Finding, ...]:
    chance = found.ece_if_calibrated
    miss = "no miscalibration is shown" if found.ce2.low <= 0 else "it is miscalibrated"
    return (
        Finding(
            ("brier",),
            "Brier score",
            found.brier,
            f"Its Brier score is {wording.estimate(found.brier)}, where 0 is perfect.",
        ),
        Finding(
            ("nll",),
            "NLL, nats",
            found.nll,
            f"Its NLL is {wording.estimate(found.nll)} nats; less is better.",
        ),
        Finding(
            ("calibration_error",),
            "squared calibration error, debiased",
            found.ce2,
            f"Its debiased squared calibration error is {found.ce2.value:.4f} "
            f"({found.ce2.low:.4f} to {found.ce2.high:.4f}): {miss}. Plain ECE is {found.ece:.3f}; "
            f"chance alone would give a calibrated model {chance.value:.3f} "
            f"({chance.low:.3f} to {chance.high:.3f}).",
        ),
    )


def _abstaining(test: Predictions, groups, seed: int) -> tuple[Finding, ...]:
    curve = calibration.risk_coverage(test.probs, test.labels, groups=groups, seed=seed)
    kept = curve.coverage_at_risk
    return (
        Finding(
            ("kept_at_5_percent_errors",),
            "answers kept at 5 % errors",
            kept,
            f"If it kept quiet where it is least sure, {wording.estimate(kept, percent=True)} of its answers "
            "could be kept with at most 5 % errors among them.",
            percent=True,
        ),
    )


def _sets(model: str, test: Predictions, split: Predictions, groups, alpha: float) -> tuple[Finding, ...]:
    rule = calibration.conformal(split.probs, split.labels, alpha=alpha)
    covered = rule.coverage(test.probs, test.labels, groups=groups)
    band = rule.promised(len(test))
    size = float(rule.sets(test.probs).sum(axis=1).mean())
    kept = "inside" if band.low <= covered.value <= band.high else "outside"
    if groups is not None:
        kept += ", which takes samples for independent,"
    return (
        Finding(
            ("conformal_coverage",),
            f"coverage of {wording.level(1 - alpha)} conformal sets",
            covered,
            f"Sets learned from {rule.n:,} calibration samples hold the right class in "
            f"{wording.estimate(covered, percent=True)} of cases; {wording.level(1 - alpha)} was promised, "
            f"and the value lies {kept} the band that chance allows "
            f"({100 * band.low:.1f} to {100 * band.high:.1f} %). A set holds {size:.2f} of "
            f"{test.probs.shape[1]} classes on average.",
            percent=True,
        ),
    )


def _people(model: str, test: Predictions, n_ratings, groups, seed: int) -> tuple[Finding, ...]:
    if test.human_probs is None:
        return ()
    human, found = test.human_probs, []
    judged = ~np.isnan(human).any(axis=1)
    certain = human[judged].max(axis=1, initial=0) > 1 - 1e-6
    if certain.any() and not certain.all():
        doubt = calibration.doubt_auroc(test.probs, human, groups=groups, seed=seed)
        found.append(
            Finding(
                ("doubt_auroc",),
                "AUROC of doubt",
                doubt,
                f"{wording.shown(model)} is surer of a sample of which people are certain than of one they "
                f"doubt with chance {wording.estimate(doubt)}; 0.5 is no knowledge of doubt.",
            )
        )
    if n_ratings is not None:
        counts = checks.counts(n_ratings, name="n_ratings", n=len(test))
        if ((counts >= 2) & judged).sum() >= 2:
            error = calibration.error_from_raters(test.probs, human, counts, groups=groups, seed=seed)
            found.append(
                Finding(
                    ("error_from_raters",),
                    "squared error from the raters' shares",
                    error,
                    f"Its squared error from what all raters would say is {wording.estimate(error)}; 0 would "
                    "be as divided as people are.",
                )
            )
    return tuple(found)


def _reliability_alt(model: str, found: calibration.Calibration) -> str:
    bins = found.bins
    told = "; ".join(
        f"confidence {bins.confidence[i]:.2f}, right {bins.right[i]:.2f} of {bins.counts[i]:,}"
        for i in np.flatnonzero(bins.counts)
    )
    return f"Reliability of {wording.shown(model)}, bin by bin: {told}."


def _reliability(model: str, result: dict):
    from trustlib import plots

    found = result["calibration"]
    title = f"{wording.drawn(model)}: ECE {found.ece:.3f}; chance {found.ece_if_calibrated.value:.3f}"
    return plots.reliability(found, title=title)

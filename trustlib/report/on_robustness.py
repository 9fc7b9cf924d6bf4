"""The axis of robustness: how often a small change, chosen beforehand, changes the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trustlib import robustness, text_perturbations
from trustlib.estimates import Estimate
from trustlib.report import wording
from trustlib.report.asking_models import Counted
from trustlib.report.result import Figure, Finding, Primary, Section
from trustlib.robustness import repeats
from trustlib.robustness.noisy import verdict
from trustlib.tasks.task import Split, Task

TITLE, QUESTION = "Robustness", "How often does a small change, chosen beforehand, change its answer?"
LIMITS = (
    "What counts is whether the answer changes, not whether it is right: a model that always says the same "
    "is never moved. Only these changes were tried, at random; one that is looked for can be far smaller."
)
SLIPS = (
    text_perturbations.keyboard_typos,
    text_perturbations.transpose_letters,
    text_perturbations.delete_letters,
    text_perturbations.remove_punctuation,
)
N_DRAWS = 2


def n_calls(task: Task, n: int, sigmas: Sequence[float]) -> int:
    """Inputs that each model will answer."""
    levels = len(SLIPS) if task.kind == "text" else len(sigmas)
    return n * (1 + N_DRAWS * levels)


def section(
    asked: Mapping[str, Counted],
    task: Task,
    chosen: Split,
    *,
    sigmas: Sequence[float],
    sigma: float,
    severity: float,
    threshold: float,
    groups: NDArray[Any] | None,
    seed: int,
) -> Section:
    """How often does the answer change? Every model gets the same noise on the same inputs.

    sigmas: levels of the curve, of which sigma is the one that models are judged by; severity: the share of
    words in texts; threshold: the share of changed answers that is still called robust.
    """
    findings, results, values, drawn = {}, {}, {}, {}
    for model, predict_proba in asked.items():
        if task.kind == "text":
            found, flips, rows = _texts(model, predict_proba, chosen, severity, threshold, groups, seed)
        else:
            found, flips, rows = _noise(
                model, predict_proba, task, chosen, sigmas, sigma, threshold, groups, seed
            )
        results[model], values[model], findings[model] = {"robustness": found}, flips, rows
        for finding in rows:
            drawn[f"{wording.drawn(model)}, {_level(finding)}"] = finding.estimate
    measure = (
        f"answers changed by slips in {wording.level(severity)} of the words"
        if task.kind == "text"
        else f"answers changed by noise of sigma {sigma:g}"
    )
    alt = "Share of answers that change: " + "; ".join(
        f"{name} {wording.estimate(e, percent=True)}" for name, e in drawn.items()
    )
    return Section(
        "robustness",
        TITLE,
        QUESTION,
        findings,
        LIMITS,
        Primary("robustness", measure, values, groups, False, percent=True),
        figures=(Figure(f"{alt}.", partial(_bars, drawn)),),
        results=results,
    )


def _noise(
    model: str,
    predict_proba: Callable,
    task: Task,
    chosen: Split,
    sigmas: Sequence[float],
    sigma: float,
    threshold: float,
    groups: NDArray[Any] | None,
    seed: int,
):
    levels = sorted({*sigmas, sigma})
    options = {"sigmas": levels, "threshold": threshold, "seed": seed, "n_draws": N_DRAWS, "groups": groups}
    if task.kind == "image":
        found = robustness.noise(predict_proba, chosen.inputs, size=predict_proba.size, **options)
        unit = "where a pixel spans 0 to 1"
    else:
        found = robustness.noise_table(
            predict_proba, chosen.inputs, background=np.asarray(task.train.inputs), **options
        )
        unit = "in deviations of each column"
    at = levels.index(sigma)
    first = [found.levels[at], *(level for level in found.levels if level.sigma != sigma)]
    rows = []
    for level in first:
        words = f"Noise of sigma {level.sigma:g} ({unit})"
        path = ("flip_rate",) if level.sigma == sigma else ("flips", f"sigma {level.sigma:g}")
        rows.append(
            _finding(model, path, f"sigma {level.sigma:g}", words, level.flip_rate, level.verdict, threshold)
        )
    return found, found.flipped[:, :, at].mean(axis=1), tuple(rows)


def _texts(
    model: str,
    predict_proba: Callable,
    chosen: Split,
    severity: float,
    threshold: float,
    groups: NDArray[Any] | None,
    seed: int,
):
    found = robustness.texts(
        predict_proba,
        chosen.inputs,
        perturbations=SLIPS,
        severities=[severity],
        seed=seed,
        n_draws=N_DRAWS,
        groups=groups,
    )
    codes = repeats.codes(groups, len(chosen))
    flips = found.flipped[..., 0]  # (n, draws, perturbations)
    everything = repeats.share(flips, codes)
    words = f"A slip in {wording.level(severity)} of the words (at least one)"
    rows = [
        _finding(
            model,
            ("flip_rate",),
            "all slips",
            words,
            everything,
            verdict(everything, threshold),
            threshold,
        )
    ]
    for name, (rate,) in found.flip_rate.items():
        told = name.replace("_", " ")
        rows.append(
            _finding(
                model, ("flips", name), told, f"Of these, {told}", rate, verdict(rate, threshold), threshold
            )
        )
    return found, flips.mean(axis=(1, 2)), tuple(rows)


def _finding(
    model: str,
    path: tuple[str, ...],
    label: str,
    words: str,
    rate: Estimate,
    judged: str,
    threshold: float,
) -> Finding:
    sentence = (
        f"{words} changes {wording.estimate(rate, percent=True)} of the answers of {wording.shown(model)}. "
        f"Held against {wording.level(threshold)}, which was set beforehand: {judged}."
    )
    return Finding(path, f"answers changed, {label}", rate, sentence, percent=True)


def _level(finding: Finding) -> str:
    return finding.label.removeprefix("answers changed, ")


def _bars(rows: Mapping[str, Estimate]):
    from trustlib import plots

    return plots.estimates(rows, xlabel="share of answers that change")

"""Two axes of explanations: are they true of the model, and do they stay under another seed?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trustlib import estimates, explain, faithfulness
from trustlib.estimates import Estimate
from trustlib.explain import masking, segmentation
from trustlib.faithfulness import Across, Curve, Stability
from trustlib.report import wording
from trustlib.report.answers import known_mean
from trustlib.report.asking_models import Counted
from trustlib.report.result import Figure, Finding, Primary, Section
from trustlib.robustness.inputs import at_size, to_uint8
from trustlib.tasks.task import Split, Task

Explain = Callable[[Callable[[Any], Any], Any, int], explain.Explanation]
SEEDS = (0, 1, 2)
STEPS, N_ORDERS = 10, 5
N_SEGMENTS = 24  # of a picture: few, so that few samples tell them apart
NUM_SAMPLES = {"image": 100, "text": 200, "table": 1000}  # so that twelve inputs take a minute
ROUNDING = 1e-9  # a change of a probability that is none
TRUE_LIMITS = (
    "A small area says that the explainer names features whose loss moves the answer; how far it can fall "
    "depends on the model too, for a surer model has farther to fall. A good score does not make an "
    "explanation complete, nor the reason a good one."
)
STABLE_LIMITS = (
    "Agreement over seeds is a matter of the explainer and its number of samples as much as of the model. A "
    "stable explanation may be wrong each time."
)


def n_calls(task: Task, n: int, num_samples: int | None) -> int:
    """Inputs that each model will answer, at most, where explanations are this module's own."""
    num_samples = num_samples or NUM_SAMPLES[task.kind]
    return n * (len(SEEDS) * num_samples + (1 + N_ORDERS) * (STEPS + 1))


def usable(split: Split, kind: str) -> NDArray[np.int64]:
    """Positions of the inputs that can be explained: texts of three words or more, and all else."""
    if kind != "text":
        return np.arange(len(split))
    return np.flatnonzero([len(masking.words(text)) >= 3 for text in split.inputs])


def lime(task: Task, num_samples: int | None) -> Explain:
    """The explainer that a report uses when it is given none: LIME of the task's kind."""
    num_samples = num_samples or NUM_SAMPLES[task.kind]
    if task.kind == "image":
        return lambda p, x, seed: explain.lime_image(
            p, x, segments=_segments(x), num_samples=num_samples, seed=seed
        )
    if task.kind == "text":
        return lambda p, x, seed: explain.lime_text(p, x, num_samples=num_samples, seed=seed)
    background = np.asarray(task.train.inputs)
    return lambda p, x, seed: explain.lime_table(
        p,
        x,
        background=background,
        columns=task.columns or None,
        num_samples=num_samples,
        seed=seed,
        discretize=False,
    )


def _segments(picture: NDArray[Any]) -> NDArray[np.int64]:
    """Superpixels; squares where a picture is so even that there is but one."""
    found = segmentation.slic(picture, N_SEGMENTS)
    return found if found.max() > 0 else segmentation.grid(picture, N_SEGMENTS)


def sections(
    asked: Mapping[str, Counted],
    task: Task,
    chosen: Split,
    explainer: Explain,
    *,
    groups: NDArray[Any] | None,
    seed: int,
) -> tuple[Section, Section]:
    """Faithfulness and stability of the explanations of the same inputs, for each model."""
    curves: dict[str, list[Curve]] = {}
    repeats: dict[str, list[Stability]] = {}
    baseline = np.asarray(task.train.inputs).mean(axis=0) if task.kind == "table" else None
    for model, predict_proba in asked.items():
        for i in range(len(chosen)):
            shown = chosen.inputs[i]
            if task.kind == "image":
                shown = to_uint8(at_size(shown, predict_proba.size, at=i))
            found = faithfulness.stability(
                explainer, predict_proba, shown, seeds=SEEDS, n_draws=50, seed=seed
            )
            curve = faithfulness.deletion(
                predict_proba,
                found.of_seeds[0].input,
                found.of_seeds[0],
                baseline=baseline,
                steps=STEPS,
                n_draws=N_ORDERS,
                seed=seed + i,
            )
            repeats.setdefault(model, []).append(found)
            curves.setdefault(model, []).append(curve)
    examples = tuple(_example(model, each[0].of_seeds[0], task.classes) for model, each in repeats.items())
    return _true(curves, examples, groups, seed), _stable(repeats, groups, seed)


def _example(model: str, explanation: explain.Explanation, classes: tuple[str, ...]) -> Figure:
    """The explanation of the first input, which nobody chose."""
    answer, name = wording.shown(classes[explanation.target]), wording.shown(model)
    largest = np.argsort(-np.abs(explanation.values), kind="stable")[:5]
    told = "; ".join(
        f"{wording.shown(explanation.names[i], longest=30)} {explanation.values[i]:+.3f}" for i in largest
    )
    caption = f"{name}, the first input, not chosen: what speaks for {answer}, and what against it."
    return Figure(
        f"Explanation by {explanation.method} of {name} for {answer}; the largest values: {told}.",
        partial(_drawn, explanation, classes),
        caption,
    )


def _drawn(explanation: explain.Explanation, classes: tuple[str, ...]):
    from trustlib import plots

    return plots.explanation(explanation, classes=[wording.drawn(name) for name in classes])


def _true(curves: Mapping[str, list[Curve]], examples: tuple[Figure, ...], groups, seed: int) -> Section:
    findings, values, across = {}, {}, {}
    for model, each in curves.items():
        found = faithfulness.across([curve.area for curve in each], groups=groups, seed=seed)
        gain = estimates.paired_difference(np.mean, found.controls, found.scores, groups=groups, seed=seed)
        values[model], across[model] = found.controls - found.scores, found
        if gain.low > 0:
            told = "sooner than in random order"
        elif gain.high < 0:
            told = "later than in random order"
        else:
            told = "neither sooner nor later than in random order, as far as so few inputs show"
        name = wording.shown(model)
        findings[model] = (
            Finding(
                ("deletion_gain",),
                "deletion area, random order minus explanation",
                gain,
                f"When features of {len(each)} inputs are hidden as the explanations rank them, the answers "
                f"of {name} fall {told}: the area is lower by {wording.estimate(gain)}.",
            ),
            Finding(
                ("deletion_area",),
                "deletion area, explanation",
                found.score,
                f"The area under the falling answers is {wording.estimate(found.score)}; less is better.",
            ),
            Finding(
                ("deletion_area_random",),
                "deletion area, random order",
                found.control,
                f"Random orders on the same inputs get {wording.estimate(found.control)}.",
            ),
        )
    alt = "Deletion area of explanations and of random orders: " + "; ".join(
        f"{wording.shown(model)} {found.score.value:.3f}, random {found.control.value:.3f}"
        for model, found in across.items()
    )
    return Section(
        "faithfulness",
        "Faithfulness of explanations",
        "Does the answer move with what the explanation says matters?",
        findings,
        TRUE_LIMITS,
        Primary("faithfulness", "deletion area below that of random orders", values, groups, True),
        figures=(Figure(f"{alt}.", partial(_beside, across)), *examples),
        results={model: {"curves": each, "across": across[model]} for model, each in curves.items()},
    )


def _stable(repeats: Mapping[str, list[Stability]], groups, seed: int) -> Section:
    findings, values, drawn = {}, {}, {}
    for model, each in repeats.items():
        scores = np.array([_agreement(found) for found in each])
        known = ~np.isnan(scores)
        values[model] = scores
        agreement = _mean(scores, groups, seed)
        drawn[wording.drawn(model)] = agreement
        name, left_out = wording.shown(model), ""
        if not known.all():
            left_out = f" {int((~known).sum())} of {len(each)} inputs are left out: nothing ranked there."
        findings[model] = (
            Finding(
                ("stability",),
                "rank agreement over seeds",
                agreement,
                f"Explanations of {name} with another seed rank the features with a Spearman correlation of "
                f"{wording.estimate(agreement)} on average; 1 is the same order, 0 no agreement.{left_out}",
            ),
        )
    alt = "Mean rank agreement of explanations over seeds: " + "; ".join(
        f"{wording.shown(model)} {wording.estimate(rows[0].estimate)}" for model, rows in findings.items()
    )
    return Section(
        "stability",
        "Stability of explanations",
        "Does the explanation stay when nothing changes but its seed?",
        findings,
        STABLE_LIMITS,
        Primary("stability", "rank agreement over seeds", values, groups, True),
        figures=(Figure(f"{alt}.", partial(_bars, drawn)),),
        results={model: {"stability": each} for model, each in repeats.items()},
    )


def _agreement(found: Stability) -> float:
    """Rank agreement over seeds; NaN where attributions are nothing but rounding, which ranks nothing."""
    sizes = [np.abs(explanation.values).max() for explanation in found.of_seeds]
    return float("nan") if min(sizes) < ROUNDING else found.over_seeds.spearman.score


def _mean(scores: NDArray[np.float64], groups, seed: int) -> Estimate:
    """The mean score, which cannot leave [-1, 1]; not defined for fewer than two inputs."""
    found = known_mean(scores[None], groups, seed)
    return Estimate(found.value, max(found.low, -1.0), min(found.high, 1.0), found.n, found.level)


def _beside(across: Mapping[str, Across]):
    from trustlib import plots

    rows = {wording.drawn(model): found for model, found in across.items()}
    return plots.beside_control(rows, xlabel="deletion area")


def _bars(rows: Mapping[str, Estimate]):
    from trustlib import plots

    return plots.estimates(rows, xlabel="Spearman correlation over seeds")

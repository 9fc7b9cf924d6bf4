"""A report that asks the models themselves, on a whole task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trustlib import asking, checks, predictions
from trustlib.predictions import Predictions
from trustlib.report import on_cost, on_explanations, on_robustness
from trustlib.report.answers import Answers, groups_of, one_of
from trustlib.report.asking_models import Counted, fitted
from trustlib.report.assembling import assembled
from trustlib.report.predictions_only import facts, from_answers
from trustlib.report.result import TrustReport
from trustlib.tasks.task import Split, Task

N_TRAIN, N_SHIFT, N_ROBUSTNESS, N_EXPLAINED = 500, 500, 100, 12
SIGMAS, SIGMA, SEVERITY, THRESHOLD = (0.02, 0.05, 0.1), 0.05, 0.1, 0.05
FEWEST_GROUPS, MOST_GROUPS = 2, 12


def trust_report(
    models: Mapping[str, Any],
    task: Task,
    *,
    n_test: int | None = None,
    n_train: int | None = N_TRAIN,
    n_shift: int | None = N_SHIFT,
    n_robustness: int = N_ROBUSTNESS,
    n_explained: int = N_EXPLAINED,
    num_samples: int | None = None,
    explain: on_explanations.Explain | None = None,
    sigmas: Sequence[float] = SIGMAS,
    sigma: float = SIGMA,
    severity: float = SEVERITY,
    threshold: float = THRESHOLD,
    by: Mapping[str, ArrayLike] | None = None,
    alpha: float = 0.1,
    seed: int = 0,
    batch_size: int = asking.BATCH,
) -> TrustReport:
    """How far may these models be trusted on this task? Every axis, and verdicts between the models.

    Args:
        models: {name: classifier, or predict_proba}; one or more, for the same task.
        task: its test split is measured; its other splits and shifts serve as what they are.
        n_test, n_train, n_shift: samples of the test split, of the training split and of each shift, drawn at
            random where there are more; None takes all.
        n_robustness, n_explained: test inputs that are perturbed, and that are explained.
        num_samples: of each LIME explanation; None takes 100 for a picture, 200 for a text, 1,000 for a row.
        explain: explain(predict_proba, input, seed) -> Explanation, an explainer of your own.
        sigmas, sigma: noise on pictures (a pixel spans [0, 1]) or rows (in deviations of a column); models
            are judged at sigma. severity: the share of the words of a text that get a slip.
        threshold: the share of changed answers that is still called robust.
        by: {name: (n,) group names} of the test split; by default its metadata that are strings.
        alpha: how often a conformal set may miss.
        seed: for every draw. batch_size: inputs in one question.
    Returns: TrustReport. `planned_calls` says what it costs; a bar shows it while it runs.
    Raises: ValueError, ModelError where a model does not fit the task, before any is asked for long.

    >>> from trustlib import tasks
    >>> def by_petal(rows):  # shorter than 2.5 cm: setosa; narrower than 1.75 cm: versicolor
    ...     return np.eye(3)[np.where(rows[:, 2] < 2.5, 0, np.where(rows[:, 3] < 1.75, 1, 2))]
    >>> few = {"n_robustness": 5, "n_explained": 2, "num_samples": 50}
    >>> found = trust_report({"by petal": by_petal}, tasks.iris(), **few)
    >>> print(found["accuracy"].findings["by petal"][0].estimate)
    0.933 [0.787, 0.982]
    """
    alpha, threshold = checks.fraction(alpha, name="alpha"), checks.fraction(threshold, name="threshold")
    planned = planned_calls(
        task,
        n_test=n_test,
        n_train=n_train,
        n_shift=n_shift,
        n_robustness=n_robustness,
        n_explained=n_explained,
        num_samples=num_samples,
        sigmas=(*sigmas, sigma),
    )
    asked = fitted(models, task)
    rng = np.random.default_rng(seed)
    rows = _rows(len(task.test), n_test, rng)
    test = task.test.take(rows)
    by = {name: np.asarray(values)[rows] for name, values in _by(task, by).items()}
    train = task.train.take(_rows(len(task.train), n_train, rng))
    shifts = {
        name: split.take(_rows(len(split), n_shift, rng))
        for name, split in task.shifts.items()
        if len(split) > 1
    }
    few = test.take(_rows(len(test), n_robustness, rng))
    fit = on_explanations.usable(test, task.kind)
    explained = test.take(rng.permutation(fit)[:n_explained])
    if len(explained) < 2:
        raise ValueError(
            f"expected at least 2 test inputs that can be explained, got {len(explained)}; texts need 3 words"
        )

    with asking.calls(len(asked) * sum(planned.values()), "trust report") as bar:
        for counted in asked.values():
            counted.count_on(bar)
        answers = _answers(asked, test, task.classes, batch_size)
        sections = from_answers(
            answers,
            train=_answers(asked, train, task.classes, batch_size),
            train_is_sample=len(train) < len(task.train),
            calibration_split=_answers(asked, task.calibration, task.classes, batch_size),
            shifts={name: _answers(asked, split, task.classes, batch_size) for name, split in shifts.items()},
            by=by,
            n_ratings=test.metadata.get("n_ratings"),
            alpha=alpha,
            seed=seed,
        )
        known = groups_of(one_of(answers)) is not None
        sections += (
            on_robustness.section(
                asked,
                task,
                few,
                sigmas=sigmas,
                sigma=sigma,
                severity=severity,
                threshold=threshold,
                groups=_groups(few, known),
                seed=seed,
            ),
            *on_explanations.sections(
                asked,
                task,
                explained,
                explain or on_explanations.lime(task, num_samples),
                groups=_groups(explained, known),
                seed=seed,
            ),
            on_cost.section(asked, planned, seed=seed),
        )
    return assembled(
        sections,
        answers,
        task=task.name,
        question=task.question,
        facts=facts(answers)
        | {"inputs perturbed": f"{len(few):,}", "inputs explained": f"{len(explained):,}"},
        seed=seed,
    )


def planned_calls(
    task: Task,
    *,
    n_test: int | None = None,
    n_train: int | None = N_TRAIN,
    n_shift: int | None = N_SHIFT,
    n_robustness: int = N_ROBUSTNESS,
    n_explained: int = N_EXPLAINED,
    num_samples: int | None = None,
    sigmas: Sequence[float] = SIGMAS,
) -> dict[str, int]:
    """How many inputs `trust_report` will ask each model about, by axis; at most, where equal masks are met.

    Args: as in `trust_report`. An explainer of your own makes calls that are not counted here.
    Raises: ValueError.

    >>> from trustlib import tasks
    >>> planned_calls(tasks.iris(), n_robustness=10)["robustness"]  # 10 rows, 3 levels of noise, 2 draws each
    70
    """
    sizes = {"n_test": n_test, "n_train": n_train, "n_shift": n_shift}
    for name, size in sizes.items():
        if size is not None:
            checks.count(size, name=name, least=2)
    n_robustness = checks.count(n_robustness, name="n_robustness", least=2)
    n_explained = checks.count(n_explained, name="n_explained", least=2)
    n_test = min(len(task.test), n_test or len(task.test))
    return {
        "test": n_test,
        "calibration": len(task.calibration),
        "training": min(len(task.train), n_train or len(task.train)),
        "shift": sum(min(len(split), n_shift or len(split)) for split in task.shifts.values()),
        "robustness": on_robustness.n_calls(task, min(n_robustness, n_test), sorted(set(sigmas))),
        "explanations": on_explanations.n_calls(task, min(n_explained, n_test), num_samples),
    }


def _rows(n: int, wanted: int | None, rng: np.random.Generator) -> NDArray[np.int64]:
    """Positions of a random part, in their order; all where none is wanted smaller."""
    if wanted is None or wanted >= n:
        return np.arange(n)
    return np.sort(rng.choice(n, wanted, replace=False))


def _by(task: Task, by: Mapping[str, ArrayLike] | None) -> Mapping[str, ArrayLike]:
    """What was asked for; else the split's metadata that are names, of which there are a few."""
    if by is not None:
        return by
    found = {}
    for name, values in task.test.metadata.items():
        if values.dtype.kind == "U" and FEWEST_GROUPS <= len(np.unique(values)) <= MOST_GROUPS:
            found[name] = values
    return found


def _answers(
    asked: Mapping[str, Counted], split: Split, classes: tuple[str, ...], batch_size: int
) -> Answers:
    return {name: (_predicted(counted, split, classes, batch_size),) for name, counted in asked.items()}


def _predicted(counted: Counted, split: Split, classes: tuple[str, ...], batch_size: int) -> Predictions:
    return predictions.predict(counted, split, classes=classes, batch_size=batch_size)


def _groups(split: Split, known: bool) -> NDArray[Any] | None:
    """The groups of a part of the test split, where the test split has any that hold several samples."""
    groups = split.groups if known else None
    return None if groups is None or len(np.unique(groups)) in (1, len(groups)) else groups

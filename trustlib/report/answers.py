"""The answers that a report starts from: the same samples for all models, one Predictions a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trustlib import estimates
from trustlib.estimates import Estimate
from trustlib.predictions import Predictions
from trustlib.report.result import Primary

Array = NDArray[Any]
Answers = dict[str, tuple[Predictions, ...]]


def checked(given: Mapping[str, Any], *, name: str, like: Answers | None = None) -> Answers:
    """Answers by model, each as a tuple of Predictions, one for each training seed.

    Args:
        given: {model: Predictions, or several of them}.
        name: what a message calls them.
        like: answers of the same models elsewhere, whose classes and seeds these must share.
    Raises: ValueError unless all models answered the same samples, with the same classes.
    """
    if not isinstance(given, Mapping) or not given:
        raise ValueError(
            f"expected {name} as {{model name: Predictions}}, got {given!r:.60}; name each model"
        )
    found: Answers = {}
    for model, answers in given.items():
        each = (answers,) if isinstance(answers, Predictions) else answers
        if (
            not isinstance(model, str)
            or not model.strip()
            or not isinstance(each, Sequence)
            or not len(each)
            or not all(isinstance(one, Predictions) for one in each)
        ):
            raise ValueError(
                f"expected {name} as {{model name: Predictions}}, got {model!r}: {type(answers).__name__}; "
                "pass Predictions, or a list of them, one for each training seed"
            )
        found[model] = tuple(each)
    if like is not None:
        found = _as_in(found, like, name)
    first_model, (first, *_) = next(iter(found.items()))
    if len(first) < 2:
        raise ValueError(f"expected at least 2 samples in {name}, got {len(first)}; add some")
    for model, each in found.items():
        for one in each:
            _same_samples(first, one, first_model, model, name)
    return found


def _as_in(found: Answers, like: Answers, name: str) -> Answers:
    if set(found) != set(like):
        raise ValueError(
            f"expected {name} of the models {', '.join(like)}, got {', '.join(found)}; "
            "pass the answers of each model, or leave them out for all"
        )
    for model, each in found.items():
        if len(each) != len(like[model]) or each[0].classes != like[model][0].classes:
            raise ValueError(
                f"expected {name} of {model} with the classes and training seeds of its test answers, got "
                f"{len(each)} seeds and the classes {', '.join(each[0].classes)}; let the same models answer"
            )
    return {model: found[model] for model in like}


def _same_samples(first: Predictions, one: Predictions, first_model: str, model: str, name: str) -> None:
    if one.classes != first.classes:
        raise ValueError(
            f"expected the classes {', '.join(first.classes)} in {name} of {model}, as for {first_model}, "
            f"got {', '.join(one.classes)}; let each model answer with the same classes in one order"
        )
    same = np.array_equal(one.labels, first.labels)
    if same and one.ids is not None and first.ids is not None:
        same = np.array_equal(one.ids, first.ids)
    if not same:
        raise ValueError(
            f"expected the same samples in {name} of {model} as of {first_model}, got other ids or labels; "
            "models are compared pair by pair, so let them answer the same samples in one order"
        )


def one_of(answers: Answers) -> Predictions:
    """Any model's, for what all share: labels, classes, groups, what people said."""
    return next(iter(answers.values()))[0]


def groups_of(split: Predictions) -> Array | None:
    """Its groups; None where it has none, or every sample has its own."""
    if split.groups is None or len(np.unique(split.groups)) in (1, len(split)):
        return None
    return split.groups


def losses(each: Sequence[Predictions], loss: Callable[[Array, Array], Array]) -> Array:
    """loss(probs, labels) of each sample: (seeds, n)."""
    return np.stack([np.asarray(loss(one.probs, one.labels), dtype=np.float64) for one in each])


def right(probs: Array, labels: Array) -> Array:
    """Whether each answer is the label: (n,)."""
    return probs.argmax(axis=1) == labels


def mean(values: Array, groups: Array | None, seed: int) -> Estimate:
    """The mean of (seeds, n) over seeds and samples, both resampled; of samples alone for one seed."""
    if len(values) == 1:
        return estimates.bootstrap(np.mean, values[0], groups=groups, seed=seed)
    return estimates.crossed_difference(np.nanmean, values, np.zeros_like(values), groups=groups, seed=seed)


def known_mean(values: Array, groups: Array | None, seed: int) -> Estimate:
    """`mean` of (seeds, n) over the samples on which any seed is defined; NaN where these are too few."""
    known = ~np.isnan(values).all(axis=0)
    if groups is not None:
        groups = np.asarray(groups)[known]
    if known.sum() < 2 or (groups is not None and len(np.unique(groups)) < 2):
        return Estimate(float("nan"), float("nan"), float("nan"), int(known.sum()))
    return mean(values[:, known], groups, seed)


def means(primary: Primary, *, seed: int = 0) -> dict[str, Estimate]:
    """The mean of a primary measure for each model, which is what a verdict compares.

    Samples are resampled in their groups, and training seeds too where there are several; a sample on which
    the measure is not defined counts for nothing.

    >>> found = means(Primary("accuracy", "accuracy", {"a": [1, 0, 1, 1]}, None, True))
    >>> found["a"].value
    0.75
    """
    return {
        model: known_mean(np.atleast_2d(np.asarray(values, dtype=np.float64)), primary.groups, seed)
        for model, values in primary.values.items()
    }

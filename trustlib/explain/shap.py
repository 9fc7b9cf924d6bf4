"""SHAP: the answer to one input, shared out among its segments, words or columns as Shapley values.

    explanation = shap_text(classifier.predict_proba, "A dull start, but a great end")
    explanation.base_value + explanation.values.sum() == explanation.prediction

A coalition of features is worth what the model answers when all others are hidden. So the values depend on
what hides them, and this is an argument: the baseline of a picture, the replacement in a text, the
background of a table. How coalitions are chosen and values computed is in `trustlib.explain.shapley`.

Sources: Lundberg & Lee (2017); Janzing, Minorics & Blöbaum (2020), why columns are hidden by drawing them
from a background whatever the others are.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trustlib import asking, checks
from trustlib.explain import masking, shapley
from trustlib.explain.explanation import Explanation
from trustlib.explain.shapley import NUM_SAMPLES

ROWS = 1024  # of a table, that a model is asked at a time


def shap_image(
    predict_proba: Callable[[Any], Any],
    image: ArrayLike,
    *,
    segments: ArrayLike | None = None,
    baseline: ArrayLike | None = None,
    target: int | None = None,
    num_samples: int = NUM_SAMPLES,
    seed: int = 0,
    batch_size: int = asking.BATCH,
) -> Explanation:
    """How much of the answer to a picture each segment has earned.

    Args:
        predict_proba: takes pictures (b, h, w, 3), returns (b, k).
        image: (h, w, 3), uint8 or float in [0, 1].
        segments: (h, w), integers from 0 to m - 1; by default those of `masking.slic`.
        baseline: a picture or colour that shows where a segment is hidden; by default each segment's mean
            colour. The values say what the segments add to it.
        target: index of the class; by default the one that the model answers.
        num_samples: most calls; exact where 2**m are no more, so up to 11 segments by default. At least 4 m
            or 2**m.
        seed: the same seed gives the same explanation.
        batch_size: pictures that the model is asked at a time.
    Returns: Explanation with values in probability, base_value the answer to the baseline, and fidelity the
        efficiency gap, 0 but for rounding.
    Raises: ValueError; ModelError.
    Source: Lundberg & Lee (2017).

    >>> brightness = lambda made: np.stack([1 - made.mean((1, 2, 3)), made.mean((1, 2, 3))], axis=1)
    >>> picture = np.repeat([[[0.0], [1.0]]], 3, axis=2)
    >>> shap_image(brightness, picture, segments=[[0, 1]], target=1, baseline=0).values.round(9)
    array([0. , 0.5])
    """
    image = checks.picture(image)
    segments = masking.slic(image) if segments is None else segments
    segments = checks.segments(segments, shape=image.shape[:2])
    return _explain(
        predict_proba,
        masking.image(image, segments, baseline),
        shapley.plan(int(segments.max()) + 1, num_samples=num_samples, seed=seed),
        target=target,
        seed=seed,
        batch_size=batch_size,
        features=segments,
        explained=image,
    )


def shap_text(
    predict_proba: Callable[[Any], Any],
    text: str,
    *,
    replacement: str = "",
    target: int | None = None,
    num_samples: int = NUM_SAMPLES,
    seed: int = 0,
    batch_size: int = asking.BATCH,
) -> Explanation:
    """How much of the answer to a text each word has earned; a word that stands twice is two features.

    Args:
        predict_proba: takes a list of b texts, returns (b, k).
        text: with one word or more.
        replacement: stands where a word is hidden, such as "[MASK]" or "..."; "" takes the word away.
        target, num_samples, seed, batch_size: as in `shap_image`.
    Returns: Explanation, as of `shap_image`; base_value is the answer to the text without words.
    Raises: ValueError; ModelError.
    Source: Lundberg & Lee (2017).

    >>> good = lambda texts: np.array([[0.9, 0.1] if "good" in text else [0.4, 0.6] for text in texts])
    >>> shap_text(good, "a good film").values
    array([0. , 0.5, 0. ])
    """
    spans = masking.words(text)
    if not spans:
        raise ValueError(f"expected a text with one word or more, got {text!r}; nothing in it can be hidden")
    return _explain(
        predict_proba,
        masking.text(text, spans, replacement),
        shapley.plan(len(spans), num_samples=num_samples, seed=seed),
        target=target,
        seed=seed,
        batch_size=batch_size,
        features=spans,
        explained=text,
    )


def shap_table(
    predict_proba: Callable[[Any], Any],
    row: ArrayLike,
    *,
    background: ArrayLike,
    columns: Sequence[str] | None = None,
    target: int | None = None,
    num_samples: int = NUM_SAMPLES,
    seed: int = 0,
    batch_size: int = ROWS,
) -> Explanation:
    """How much of the answer to a row each column has earned, against the rows of a background.

    Hidden columns take their values from each row of the background in turn, and the answers are averaged:
    the interventional expectation.

    Args:
        predict_proba: takes rows (b, d), returns (b, k).
        row: (d,). background: (n, d), rows to compare with, such as some of the training data. One row is a
            baseline.
        columns: d names; by default "0", "1" and so on.
        target: index of the class; by default the one that the model answers.
        num_samples: coalitions; each costs n calls, one for each row of the background, but the full one
            a single call. Exact where 2**d are no more; at least 4 d or 2**d.
        seed: the same seed gives the same explanation.
        batch_size: rows that the model is asked at a time.
    Returns: Explanation, as of `shap_image`; base_value is the mean answer to the background.
    Raises: ValueError; ModelError.
    Source: Lundberg & Lee (2017); Janzing, Minorics & Blöbaum (2020).

    >>> line = lambda rows: np.stack([0.5 - rows[:, 1], 0.5 + rows[:, 1]], axis=1)
    >>> found = shap_table(line, [0.1, 0.2], background=[[0, 0], [0.3, 0.1]], target=1)
    >>> found.values.round(9), found.n_calls  # 0.2 less the mean of 0 and 0.1; 3 coalitions x 2 rows + 1
    (array([0.  , 0.15]), 7)
    """
    row = checks.numbers(row, name="row")
    background = checks.table(background, name="background", columns=len(row))
    names = [str(i) for i in range(len(row))] if columns is None else [str(name) for name in columns]
    if len(names) != len(row):
        raise ValueError(f"expected {len(row)} columns, got {len(names)}; pass one name for each")
    batch_size = checks.count(batch_size, name="batch_size")
    plan = shapley.plan(len(row), num_samples=num_samples, seed=seed)
    hiding = plan.masks[:-1]  # the full coalition has nothing to hide
    n_calls = len(hiding) * len(background) + 1
    with asking.calls(n_calls, "SHAP") as bar:
        here = asking.ask(predict_proba, [row[None]], bar=bar)
        made = _rows(row, background, hiding, batch_size)
        probs = asking.ask(predict_proba, made, n_classes=here.shape[1], bar=bar)
    means = probs.reshape(len(hiding), len(background), -1).mean(axis=1)
    return _explanation(
        plan,
        np.concatenate([means, here]),
        target=target,
        seed=seed,
        features=tuple(names),
        explained=row,
        n_calls=n_calls,
    )


def _rows(
    row: NDArray[np.float64], background: NDArray[np.float64], masks: NDArray[np.bool_], batch_size: int
) -> Iterator[NDArray[np.float64]]:
    """All masks with all rows of the background, mask by mask, in batches."""
    total = len(masks) * len(background)
    for start in range(0, total, batch_size):
        mask, other = np.divmod(np.arange(start, min(start + batch_size, total)), len(background))
        yield np.where(masks[mask], row, background[other])


def _explain(
    predict_proba: Callable[[Any], Any],
    hide: masking.Hide,
    plan: shapley.Plan,
    *,
    target: int | None,
    seed: int,
    batch_size: int,
    features: Any,
    explained: Any,
) -> Explanation:
    n_calls = len(plan.masks)
    with asking.calls(n_calls, "SHAP") as bar:
        probs = masking.answers(predict_proba, hide, plan.masks, batch_size=batch_size, bar=bar)
    return _explanation(
        plan, probs, target=target, seed=seed, features=features, explained=explained, n_calls=n_calls
    )


def _explanation(
    plan: shapley.Plan,
    probs: NDArray[np.float64],
    *,
    target: int | None,
    seed: int,
    features: Any,
    explained: Any,
    n_calls: int,
) -> Explanation:
    """From the answers (b, k) to the masks of the plan, the last of which is the input itself."""
    target = int(probs[-1].argmax()) if target is None else checks.target(target, n_classes=probs.shape[1])
    found = shapley.solve(plan, probs[:, target])
    return Explanation(
        values=found.values,
        base_value=found.base_value,
        prediction=found.prediction,
        target=target,
        features=features,
        standard_errors=found.standard_errors,
        fidelity=found.base_value + float(found.values.sum()) - found.prediction,
        n_calls=n_calls,
        seed=seed,
        method="shap",
        input=explained,
        covariance=found.covariance,
        n_samples=found.n_samples,
    )

"""Explanations of the packages lime and shap as ours, and ours as theirs.

explanation = from_lime(explainer.explain_instance(text, predict_proba))
explanation = from_shap(explainer(texts), target=1)
shap.plots.waterfall(explanation.to_shap())
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trustlib import checks
from trustlib.explain.explanation import Explanation, Span, places

if TYPE_CHECKING:
    import lime.explanation
    import lime.lime_image
    import shap


def from_lime(
    found: lime.explanation.Explanation | lime.lime_image.ImageExplanation,
    *,
    target: int | None = None,
    row: ArrayLike | None = None,
    prediction: float | None = None,
    n_calls: int = 0,
    seed: int = 0,
) -> Explanation:
    """What lime found for one class, as an Explanation.

    Args:
        found: what an explainer of lime's `explain_instance` returned.
        target: index of the class; by default the first of its `top_labels`, or the only one explained.
        row: (d,), the explained row of a table; lime itself keeps its numbers rounded to two decimals.
        prediction: the model's answer to the input; lime keeps it for texts and tables, but not for pictures.
        n_calls, seed: how many samples were drawn, and from which seed; lime keeps neither.
    Returns: Explanation; 0 for features that lime's selection left out, no standard errors, and as fidelity
        lime's score, of which it keeps only that of the class it explained last. The value of a column
        that was not cut into quarters is its coefficient times its standardised number, as in `lime_table`.
    Raises: ValueError for a class that was not explained.
    """
    target = _explained(found, target)
    weights = found.local_exp[target]
    if hasattr(found, "segments"):
        features: Any = checks.segments(found.segments, shape=found.image.shape[:2])
        explained, m = found.image, int(features.max()) + 1
    elif hasattr(found.domain_mapper, "indexed_string"):
        features = _lime_words(found.domain_mapper.indexed_string)
        explained, m = found.domain_mapper.indexed_string.raw_string(), len(features)
    else:
        mapper = found.domain_mapper
        features = tuple(mapper.discretized_feature_names or mapper.feature_names)
        explained, m = _lime_row(mapper, row), len(features)
        numeric = set(range(m)) - set(mapper.categorical_features)
        weights = [(i, w * mapper.scaled_row[i] if i in numeric else w) for i, w in weights]
    values = np.zeros(m)
    for i, weight in weights:
        values[i] = weight
    if prediction is None:
        kept = getattr(found, "predict_proba", None)
        prediction = np.nan if kept is None else kept[target]
    return Explanation(
        values=values,
        base_value=float(found.intercept[target]),
        prediction=float(prediction),
        target=target,
        features=features,
        standard_errors=np.full(m, np.nan),
        fidelity=float(found.score) if list(found.local_exp)[-1] == target else np.nan,
        n_calls=n_calls,
        seed=seed,
        method="lime (package)",
        input=explained,
    )


def from_shap(
    found: shap.Explanation,
    *,
    row: int = 0,
    target: int | None = None,
    segments: ArrayLike | None = None,
    prediction: float | None = None,
    n_calls: int = 0,
    seed: int = 0,
) -> Explanation:
    """What shap found for one input and class, as an Explanation.

    Args:
        found: a shap.Explanation of rows, texts or pictures, of many inputs or of one.
        row: which of many inputs.
        target: index of the class, where values were found for several.
        segments: (h, w), to sum a picture's values over; by default each pixel is a feature by itself.
        prediction: the model's answer; by default what the values add up to, and then fidelity is NaN.
        n_calls, seed: what shap was allowed, which it does not keep.
    Returns: Explanation without standard errors. Values of a picture are summed over its colours.
    Raises: ValueError without a target where there are several classes, and for a row that is not there.
    """
    values, base, data = _shap_row(found, row)
    words = data.dtype.kind in "OU" and all(isinstance(piece, str) for piece in data)
    values, base, target = _shap_class(values, base, data, target)
    features: Any
    if words:
        ends = np.cumsum([len(piece) for piece in data]).tolist()
        features = tuple(
            Span(int(stop) - len(piece), int(stop)) for piece, stop in zip(data, ends, strict=True)
        )
        explained: Any = "".join(data)
    elif data.ndim == 3:
        labels = np.arange(data[..., 0].size).reshape(data.shape[:2]) if segments is None else segments
        features = checks.segments(labels, shape=data.shape[:2])
        values = np.bincount(features.ravel(), values.sum(axis=2).ravel())
        explained = data
    else:
        names = found.feature_names
        features = tuple(str(i) for i in range(len(values))) if names is None else tuple(map(str, names))
        explained = data.astype(np.float64)
    total = base + float(values.sum())
    return Explanation(
        values=values,
        base_value=base,
        prediction=total if prediction is None else float(prediction),
        target=target,
        features=features,
        standard_errors=np.full(len(values), np.nan),
        fidelity=np.nan if prediction is None else total - float(prediction),
        n_calls=n_calls,
        seed=seed,
        method="shap (package)",
        input=explained,
    )


def to_shap(explanation: Explanation) -> shap.Explanation:
    """Ours as a shap.Explanation, for that library's own plots.

    A row or text becomes one input; a word that counts in several places shares its value among them. A
    picture becomes a batch of one, with each segment's value spread evenly over its pixels and colours, so
    that sums stay what they are.
    """
    import shap

    values = explanation.values
    if explanation.kind == "image":
        segments = explanation.features
        picture = np.asarray(explanation.input)
        each = values / np.bincount(segments.ravel()) / picture.shape[2]
        spread = np.repeat(each[segments][..., None], picture.shape[2], axis=2)
        return shap.Explanation(
            spread[None], base_values=np.array([explanation.base_value]), data=picture[None]
        )
    if explanation.kind == "text":
        values, pieces = _shap_words(explanation)
        return shap.Explanation(
            values, base_values=explanation.base_value, data=np.array(pieces, dtype=object)
        )
    return shap.Explanation(
        values,
        base_values=explanation.base_value,
        data=np.asarray(explanation.input),
        feature_names=list(explanation.names),
    )


def _explained(found: Any, target: int | None) -> int:
    labels = [int(label) for label in found.local_exp]
    if target is None and getattr(found, "top_labels", None):
        return int(found.top_labels[0])
    if target is None and len(labels) == 1:
        return labels[0]
    if target not in labels:
        raise ValueError(
            f"expected target to be one of the classes that lime explained, {labels}, got {target}; "
            "ask lime for it with labels=(...)"
        )
    return int(target)


def _lime_words(indexed: Any) -> tuple[Any, ...]:
    """Spans of lime's words, a tuple of them where it takes equal words together."""

    def spans(i: int) -> tuple[Span, ...]:
        starts = np.atleast_1d(indexed.string_position(i)).ravel()
        return tuple(Span(int(start), int(start) + len(indexed.word(i))) for start in starts)

    found = [spans(i) for i in range(indexed.num_words())]
    return tuple(found) if indexed.bow else tuple(word[0] for word in found)


def _lime_row(mapper: Any, row: ArrayLike | None) -> NDArray[np.float64]:
    m = len(mapper.feature_names)
    if row is not None:
        return checks.numbers(row, name="row", n=m)
    rounded = [value if value != "True" else "nan" for value in mapper.feature_values]
    return np.array(rounded, dtype=np.float64)


def _shap_row(found: Any, row: int) -> tuple[NDArray[Any], Any, NDArray[Any]]:
    """Values, base value and data of one input, whether the explanation holds one or many."""
    data = found.data
    one = isinstance(data, np.ndarray) and (
        data.ndim in (1, 3) and not (data.dtype == object and not isinstance(data.flat[0], str))
    )
    if one:
        return np.asarray(found.values), found.base_values, data
    n = len(data)
    if not -n <= row < n:
        raise ValueError(f"expected row from 0 to {n - 1}, got {row}; the explanation holds {n} inputs")
    base = np.asarray(found.base_values)
    return np.asarray(found.values[row]), base[row] if base.ndim else base, np.asarray(data[row])


def _shap_class(
    values: NDArray[Any], base: Any, data: NDArray[Any], target: int | None
) -> tuple[NDArray[np.float64], float, int]:
    """Values and base value of one class; of several, values have one dimension more than data."""
    if values.ndim == data.ndim:
        return values.astype(np.float64), float(np.ravel(base)[0]), 0 if target is None else int(target)
    if target is None:
        raise ValueError(
            f"expected target, since shap explained {values.shape[-1]} classes, got None; pass its index"
        )
    target = checks.target(target, n_classes=values.shape[-1])
    return values[..., target].astype(np.float64), float(np.asarray(base)[target]), target


def _shap_words(explanation: Explanation) -> tuple[NDArray[np.float64], list[str]]:
    """A value and a piece of text for each place, the pieces adding up to the text."""
    owners = sorted(
        (place, value / len(places(feature)))
        for feature, value in zip(explanation.features, explanation.values.tolist(), strict=True)
        for place in places(feature)
    )
    starts = [0, *(place.start for place, _ in owners[1:]), len(explanation.input)]
    pieces = [explanation.input[start:stop] for start, stop in zip(starts[:-1], starts[1:], strict=True)]
    return np.array([value for _, value in owners]), pieces

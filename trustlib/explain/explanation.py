"""One result for every explanation: what each feature of one input did to one answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import shap


class Span(NamedTuple):
    """Characters start to stop (excluded) of a text: one word as the explainer hides it."""

    start: int
    stop: int


def places(feature: Span | Sequence[Span]) -> tuple[Span, ...]:
    """All places of one feature of a text: one Span, or several where a word counts wherever it stands.

    >>> places(Span(0, 3))
    (Span(start=0, stop=3),)
    """
    return (feature,) if isinstance(feature, Span) else tuple(feature)


@dataclass(frozen=True, eq=False)
class Explanation:
    """What each of m features did to the probability of one class.

    values: (m,) float64, above 0 where the feature speaks for the class; base_value: the answer that the
    values start from (the surrogate's intercept in LIME, the answer to the baseline in SHAP); prediction: the
    model's answer to the input itself; target: index of the class; features: segments as an integer map
    (h, w) with values 0 to m - 1, m Spans of a text (a tuple of Spans where a word counts in all its places
    at once), or m column names; standard_errors: (m,), 0 where exact, NaN where not known; fidelity: weighted
    R² for LIME, base_value + sum of values - prediction for SHAP, NaN where there is none; n_calls: inputs
    that the model answered; seed: of whatever was drawn; method: such as "lime"; input: the picture, text or
    row that is explained; covariance: (m, m) of the values over draws, None where not known; n_samples: how
    many were drawn, None where nothing was; unit: what base_value and prediction are, "probability" or
    "log odds".
    """

    values: NDArray[np.float64]
    base_value: float
    prediction: float
    target: int
    features: Any
    standard_errors: NDArray[np.float64]
    fidelity: float
    n_calls: int
    seed: int
    method: str
    input: Any
    covariance: NDArray[np.float64] | None = field(default=None, kw_only=True)
    n_samples: int | None = field(default=None, kw_only=True)
    unit: str = field(default="probability", kw_only=True)

    @property
    def kind(self) -> str:
        """What is explained: "image", "text" or "table"."""
        if isinstance(self.features, np.ndarray) and self.features.ndim == 2:
            return "image"
        return "text" if isinstance(self.input, str) else "table"

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each feature: "segment 3", the word, or the column."""
        if self.kind == "image":
            return tuple(f"segment {i}" for i in range(len(self.values)))
        if self.kind == "text":
            firsts = [places(feature)[0] for feature in self.features]
            return tuple(self.input[start:stop] for start, stop in firsts)
        return tuple(str(name) for name in self.features)

    def as_list(self) -> list[tuple[str | int, float]]:
        """Features and values, the largest in size first: lime's list form.

        A word or column stands by its name, a segment by its number, as in lime.
        """
        keys = range(len(self.values)) if self.kind == "image" else self.names
        order = np.argsort(-np.abs(self.values), kind="stable")
        return [(keys[i], float(self.values[i])) for i in order]

    def to_shap(self) -> shap.Explanation:
        """The same as a shap.Explanation, for that library's own plots; see `convert.to_shap`."""
        from trustlib.explain.convert import to_shap

        return to_shap(self)

    def _repr_html_(self) -> str | None:
        """Words with their values as plain HTML where a text is explained; other kinds have plots."""
        if self.kind != "text":
            return None
        from trustlib.explain.html_text import page

        return page(self)

    def __repr__(self) -> str:
        listed = ", ".join(f"{key!r}: {value:+.3f}" for key, value in self.as_list()[:5])
        more = f", ... {len(self.values) - 5} more" if len(self.values) > 5 else ""
        return (
            f"Explanation({self.method} of class {self.target}: {self.base_value:.3f} -> "
            f"{self.prediction:.3f}; {listed}{more}; {self.n_calls:,} calls)"
        )

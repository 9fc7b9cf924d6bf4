"""One result for every explanation: what each feature of one input did to one answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Span(NamedTuple):
    """Characters start to stop (excluded) of a text: one word as the explainer hides it."""

    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class Explanation:
    """What each of m features did to the probability of one class.

    values: (m,) float64, above 0 where the feature speaks for the class; base_value: the answer that the
    values start from (the surrogate's intercept in LIME, the answer to the baseline in SHAP); prediction: the
    model's answer to the input itself; target: index of the class; features: segments as an integer map
    (h, w) with values 0 to m - 1, m Spans of a text, or m column names; standard_errors: (m,), 0 where exact,
    NaN where not known; fidelity: weighted R² for LIME, base_value + sum of values - prediction for SHAP, NaN
    where there is none; n_calls: inputs that the model answered; seed: of whatever was drawn; method: such as
    "lime"; input: the picture, text or row that is explained.
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

    @property
    def kind(self) -> str:
        """What is explained: "image", "text" or "table"."""
        if isinstance(self.features, np.ndarray) and self.features.ndim == 2:
            return "image"
        return "text" if isinstance(self.input, str) else "table"

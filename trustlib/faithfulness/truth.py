"""Where the truth is known: does the explanation point at it?

A planted mark is known to decide the answer, so a true explanation puts its segment, or its word, first.
Sources: Zhang et al. (2018), the pointing game; Arras, Osman & Samek (2022), relevance mass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trustlib import checks
from trustlib.explain import masking
from trustlib.explain.explanation import Explanation
from trustlib.faithfulness.control import Controlled, beside, permutations, values_of

SHARE = 0.25
N_DRAWS = 1000


@dataclass(frozen=True, eq=False)
class Pointing:
    """How well an explanation points at the truth, each measure beside that of permuted values.

    hit: 1 where the feature with the largest value is a true one, else 0 (a tie is shared out); rank: the
    place of the best true feature, 1 is first, low is good; mass: share of the positive attribution inside
    the truth, in [0, 1], NaN where nothing is positive; most_mass: the most that these features could get,
    below 1 where a segment reaches beyond the truth; true: (m,) booleans, the true features.
    """

    hit: Controlled
    rank: Controlled
    mass: Controlled
    most_mass: float
    true: NDArray[np.bool_]


def pointing(
    explanation: Explanation, truth: Any, *, share: float = SHARE, n_draws: int = N_DRAWS, seed: int = 0
) -> Pointing:
    """Whether the feature that is said to matter most is the one that is known to matter.

    Args:
        explanation: of m >= 2 features, for the class that the truth speaks for.
        truth: for a picture a boolean mask (h, w); for a text the (start, stop) of the true words; for a row
            the names of the true columns.
        share: a segment is true when it holds at least this share of the mask, and so is the one that holds
            most of it. A word is true when it shares a character with the truth.
        n_draws: permutations of the values, the control.
        seed: of the permutations.
    Returns: Pointing. Inside a segment, attribution counts as spread evenly over its pixels.
    Raises: ValueError when the truth does not fit the explanation, or no feature or every feature is true.
    Source: Zhang et al. (2018); Arras et al. (2022).

    >>> seen = Explanation(np.array([0.1, 0.6, -0.3]), 0.0, 0.9, 1, masking.words("a good film"),
    ...                    np.zeros(3), 0.0, 0, 0, "by hand", "a good film")
    >>> found = pointing(seen, [(2, 6)])
    >>> found.hit.score, found.rank.score, round(found.mass.score, 3)
    (1.0, 1.0, 0.857)
    """
    values = values_of(explanation)
    n_draws = checks.count(n_draws, name="n_draws", least=1)
    inside, true = _truth(explanation, truth, checks.fraction(share, name="share", closed=True))
    if len(true) != len(values):
        raise ValueError(
            f"expected one value for each of {len(true)} features, got {len(values)}; "
            "pass an explanation as it was made"
        )
    if not true.any() or true.all():
        raise ValueError(
            f"expected some true features and some others, got {true.sum()} of {len(true)}; "
            "look where the truth lies"
        )
    orders = permutations(len(values), n_draws, np.random.default_rng(seed))
    drawn = np.vstack([values[None], values[orders]])  # the first row is the explanation
    hits, ranks, masses = _hits(drawn, true), _ranks(drawn, true), _masses(drawn, inside)
    return Pointing(
        hit=beside(hits[0], hits[1:]),
        rank=beside(ranks[0], ranks[1:], lower_is_better=True),
        mass=beside(masses[0], masses[1:]),
        most_mass=float(inside.max()),
        true=true,
    )


def rank(values: NDArray[np.float64], true: NDArray[np.bool_]) -> float:
    """The place of the best true feature among all, 1 is first; equal values share their places' mean.

    Args:
        values: (m,), the largest is first.
        true: (m,) booleans, at least one True.

    >>> rank(np.array([0.1, 0.6, 0.3, 0.3]), np.array([False, False, True, False]))
    2.5
    """
    values = checks.numbers(values, name="values")
    true = np.asarray(true)
    if true.shape != values.shape or true.dtype != bool or not true.any():
        raise ValueError(
            f"expected true as {len(values)} booleans, one of them True at least, got shape {true.shape} "
            f"of {true.dtype}; mark the features that are known to matter"
        )
    return float(_ranks(values[None], true)[0])


def _hits(values: NDArray[np.float64], true: NDArray[np.bool_]) -> NDArray[np.float64]:
    first = values == values.max(axis=1, keepdims=True)  # (draws, m)
    return (first & true).sum(axis=1) / first.sum(axis=1)


def _ranks(values: NDArray[np.float64], true: NDArray[np.bool_]) -> NDArray[np.float64]:
    best = values[:, true].max(axis=1, keepdims=True)
    before, level = (values > best).sum(axis=1), (values == best).sum(axis=1)
    found = ((values == best) & true).sum(axis=1)
    # The first of `found` among `level` equal places stands, on average, at (level + 1) / (found + 1).
    return before + (level + 1) / (found + 1)


def _masses(values: NDArray[np.float64], inside: NDArray[np.float64]) -> NDArray[np.float64]:
    positive = np.maximum(values, 0)
    total = positive.sum(axis=1)
    return np.divide(positive @ inside, total, out=np.full(len(values), np.nan), where=total > 0)


def _truth(
    explanation: Explanation, truth: Any, share: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """For each feature the share of it that lies inside the truth, and whether it is a true one."""
    if explanation.kind == "image":
        return _of_mask(np.asarray(explanation.features), np.asarray(truth), share)
    if explanation.kind == "text":
        true = _of_spans(explanation, truth)
    else:
        names = [truth] if isinstance(truth, str) else list(truth)
        unknown = [name for name in names if name not in list(explanation.features)]
        if unknown:
            raise ValueError(
                f"expected names of columns, got {unknown[0]!r}; "
                f"choose from {', '.join(explanation.features)}"
            )
        true = np.array([name in names for name in explanation.features])
    return true.astype(np.float64), true


def _of_mask(segments: NDArray[np.int64], mask: NDArray[np.bool_], share: float):
    if mask.shape != segments.shape or mask.dtype != bool:
        raise ValueError(
            f"expected the truth as booleans of shape {segments.shape}, got {mask.dtype} of shape "
            f"{mask.shape}; pass True where the mark is"
        )
    sizes = np.bincount(segments.ravel())
    marked = np.bincount(segments[mask], minlength=len(sizes))
    if not mask.any():
        return marked / sizes, marked > 0
    return marked / sizes, (marked >= max(share * mask.sum(), 1)) | (marked == marked.max())


def _of_spans(explanation: Explanation, truth: Any) -> NDArray[np.bool_]:
    spans = np.asarray(truth)
    n = len(explanation.input)
    if spans.shape == (2,):
        spans = spans[None]
    if spans.ndim != 2 or spans.shape[1] != 2 or spans.dtype.kind not in "iu":
        raise ValueError(f"expected the truth as (start, stop) of words, got {truth!r}; pass characters")
    if (spans[:, 0] < 0).any() or (spans[:, 1] > n).any() or (spans[:, 0] >= spans[:, 1]).any():
        raise ValueError(
            f"expected spans inside the text of {n} characters, got {truth!r}; count from its start"
        )
    return np.array(
        [
            any(
                start < right and left < stop
                for start, stop in masking.places(feature)
                for left, right in spans
            )
            for feature in explanation.features
        ]
    )

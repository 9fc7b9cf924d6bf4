"""Does the model know what it does not know?

A classifier has an answer to everything, a photograph of a cup too. A stranger is an input that belongs to
none of its classes, or to another world than the one that it learned from. The model does not say so, but
it may be less sure. So the question is one of ranking: how often is it surer of one of its own than of a
stranger?

Sources: Hendrycks & Gimpel (2017), the largest probability as the baseline; Hein, Andriushchenko &
Bitterwolf (2019), why networks are sure far away from their data.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trustlib import checks, ranking
from trustlib.estimates import Estimate

Floats = NDArray[np.float64]


def confidence(probs: Floats) -> Floats:
    """The largest probability of each row of (n, k): (n,).

    >>> confidence(np.array([[0.2, 0.8], [0.5, 0.5]]))
    array([0.8, 0.5])
    """
    return probs.max(axis=1)


def certainty(probs: Floats) -> Floats:
    """Minus the entropy of each row of (n, k), in nats: (n,), 0 where one class has it all.

    With two classes it orders samples as confidence does.

    >>> certainty(np.array([[0.5, 0.5], [1.0, 0.0]])).round(3)
    array([-0.693,  0.   ])
    """
    logarithms = np.log(probs, out=np.zeros_like(probs), where=probs > 0)
    return (probs * logarithms).sum(axis=1)


def strangers(
    probs_in: ArrayLike,
    probs_out: ArrayLike,
    *,
    score: Callable[[Floats], Floats] = confidence,
    groups_in: ArrayLike | None = None,
    groups_out: ArrayLike | None = None,
    seed: int = 0,
) -> Estimate:
    """The chance that the model is surer of one of its own samples than of a stranger (AUROC).

    Args:
        probs_in: (n, k), its answers to samples of the kind that it learned from.
        probs_out: (m, k), its answers to strangers.
        score: takes probs (n, k), returns (n,), larger where the model is surer; `confidence`, `certainty`,
            or your own.
        groups_in, groups_out: (n,) and (m,), samples that hang together; None takes each for itself.
        seed: for the draws behind the interval.
    Returns: Estimate in [0, 1] with n + m samples: 1 where it is less sure of every stranger, 0.5 where it
        cannot tell, below where it is surer of strangers. A tie counts one half.
    Raises: ValueError.
    Source: Hendrycks & Gimpel (2017).

    >>> own, others = [[0.9, 0.1], [0.3, 0.7]], [[0.5, 0.5], [0.2, 0.8]]
    >>> strangers(own, others).value  # 0.9 beats both strangers, 0.7 one of them: 3 of 4 pairs
    0.75
    """
    own, others = checks.probs(probs_in, name="probs_in"), checks.probs(probs_out, name="probs_out")
    if own.shape[1] != others.shape[1]:
        raise ValueError(
            f"expected probs_in and probs_out of one model, got {own.shape[1]} and {others.shape[1]} "
            "classes; ask the same model both times"
        )
    given = score(own), score(others)
    scores = np.concatenate(
        [
            checks.numbers(values, name="scores", n=len(probs))
            for values, probs in zip(given, (own, others), strict=True)
        ]
    )
    codes = None
    if groups_in is not None or groups_out is not None:
        first = _codes(groups_in, len(own), "groups_in")
        codes = np.concatenate([first, first.max() + 1 + _codes(groups_out, len(others), "groups_out")])
    inside = np.arange(len(scores)) < len(own)
    return ranking.auroc(scores, inside, groups=codes, seed=seed)


def _codes(groups: ArrayLike | None, n: int, name: str) -> NDArray[np.int64]:
    return np.arange(n) if groups is None else checks.groups(groups, n=n, name=name)

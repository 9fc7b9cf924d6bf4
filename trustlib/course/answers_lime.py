"""Reference answers of lesson 07's exercises; its checks call them."""

import numpy as np

from trustlib.explain import surrogate


def weight(kept: int, words: int, *, width: float) -> float:
    """What a text counts for in which so many of its words are kept: cosine distance, lime's kernel."""
    mask = np.arange(words) < kept
    return float(surrogate.kernel(100 * surrogate.cosine_distances(mask[None]), width)[0])


def ridge(masks: np.ndarray, answers: np.ndarray, weights: np.ndarray, strength: float) -> np.ndarray:
    """The coefficients (m,) of a weighted ridge regression whose intercept is not punished."""
    return surrogate.fit(masks, answers, weights, ridge=strength).coefficients


def samples(values: np.ndarray, covariance: np.ndarray, n: int) -> float:
    """How many samples until the two largest sizes lie 1.96 standard errors of their difference apart.

    values: (m,) from n samples; covariance: (m, m).
    """
    first, second = np.argsort(-np.abs(values))[:2]
    towards = np.zeros(len(values))
    towards[first], towards[second] = np.sign(values[first]), -np.sign(values[second])
    return float(n * 1.96**2 * (towards @ covariance @ towards) / (towards @ values) ** 2)

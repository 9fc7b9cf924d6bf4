"""The straight line that LIME lays through a model's answers, and how far chance has bent it.

Every explanation of LIME ends here: a weighted ridge regression of answers on what was kept, with an
intercept that is not punished. The samples are drawn, so the coefficients have standard errors; they come
from the same samples, and hold although the model is no straight line.

Sources: Ribeiro, Singh & Guestrin (2016); White (1980) and MacKinnon & White (1985), sandwich errors.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trustlib import checks


@dataclass(frozen=True, eq=False)
class Fit:
    """A weighted ridge regression.

    coefficients: (m,); intercept; r2: weighted R², NaN where all answers are equal; covariance: (m, m) of
    the coefficients over draws of the samples.
    """

    coefficients: NDArray[np.float64]
    intercept: float
    r2: float
    covariance: NDArray[np.float64]


def kernel(distances: ArrayLike, width: float) -> NDArray[np.float64]:
    """Weights in [0, 1] of samples that far from the input: lime's exponential kernel.

    >>> kernel([0, 1], 1).round(3)
    array([1.   , 0.607])
    """
    width = checks.positive(width, name="kernel_width")
    return np.exp(-(np.asarray(distances, dtype=np.float64) ** 2) / width**2 / 2)


def cosine_distances(masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Cosine distances (b,) in [0, 1] between masks (b, m) and the mask that keeps all.

    >>> cosine_distances(np.array([[True] * 4, [True] + [False] * 3, [False] * 4]))
    array([0. , 0.5, 1. ])
    """
    return 1 - np.sqrt(masks.mean(axis=1))


def fit(
    design: ArrayLike, answers: ArrayLike, weights: ArrayLike, *, ridge: float = 1.0, n_fixed: int = 1
) -> Fit:
    """Weighted ridge regression of answers on features, with a free intercept and sandwich errors.

    Args:
        design: (n, m), masks or other numbers that stand for the features.
        answers: (n,), what the model said. weights: (n,), from 0 up.
        ridge: punishes the sum of squared coefficients; 0 for least squares.
        n_fixed: how many of the first samples were not drawn by chance, such as the input itself.
    Returns: Fit. Its covariance counts every squared residual by itself, enlarged by leverage (HC2), so it
        needs neither equal noise nor a true straight line. It needs some ten samples a feature.
    Raises: ValueError.
    Source: White (1980); MacKinnon & White (1985).

    >>> fit([[1, 1], [0, 1], [1, 0], [0, 0]], [6, 4, 3, 1], np.ones(4), ridge=0).coefficients.round(9)
    array([2., 3.])
    """
    x = checks.table(np.asarray(design, dtype=np.float64), name="design")
    y = checks.numbers(answers, name="answers", n=len(x))
    w = checks.numbers(weights, name="weights", n=len(x))
    if w.min() < 0 or not w.sum() > 0:
        raise ValueError(
            f"expected weights from 0 up, some above, got {w.min()} to {w.max()}; widen the kernel"
        )
    if ridge != 0:
        ridge = checks.positive(ridge, name="ridge")
    total = w.sum()
    x_mean, y_mean = w @ x / total, w @ y / total
    x, y = x - x_mean, y - y_mean
    weighted = x * w[:, None]
    inverse = np.linalg.pinv(weighted.T @ x + ridge * np.eye(x.shape[1]), hermitian=True)
    coefficients = inverse @ (weighted.T @ y)
    residuals = y - x @ coefficients
    variance = w @ y**2
    level = np.finfo(float).eps * max(abs(y_mean), 1) ** 2 * total
    r2 = 1 - w @ residuals**2 / variance if variance > level**2 else np.nan
    influences = _influences(weighted, x, w, residuals, inverse)[
        checks.count(n_fixed, name="n_fixed", least=0) :
    ]
    # A ridge leaves the influences a mean, which varies with no draw.
    influences = influences - influences.mean(axis=0) if len(influences) else influences
    return Fit(coefficients, float(y_mean - x_mean @ coefficients), float(r2), influences.T @ influences)


def _influences(
    weighted: NDArray[Any], x: NDArray[Any], w: NDArray[Any], residuals: NDArray[Any], inverse: NDArray[Any]
) -> NDArray[np.float64]:
    """What each sample does to the coefficients (n, m), residuals enlarged as HC2 does."""
    steps = weighted @ inverse
    leverages = (steps * x).sum(axis=1) + w / w.sum()
    # A sample that alone decides a coefficient has leverage 1 and no residual.
    room = np.maximum(1 - leverages, 1e-6)
    return steps * (residuals / np.sqrt(room))[:, None]

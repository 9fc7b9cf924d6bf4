"""Reference answers of lesson 04's exercises; its checks call them."""

import numpy as np

from trustlib import calibration


def excess(probs: np.ndarray, labels: np.ndarray, *, above: float) -> float:
    """Mean confidence minus share of right answers, of the answers given with more confidence than that."""
    sure = probs.max(axis=1) > above
    right = probs[sure].argmax(axis=1) == labels[sure]
    return float(probs[sure].max(axis=1).mean() - right.mean())


def debiased(counts: np.ndarray, said: np.ndarray, kept: np.ndarray) -> float:
    """Squared gap of confidence and share of right answers, less what chance adds; (bins,), counts > 1."""
    chance = kept * (1 - kept) / (counts - 1)
    return float(np.average((said - kept) ** 2 - chance, weights=counts))


def class_thresholds(probs: np.ndarray, labels: np.ndarray, alpha: float) -> np.ndarray:
    """The threshold of conformal sets for each class, from its own samples: (k,)."""
    own = [labels == c for c in range(probs.shape[1])]
    return np.array([calibration.conformal(probs[c], labels[c], alpha=alpha).threshold for c in own])

"""Answers of models that do not exist, for the tests of the trust report."""

import numpy as np
from scipy.special import expit

from trustlib.predictions import Predictions

CLASSES = ("functional", "defective")
NOISE = {"head": 2.0, "all": 0.3}  # how badly each of two models sees


def answers(n=200, *, seed=0, noise=None, classes=CLASSES, **options):
    """{model: Predictions} on the same samples; each model sees the truth with noise of its own."""
    rng = np.random.default_rng(seed)
    z = 2 * rng.normal(size=n)
    labels = (rng.random(n) < expit(2 * z)).astype(int)
    found = {}
    for model, deviation in (noise or NOISE).items():
        p = expit(2 * (z + deviation * rng.normal(size=n)))
        ids = [f"{seed}-{i}" for i in range(n)]
        found[model] = Predictions(np.column_stack([1 - p, p]), labels, classes, ids=ids, **options)
    return found


def people(n=200, *, seed=0):
    """human_probs (n, 2), certain for about half of the samples."""
    share = np.random.default_rng(seed).choice([0, 1 / 3, 2 / 3, 1], p=[0.3, 0.2, 0.2, 0.3], size=n)
    return np.column_stack([1 - share, share])

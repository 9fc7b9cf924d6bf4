"""Reference answers of lesson 10's exercises; its checks call them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def n_verdicts(p_values: np.ndarray, alpha: float) -> int:
    """How many hypotheses Holm's procedure rejects at alpha."""
    ordered = np.sort(p_values)
    steps = (len(ordered) - np.arange(len(ordered))) * ordered
    above = np.flatnonzero(steps > alpha)
    return int(above[0]) if len(above) else len(ordered)


def t_of_seeds(way_a: np.ndarray, way_b: np.ndarray) -> float:
    """Student's t of the accuracy of two ways of training, (seeds, n) each, trainings as units."""
    differences = way_a.mean(axis=1) - way_b.mean(axis=1)
    return float(differences.mean() / (differences.std(ddof=1) / np.sqrt(len(differences))))


def fails(document: Mapping[str, Any], path: Sequence[str], limit: float) -> list[str]:
    """Models whose number at the path lies below the limit.

    Raises: KeyError for a model without such a number.
    """
    below = []
    for name, number in document["models"].items():
        for step in path:
            number = number[step]
        if number < limit:
            below.append(name)
    return sorted(below)

"""Accuracy against the size of the perturbation, read off the smallest ones."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trustlib import checks, estimates
from trustlib.estimates import Estimate


@dataclass(frozen=True, eq=False)
class RobustAccuracy:
    """Share of inputs whose right answer no perturbation of at most epsilon was found to change.

    epsilons: (m,), L2; accuracy: m Estimates, never rising.
    """

    epsilons: NDArray[np.float64]
    accuracy: tuple[Estimate, ...]


def robust_accuracy(
    norm: ArrayLike, right: ArrayLike, epsilons: ArrayLike, *, groups: ArrayLike | None = None, seed: int = 0
) -> RobustAccuracy:
    """Accuracy under every perturbation of at most epsilon, for a whole curve of epsilons at once.

    An input counts at epsilon if its clean answer is right and the smallest perturbation that was found is
    larger than epsilon. This is an upper bound: an attack may miss a smaller perturbation, but never finds
    one that is not there, so a stronger attack gives a curve that lies lower.

    Args:
        norm: (n,), at least 0, infinite where none was found: `Perturbations.norm`.
        right: (n,) boolean, whether the clean answer is the label.
        epsilons: (m,), at least 0; at 0 the curve is the plain accuracy.
        groups: (n,), inputs that hang together; None takes each by itself, with Wilson's interval.
        seed: for the draws over groups.
    Returns: RobustAccuracy; its intervals hold for each epsilon by itself, not for the curve as a whole.
    Raises: ValueError.

    >>> curve = robust_accuracy([0.1, 0.3, 0.2, np.inf], [True, True, False, True], [0, 0.1, 0.5])
    >>> [float(accuracy) for accuracy in curve.accuracy]
    [0.75, 0.5, 0.25]
    """
    right = np.asarray(right)
    if right.ndim != 1 or right.dtype != bool:
        raise ValueError(
            f"expected right as booleans (n,), got shape {right.shape} of {right.dtype}; "
            "compare the answers with the labels"
        )
    norm = np.asarray(norm, dtype=np.float64)
    finite = checks.numbers(np.where(np.isposinf(norm), 0, norm), name="norm", n=len(right))
    epsilons = checks.numbers(epsilons, name="epsilons")
    if finite.min() < 0 or epsilons.min() < 0:
        raise ValueError(
            f"expected norm and epsilons of at least 0, got {min(finite.min(), epsilons.min()):g}; "
            "take the length of a perturbation"
        )
    held = right & ((norm > epsilons[:, None]) | (epsilons[:, None] == 0))  # (m, n)
    if groups is None:
        return RobustAccuracy(epsilons, tuple(estimates.proportion(int(row.sum()), len(row)) for row in held))
    return RobustAccuracy(
        epsilons,
        tuple(estimates.bootstrap(np.mean, row.astype(float), groups=groups, seed=seed) for row in held),
    )

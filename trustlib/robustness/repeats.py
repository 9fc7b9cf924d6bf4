"""Estimates of answers that were asked several times for each input.

Ten noise draws of one picture are not ten pictures: they share its margin to the boundary. So all answers to
one input are one group, and where inputs hang together themselves, all answers to a group of inputs are.

Sources: Kish (1965), design effect; Korn & Graubard (1998), shares among groups.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trustlib import checks, estimates
from trustlib.estimates import Estimate
from trustlib.intervals import grouped_share_limits

Codes = NDArray[np.int64] | None


def codes(groups: ArrayLike | None, n: int) -> Codes:
    """Group codes (n,) of n inputs, or None where every input is a group by itself. Raises: ValueError.

    >>> codes(["b", "a", "b"], 3)
    array([1, 0, 1])
    """
    return None if groups is None else checks.groups(groups, n=n)


def share(hits: NDArray[np.bool_], codes: Codes) -> Estimate:
    """The share of true values among the repeats of n inputs, each input (or group of them) taken whole.

    Args:
        hits: (n, ...), all that stands behind the first axis repeats one input.
        codes: (n,), as `codes` makes them.
    Returns: Estimate whose n counts all values; its interval is Wilson's for as many trials as the groups
        are worth, and never without a width.

    >>> print(share(np.array([[True], [False], [True], [True]]), None))
    0.750 [0.301, 0.954]
    """
    n, flat = len(hits), np.asarray(hits).reshape(len(hits), -1)
    if codes is None and flat.shape[1] == 1:
        return estimates.proportion(int(flat.sum()), n)
    low, high = grouped_share_limits(flat.ravel(), _repeated(codes, flat))
    return Estimate(float(flat.mean()), low, high, flat.size)


def mean(values: NDArray[Any], codes: Codes, *, seed: int) -> Estimate:
    """The mean over the repeats of n inputs, each input (or group of them) drawn whole.

    Args:
        values: (n, ...), n >= 2, all that stands behind the first axis repeats one input.
        codes: (n,), as `codes` makes them. seed: for the draws behind the interval.

    >>> mean(np.array([[0.0, 0.5], [0.5, 1.0]]), None, seed=0).value
    0.5
    """
    flat = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    return estimates.bootstrap(np.mean, flat.ravel(), groups=_repeated(codes, flat), seed=seed)


def _repeated(codes: Codes, flat: NDArray[Any]) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(flat)) if codes is None else codes, flat.shape[1])

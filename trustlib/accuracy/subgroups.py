"""For which group of samples is the model worst, and is that more than chance?

Of many groups the worst one looks bad even where all are equally good: it was picked for that. So the
intervals hold all at once. Each is Clopper and Pearson's at level 1 - 0.05 / m for m groups: one of those
misses at most as often as it promises, and by Bonferroni's inequality all m together miss in at most 5 %
of data sets, whatever the groups have to do with each other. That is proven, and the intervals are wide.

Where samples hang together in units (sentences of one document), a group counts as many samples as its
units are worth (Korn & Graubard 1998); this is an approximation.

Sources: Clopper & Pearson (1934); Dunn (1961); Korn & Graubard (1998), Survey Methodology 24, 193-201.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trustlib import checks
from trustlib.estimates import Estimate
from trustlib.intervals import design_effect, exact_limits, trials_worth

LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class ByGroup:
    """The accuracy of each group, the whole beside them.

    groups: Estimate by name, in sorted order, each at its own level, so that all hold at once at `level`;
    worst: the name of the lowest value, the one with more samples where several are equal;
    overall: accuracy of all samples together.
    """

    groups: dict[str, Estimate]
    worst: str
    overall: float
    level: float


def by_group(
    probs: ArrayLike,
    labels: ArrayLike,
    groups: ArrayLike,
    *,
    units: ArrayLike | None = None,
    seed: int = 0,
) -> ByGroup:
    """The accuracy of each group of samples, with intervals that hold for all groups at once.

    Args:
        probs: (n, k), rows sum to 1.
        labels: (n,), integers in [0, k).
        groups: (n,), integers or strings, at least 2 different ones; for lengths or shares, name classes
            of them, chosen before looking at the answers.
        units: (n,), samples that hang together; None takes every sample for independent.
        seed: taken as everywhere; nothing here is random.
    Returns: ByGroup.
    Raises: ValueError.
    Source: Clopper & Pearson (1934); Dunn (1961); Korn & Graubard (1998) for units.

    >>> result = by_group(np.eye(2)[[0] * 9 + [1]], [0] * 10, ["mono"] * 5 + ["poly"] * 5)
    >>> print(result.worst, result.groups["poly"])
    poly 0.800 [0.236, 0.997]
    """
    probs = checks.probs(probs, least=2)
    n, k = probs.shape
    right = probs.argmax(axis=1) == checks.labels(labels, n_classes=k, n=n)
    codes = checks.groups(groups, n=n)
    names = np.unique(np.asarray(groups)).astype(np.str_)
    within = None if units is None else checks.groups(units, n=n, name="units")
    level = 1 - (1 - LEVEL) / len(names)
    found = {}
    for i, name in enumerate(names.tolist()):
        here = codes == i
        found[name] = _accuracy(right[here], None if within is None else within[here], level)
    worst = min(found, key=lambda name: (found[name].value, -found[name].n))
    return ByGroup(found, worst, float(right.mean()), LEVEL)


def _accuracy(right: NDArray[np.bool_], units: NDArray[np.int64] | None, level: float) -> Estimate:
    share, n = float(right.mean()), len(right)
    worth = float(n)
    if units is not None:
        effect = design_effect(right.astype(float), units)
        worth = trials_worth(n, effect, len(np.unique(units)), level=level)
    low, high = exact_limits(share, worth, level=level)
    return Estimate(share, low, high, n, level)

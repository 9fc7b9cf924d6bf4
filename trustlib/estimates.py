"""Every number with its interval: Wilson for a share, bootstrap over groups for the rest.

Sources: Wilson (1927).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from trustlib import checks


@dataclass(frozen=True)
class Estimate:
    """A measured number and the interval around it.

    value, low, high: in the unit of what was measured; n: how many samples it rests on;
    level: how often such intervals hold the true value, in (0, 1).

    >>> print(Estimate(0.874, 0.852, 0.894, n=1000))
    0.874 [0.852, 0.894]
    >>> f"{Estimate(0.874, 0.852, 0.894, n=1000):.1%}"
    '87.4% [85.2%, 89.4%]'
    """

    value: float
    low: float
    high: float
    n: int
    level: float = 0.95

    def __float__(self) -> float:
        return self.value

    def __format__(self, spec: str) -> str:
        spec = spec or ".3f"
        return f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"

    def __str__(self) -> str:
        return format(self, "")


def proportion(successes: int, n: int, *, level: float = 0.95) -> Estimate:
    """The share of successes among n independent trials, with Wilson's interval.

    Args:
        successes: how many of the n, from 0 to n.
        n: how many trials. With 0 trials nothing is known: the value is 0 and the interval [0, 1].
        level: in (0, 1).
    Returns: Estimate in [0, 1].
    Raises: ValueError.
    Source: Wilson (1927).

    >>> print(proportion(8, 10))
    0.800 [0.490, 0.943]
    """
    n = checks.count(n, name="n", least=0)
    successes = checks.count(successes, name="successes", least=0)
    level = checks.fraction(level, name="level")
    if successes > n:
        raise ValueError(f"expected successes from 0 to n = {n}, got {successes}; pass a count")
    if n == 0:
        return Estimate(0.0, 0.0, 1.0, 0, level)
    low, high = wilson_limits(successes / n, n, level=level)
    return Estimate(successes / n, low, high, n, level)


def wilson_limits(share: float, n: float, *, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score limits for a share in [0, 1] of n trials, n > 0; n need not be whole."""
    z2 = float(ndtri(0.5 + level / 2)) ** 2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    # At a share of 0 or 1 the limit is exact; rounding must not put the value outside its interval.
    return float(max(0.0, min(centre - half, share))), float(min(1.0, max(centre + half, share)))

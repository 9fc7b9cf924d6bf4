"""How strong must noise be before a given share of the answers flips?

The flip rate at a sigma is measured on the same pictures with the same draws each time, so that it is one
fixed function of sigma, which a bisection can search. That function need not rise everywhere. One answer may
flip and flip back, and under very strong noise all pictures look alike, so that the rate may fall again or
stay below the share for ever. So a ladder of doubling sigmas is climbed from below, and the bisection goes on
between the first rung that reaches the share and the rung below it: what is found is the first crossing, as
far as rungs a factor 2 apart can tell.

The interval holds every sigma at which the given share is still believable: it ends where the upper and the
lower limit of the flip rate reach the share, each found by the same search. At any one sigma those limits
miss the truth as often as they promise, and so does the interval: the share is outside the limits at the true
sigma just when the true sigma is outside the interval. (Fieller's interval is made in this way.)

Source: Fieller (1954), Journal of the Royal Statistical Society B 16, for an interval from inverted tests.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from trustlib import asking, checks
from trustlib.estimates import Estimate
from trustlib.robustness import repeats
from trustlib.robustness.inputs import seen_size, stacked
from trustlib.robustness.noisy import compared, noisy_pictures

RUNGS = 9  # sigmas of the ladder, a factor 2 apart
HALVINGS = 5  # of a factor 2: what is found is known to 2.2 %


@dataclass(frozen=True, eq=False)
class Crossing:
    """The noise at which a share of the answers flips.

    sigma: Estimate, infinite where even the largest sigma does not reach the share; share: what was asked;
    sigmas: (t,), those that were tried, rising; flip_rates: t Estimates there; flipped: (n, d, t), d draws
    each; clean: (n, k) answers without noise; size: pixels a side at which noise was added, None where every
    picture kept its own; n_calls: inputs that the model answered.
    """

    sigma: Estimate
    share: float
    sigmas: NDArray[np.float64]
    flip_rates: tuple[Estimate, ...]
    flipped: NDArray[np.bool_]
    clean: NDArray[np.float64]
    size: int | None
    n_calls: int
    seconds: float
    seed: int


def sigma_at(
    predict_proba: Callable[[Any], Any],
    images: Sequence[Any],
    *,
    share: float,
    largest: float = 1.0,
    seed: int = 0,
    n_draws: int = 2,
    size: int | None = None,
    groups: ArrayLike | None = None,
    rounded: bool = True,
    batch_size: int = asking.BATCH,
) -> Crossing:
    """The deviation of Gaussian noise at which a share of the answers has flipped.

    Args:
        predict_proba: takes a batch of pictures, returns (m, k) probabilities.
        images: n >= 2 pictures (h, w, 3), uint8 or float in [0, 1]; loaded anew for each sigma.
        share: of answers that differ from the clean ones, in (0, 1).
        largest: sigma that is tried at most; the smallest is largest / 256.
        seed, n_draws, size, groups, rounded, batch_size: as in `noise`; with the same ones, `noise` at the
            sigma found here shows that share of flips, within the 2.2 % to which sigma is known.
    Returns: Crossing. A crossing below the smallest sigma is given as the smallest, with 0 as lower limit;
        one above the largest as infinite. Costs n + 24 n n_draws calls at most.
    Raises: ValueError; ModelError when the model answers wrongly.

    >>> def bright(pictures):
    ...     p = (pictures[:, 0, 0, 0] > 0.5).astype(float)
    ...     return np.column_stack([1 - p, p])
    >>> pictures = np.full((400, 1, 1, 3), 0.4)  # 0.1 below the threshold: sigma 0.1 flips 16 %
    >>> found = sigma_at(bright, pictures, share=0.159, rounded=False)
    >>> found.sigma.low < 0.1 < found.sigma.high
    True
    """
    start = time.perf_counter()
    n = checks.count(len(images), name="the number of images", least=2)
    share = checks.fraction(share, name="share")
    largest = checks.positive(largest, name="largest")
    n_draws = checks.count(n_draws, name="n_draws")
    codes = repeats.codes(groups, n)
    size = seen_size(predict_proba, size)
    tried: dict[int, NDArray[np.bool_]] = {}  # by place on the grid, whose steps are 2 ** (1 / 32)

    def answers(sigmas: Sequence[float], n_draws: int, bar: tqdm) -> NDArray[np.float64]:
        noisy = noisy_pictures(images, sigmas, n_draws=n_draws, seed=seed, size=size, rounded=rounded)
        return asking.ask(predict_proba, stacked(noisy, batch_size), bar=bar)

    with asking.calls(n + n * n_draws * (RUNGS + 3 * HALVINGS), "noise, at most") as bar:
        clean = answers([0.0], 1, bar)

        def flip_rate(place: int) -> Estimate:
            if place not in tried:
                probs = answers([_sigma(place, largest)], n_draws, bar)
                tried[place] = compared(probs.reshape(n, n_draws, -1), clean)[0]
            return repeats.share(tried[place], codes)

        value = _first(lambda place: flip_rate(place).value >= share)
        low = min(_first(lambda place: flip_rate(place).high >= share)[0], value[0])
        high = max(_first(lambda place: flip_rate(place).low >= share)[1], value[1])
    places = sorted(tried)
    smallest = value[1] == 0
    sigma = Estimate(
        _sigma(0 if smallest else sum(value) / 2, largest),
        0.0 if low < 0 else _sigma(low, largest),
        _sigma(high, largest),
        n * n_draws,
    )
    return Crossing(
        sigma,
        share,
        np.array([_sigma(place, largest) for place in places]),
        tuple(repeats.share(tried[place], codes) for place in places),
        np.stack([tried[place] for place in places], axis=-1),
        clean,
        size,
        n + n * n_draws * len(places),
        time.perf_counter() - start,
        seed,
    )


def _sigma(place: float, largest: float) -> float:
    return float(largest * 2 ** (place / 2**HALVINGS - (RUNGS - 1)))


def _first(reached: Callable[[int], bool]) -> tuple[float, float]:
    """Neighbouring places of the grid, of which the upper is the first one found to have reached it.

    (-inf, 0) where the first rung has, (inf, inf) where no rung has.
    """
    rungs = [rung * 2**HALVINGS for rung in range(RUNGS)]
    above = next((rung for rung in rungs if reached(rung)), None)
    if above is None:
        return np.inf, np.inf
    if above == 0:
        return -np.inf, 0
    below = above - 2**HALVINGS
    while above - below > 1:
        middle = (above + below) // 2
        below, above = (below, middle) if reached(middle) else (middle, above)
    return below, above

"""How often does a little Gaussian noise change the answer, and by how much the probability?

x' = x + sigma z, z standard normal, in units where a pixel spans [0, 1], added at the resolution that the
network sees: resizing afterwards would average most of it away. What is compared is the model's answer to
x' with its own answer to x. Whether either is right does not matter here.

The same z serves every sigma (common random numbers), so that a curve over sigma shows the effect of sigma
and not of another draw. Several draws of one input are one group in every interval.

Noisy pictures are rounded back to uint8 by default, for models that take nothing else. Noise below half a
step of 1/255 is then mostly lost, so a sigma under 0.002 needs `rounded=False`.

Sources: Dodge & Karam (2016), answers under noise; Glasserman & Yao (1992), common random numbers.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trustlib import asking, checks, resampling
from trustlib.estimates import Estimate
from trustlib.intervals import percentile_limits
from trustlib.robustness import repeats
from trustlib.robustness.inputs import at_size, seen_size, stacked, to_uint8

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NoiseLevel:
    """What noise of one sigma does.

    flip_rate: share of noisy answers that are not the clean one; change: mean of the noisy minus the clean
    probability of the clean answer; absolute_change: mean of its size; quantiles: of the change, Estimate by
    quantile in (0, 1); verdict: "robust" where the whole interval of the flip rate is at most the threshold,
    "not robust" where it lies above, else "not shown".
    """

    sigma: float
    flip_rate: Estimate
    change: Estimate
    absolute_change: Estimate
    quantiles: dict[float, Estimate]
    verdict: str


@dataclass(frozen=True, eq=False)
class Noise:
    """What noise does to the answers to n inputs, at s levels, with d draws each.

    levels: s NoiseLevels; threshold: the flip rate that was allowed beforehand; clean: (n, k) answers without
    noise; flipped: (n, d, s); changes: (n, d, s) in the probability of the clean answer; size: pixels a side
    at which noise was added, None where every picture kept its own; n_calls: inputs that the model answered.
    """

    levels: tuple[NoiseLevel, ...]
    threshold: float
    clean: Floats
    flipped: NDArray[np.bool_]
    changes: Floats
    size: int | None
    n_calls: int
    seconds: float
    seed: int


@dataclass(frozen=True, eq=False)
class NoiseSteps:
    """One picture at s levels of noise: what the model sees and says.

    sigmas: (s,); pictures: s of (h, w, 3); probs: (s, k); clean: (k,), the answer without noise.
    """

    sigmas: Floats
    pictures: tuple[NDArray[Any], ...]
    probs: Floats
    clean: Floats


def noise(
    predict_proba: Callable[[Any], Any],
    images: Sequence[Any],
    *,
    sigmas: Sequence[float],
    threshold: float,
    seed: int = 0,
    n_draws: int = 4,
    size: int | None = None,
    groups: ArrayLike | None = None,
    rounded: bool = True,
    batch_size: int = asking.BATCH,
) -> Noise:
    """How often and how far Gaussian noise moves the answers to pictures.

    Args:
        predict_proba: takes a batch of pictures, returns (m, k) probabilities.
        images: n >= 2 pictures (h, w, 3), uint8 or float in [0, 1]; loaded one by one, twice each.
        sigmas: deviations of the noise, 0 or more, in units where a pixel spans [0, 1].
        threshold: the flip rate that is still called robust, in (0, 1); set it before you look.
        seed: picture i gets the same noise for the same seed, whatever the sigma and the batch size.
        n_draws: of noise for each picture and sigma.
        size: pictures are resized to size x size first; by default to what the classifier says that it sees.
        groups: (n,), pictures that hang together; None takes each for independent.
        rounded: hand uint8 to the model; False hands over float32 in [0, 1].
        batch_size: pictures in one question.
    Returns: Noise. Costs n (1 + len(sigmas) n_draws) calls.
    Raises: ValueError; ModelError when the model answers wrongly.

    >>> def bright(pictures):
    ...     p = (pictures.mean(axis=(1, 2, 3)) > 127).astype(float)
    ...     return np.column_stack([1 - p, p])
    >>> pictures = np.full((2, 8, 8, 3), 40, np.uint8)
    >>> found = noise(bright, pictures, sigmas=[0.1], threshold=0.9)
    >>> found.levels[0].flip_rate.value, found.n_calls
    (0.0, 10)
    """
    n = checks.count(len(images), name="the number of images", least=2)
    options = {"seed": seed, "size": seen_size(predict_proba, size), "rounded": rounded}

    def noisy(sigmas: Sequence[float], n_draws: int) -> Iterator[NDArray[Any]]:
        return noisy_pictures(images, sigmas, n_draws=n_draws, **options)

    return _measured(predict_proba, noisy, n, sigmas, threshold, n_draws, groups, batch_size, options)


def noise_table(
    predict_proba: Callable[[Any], Any],
    rows: ArrayLike,
    *,
    sigmas: Sequence[float],
    threshold: float,
    scale: ArrayLike | None = None,
    background: ArrayLike | None = None,
    seed: int = 0,
    n_draws: int = 4,
    groups: ArrayLike | None = None,
    batch_size: int = asking.BATCH,
) -> Noise:
    """How often and how far Gaussian noise moves the answers to rows of a table.

    Args:
        predict_proba: takes (m, d) rows, returns (m, k) probabilities.
        rows: (n, d), n >= 2.
        sigmas: deviations of the noise, 0 or more, in units of each column's scale.
        threshold: the flip rate that is still called robust, in (0, 1).
        scale: (d,), what one unit of noise is in each column, 0 to leave a column alone.
        background: (m, d), m >= 2, rows such as the training data, whose deviations are the scale. One of
            scale and background is needed: the deviations of a few rows would say little.
        seed, n_draws, groups, batch_size: as in `noise`.
    Returns: Noise. Nothing is clipped or rounded: a row may leave the range that is possible.
    Raises: ValueError; ModelError when the model answers wrongly.

    >>> def first_is_positive(rows):
    ...     p = (rows[:, 0] > 0).astype(float)
    ...     return np.column_stack([1 - p, p])
    >>> rows = [[1.0, 5.0], [-1.0, 5.0]]
    >>> found = noise_table(first_is_positive, rows, sigmas=[100], scale=[0, 1], threshold=0.05)
    >>> found.levels[0].flip_rate.value  # the column that tells gets no noise
    0.0
    """
    table = checks.table(rows, least=2)
    if (scale is None) == (background is None):
        raise ValueError(
            f"expected one of scale and background, got {'none' if scale is None else 'both'}: "
            "pass the deviation of each column, or the training rows that give it"
        )
    if background is not None:
        behind = checks.table(background, name="background", columns=table.shape[1], least=2)
        unit = behind.std(axis=0)
    else:
        unit = checks.amounts(scale, name="scale", n=table.shape[1])

    def noisy(sigmas: Sequence[float], n_draws: int) -> Iterator[Floats]:
        for i, row in enumerate(table):
            rng = np.random.default_rng([seed, i])
            for _ in range(n_draws):
                z = rng.standard_normal(len(row))
                yield from (row + sigma * unit * z for sigma in sigmas)

    options = {"seed": seed, "size": None}
    return _measured(
        predict_proba, noisy, len(table), sigmas, threshold, n_draws, groups, batch_size, options
    )


def noise_steps(
    predict_proba: Callable[[Any], Any],
    picture: ArrayLike,
    *,
    sigmas: Sequence[float],
    seed: int = 0,
    size: int | None = None,
    rounded: bool = True,
) -> NoiseSteps:
    """One picture under the same noise, stronger step by step, with the model's answers.

    Args:
        predict_proba, sigmas, seed, size, rounded: as in `noise`; the noise is the first that `noise` adds to
            the first of its pictures.
        picture: (h, w, 3), uint8 or float in [0, 1].
    Returns: NoiseSteps. Costs 1 + len(sigmas) calls.
    Raises: ValueError; ModelError when the model answers wrongly.

    >>> steps = noise_steps(lambda p: [[0.3, 0.7]] * len(p), np.zeros((2, 2, 3), np.uint8), sigmas=[0, 0.1])
    >>> len(steps.pictures), steps.probs.shape
    (2, (2, 2))
    """
    levels = checks.amounts(sigmas, name="sigmas")
    size = seen_size(predict_proba, size)
    shown = [add_noise(picture, sigma, size=size, seed=seed, rounded=rounded) for sigma in [0, *levels]]
    probs = asking.ask(predict_proba, stacked(shown, asking.BATCH))
    return NoiseSteps(levels, tuple(shown[1:]), probs[1:], probs[0])


def add_noise(
    picture: ArrayLike, sigma: float, *, size: int | None = None, seed: int = 0, rounded: bool = True
) -> NDArray[Any]:
    """A picture with Gaussian noise, clipped to [0, 1]: the first that `noise` adds to its first picture.

    Args:
        picture: (h, w, 3), uint8 or float in [0, 1].
        sigma: deviation, 0 or more, in units where a pixel spans [0, 1].
        size, seed, rounded: as in `noise`.
    Returns: uint8, or float32 in [0, 1] where not rounded.
    Raises: ValueError.

    >>> add_noise(np.full((1, 1, 3), 200, np.uint8), 0)
    array([[[200, 200, 200]]], dtype=uint8)
    """
    levels = checks.amounts([sigma], name="sigma")
    return next(noisy_pictures([picture], levels, n_draws=1, seed=seed, size=size, rounded=rounded))


def noisy_pictures(
    images: Sequence[Any],
    sigmas: Sequence[float],
    *,
    n_draws: int,
    seed: int,
    size: int | None,
    rounded: bool,
) -> Iterator[NDArray[Any]]:
    """Every picture with every draw at every sigma, the sigmas fastest, one at a time.

    Picture i draws from a generator of its own, so that neither the sigmas nor the other pictures matter.

    >>> len(list(noisy_pictures([np.zeros((2, 2, 3))], [0, 1], n_draws=3, seed=0, size=None, rounded=True)))
    6
    """
    for i in range(len(images)):
        clean = at_size(images[i], size, at=i)
        rng = np.random.default_rng([seed, i])
        for _ in range(n_draws):
            z = rng.standard_normal(clean.shape, dtype=np.float32)
            for sigma in sigmas:
                noisy = (clean + np.float32(sigma) * z).clip(0, 1)
                yield to_uint8(noisy) if rounded else noisy


def verdict(estimate: Estimate, threshold: float) -> str:
    """What an interval says of a threshold: "robust" where the whole interval is at most that, "not robust"
    where it lies above, else "not shown".

    >>> verdict(Estimate(0.02, 0.01, 0.04, 100), 0.05), verdict(Estimate(0.02, 0.01, 0.06, 50), 0.05)
    ('robust', 'not shown')
    """
    if estimate.high <= threshold:
        return "robust"
    return "not robust" if estimate.low > threshold else "not shown"


def _measured(
    predict_proba: Callable,
    noisy: Callable[[Sequence[float], int], Iterator[Any]],
    n: int,
    sigmas: Sequence[float],
    threshold: float,
    n_draws: int,
    groups: ArrayLike | None,
    batch_size: int,
    options: dict[str, Any],
) -> Noise:
    """Ask, and put into numbers; `noisy(sigmas, n_draws)` makes inputs in the order of `noisy_pictures`."""
    start = time.perf_counter()
    levels = checks.amounts(sigmas, name="sigmas")
    threshold = checks.fraction(threshold, name="threshold")
    n_draws = checks.count(n_draws, name="n_draws")
    codes = repeats.codes(groups, n)
    n_calls = n * (1 + n_draws * len(levels))
    with asking.calls(n_calls, "noise") as bar:
        clean = asking.ask(predict_proba, stacked(noisy([0.0], 1), batch_size), bar=bar)
        k = clean.shape[1]
        batches = stacked(noisy(levels, n_draws), batch_size)
        probs = asking.ask(predict_proba, batches, n_classes=k, bar=bar)
    flipped, changes = compared(probs.reshape(n, n_draws, len(levels), k), clean)
    seed = options["seed"]
    quantiles = _quantiles(changes, codes, seed)
    found = []
    for j, sigma in enumerate(levels.tolist()):
        flip_rate = repeats.share(flipped[..., j], codes)
        change = repeats.mean(changes[..., j], codes, seed=seed)
        size = repeats.mean(np.abs(changes[..., j]), codes, seed=seed)
        judged = verdict(flip_rate, threshold)
        found.append(NoiseLevel(sigma, flip_rate, change, size, quantiles[j], judged))
    seconds = time.perf_counter() - start
    return Noise(tuple(found), threshold, clean, flipped, changes, options["size"], n_calls, seconds, seed)


def compared(probs: Floats, clean: Floats) -> tuple[NDArray[np.bool_], Floats]:
    """Whether answers (n, ..., k) differ from the clean ones (n, k), and the change in the probability of the
    clean answer's class: both (n, ...).

    >>> compared(np.array([[[0.9, 0.1], [0.4, 0.6]]]), np.array([[0.8, 0.2]]))[0]
    array([[False,  True]])
    """
    answers = clean.argmax(axis=1)
    rows = np.arange(len(clean))
    flat = probs.reshape(len(clean), -1, clean.shape[1])
    flipped = flat.argmax(axis=2) != answers[:, None]
    changes = flat[rows, :, answers] - clean[rows, answers][:, None]
    return flipped.reshape(probs.shape[:-1]), changes.reshape(probs.shape[:-1])


def _quantiles(changes: Floats, codes: repeats.Codes, seed: int) -> list[dict[float, Estimate]]:
    """Quantiles of the changes (n, d, s) for each of s levels, whole inputs or groups of them resampled."""
    n, _, s = changes.shape

    def quantiles(changes: Floats) -> Floats:
        return np.quantile(changes.reshape(-1, s), QUANTILES, axis=0)

    values = quantiles(changes)
    draws = resampling.draws(quantiles, [changes], codes, np.random.default_rng(seed), resampling.N_DRAWS)
    units, size = resampling.n_units(n, codes), changes[..., 0].size

    def estimate(i: int, j: int) -> Estimate:
        return Estimate(float(values[i, j]), *percentile_limits(draws[:, i, j], n_units=units), size)

    return [{q: estimate(i, j) for i, q in enumerate(QUANTILES)} for j in range(s)]

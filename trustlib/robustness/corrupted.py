"""How much accuracy is left when pictures go bad as pictures do?

Every picture is corrupted in each way and at each severity, and the model answers all of them. The mean
corruption error compares with a baseline model, corruption by corruption, so that hard ones do not outweigh
easy ones: CE_c = (errors over all severities of c) / (the baseline's), mCE = their mean over c.

All versions of one picture are one group in every interval over several of them.

Source: Hendrycks & Dietterich (2019).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trustlib import asking, checks, estimates
from trustlib.estimates import Estimate
from trustlib.robustness import repeats
from trustlib.robustness.inputs import at_size, seen_size, stacked, to_uint8


@dataclass(frozen=True, eq=False)
class Corruptions:
    """How right the answers to n pictures are, under c corruptions at s severities.

    accuracy: by corruption, s Estimates; families: by family, the corruptions of it that were measured;
    severities: (s,), from 1 to 5; mean: accuracy over all corruptions and severities, pictures as groups;
    clean: accuracy without corruption; right: (c, s, n); clean_right: (n,); groups: (n,) codes of pictures
    that hang together, or None; size: pixels a side at which pictures were corrupted, None where each kept
    its own; n_calls: pictures that the model answered.
    """

    accuracy: dict[str, tuple[Estimate, ...]]
    families: dict[str, tuple[str, ...]]
    severities: tuple[int, ...]
    mean: Estimate
    clean: Estimate
    right: NDArray[np.bool_]
    clean_right: NDArray[np.bool_]
    groups: NDArray[np.int64] | None
    size: int | None
    n_calls: int
    seconds: float
    seed: int


def corruptions(
    predict_proba: Callable[[Any], Any],
    images: Sequence[Any],
    labels: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    severities: Sequence[int] = (1, 2, 3, 4, 5),
    seed: int = 0,
    size: int | None = None,
    groups: ArrayLike | None = None,
    batch_size: int = asking.BATCH,
) -> Corruptions:
    """Accuracy on corrupted pictures, by corruption and severity.

    Args:
        predict_proba: takes a batch of pictures, uint8, returns (m, k) probabilities.
        images: n >= 2 pictures (h, w, 3), uint8 or float in [0, 1]; loaded one by one, twice each.
        labels: (n,), integers in [0, k).
        names: of corruptions, from `trustlib.corruptions.NAMES`; by default all of them.
        severities: from 1 to 5.
        seed: picture i is corrupted in the same way for the same seed.
        size: pictures are resized to size x size first; by default to what the classifier says that it sees.
        groups: (n,), pictures that hang together; None takes each for independent.
        batch_size: pictures in one question.
    Returns: Corruptions. Costs n (1 + len(names) len(severities)) calls.
    Raises: ValueError; ModelError when the model answers wrongly; MissingExtra without torch.

    >>> def bright(pictures):
    ...     p = (pictures.mean(axis=(1, 2, 3)) > 127).astype(float)
    ...     return np.column_stack([1 - p, p])
    >>> pictures = np.array([np.full((4, 4, 3), value, np.uint8) for value in (20, 90, 140, 200)])
    >>> found = corruptions(bright, pictures, [0, 0, 1, 1], names=["brightness"], severities=[5])
    >>> found.clean.value, found.accuracy["brightness"][0].value  # 90 becomes brighter than 127
    (1.0, 0.75)
    """
    from trustlib import corruptions as transforms

    start = time.perf_counter()
    n = checks.count(len(images), name="the number of images", least=2)
    names = transforms.NAMES if names is None else tuple(names)
    severities = tuple(checks.count(severity, name="severity") for severity in severities)
    for chosen, possible, what in (
        (names, transforms.NAMES, "names"),
        (severities, range(1, 6), "severities"),
    ):
        if not chosen or len(set(chosen)) < len(chosen) or not set(chosen) <= set(possible):
            raise ValueError(
                f"expected different {what} out of {', '.join(map(str, possible))}, got {chosen!r}; choose"
            )
    codes = repeats.codes(groups, n)
    size = seen_size(predict_proba, size)

    def resized() -> Iterator[NDArray[np.uint8]]:
        return (to_uint8(at_size(images[i], size, at=i)) for i in range(n))

    def corrupted() -> Iterator[NDArray[np.uint8]]:
        for i, picture in enumerate(resized()):
            for name in names:
                for severity in severities:
                    yield transforms.corrupt(picture, name, severity, [seed, i])

    per_picture = len(names) * len(severities)
    with asking.calls(n * (1 + per_picture), "corruptions") as bar:
        clean = asking.ask(predict_proba, stacked(resized(), batch_size), bar=bar)
        k = clean.shape[1]
        labels = checks.labels(labels, n_classes=k, n=n)
        probs = asking.ask(predict_proba, stacked(corrupted(), batch_size), n_classes=k, bar=bar)
    answers = probs.argmax(axis=1).reshape(n, len(names), len(severities))
    right = (answers == labels[:, None, None]).transpose(1, 2, 0)  # (c, s, n)
    clean_right = clean.argmax(axis=1) == labels
    accuracy = {
        name: tuple(repeats.share(of_severity, codes) for of_severity in of_name)
        for name, of_name in zip(names, right, strict=True)
    }
    families = {
        family: tuple(name for name in names if name in members)
        for family, members in transforms.FAMILIES.items()
    }
    return Corruptions(
        accuracy,
        {family: members for family, members in families.items() if members},
        severities,
        repeats.share(right.transpose(2, 0, 1), codes),
        repeats.share(clean_right, codes),
        right,
        clean_right,
        codes,
        size,
        n * (1 + per_picture),
        time.perf_counter() - start,
        seed,
    )


def mce(result: Corruptions, baseline: Corruptions, *, seed: int = 0) -> Estimate:
    """Mean corruption error: errors relative to a baseline model's, 1 where it is no better and no worse.

    Args:
        result, baseline: what `corruptions` returns for two models, on the same pictures with the same
            names, severities, seed and groups.
        seed: for the draws behind the interval, which resamples pictures, paired.
    Returns: Estimate, 0 or more; below 1 where the model makes fewer errors than the baseline. Its n counts
        pictures.
    Raises: ValueError when the two do not match, or when the baseline makes no error under a corruption.
    Source: Hendrycks & Dietterich (2019); the paper multiplies by 100.
    """
    if (
        tuple(result.accuracy) != tuple(baseline.accuracy)
        or (result.severities, result.seed, result.size)
        != (baseline.severities, baseline.seed, baseline.size)
        or result.right.shape != baseline.right.shape
        or not np.array_equal(result.groups, baseline.groups)
    ):
        raise ValueError(
            "expected two results for the same pictures, names, severities, seed, size and groups, got "
            f"{_described(result)} and {_described(baseline)}; measure both models alike"
        )
    errors, of_baseline = ((~each.right).sum(axis=1).T.astype(float) for each in (result, baseline))  # (n, c)
    without = [name for name, e in zip(result.accuracy, of_baseline.sum(axis=0), strict=True) if not e]
    if without:
        raise ValueError(
            f"expected a baseline with errors under each corruption, got none under {', '.join(without)}; "
            "take more pictures, higher severities, or a weaker baseline"
        )

    def ratio(errors: NDArray[np.float64], of_baseline: NDArray[np.float64]) -> float:
        total = of_baseline.sum(axis=0)
        return float(np.mean(errors.sum(axis=0) / total)) if total.all() else np.nan

    return estimates.bootstrap(ratio, errors, of_baseline, groups=result.groups, seed=seed)


def _described(result: Corruptions) -> str:
    c, s, n = result.right.shape
    return f"{c} corruptions at {s} severities of {n} pictures (seed {result.seed}, size {result.size})"

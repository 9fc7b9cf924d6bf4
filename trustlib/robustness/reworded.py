"""How often does a slip of the keyboard, a lost word or a missing comma change the answer to a text?

A text is perturbed at several severities (shares of its words), several times each. As with noise, an answer
is compared with the model's own answer to the text itself. The same draw serves every severity, so that a
higher one touches the same words and further ones. All versions of a text are one group in every interval.

Sources: Belinkov & Bisk (2018); Ribeiro et al. (2020).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trustlib import asking, checks
from trustlib.estimates import Estimate
from trustlib.robustness import repeats
from trustlib.robustness.noisy import compared

Perturbation = Callable[[str, float, np.random.Generator], str]


@dataclass(frozen=True, eq=False)
class TextFlips:
    """What p perturbations at s severities do to the answers to n texts, with d draws each.

    flip_rate, change, absolute_change: by perturbation, s Estimates: share of answers that are not the clean
    one, and mean change (and its mean size) in the probability of the clean answer; accuracy: by
    perturbation, s Estimates, and clean_accuracy: both None without labels; severities: (s,) in [0, 1];
    clean: (n, k) answers to the texts themselves; flipped, differs: (n, d, p, s), whether the answer and the
    text are not the clean ones; changes: (n, d, p, s); right: (n, d, p, s) or None; n_calls: texts that the
    model answered.
    """

    flip_rate: dict[str, tuple[Estimate, ...]]
    change: dict[str, tuple[Estimate, ...]]
    absolute_change: dict[str, tuple[Estimate, ...]]
    accuracy: dict[str, tuple[Estimate, ...]] | None
    clean_accuracy: Estimate | None
    severities: tuple[float, ...]
    clean: NDArray[np.float64]
    flipped: NDArray[np.bool_]
    changes: NDArray[np.float64]
    differs: NDArray[np.bool_]
    right: NDArray[np.bool_] | None
    n_calls: int
    seconds: float
    seed: int


def texts(
    predict_proba: Callable[[Any], Any],
    texts: Sequence[str],
    labels: ArrayLike | None = None,
    *,
    perturbations: Sequence[Perturbation],
    severities: Sequence[float],
    seed: int = 0,
    n_draws: int = 2,
    groups: ArrayLike | None = None,
    batch_size: int = asking.BATCH,
) -> TextFlips:
    """How often and how far perturbations move the answers to texts.

    Args:
        predict_proba: takes a list of texts, returns (m, k) probabilities.
        texts: n >= 2 texts.
        labels: (n,), integers in [0, k); without them there is no accuracy.
        perturbations: functions `(text, severity, rng) -> text` such as those of
            `trustlib.text_perturbations`, or your own; each is called by its `__name__` in the result.
        severities: shares of words, in [0, 1].
        seed: draw j of text i is the same for the same seed, whatever else is measured.
        n_draws: of each perturbation for each text and severity.
        groups: (n,), texts that hang together; None takes each for independent.
        batch_size: texts in one question.
    Returns: TextFlips. Costs n (1 + n_draws len(perturbations) len(severities)) calls.
    Raises: ValueError; ModelError when the model answers wrongly.

    >>> from trustlib import text_perturbations
    >>> def shouted(texts):
    ...     p = np.array([float(text.isupper()) for text in texts])
    ...     return np.column_stack([1 - p, p])
    >>> upper = [text_perturbations.upper_case]
    >>> found = texts(shouted, ["so", "good film"], perturbations=upper, severities=[0.5, 1])
    >>> [rate.value for rate in found.flip_rate["upper_case"]]  # half of "good film" is no shout
    [0.5, 1.0]
    """
    start = time.perf_counter()
    clean_texts = checks.texts(texts, least=2)
    n, n_draws = len(clean_texts), checks.count(n_draws, name="n_draws")
    levels = checks.amounts(severities, name="severities", most=1).tolist()
    names = [perturbation.__name__ for perturbation in perturbations]
    if not names or len(set(names)) < len(names):
        raise ValueError(
            f"expected perturbations with different names, got {names}; name your own functions apart"
        )
    codes = repeats.codes(groups, n)
    shape = (n, n_draws, len(names), len(levels))
    differs = np.zeros(shape, dtype=bool)

    def perturbed() -> Iterator[str]:
        for i, j, p, s in np.ndindex(shape):
            rng = np.random.default_rng([seed, i, j])
            text = perturbations[p](clean_texts[i], levels[s], rng)
            differs[i, j, p, s] = text != clean_texts[i]
            yield text

    n_calls = n + differs.size
    with asking.calls(n_calls, "texts") as bar:
        clean = asking.ask(predict_proba, asking.batches(clean_texts, batch_size), bar=bar)
        k = clean.shape[1]
        if labels is not None:
            labels = checks.labels(labels, n_classes=k, n=n)
        new = checks.texts(perturbed(), name="perturbed texts")
        probs = asking.ask(predict_proba, asking.batches(new, batch_size), n_classes=k, bar=bar)
    probs = probs.reshape(*shape, k)
    flipped, changes = compared(probs, clean)
    right = None if labels is None else probs.argmax(axis=-1) == labels[:, None, None, None]

    def by_name(estimate: Callable[[Any], Estimate], values: NDArray[Any]) -> dict[str, tuple[Estimate, ...]]:
        """`estimate` of the repeats (n, d) of each perturbation and severity."""
        return {
            name: tuple(estimate(values[:, :, p, s]) for s in range(len(levels)))
            for p, name in enumerate(names)
        }

    def share(hits: NDArray[np.bool_]) -> Estimate:
        return repeats.share(hits, codes)

    def mean(values: NDArray[np.float64]) -> Estimate:
        return repeats.mean(values, codes, seed=seed)

    return TextFlips(
        by_name(share, flipped),
        by_name(mean, changes),
        by_name(mean, np.abs(changes)),
        None if right is None else by_name(share, right),
        None if right is None else share(clean.argmax(axis=1) == labels),
        tuple(levels),
        clean,
        flipped,
        changes,
        differs,
        right,
        n_calls,
        time.perf_counter() - start,
        seed,
    )

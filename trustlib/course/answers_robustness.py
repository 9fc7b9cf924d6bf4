"""Reference answers of lesson 05's exercises; its checks call them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from trustlib import robustness


def flip_rate(clean: np.ndarray, noisy: np.ndarray) -> float:
    """Share of noisy answers (n, d, k) that differ from the clean ones (n, k)."""
    return float(np.mean(noisy.argmax(axis=2) != clean.argmax(axis=1)[:, None]))


def accuracy_instead(noisy: np.ndarray, labels: np.ndarray) -> float:
    """What the common recipe measures: share of noisy answers (n, d, k) that differ from labels (n,)."""
    return float(np.mean(noisy.argmax(axis=2) != labels[:, None]))


def robust_accuracy(norm: np.ndarray, right: np.ndarray, epsilons: np.ndarray) -> np.ndarray:
    """Share of inputs that are right and whose smallest perturbation is larger, for each epsilon: (m,)."""
    return np.array([np.mean(right & (norm > epsilon)) for epsilon in epsilons])


def repeat_letters(text: str, severity: float, rng: np.random.Generator) -> str:
    """One letter of each touched word is typed twice."""
    words = text.split()
    for i in rng.permutation(len(words))[: round(severity * len(words))]:
        at = rng.integers(len(words[i]))
        words[i] = words[i][:at] + words[i][at] + words[i][at:]
    return " ".join(words)


def counts_words(texts: list[str]) -> np.ndarray:
    """A reader of reviews that knows two words, and no "not": probabilities (n, 2), negative first."""
    score = np.array([text.lower().count("good") - text.lower().count("bad") for text in texts])
    positive = 1 / (1 + np.exp(-2.0 * score))
    return np.column_stack([1 - positive, positive])


def finds_a_fault(row: Any) -> bool:
    """Whether `counts_words` fails a row."""
    result = robustness.behaviour(counts_words, [row], classes=("negative", "positive"))
    return not result.passed[0]


ROW: dict[str, Callable[[Any], bool]] = {
    "it is not a robustness.Row": lambda row: isinstance(row, robustness.Row),
    "its kind is not directional": lambda row: row.kind == "directional",
    "it expects neither of the classes": lambda row: row.expected in ("negative", "positive"),
    "the changed text is the text itself": lambda row: row.changed != row.text,
    "counts_words passes it": finds_a_fault,
}

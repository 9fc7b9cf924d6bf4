"""How accurate is a way of training, where there is too little data to set a large test split aside?

The samples are cut into folds. Each fold is answered by a model fitted on all others, so every sample is
answered once, by a model that has not seen it.

The pooled interval is that of the answers, as if all came from one model. It leaves out that other data
would have given other models, so it is rather too narrow (Bates et al. 2023). The spread of the folds does
not say it either: their models share most of their training data, and no estimate of the variance is
unbiased (Bengio & Grandvalet 2004). So no interval is made of that spread.

Sources: Stone (1974); Bengio & Grandvalet (2004); Bates, Hastie & Tibshirani (2023).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trustlib import checks, predictions, progress
from trustlib.accuracy.scores import Accuracy, evaluate

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """What the models of all folds answered, each on the fold that it has not seen.

    pooled: all samples together; folds: one Accuracy for each fold, each on its own samples;
    probs: (n, k) in the order of the inputs; fold: (n,), which one answered sample i.
    """

    pooled: Accuracy
    folds: tuple[Accuracy, ...]
    probs: NDArray[np.float64]
    fold: Ints


def cross_validate(
    fit: Callable[[Any, Ints], Callable[[Any], Any]],
    inputs: Any,
    labels: ArrayLike,
    *,
    folds: int = 5,
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> CrossValidation:
    """Fit and ask once for each fold; costs `folds` fits, and n answers in all.

    Args:
        fit: takes inputs and labels, returns a new model's predict_proba, which takes inputs and returns
            (n, k) probabilities. All choices (scaling, selecting features) belong inside.
        inputs: n of them: an array, a table with `iloc`, or anything that is indexed by an array of
            integers; lists and tuples too.
        labels: (n,), integers in [0, k); k is one more than the largest.
        folds: how many, at least 2. Each has about the same share of every class.
        groups: (n,), samples that hang together; a group stays in one fold, and intervals resample groups.
        seed: decides which sample falls in which fold, and the draws of the intervals.
    Returns: CrossValidation.
    Raises: ValueError, also when a class or the groups are too few for the folds; ModelError when the
        answers have the wrong shape.
    Source: Stone (1974).

    >>> def fit(inputs, labels):
    ...     return lambda inputs: np.eye(2)[(inputs[:, 0] > 0).astype(int)]
    >>> result = cross_validate(fit, np.array([[-1.0], [1.0]] * 10), [0, 1] * 10)
    >>> print(result.pooled.accuracy, len(result.folds))
    1.000 [0.839, 1.000] 5
    """
    n = len(inputs)
    labels = checks.labels(labels, n_classes=_n_classes(labels), n=n)
    k = int(labels.max()) + 1
    codes = None if groups is None else checks.groups(groups, n=n)
    fold = _fold_of(labels, codes, checks.count(folds, name="folds", least=2), seed)
    probs = np.empty((n, k))
    for i in progress.bar(range(folds), description="cross-validate", unit="fold"):
        learn, answer = np.flatnonzero(fold != i), np.flatnonzero(fold == i)
        predict_proba = fit(_taken(inputs, learn), labels[learn])
        probs[answer] = predictions.ask(predict_proba, _taken(inputs, answer), len(answer), k)
    by_fold = tuple(_evaluated(probs, labels, codes, fold == i, seed) for i in range(folds))
    return CrossValidation(evaluate(probs, labels, groups=codes, seed=seed), by_fold, probs, fold)


def _n_classes(labels: ArrayLike) -> int:
    """One more than the largest label; what is no label at all is left to checks.labels to refuse."""
    array = np.asarray(labels)
    return int(max(array.max(), 1)) + 1 if array.size and array.dtype.kind in "iub" else 2


def _fold_of(labels: Ints, codes: Ints | None, folds: int, seed: int) -> Ints:
    """Which fold each sample belongs to: (n,), from 0 to folds - 1."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    sizes = np.bincount(labels, minlength=2)
    if sizes.min() < folds:
        raise ValueError(
            f"expected at least {folds} samples of each of 2 or more classes, one for each fold, "
            f"got {sizes.min()} of class {sizes.argmin()}; take fewer folds, or leave the class out"
        )
    if codes is not None and codes.max() + 1 < folds:
        raise ValueError(
            f"expected at least {folds} groups, one for each fold, got {codes.max() + 1}; take fewer folds"
        )
    splitter = (StratifiedKFold if codes is None else StratifiedGroupKFold)(
        folds, shuffle=True, random_state=seed
    )
    fold = np.empty(len(labels), dtype=np.int64)
    for i, (_, answered) in enumerate(splitter.split(np.zeros(len(labels)), labels, codes)):
        fold[answered] = i
    for i in range(folds):
        lacking = np.setdiff1d(np.arange(len(sizes)), labels[fold != i])
        if len(lacking) or (codes is not None and len(np.unique(codes[fold == i])) < 2):
            raise ValueError(
                f"expected at least 2 groups in each fold and every class in the others, got fold {i + 1} "
                f"of {folds} without; take fewer folds"
            )
    return fold


def _taken(inputs: Any, rows: Ints) -> Any:
    if isinstance(inputs, (list, tuple)):
        return [inputs[i] for i in rows.tolist()]
    return getattr(inputs, "iloc", inputs)[rows]


def _evaluated(
    probs: NDArray[np.float64], labels: Ints, codes: Ints | None, here: NDArray[np.bool_], seed: int
) -> Accuracy:
    return evaluate(probs[here], labels[here], groups=None if codes is None else codes[here], seed=seed)

"""A small tree that imitates a model, and how well it does on inputs that it has not seen.

The tree learns the model's answers, not the labels. Where its fidelity is high, its few questions say much of
what the model does; where it is low, they say nothing, however plausible they read. A model that nearly
always gives the same answer is easily imitated, so the fidelity of that answer alone stands beside it.

Source: Craven & Shavlik (1996); Bastani, Kim & Bastani (2017).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trustlib import asking, checks, estimates
from trustlib.estimates import Estimate
from trustlib.explain.importance import column_names
from trustlib.intervals import grouped_share_limits

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SurrogateTree:
    """A decision tree that imitates a model; printed, it shows its questions.

    fidelity: share of held-out inputs to which tree and model give the same answer; constant: the same for
    the one answer that the model gives most often; r2: share of the variance of the model's probabilities
    that the tree explains, on held-out inputs, 1 at best and below 0 where a constant is better, NaN where
    the model always says the same; tree: scikit-learn's DecisionTreeClassifier; columns, classes: names;
    text: the questions, where two leaves of one class differ in how sure they are; held_out: positions of
    the inputs that the tree has not seen; n_calls: inputs that the model answered.
    """

    fidelity: Estimate
    constant: Estimate
    r2: Estimate
    tree: Any
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    text: str
    held_out: NDArray[np.int64]
    n_calls: int

    def __str__(self) -> str:
        return self.text


def surrogate_tree(
    predict_proba: Callable[[Any], Any],
    inputs: ArrayLike,
    *,
    columns: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    max_depth: int = 3,
    held_out: float = 0.3,
    groups: ArrayLike | None = None,
    batch_size: int = 1024,
    seed: int = 0,
) -> SurrogateTree:
    """Fit a small decision tree to a model's answers, and measure how well it imitates the model.

    Args:
        predict_proba: takes rows (b, d), returns (b, k) probabilities.
        inputs: (n, d), n at least 4; no labels are needed. The fidelity is that on inputs of their kind.
        columns: d names; by default "0", "1", and so on.
        classes: k names; by default "0", "1", and so on.
        max_depth: how many questions before an answer; with more than 3 a person loses count.
        held_out: share of the inputs that the tree does not see, in (0, 1).
        groups: (n,), inputs that hang together; a group is held out as a whole.
        batch_size: rows in one question.
        seed: of the choice of held-out inputs, of the tree's ties and of the interval of r2.
    Returns: SurrogateTree. Costs n calls.
    Raises: ValueError; ModelError when the model answers something else than probabilities.
    Source: Craven & Shavlik (1996).

    >>> rows = np.random.default_rng(0).random((200, 2)).round(1)
    >>> model = lambda rows: np.eye(2)[(rows[:, 1] > 0.5).astype(int)]
    >>> imitation = surrogate_tree(model, rows, columns=("age", "dose"), max_depth=1)
    >>> print(imitation.fidelity)
    1.000 [0.940, 1.000]
    >>> print(imitation.text)
    |--- dose <= 0.550
    |   |--- class: 0
    |--- dose >  0.550
    |   |--- class: 1
    """
    from sklearn.tree import DecisionTreeClassifier, export_text

    rows = checks.table(inputs, name="inputs", least=4)
    n, d = rows.shape
    names = column_names(columns, d)
    max_depth = checks.count(max_depth, name="max_depth")
    codes = np.arange(n) if groups is None else checks.groups(groups, n=n)
    hidden = _held_out(codes, checks.fraction(held_out, name="held_out"), seed)
    with asking.calls(n, "surrogate tree") as bar:
        probs = asking.ask(predict_proba, asking.batches(rows, batch_size), bar=bar)
    k = probs.shape[1]
    classes = checks.classes(classes, n_classes=k)
    # A row stands once for each class, weighted with its probability: the tree learns how sure the model is.
    weights = probs[~hidden]
    tree = DecisionTreeClassifier(
        max_depth=max_depth,
        min_impurity_decrease=1e-9,  # where the model always says the same, rounding alone would split
        random_state=seed,
    ).fit(
        np.repeat(rows[~hidden], k, axis=0),
        np.tile(np.arange(k), len(weights)),
        sample_weight=weights.ravel(),
    )
    said, imitated = probs[hidden], tree.predict_proba(rows[hidden])
    usual = probs[~hidden].argmax(axis=1)
    within = None if groups is None else codes[hidden]
    answers = said.argmax(axis=1)
    return SurrogateTree(
        _share(imitated.argmax(axis=1) == answers, within),
        _share(np.bincount(usual, minlength=k).argmax() == answers, within),
        _explained(said, imitated, within, seed),
        tree,
        names,
        classes,
        export_text(tree, feature_names=list(names), class_names=list(classes), decimals=3).rstrip(),
        np.flatnonzero(hidden),
        n,
    )


def _held_out(codes: NDArray[np.int64], share: float, seed: int) -> NDArray[np.bool_]:
    """Which inputs the tree does not see, (n,): whole groups, at least 2 of them, and 2 are left."""
    n_groups = int(codes.max()) + 1
    if n_groups < 4:
        raise ValueError(f"expected at least 4 groups, got {n_groups}; 2 are held out and 2 are learned from")
    size = int(np.clip(round(share * n_groups), 2, n_groups - 2))
    chosen = np.random.default_rng(seed).permutation(n_groups)[:size]
    return np.isin(codes, chosen)


def _share(same: NDArray[np.bool_], codes: NDArray[np.int64] | None) -> Estimate:
    if codes is None:
        return estimates.proportion(int(same.sum()), len(same))
    return Estimate(float(same.mean()), *grouped_share_limits(same, codes), len(same))


def _explained(said: Floats, imitated: Floats, codes: NDArray[np.int64] | None, seed: int) -> Estimate:
    def r2(said: Floats, imitated: Floats) -> float:
        spread = ((said - said.mean(axis=0)) ** 2).sum()
        return 1 - ((said - imitated) ** 2).sum() / spread if spread > 0 else np.nan

    if np.ptp(said, axis=0).max() == 0:
        return Estimate(np.nan, np.nan, np.nan, len(said))
    return estimates.bootstrap(r2, said, imitated, groups=codes, seed=seed)

"""From many explanations to one picture of the model: global importance, a telling few, a tree that imitates.

    each = explain.each(lime, predict_proba, texts)         # made one by one, when they are asked for
    explain.global_importance(each)

A mean of sizes hides what cancels: a column that speaks for in one half and against in the other has a large
mean size and a mean near 0, so both are given. And all of it is about the model, not about the world.

Sources: Ribeiro, Singh & Guestrin (2016), section 4, the submodular pick; Lundberg et al. (2020), global
importance from local; Craven & Shavlik (1996), trees that imitate a network, and their fidelity.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trustlib import checks, estimates, processes, progress
from trustlib.estimates import Estimate
from trustlib.explain.explanation import Explanation
from trustlib.explain.importance import column_names, most_important_first

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GlobalImportance:
    """How much each feature matters over many inputs.

    estimates: mean |value| by feature, the largest first; measure: what that is; signed: mean value of the
    same features, above 0 where it speaks for the class; counts: in how many inputs each occurs; n: how many
    inputs; target: index of the class; method: of the explanations; n_calls: inputs that the model answered
    for all of them; segments: the grid (h, w) that all pictures share, None for texts and tables.
    """

    estimates: dict[str, Estimate]
    measure: str
    signed: dict[str, Estimate]
    counts: dict[str, int]
    n: int
    target: int
    method: str
    n_calls: int
    segments: NDArray[np.int64] | None


@dataclass(frozen=True, eq=False)
class SubmodularPick:
    """A few explanations that together show most of what matters.

    chosen: their positions, in the order in which they were chosen; coverage: (n,), the share of all
    importance that the first, the first two, and so on show; importance: by feature, the largest first, the
    root of the sum of |values|.
    """

    chosen: tuple[int, ...]
    coverage: Floats
    importance: dict[str, float]


def each(
    explain: Callable[[Callable, Any, int], Explanation],
    predict_proba: Callable[[Any], Any],
    inputs: Sequence[Any],
    *,
    seed: int = 0,
) -> Iterator[Explanation]:
    """Explain inputs one by one, each when its turn comes, so that no more than one is in memory.

    Several processes (see trustlib.processes) explain one each at a time, and all get all explanations.

    Args:
        explain: explain(predict_proba, input, seed) -> Explanation.
        inputs: pictures, texts or rows; may load lazily.
        seed: of the first input; the next has seed + 1, and so on.
    Returns: an iterator of Explanations, in the order of the inputs; a bar counts them.

    >>> from trustlib.explain.explanation import Explanation
    >>> def explain(predict_proba, row, seed):
    ...     nothing = np.zeros(1)
    ...     return Explanation(nothing, 0, 0, 1, ("a",), nothing, np.nan, 0, seed, "none", row)
    >>> [found.seed for found in each(explain, None, [[1.0], [2.0]], seed=5)]
    [5, 6]
    """
    n = processes.count()
    with progress.bar(total=len(inputs), description="explanations", unit="input") as bar:
        for first in range(0, len(inputs), n):
            turn = range(first, min(first + n, len(inputs)))
            for found in processes.share(lambda i: explain(predict_proba, inputs[i], seed + i), turn):
                bar.update()
                yield found


def global_importance(
    explanations: Iterable[Explanation],
    *,
    columns: Sequence[str] | None = None,
    groups: ArrayLike | None = None,
    least: int = 5,
    seed: int = 0,
) -> GlobalImportance:
    """Mean size of the values of each feature over many inputs, with intervals.

    Args:
        explanations: at least 2, a list or an iterator such as `each` returns, of which only the values are
            kept. All of one kind, method and class, so hand `target` to the explainer. Tables count by name,
            such as lime's "age > 40". Texts count by word, upper and lower case alike, and a mean is over
            all places of the word. Pictures must share one segment map, a grid: their own segments have
            nothing in common.
        columns: d names, to count tables by column where the explanations have names such as "age > 40".
        groups: (n,), inputs that hang together; None takes every input for independent.
        least: features in fewer inputs (or groups) are left out, unless they are in all; 2 or more, since
            one has no interval.
        seed: for the draws behind the intervals.
    Returns: GlobalImportance.
    Raises: ValueError; also when all features are rarer than `least`.
    Source: Lundberg et al. (2020).

    >>> from trustlib.explain.explanation import Explanation
    >>> def found(values):
    ...     return Explanation(np.array(values), 0, 0, 1, ("a", "b"), np.zeros(2), 0, 4, 0, "shap", values)
    >>> result = global_importance([found([0.5, -2.0]), found([-0.5, -4.0])])
    >>> {name: (size.value, result.signed[name].value) for name, size in result.estimates.items()}
    {'b': (3.0, -3.0), 'a': (0.5, 0.0)}
    """
    least = checks.count(least, name="least", least=2)
    # By feature, as bare numbers: a list of Python's would weigh four times as much.
    values, owners = defaultdict(lambda: array("d")), defaultdict(lambda: array("q"))
    n = n_calls = 0
    first = None
    for found in explanations:
        first = first or found
        for name, value in _named(found, first, n, columns):
            values[name].append(value)
            owners[name].append(n)
        n, n_calls = n + 1, n_calls + found.n_calls
    if n < 2:
        raise ValueError(f"expected at least 2 explanations, got {n}; explain more inputs")
    codes = np.arange(n) if groups is None else checks.groups(groups, n=n)
    n_units = int(codes.max()) + 1
    sizes, signed, counts = {}, {}, {}
    for name, numbers in values.items():
        inside = np.array(owners[name])
        units = codes[inside]
        if len(np.unique(units)) < min(least, n_units):
            continue
        numbers = np.array(numbers)
        sizes[name], signed[name] = (
            estimates.bootstrap(np.mean, each, groups=units, seed=seed) for each in (np.abs(numbers), numbers)
        )
        # A size is never below 0, where studentised limits know no end.
        sizes[name] = replace(sizes[name], low=max(sizes[name].low, 0.0))
        counts[name] = len(np.unique(inside))
    if not sizes:
        raise ValueError(
            f"expected a feature that is in at least {min(least, n_units)} inputs, got none in {n}; "
            "explain more inputs, or lower least"
        )
    sizes = most_important_first(sizes)
    return GlobalImportance(
        sizes,
        "mean size of the value",
        {name: signed[name] for name in sizes},
        {name: counts[name] for name in sizes},
        n,
        first.target,
        first.method,
        n_calls,
        first.features if first.kind == "image" else None,
    )


def submodular_pick(
    explanations: Iterable[Explanation],
    n: int,
    *,
    columns: Sequence[str] | None = None,
    most: int | None = 10,
) -> SubmodularPick:
    """The n explanations that a person should look at: together they show what matters most, without repeats.

    A feature that one of them shows need not be shown again, so each next one is taken for the importance
    of what it adds. Taking the best each time comes within 1 - 1/e, 63 %, of the best n.

    Args:
        explanations: at least n, a list or an iterator, of one kind, method and class as in
            `global_importance`.
        n: how many to choose.
        columns: as in `global_importance`.
        most: an explanation shows its `most` largest values, as a person reads no more; None counts all that
            are not 0, and then one row of a table shows everything.
    Returns: SubmodularPick; of several that add as much, the first is chosen.
    Raises: ValueError.
    Source: Ribeiro, Singh & Guestrin (2016), algorithm 2.

    >>> from trustlib.explain.explanation import Explanation
    >>> def found(*values):
    ...     return Explanation(np.array(values), 0, 0, 1, tuple("abc"), np.zeros(3), 0, 4, 0, "lime", values)
    >>> submodular_pick([found(0.5, 0, 0), found(0.5, 0.5, 0), found(0, 0, 1.0)], 2).chosen
    (1, 2)
    """
    n = checks.count(n, name="n")
    most = None if most is None else checks.count(most, name="most")
    shown: list[dict[str, float]] = []
    first = None
    for found in explanations:
        first = first or found
        sums = defaultdict(float)  # a word may stand in several places
        for name, value in _named(found, first, len(shown), columns):
            sums[name] += value
        largest = sorted(sums, key=lambda name: -abs(sums[name]))[:most]
        shown.append({name: abs(sums[name]) for name in largest if sums[name] != 0})
    if len(shown) < n:
        raise ValueError(f"expected at least n = {n} explanations, got {len(shown)}; explain more inputs")
    names = list(dict.fromkeys(name for row in shown for name in row))
    place = {name: j for j, name in enumerate(names)}
    sizes = np.zeros((len(shown), len(names)))
    for i, row in enumerate(shown):
        for name, size in row.items():
            sizes[i, place[name]] = size
    importance = np.sqrt(sizes.sum(axis=0))
    worth = (sizes > 0) * importance  # (inputs, features), what each explanation shows
    chosen: list[int] = []
    coverage = np.empty(n)
    seen = np.zeros(len(names), dtype=bool)
    for step in range(n):
        gains = worth @ ~seen
        gains[chosen] = -1
        chosen.append(int(gains.argmax()))
        seen |= sizes[chosen[-1]] > 0
        coverage[step] = importance[seen].sum()
    total = importance.sum()
    order = np.argsort(-importance, kind="stable")
    return SubmodularPick(
        tuple(chosen),
        coverage / total if total > 0 else np.zeros(n),
        {names[j]: float(importance[j]) for j in order},
    )


def _named(
    found: Explanation, first: Explanation, at: int, columns: Sequence[str] | None
) -> Iterator[tuple[str, float]]:
    """The name and value of each feature of an explanation, every place of a word by itself.

    Raises: ValueError where it cannot stand beside the first one.
    """
    for what, ours, others in (
        ("kind", found.kind, first.kind),
        ("method", found.method, first.method),
        ("class", found.target, first.target),
    ):
        if ours != others:
            raise ValueError(
                f"expected explanations of one {what}, got {others!r} and at position {at} {ours!r}; "
                "explain all inputs alike, with the same target"
            )
    if found.kind == "image" and not np.array_equal(found.features, first.features):
        raise ValueError(
            f"expected one segment map for all pictures, got another at position {at}; segments of different "
            "pictures are different things, so explain them on one grid: segments=masking.grid(...)"
        )
    names: Iterable[str] = found.names
    if columns is not None:
        if found.kind != "table":
            raise ValueError(
                f"expected columns for tables only, got them with a {found.kind}; leave them out"
            )
        names = column_names(columns, len(found.values))
    elif found.kind == "text":
        names = (name.strip().casefold() for name in names)
    return zip(names, found.values.tolist(), strict=True)

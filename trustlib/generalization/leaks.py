"""Which inputs stand in two splits at once, as they are or saved again?

A test input that was trained on measures memory. Copies are seldom exact: a picture was saved as JPEG again,
a text lost its full stop. How far apart may two inputs be, and still be one? That depends on how much alike
the others are, so it is calibrated on the inputs themselves: copies of some of them are planted, edited as
copies usually are, and the threshold is where nearly all of those are found. On other originals it is
measured how many are found indeed, and among the inputs of one split, how many are so much alike without
being planted.

What is flagged is a list to look at, not a verdict.

Sources: Barz & Denzler (2020), duplicates between the splits of CIFAR; Broder (1997); Kapoor & Narayanan
(2023), leakage.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trustlib import checks
from trustlib.estimates import Estimate, proportion
from trustlib.generalization import pictures, texts
from trustlib.intervals import grouped_share_limits
from trustlib.resampling import CHUNK

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ASKED = 500  # inputs of one split whose nearest fellow is looked for


@dataclass(frozen=True)
class Pair:
    """Two inputs that may be one: their positions in both splits, and how far apart they are.

    kind: "exact" when pixels, or letters and digits, are equal; else "near".
    """

    a: int
    b: int
    distance: float
    kind: str


@dataclass(frozen=True, eq=False)
class Leaks:
    """What stands in both splits.

    pairs: nearest first; threshold: the largest distance that counts as near; recall: share of planted copies
    that are found, of originals that did not choose the threshold; alike: share of the inputs of a that have
    another one in a, not an exact copy, within the threshold: an upper bound on how often alike is mistaken
    for equal; planted: distances of planted copies from their originals, by edit; nearest, distances: (m,),
    for each input of b the position of its nearest in a, and how far it is.
    """

    pairs: tuple[Pair, ...]
    threshold: float
    recall: Estimate
    alike: Estimate
    planted: dict[str, Floats]
    nearest: Ints
    distances: Floats


def leaks(
    inputs_a: Sequence[Any],
    inputs_b: Sequence[Any],
    *,
    threshold: float | None = None,
    hold: float = 0.99,
    n_planted: int = 100,
    seed: int = 0,
) -> Leaks:
    """Exact and near duplicates between two splits.

    Args:
        inputs_a, inputs_b: n and m pictures (h, w, 3), or n and m texts; that of the training split first.
        threshold: the largest distance that counts as near (see `pictures` and `texts` for its unit); None
            calibrates it.
        hold: the share of planted copies that the threshold is to hold, in (0, 1).
        n_planted: of how many different inputs copies are planted; every second one chooses the threshold,
            the others judge it.
        seed: chooses those inputs and their edits. Nothing depends on the order of the inputs.
    Returns: Leaks. All n x m pairs are compared: seconds for a thousand pictures, minutes for 50,000.
    Raises: ValueError on empty splits, on what is neither picture nor text, or when all inputs are alike.
    Source: Barz & Denzler (2020); Broder (1997).

    >>> result = leaks(["A fine film.", "Dull and far too long."], ["Dull, and FAR too long", "Great fun!"])
    >>> [(pair.a, pair.b, pair.kind) for pair in result.pairs]
    [(1, 0, 'exact')]
    """
    for name, inputs in (("inputs_a", inputs_a), ("inputs_b", inputs_b)):
        if isinstance(inputs, str) or len(inputs) == 0:
            raise ValueError(
                f"expected {name} as a sequence of pictures or texts, got {'one str' if inputs else 'none'}; "
                "hand over a list"
            )
    kind = texts if isinstance(inputs_a[0], str) else pictures
    hold = checks.fraction(hold, name="hold")
    n_planted = checks.count(n_planted, name="n_planted", least=2)
    (keys_a, marks_a), (keys_b, marks_b) = kind.read(inputs_a), kind.read(inputs_b)
    originals = _originals(((keys_a, marks_a, inputs_a), (keys_b, marks_b, inputs_b)), n_planted, seed)
    planted, sources = _planted(kind, originals, seed)
    every, source = np.concatenate(list(planted.values())), np.concatenate(list(sources.values()))
    chooses = source % 2 == 0
    if threshold is None:
        threshold = float(np.quantile(every[chooses], hold))
    judged = every[~chooses] <= threshold
    recall = Estimate(float(judged.mean()), *grouped_share_limits(judged, source[~chooses]), len(judged))
    alike = _alike(kind, keys_a, marks_a, threshold, seed)
    pairs, nearest, distances = _pairs(kind, (keys_a, marks_a), (keys_b, marks_b), threshold)
    return Leaks(pairs, threshold, recall, alike, planted, nearest, distances)


def _originals(sides: Sequence[tuple[list[str], Any, Any]], n: int, seed: int) -> list[tuple[str, Any]]:
    """Keys and inputs of at most n different ones, chosen by their keys, so in whatever order they stand."""
    where = {}
    for keys, marks, inputs in sides:
        for i in np.flatnonzero(abs(marks).sum(axis=1) > 0).tolist():  # of a blank one, no copy is known
            where.setdefault(keys[i], (inputs, i))
    if len(where) < 2:
        raise ValueError(
            f"expected at least 2 different inputs that are not blank, got {len(where)}; look at them"
        )
    names = sorted(where, key=_digest)
    chosen = np.random.default_rng(seed).permutation(len(names))[:n]
    return [(names[j], where[names[j]][0][where[names[j]][1]]) for j in chosen.tolist()]


def _planted(
    kind: ModuleType, originals: list[tuple[str, Any]], seed: int
) -> tuple[dict[str, Floats], dict[str, Ints]]:
    """By edit, the distances of edited copies from their originals, and which originals these are."""
    copies = defaultdict(list)
    for i, (key, original) in enumerate(originals):
        rng = np.random.default_rng([seed, _digest(key)])
        for name, edited in kind.edits(original, rng).items():
            copies[name].append((i, edited))
    keys, marks = kind.read([original for _, original in originals])
    planted, sources = {}, {}
    for name, edited in copies.items():
        source = np.array([i for i, _ in edited])
        keys_now, marks_now = kind.read([copy for _, copy in edited])
        same = np.array([keys[i] == key for i, key in zip(source, keys_now, strict=True)])
        planted[name] = np.where(same, 0.0, np.diag(kind.distances(marks[source], marks_now)))
        sources[name] = source
    return planted, sources


def _alike(kind: ModuleType, keys: list[str], marks: Any, threshold: float, seed: int) -> Estimate:
    """The share of inputs that have another one, not an exact copy, among their fellows."""
    order = np.array(sorted(range(len(keys)), key=lambda i: _digest(keys[i])))
    asked = order[np.random.default_rng(seed).permutation(len(order))[:ASKED]]
    hits = 0
    for part, apart in _distances(kind, marks, marks[asked]):
        for column, j in enumerate(asked[part].tolist()):
            near = np.flatnonzero(apart[:, column] <= threshold).tolist()
            hits += any(keys[i] != keys[j] for i in near)
    return proportion(hits, len(asked))


def _pairs(
    kind: ModuleType, a: tuple[list[str], Any], b: tuple[list[str], Any], threshold: float
) -> tuple[tuple[Pair, ...], Ints, Floats]:
    """All pairs within the threshold, and for each input of b the nearest of a."""
    (keys_a, marks_a), (keys_b, marks_b) = a, b
    copies = defaultdict(list)
    for i, key in enumerate(keys_a):
        copies[key].append(i)
    pairs, nearest = [], np.empty(len(keys_b), dtype=np.int64)
    least = np.empty(len(keys_b))
    for part, apart in _distances(kind, marks_a, marks_b):
        for column in range(apart.shape[1]):
            j = part.start + column
            equal = copies.get(keys_b[j], [])
            apart[equal, column] = 0.0
            near = np.flatnonzero(apart[:, column] <= threshold)
            for i in sorted({*near.tolist(), *equal}):
                pairs.append(Pair(i, j, float(apart[i, column]), "exact" if i in equal else "near"))
            nearest[j] = apart[:, column].argmin()
            least[j] = apart[nearest[j], column]
    return tuple(sorted(pairs, key=lambda pair: (pair.distance, pair.a, pair.b))), nearest, least


def _distances(kind: ModuleType, a: Any, b: Any) -> Iterator[tuple[slice, Floats]]:
    """Distances (n, part of m), and which part, in parts that fit into memory."""
    n, m = a.shape[0], b.shape[0]
    step = max(1, CHUNK // n)
    for start in range(0, m, step):
        part = slice(start, min(start + step, m))
        yield part, kind.distances(a, b[part])


def _digest(key: str) -> int:
    return int(hashlib.sha256(key.encode()).hexdigest()[:15], 16)

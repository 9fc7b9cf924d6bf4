"""Does the model do what a reader of the language would expect? A table of small tests, to be extended.

minimum functionality   a text whose answer is beyond doubt gets that answer
invariance              a change that does not matter (another place, a typo) does not matter to the answer
directional             a change that does matter moves the probability in the right direction

    rows = robustness.sentiment_rows() + [
        robustness.Row("invariance", "films", "Vertigo is a bore.", changed="Metropolis is a bore."),
    ]
    result = robustness.behaviour(reviews.predict_proba, rows, classes=reviews.classes)
    print("\\n".join(robustness.behaviour_lines(result)))

The interval of a pass rate says how much another set of such rows might differ. It says nothing of texts that
are not such rows: a table of forty sentences finds faults, it does not certify that there are none.

Source: Ribeiro, Wu, Guestrin & Singh (2020).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trustlib import asking, checks, estimates
from trustlib.estimates import Estimate

KINDS = ("minimum functionality", "invariance", "directional")
DIRECTIONS = ("up", "down")


@dataclass(frozen=True)
class Row:
    """One test. kind: one of KINDS; name: the capability that it tests, such as "negation"; text: what is
    asked; changed: the other text, for invariance and directional; expected: a class name, the right answer
    (minimum functionality), or the class whose probability moves (directional); direction: "up" or "down".

    Raises: ValueError where a kind has too many or too few of these.
    """

    kind: str
    name: str
    text: str
    changed: str | None = None
    expected: str | None = None
    direction: str | None = None

    def __post_init__(self) -> None:
        needed = {
            "minimum functionality": ("expected",),
            "invariance": ("changed",),
            "directional": ("changed", "expected", "direction"),
        }
        if self.kind not in KINDS:
            raise ValueError(f"expected kind to be one of {', '.join(KINDS)}, got {self.kind!r}; choose one")
        given = tuple(f for f in ("changed", "expected", "direction") if getattr(self, f) is not None)
        if given != needed[self.kind]:
            raise ValueError(
                f"expected {' and '.join(needed[self.kind])} for a test of {self.kind}, got "
                f"{' and '.join(given) or 'neither'} with {self.text!r}; give each kind what it needs"
            )
        if self.direction not in (None, *DIRECTIONS):
            raise ValueError(f"expected direction 'up' or 'down', got {self.direction!r}; choose one")


@dataclass(frozen=True, eq=False)
class Behaviour:
    """Which of n rows the model passes.

    rows: the n Rows; passed: (n,); pass_rate: Estimate by capability, in the order of the rows; by_kind:
    Estimate by kind; probs: (n, k) answers to the texts; changed_probs: (n, k) answers to the changed texts,
    NaN where there is none; failures: the rows that did not pass; classes: k names; tolerance: the change in
    probability that is let pass; n_calls: texts that the model answered.
    """

    rows: tuple[Row, ...]
    passed: NDArray[np.bool_]
    pass_rate: dict[str, Estimate]
    by_kind: dict[str, Estimate]
    probs: NDArray[np.float64]
    changed_probs: NDArray[np.float64]
    failures: tuple[Row, ...]
    classes: tuple[str, ...]
    tolerance: float
    n_calls: int


def behaviour(
    predict_proba: Callable[[Any], Any],
    rows: Sequence[Row],
    *,
    classes: Sequence[str],
    tolerance: float = 0.1,
    batch_size: int = asking.BATCH,
) -> Behaviour:
    """How many of a table of small tests a model of texts passes, capability by capability.

    Args:
        predict_proba: takes a list of texts, returns (m, k) probabilities.
        rows: Rows, such as those of `sentiment_rows`, and your own.
        classes: k names, in the order of the columns.
        tolerance: in [0, 1]. Invariance passes where the answer stays, or where its probability moves by no
            more than this; directional, where the probability of `expected` does not move the wrong way by
            more than this.
        batch_size: texts in one question.
    Returns: Behaviour, with Wilson's intervals. Costs a call for each text and each changed text.
    Raises: ValueError, also where a row expects a class that there is not; ModelError.
    Source: Ribeiro et al. (2020), sections 2 and 3.

    >>> def says_good(texts):
    ...     p = np.array([0.9 if "good" in text else 0.1 for text in texts])
    ...     return np.column_stack([1 - p, p])
    >>> rows = [
    ...     Row("minimum functionality", "negation", "It is not good.", expected="negative"),
    ...     Row("invariance", "places", "A good film from Oslo.", changed="A good film from Lagos."),
    ... ]
    >>> result = behaviour(says_good, rows, classes=["negative", "positive"])
    >>> {name: rate.value for name, rate in result.pass_rate.items()}
    {'negation': 0.0, 'places': 1.0}
    """
    rows = tuple(rows)
    if not rows or not all(isinstance(row, Row) for row in rows):
        raise ValueError(
            f"expected at least one Row, got {rows!r:.80}; write robustness.Row(kind, name, text)"
        )
    classes = checks.classes(classes, n_classes=len(tuple(classes)))
    tolerance = checks.fraction(tolerance, name="tolerance", closed=True)
    unknown = sorted({row.expected for row in rows if row.expected is not None} - set(classes))
    if unknown:
        raise ValueError(
            f"expected rows about {', '.join(classes)}, got {unknown[0]!r}; use the model's names"
        )
    paired = [i for i, row in enumerate(rows) if row.changed is not None]
    asked = checks.texts([row.text for row in rows] + [rows[i].changed for i in paired])
    with asking.calls(len(asked), "behaviour") as bar:
        answers = asking.ask(
            predict_proba, asking.batches(asked, batch_size), n_classes=len(classes), bar=bar
        )
    probs = answers[: len(rows)]
    changed = np.full_like(probs, np.nan)
    changed[paired] = answers[len(rows) :]
    passed = np.array(
        [
            _passes(row, before, after, classes, tolerance)
            for row, before, after in zip(rows, probs, changed, strict=True)
        ]
    )
    return Behaviour(
        rows,
        passed,
        _rates([row.name for row in rows], passed),
        _rates([row.kind for row in rows], passed),
        probs,
        changed,
        tuple(row for row, fine in zip(rows, passed, strict=True) if not fine),
        classes,
        tolerance,
        len(asked),
    )


def behaviour_lines(result: Behaviour) -> list[str]:
    """The pass rates, and below them every failing row with what the model said: lines of text to print.

    Args:
        result: what `behaviour` returns.
    """
    width = max(len(name) for name in result.pass_rate)
    lines = [f"{name:<{width}}  {rate:.0%} of {rate.n} pass" for name, rate in result.pass_rate.items()]
    for i in np.flatnonzero(~result.passed):
        row = result.rows[i]
        said = _said(result.probs[i], result.classes, row.expected if row.direction else None)
        lines.append(f"fails {row.name} ({row.kind}): {row.text!r} -> {said}")
        if row.changed is not None:
            target = row.expected or result.classes[result.probs[i].argmax()]
            said = _said(result.changed_probs[i], result.classes, target)
            lines.append(f"    changed: {row.changed!r} -> {said}" + _wanted(row))
        else:
            lines[-1] += f", expected {row.expected}"
    return lines


def _passes(
    row: Row, before: NDArray[Any], after: NDArray[Any], classes: tuple[str, ...], tolerance: float
) -> bool:
    if row.kind == "minimum functionality":
        return classes[before.argmax()] == row.expected
    if row.kind == "invariance":
        answer = before.argmax()
        return bool(after.argmax() == answer or abs(after[answer] - before[answer]) <= tolerance)
    rise = (after - before)[classes.index(row.expected)] * (1 if row.direction == "up" else -1)
    return bool(rise >= -tolerance)


def _rates(names: Sequence[str], passed: NDArray[np.bool_]) -> dict[str, Estimate]:
    names = np.array(names)
    return {
        name: estimates.proportion(int(passed[names == name].sum()), int((names == name).sum()))
        for name in dict.fromkeys(names.tolist())
    }


def _said(probs: NDArray[Any], classes: tuple[str, ...], about: str | None) -> str:
    at = probs.argmax() if about is None else classes.index(about)
    return f"{classes[at]} {probs[at]:.2f}"


def _wanted(row: Row) -> str:
    return ", expected no change" if row.direction is None else f", expected {row.direction}"

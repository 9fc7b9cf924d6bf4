"""A report as a gate: conditions such as "accuracy.low < 0.8" on its JSON, none of them run as code.

A condition is a path, a comparison and a number. The path is looked up in report.json from its top
("models.head.accuracy.low"), else among the numbers of each model ("accuracy.low"), and then the condition is
met when it is for any of them. A name with other characters than letters, digits, _, : and - stands in
quotation marks ('shift."New York".accuracy.low'); a number picks from a list ("verdicts.0.p_value").
"""

import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NAME = r'(?:"[^"]+"|[\w:-]+)'
CONDITION = re.compile(
    rf"\s*(?P<path>{NAME}(?:\.{NAME})*)\s*(?P<sign><=|>=|==|!=|<|>)\s*"
    r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*"
)
SIGNS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


class GateError(ValueError):
    """No number stands where a condition looks for one; a gate must not pass for that."""


@dataclass(frozen=True)
class Condition:
    """What must not be: `path`, compared with `sign` to `number`; text: as it was written."""

    path: tuple[str, ...]
    sign: str
    number: float
    text: str


def parse(text: str) -> Condition:
    """Read a condition.

    Raises: ValueError.

    >>> parse("accuracy.low < 0.8").path
    ('accuracy', 'low')
    """
    found = CONDITION.fullmatch(text)
    if found is None:
        raise ValueError(
            f"expected a path, a comparison and a number, such as 'accuracy.low < 0.8', got {text!r}; "
            "use one of < <= > >= == !="
        )
    path = tuple(part.strip('"') for part in re.findall(NAME, found["path"]))
    return Condition(path, found["sign"], float(found["number"]), text.strip())


def met(condition: Condition, document: Mapping[str, Any]) -> list[str]:
    """Where a condition holds in a report's JSON: a sentence for each place, none where it holds nowhere.

    Raises: GateError where no number stands at the path, for any model.

    >>> report = {"models": {"a": {"accuracy": {"low": 0.7}}, "b": {"accuracy": {"low": 0.9}}}}
    >>> met(parse("accuracy.low < 0.8"), report)
    ['accuracy.low < 0.8 for a: it is 0.7']
    """
    compare = SIGNS[condition.sign]
    return [
        f"{condition.text}{where}: it is {value:g}"
        for where, value in _numbers(condition, document)
        if compare(value, condition.number)
    ]


def _numbers(condition: Condition, document: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Where the path leads, as the words that follow the condition, and the number there."""
    try:
        return [("", _number(_at(document, condition.path), condition))]
    except LookupError:  # not from the top, so among the numbers of each model
        found = []
        for model, measures in document["models"].items():
            try:
                value = _at(measures, condition.path)
            except LookupError:
                raise GateError(
                    f"expected a path that the report has, got {_told(condition)}, which is not there for "
                    f"{model}; look into report.json"
                ) from None
            found.append((f" for {model}", _number(value, condition)))
        return found


def _at(place: Any, path: Sequence[str]) -> Any:
    for name in path:
        if isinstance(place, list) and name.isdecimal():
            place = place[int(name)]
        elif isinstance(place, Mapping):
            place = place[name]
        else:
            raise KeyError(name)
    return place


def _number(value: Any, condition: Condition) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        got = "nothing that is defined" if value is None else type(value).__name__
        raise GateError(f"expected a number at {_told(condition)}, got {got}; look into report.json")
    return float(value)


def _told(condition: Condition) -> str:
    return repr(".".join(condition.path))

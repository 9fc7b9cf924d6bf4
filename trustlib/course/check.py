"""What the exercises of a lesson call: it prints *not yet*, *not quite* with what is wrong, or *correct*.

An answer that is or holds `...`, or is None, is *not yet*, whatever else is wrong. A wrong answer is told
what is wrong with it (its kind, its shape, its size, a mistake that the author foresaw) and a hint, never
the answer. An expected value may be a function of no arguments, called only for an answer that was given.
"""

import copy
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Number
from typing import Any

import numpy as np

SHOWN = 60  # characters of a learner's own value in a message


def number(
    name: str,
    answer: Any,
    expected: float | Callable[[], float],
    *,
    tolerance: float = 1e-3,
    mistakes: Mapping[str, float | Callable[[], float]] | None = None,
    hint: str = "",
) -> None:
    """Check one number; what converts by `float()` counts, such as an Estimate, so text does not.

    Args:
        tolerance: the largest absolute difference that is still right.
        mistakes: what to say about a wrong value that is easy to arrive at, and that value.

    >>> number("Exercise 1", ..., 0.25)
    not yet: Exercise 1: put your answer in place of the dots
    >>> number("Exercise 1", 25, 0.25)
    not quite: Exercise 1: it is 100 times too large; is it a percentage, where a fraction is asked for?
    """
    if _unfilled(answer):
        return _not_yet(name)
    return _say(name, _number_problem(answer, _value(expected), tolerance, mistakes or {}), hint)


def array(
    name: str,
    answer: Any,
    expected: Any,
    *,
    tolerance: float = 1e-6,
    mistakes: Mapping[str, Any] | None = None,
    hint: str = "",
) -> None:
    """Check an array, list, tensor or column: its shape first, then its values.

    >>> array("Exercise 2", [1, 2, 4], np.array([1, 2, 3]))
    not quite: Exercise 2: 1 of 3 values is wrong, the first at index 2
    """
    if _unfilled(answer):
        return _not_yet(name)
    return _say(name, _array_problem(answer, np.asarray(_value(expected)), tolerance, mistakes or {}), hint)


def choice(name: str, answer: Any, key: str, *, choices: str = "abc", hint: str = "") -> None:
    """Check a letter against `key`, which `choice_key` made, so that the letter is not read beside the stub.

    >>> choice("Exercise 3", "a", choice_key("Exercise 3", "b"))
    not quite: Exercise 3: it is not (a)
    """
    if _unfilled(answer):
        return _not_yet(name)
    letter = answer.strip().strip("()").lower() if isinstance(answer, str) else ""
    if len(letter) != 1 or letter not in choices:
        letters = ", ".join(repr(c) for c in choices)
        return _say(name, f"the answer is one letter among {letters}; yours is {_show(answer)}", hint)
    return _say(name, None if choice_key(name, letter) == key else f"it is not ({letter})", hint)


def choice_key(name: str, right: str) -> str:
    """What an author hands to `choice` in place of the right letter."""
    return hashlib.sha256(f"{name}:{right}".encode()).hexdigest()[:12]


def function(
    name: str,
    learners: Any,
    reference: Callable[..., Any],
    cases: Sequence[tuple],
    *,
    tolerance: float = 1e-9,
    hint: str = "",
) -> None:
    """Check a function on cases (tuples of arguments) against a reference; a case that fails is shown.

    >>> function("Exercise 4", lambda x: x * 2, lambda x: x * x, [(2,), (3,)])
    not quite: Exercise 4: for (3) it returned 6, which is too small
    """
    if _unfilled(learners):
        return _not_yet(name)
    if not callable(learners):
        return _say(name, f"a function is asked for; yours is {_show(learners)}", hint)
    for position, arguments in enumerate(cases):
        shown = "(" + ", ".join(_show(argument) for argument in arguments) + ")"
        try:
            got = learners(*copy.deepcopy(arguments))
        except NotImplementedError:
            return _not_yet(name)
        except Exception as error:
            return _say(name, f"for {shown} it raised {type(error).__name__}: {_shorten(str(error))}", hint)
        if _unfilled(got) and position == 0:
            return _not_yet(name)
        problem = _value_problem(got, reference(*copy.deepcopy(arguments)), tolerance)
        if problem:
            return _say(name, f"for {shown} it returned {_show(got)}, {problem}", hint)
    return _say(name, None)


def holds(
    name: str, answer: Any, requirements: Mapping[str, Callable[[Any], bool]], *, hint: str = ""
) -> None:
    """Check facts about an answer, in order: what to say when one fails, and the function that tells.

    >>> holds("Exercise 5", [3, 1], {"it is not sorted": lambda x: sorted(x) == x})
    not quite: Exercise 5: it is not sorted
    """
    if _unfilled(answer):
        return _not_yet(name)
    for message, fact in requirements.items():
        try:
            fine = bool(fact(answer))
        except Exception as error:
            examined = f"{_show(answer)} could not be examined"
            return _say(name, f"{examined} ({type(error).__name__}: {_shorten(str(error))})", hint)
        if not fine:
            return _say(name, message, hint)
    return _say(name, None)


def _say(name: str, problem: str | None, hint: str = "") -> None:
    if problem is None:
        print(f"correct: {name}")
    else:
        print(f"not quite: {name}: {problem}" + (f"\nhint: {hint}" if hint else ""))


def _not_yet(name: str) -> None:
    print(f"not yet: {name}: put your answer in place of the dots")


def _unfilled(answer: Any) -> bool:
    parts = (
        answer.values() if isinstance(answer, dict) else answer if isinstance(answer, list | tuple) else ()
    )
    return answer is None or answer is Ellipsis or any(part is Ellipsis for part in parts)


def _without_gradient(value: Any) -> Any:
    return value.detach().cpu() if hasattr(value, "detach") else value


def _value(expected: Any) -> Any:
    return expected() if callable(expected) else expected


def _number_problem(
    answer: Any, expected: float, tolerance: float, mistakes: Mapping[str, Any]
) -> str | None:
    if isinstance(answer, str | bool | np.bool_):
        return f"one number is asked for; yours is {_show(answer)}, {_kind(answer)}"
    if hasattr(answer, "__len__") and getattr(answer, "shape", None) != ():
        return f"one number is asked for; yours is {_kind(answer)}"
    try:
        given, expected = float(_without_gradient(answer)), float(expected)
    except (TypeError, ValueError):
        return f"one number is asked for; yours is {_kind(answer)}"
    if not math.isfinite(given):
        return f"yours is {given}: something was divided by zero, or was not a number before"
    if abs(given - expected) <= tolerance:
        return None
    for message, wrong in mistakes.items():
        if abs(given - float(_value(wrong))) <= tolerance:
            return message
    return _off_by(given, expected, tolerance)


def _off_by(given: float, expected: float, tolerance: float) -> str:
    near = min(tolerance, abs(expected) / 20)  # a generous tolerance must not make a coincidence a diagnosis
    if expected and abs(given / 100 - expected) <= near:
        return "it is 100 times too large; is it a percentage, where a fraction is asked for?"
    if expected and abs(given * 100 - expected) <= near:
        return "it is 100 times too small; is it a fraction, where a percentage is asked for?"
    if expected and abs(given + expected) <= near:
        return "its sign is wrong; what was subtracted from what?"
    if 0 <= given <= 1 and abs(1 - given - expected) <= near:
        return "it is the share of the other outcome"
    return "it is too large" if given > expected else "it is too small"


def _array_problem(
    answer: Any, expected: np.ndarray, tolerance: float, mistakes: Mapping[str, Any]
) -> str | None:
    try:
        given = _as_array(answer)
    except (TypeError, ValueError):
        return f"an array is asked for; yours is {_kind(answer)}"
    expected = _as_array(expected)
    if given.shape != expected.shape:
        return f"the shape asked for is {expected.shape}; yours is {given.shape}"
    if given.dtype == object or (given.dtype.kind in "US") != (expected.dtype.kind in "US"):
        return f"{_contents(expected)} are asked for; yours are {_contents(given)}"
    wrong = ~_close(given, expected, tolerance)
    if not wrong.any():
        return None
    for message, mistaken in mistakes.items():
        mistaken = _as_array(_value(mistaken))
        if mistaken.shape == given.shape and _close(given, mistaken, tolerance).all():
            return message
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    verb = "is" if wrong.sum() == 1 else "are"
    return f"{wrong.sum()} of {wrong.size} values {verb} wrong, the first at index {_index(first)}"


def _as_array(value: Any) -> np.ndarray:
    values = np.asarray(_without_gradient(value))
    texts = values.dtype == object and all(
        isinstance(v, str) for v in values.flat
    )  # a pandas column of texts
    return values.astype(str) if texts else values


def _close(given: np.ndarray, expected: np.ndarray, tolerance: float) -> np.ndarray:
    if given.dtype.kind in "biufc" and expected.dtype.kind in "biufc":
        return np.isclose(given, expected, rtol=0, atol=tolerance, equal_nan=True)
    return np.asarray(given == expected)


def _value_problem(got: Any, expected: Any, tolerance: float) -> str | None:
    """What is wrong with what a function returned, as the end of a sentence; None when it is right."""
    if _unfilled(got):
        return "so a path through it lacks a return"
    if isinstance(expected, str | bool | np.bool_):
        if _kind(got) != _kind(expected):
            return f"but {_kind(expected)} is asked for"
        return None if got == expected else "which is wrong"
    if isinstance(expected, Number):
        problem = _number_problem(got, expected, tolerance, {})
    else:
        problem = _array_problem(got, expected, tolerance, {})
    if problem is None:
        return None
    return "which" + problem.removeprefix("it") if problem.startswith("it is") else f"but {problem}"


def _kind(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "a truth value"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, Number):
        return "a number"
    if getattr(value, "shape", None):
        return f"an array of shape {tuple(value.shape)}"
    if isinstance(value, list | tuple | dict):
        return f"a {type(value).__name__} of {len(value)}"
    return "a function" if callable(value) else f"of type {type(value).__name__}"


def _contents(values: np.ndarray) -> str:
    if values.dtype.kind in "US":
        return "texts"
    return "numbers" if values.dtype.kind in "biufc" else "values of mixed kinds"


def _index(first: tuple[int, ...]) -> str:
    return str(first[0]) if len(first) == 1 else str(first)


def _show(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return f"{value:.4g}"
    return _shorten(np.array2string(value, precision=4) if isinstance(value, np.ndarray) else repr(value))


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"

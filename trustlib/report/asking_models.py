"""Models as a report asks them: each fits the task, and every answer is counted and timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from tqdm import tqdm

from trustlib import checks, predictions
from trustlib.errors import ModelError
from trustlib.robustness import inputs
from trustlib.tasks.task import Task

FEW = 2  # inputs that a model is tried on before it is asked for long


class Counted:
    """A predict_proba that notes how many inputs each question held and how long its answer took."""

    def __init__(self, predict_proba: Callable[[Any], Any], size: int | None):
        self.predict_proba, self.size, self.bar = predict_proba, size, None
        self.questions: list[tuple[int, float]] = []

    def __call__(self, batch: Any) -> Any:
        start = time.perf_counter()
        answer = self.predict_proba(batch)
        self.questions.append((len(batch), time.perf_counter() - start))
        if self.bar is not None:
            self.bar.update(len(batch))
        return answer

    def count_on(self, bar: tqdm) -> None:
        """Forget what was asked so far, and move this bar from now on."""
        self.questions, self.bar = [], bar


def fitted(models: Mapping[str, Any], task: Task) -> dict[str, Counted]:
    """Each model as a Counted predict_proba, after it has answered two inputs of the task.

    Raises: ValueError where something is no model; ModelError where it has other classes or answers wrongly.
        All models are tried before this returns, so that none is asked for long in vain.
    """
    if not isinstance(models, Mapping) or not models:
        raise ValueError(f"expected models as {{name: model}}, got {type(models).__name__}; name each model")
    found = {}
    for name, model in models.items():
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"expected a name for each model, got {name!r}; pass {{'name': model}}")
        predict_proba = getattr(model, "predict_proba", model)
        if not callable(predict_proba):
            raise ValueError(
                f"expected {name} as a classifier or a predict_proba, got {type(model).__name__}; "
                "pass a function that takes inputs and returns (n, k) probabilities"
            )
        classes = getattr(model, "classes", getattr(getattr(model, "__self__", None), "classes", None))
        if classes is not None and tuple(classes) != task.classes:
            raise ModelError(
                f"expected {name} with the classes {', '.join(task.classes)} of {task.name}, got "
                f"{', '.join(map(str, classes))}; choose a model that was made for this task"
            )
        _try(name, predict_proba, task)
        found[name] = Counted(predict_proba, inputs.seen_size(predict_proba, None))
    return found


def _try(name: str, predict_proba: Callable[[Any], Any], task: Task) -> None:
    try:
        answer = predictions.ask(predict_proba, task.test.inputs[:FEW], FEW, len(task.classes))
        checks.probs(answer, name="answers")
    except (ModelError, ValueError) as error:
        raise ModelError(f"{name} does not fit {task.name}: {error}") from error

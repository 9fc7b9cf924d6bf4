"""Where the command `trustlib report` takes its task and its models from: a word each, none of them code.

task      cells, cells:blocks, reviews, iris, breast-cancer, digits, a folder of class folders with
          pictures, a .csv or .tsv file of texts
model     cells:ARM, reviews:ARM     the course's own, such as cells:last_block
          a folder                   a classifier saved by trustlib, or a Hugging Face network for texts
          a .safetensors file        weights of a torchvision network, with its architecture
          module:function            called without arguments, returns a predict_proba or a classifier
          another name               a network for texts on the Hugging Face hub
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trustlib import tasks
from trustlib.errors import ModelError
from trustlib.tasks.task import Task

ARMS = ("head", "last_block", "all")


def task(word: str) -> Task:
    """The task of that name, or of the data at that path. Raises: DataError; AssetError."""
    return tasks.named(word)


def model(word: str, task: Task, *, architecture: str | None = None, size: int | None = None) -> Any:
    """A classifier or predict_proba for the task.

    Args:
        word: as the module says. architecture: torchvision's name, for a .safetensors file. size: pixels a
            side that such a network sees.
    Raises: ModelError, with what was expected; AssetError where the course's weights are missing.
    """
    case, _, arm = word.partition(":")
    if case in ("cells", "reviews") and arm in ARMS:
        return _of_the_course(case, arm, task)
    path = Path(word)
    if path.suffix == ".safetensors" or (path.is_file() and architecture):
        return _torchvision(path, task, architecture, size)
    if path.is_dir() and (path / "classifier.json").exists():
        return _saved(path, task)
    if arm and not path.exists():
        return _called(case, arm)
    return _hugging_face(word, task)


def _of_the_course(case: str, arm: str, task: Task) -> Any:
    from trustlib.course import models

    wanted = "solar-cells" if case == "cells" else "movie-reviews"
    if not task.name.startswith(wanted):
        raise ModelError(
            f"expected a model for {task.name}, got {case}:{arm}, which was made for {wanted}; "
            f"pass --task {case}, or another model"
        )
    if case == "reviews":
        return models.review_reader(arm)[0]
    # The other kind of split would hold cells that the model has learned from.
    return models.cell_inspector(arm, split="blocks" if "blocks" in task.name else "random")[0]


def _saved(folder: Path, task: Task) -> Any:
    from trustlib.classifiers import ImageClassifier, TextClassifier

    return (TextClassifier if task.kind == "text" else ImageClassifier).load(folder)


def _torchvision(path: Path, task: Task, architecture: str | None, size: int | None) -> Any:
    from trustlib import architectures, parts, weights
    from trustlib.classifiers import ImageClassifier

    if task.kind != "image" or architecture is None:
        raise ModelError(
            f"expected a task of pictures and the architecture of {path.name}, got {task.kind}s and "
            f"{architecture}; pass --architecture, such as resnet50"
        )
    state = weights.read(path)
    network = architectures.build(architecture, size=size or 224, n_classes=len(task.classes))
    name, head = parts.head(network)
    stored = state.get(f"{name}.weight")
    if stored is None or stored.shape != head.weight.shape:
        raise ModelError(
            f"expected {path.name} with a head {name} of {len(task.classes)} classes, got "
            f"{'none' if stored is None else tuple(stored.shape)}; choose weights fine-tuned on {task.name}"
        )
    weights.load(network, state, source=path.name)
    return ImageClassifier(network, task.classes, size=size or 224, architecture=architecture)


def _hugging_face(word: str, task: Task) -> Any:
    from trustlib import huggingface
    from trustlib.classifiers import TextClassifier

    if task.kind != "text":
        raise ModelError(
            f"expected a model for {task.kind}s, got {word!r}, which is none that is known here; pass a "
            "classifier's folder, a .safetensors file with --architecture, or module:function"
        )
    try:
        config = huggingface.library().AutoConfig.from_pretrained(word)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"expected a folder or a hub name of a Hugging Face network, or module:function, got {word!r}: "
            f"{str(error).splitlines()[0]}"
        ) from error
    if not any("ForSequenceClassification" in name for name in config.architectures or ()):
        raise ModelError(
            f"expected {word} with a trained head for classes, got {config.architectures}; fine-tune it first"
        )
    order = _order([str(config.id2label[i]) for i in range(config.num_labels)], task.classes, word)
    network, tokenizer = huggingface.load(word, n_classes=config.num_labels)
    longest = huggingface.reach(network) or 128
    classifier = TextClassifier(
        network, tokenizer, [task.classes[i] for i in order], max_tokens=min(128, longest)
    )
    if order == sorted(order):
        return classifier
    columns = [order.index(i) for i in range(len(order))]
    return lambda texts: classifier.predict_proba(texts)[:, columns]


def _order(names: Sequence[str], classes: Sequence[str], word: str) -> list[int]:
    """Which class each output of a network is: by its names, or in order where it has none."""
    known = {name.casefold(): i for i, name in enumerate(classes)}
    if len(names) == len(classes):
        if all(name == f"LABEL_{i}" for i, name in enumerate(names)):
            return list(range(len(classes)))
        found = [known.get(name.casefold()) for name in names]
        if sorted(i for i in found if i is not None) == list(range(len(classes))):
            return found
    raise ModelError(
        f"expected {word} with the classes {', '.join(classes)}, got {', '.join(names)}; pass a function "
        "module:function that puts its answers in this order"
    )


def _called(module: str, function: str) -> Any:
    sys.path.insert(0, str(Path.cwd()))  # as `python -m` does
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise ModelError(
            f"expected a module {module} for {module}:{function}, got none; run where it can be imported"
        ) from error
    finally:
        sys.path.pop(0)
    make = getattr(found, function, None)
    if not callable(make):
        raise ModelError(
            f"expected a function {function} in {module}, got {type(make).__name__}; name a function that "
            "returns a predict_proba"
        )
    return make()

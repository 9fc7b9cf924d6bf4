"""A task by one word, as a command line gives it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from trustlib.errors import DataError
from trustlib.tasks.cifar import cifar10
from trustlib.tasks.digits import digits28
from trustlib.tasks.own import image_folder, texts_csv
from trustlib.tasks.reviews import movie_reviews
from trustlib.tasks.solar import solar_cells
from trustlib.tasks.sst import sst2
from trustlib.tasks.tables import breast_cancer, iris
from trustlib.tasks.task import Task

TASKS: dict[str, Callable[[], Task]] = {
    "cells": solar_cells,
    "cells:blocks": lambda: solar_cells(split="blocks"),
    "reviews": movie_reviews,
    "iris": iris,
    "breast-cancer": breast_cancer,
    "digits": digits28,
    "cifar10": cifar10,
    "sst2": sst2,
}


def named(word: str) -> Task:
    """The task of that name, or of the data at that path.

    Args:
        word: one of TASKS, a folder of class folders with pictures, or a .csv or .tsv file of texts.
    Raises: DataError; AssetError.
    """
    if word in TASKS:
        return TASKS[word]()
    if Path(word).is_dir():
        return image_folder(word)
    if word.lower().endswith((".csv", ".tsv")):
        return texts_csv(word)
    raise DataError(
        f"expected a task: {', '.join(TASKS)}, a folder of pictures, or a .csv or .tsv file of texts, "
        f"got {word!r}; choose one"
    )

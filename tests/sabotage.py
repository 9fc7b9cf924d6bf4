"""Faults planted in a kernel before a lesson's first cell, to see whether the lesson notices.

Only the lesson's running case is touched, so that a small warm-up example cannot be what notices.
"""

import dataclasses
import importlib
import inspect

import numpy as np

CASES = {
    "01": ("solar-cells", "trustlib.tasks.solar", "solar_cells"),
    "02": ("movie-reviews", "trustlib.tasks.reviews", "movie_reviews"),
}


def no_op_finetune(number: str) -> None:
    """`finetune.finetune` gives back a History and leaves the network as it is."""
    from trustlib import finetune

    case = CASES[number][0]
    real = finetune.finetune
    usual_epochs = inspect.signature(real).parameters["epochs"].default

    def untrained(classifier, task, **options):
        if not task.name.startswith(case):
            return real(classifier, task, **options)
        epochs = options.get("epochs", usual_epochs)
        chance = 1 / len(task.classes)
        curves = {
            "train_loss": np.full(epochs, -np.log(chance)),
            "validation_loss": np.full(epochs, -np.log(chance)),
            "validation_accuracy": np.full(epochs, chance),
            "seconds": 0.1,
            "recipe": {
                name: value for name, value in options.items() if isinstance(value, str | int | float)
            },
        }
        names = [field.name for field in dataclasses.fields(finetune.History)]
        return finetune.History(**{name: curves.get(name, 0) for name in names})

    finetune.finetune = untrained


def shuffled_labels(number: str) -> None:
    """The training labels of the running case are permuted; all else is as it was."""
    from trustlib import tasks

    _, module, name = CASES[number]
    real = getattr(tasks, name)

    def shuffled(*arguments, **options):
        task = real(*arguments, **options)
        labels = np.random.default_rng(0).permutation(task.train.labels)
        return dataclasses.replace(task, train=dataclasses.replace(task.train, labels=labels))

    setattr(tasks, name, shuffled)
    setattr(importlib.import_module(module), name, shuffled)

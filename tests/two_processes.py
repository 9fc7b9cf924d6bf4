"""Run by `accelerate launch`: what several processes train, answer and explain, each telling it by itself.

    accelerate launch --multi_gpu --num_processes 2 tests/two_processes.py FOLDER

`tests/test_processes.py` does the same in one process, with the same functions, and compares.
"""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import tiny
import torch

from trustlib import (
    augment,
    explain,
    finetune,
    predictions,
    processes,
    robustness,
    text_perturbations,
    weights,
)
from trustlib.classifiers import TextClassifier
from trustlib.course import models, profiles

LAUNCH = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "2", "--num_machines", "1"]
# On a machine without GPUs --multi_gpu means several processes on CPUs; --cpu alone starts one only.
LAUNCH += ["--multi_gpu", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]

ROOT = Path(__file__).parents[1]


def launch(*arguments, **environment):
    """Run something in two processes, without a GPU; returns what they printed."""
    places = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    settings = {"PYTHONPATH": places, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    ended = subprocess.run(
        [*LAUNCH, *map(str, arguments)],
        env=os.environ | settings | {"TRUSTLIB_PROGRESS": "0"} | environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    return ended.stdout


EXACT = {"optimizer": "sgd", "learning_rate": 0.1, "precision": "float32"}  # AdamW enlarges rounding
FORMULA = {"class_weights": (0.4, 1.6), "label_smoothing": 0.1, "l2_penalty": 1e-3}
TRAINED = {
    "batch norm": ("image", {"train": "all", "augment": augment.square, **EXACT}),
    "a weighted loss": ("image", {"train": "last_block", "batch_size": 5, **FORMULA, **EXACT}),
    "kept views": ("image", {"train": "head", "augment": augment.square, "views": 2, **EXACT}),
    "kept tokens": ("text", {"train": "last_block", **EXACT}),
    "a text's head": ("text", {"train": "head", "batch_size": 1, **FORMULA, **EXACT}),
    "all of a text": ("text", {"train": "all", "batch_size": 7, **FORMULA, **EXACT}),
    "adamw": ("text", {"train": "all", "learning_rate": 1e-3, "precision": "float32"}),
    "bfloat16": ("image", {"train": "all", **EXACT, "precision": "bfloat16"}),
}
RESUMED = {"train": "all", "epochs": 4, "patience": 3, "batch_size": 8, **EXACT}


def classifier(kind, folder, seed=0):
    """A tiny classifier without dropout, whose draws depend on the number of processes."""
    made = tiny.image_classifier(seed=seed)
    if kind == "text":
        nothing = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        made = tiny.text_classifier(folder, tiny.bert(seed=seed, **nothing))
    for layer in made.model.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    return made


def trained(name, folder, seed=0):
    """The classifier, built with that seed, and the History of one of the cases."""
    kind, options = TRAINED[name]
    made = classifier(kind, folder, seed)
    task = tiny.image_task() if kind == "image" else tiny.text_task()
    return made, finetune.finetune(made, task, **{"epochs": 3, "batch_size": 8, "seed": 1, **options})


def resumed(folder, checkpoint):
    """Train with a checkpoint, from the start or from where it stands."""
    made = classifier("image", folder)
    return made, finetune.finetune(made, tiny.image_task(), checkpoint=checkpoint, **RESUMED)


class Stop(Exception):
    """Stands for a power cut."""


def stopped(folder, checkpoint, *, after):
    """Train until so many epochs are written, and stop."""
    batches, asked = finetune.batches, []

    def stopping(*arguments):
        asked.append(0)
        if len(asked) == after + 2:  # the first one only counts the batches
            raise Stop
        return batches(*arguments)

    finetune.batches = stopping
    try:
        resumed(folder, checkpoint)
        raise AssertionError("expected a run that stops")
    except Stop:
        pass
    finally:
        finetune.batches = batches


class Counted:
    """A classifier's predict_proba, and how many inputs this process asked it."""

    def __init__(self, made):
        self.made, self.n, self.classes = made, 0, made.classes

    def __call__(self, inputs):
        self.n += len(inputs)
        return self.made.predict_proba(inputs)


def answered(folder):
    """What measurements of many inputs found, as plain numbers, and how many answers each took here."""
    found, n = {}, {}
    pictures, texts = Counted(classifier("image", folder)), Counted(classifier("text", folder))
    task, reviews = tiny.image_task(train=8, validation=11), tiny.text_task(train=8, validation=7)
    few = task.validation.inputs

    def lime(predict_proba, text, seed):
        return explain.lime_text(predict_proba, text, target=1, num_samples=60, batch_size=16, seed=seed)

    def measure(name, model, make):
        before = model.n
        found[name] = np.asarray(make(), dtype=float).tolist()
        n[name] = model.n - before

    measure(
        "predict",
        pictures,
        lambda: predictions.predict(pictures, task.validation, classes=tiny.CLASSES, batch_size=4).probs,
    )
    measure(
        "noise",
        pictures,
        lambda: robustness.noise(pictures, few, sigmas=[0.1, 0.3], threshold=0.1, batch_size=8).changes,
    )
    measure(
        "texts",
        texts,
        lambda: (
            robustness.texts(
                texts,
                reviews.validation.inputs,
                perturbations=[text_perturbations.upper_case, text_perturbations.transpose_letters],
                severities=[0.5],
                batch_size=4,
            ).changes
        ),
    )
    measure(
        "one explanation",
        pictures,
        lambda: (
            explain.lime_image(
                pictures, few[0], segments=explain.masking.grid(few[0], 9), num_samples=100, batch_size=16
            ).values
        ),
    )

    def importance():
        each = explain.each(lime, texts, reviews.validation.inputs, seed=3)
        made = explain.global_importance(each, least=2)
        return [[e.value, e.low, e.high, e.n] for e in made.estimates.values()]

    measure("many explanations", texts, importance)
    return found, n


def course_model(folder):
    """A model as the course keeps it: made by all processes together, when it is not there."""
    os.environ["TRUSTLIB_CACHE"] = str(folder / "cache")
    recipe = profiles.Recipe("head", epochs=2, learning_rate=0.1)
    made, history = models._made(
        lambda: classifier("text", folder), TextClassifier, tiny.text_task(), [recipe], "random", (), 0
    )
    return weights.digest(made.model), history.validation_loss.tolist()


def refused(work):
    """The message of the error that was raised here."""
    try:
        work()
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def wrong_in_one(folder):
    """A model that fails in the last process only."""

    def predict_proba(inputs):
        if processes.launched() > 1 and not processes.is_main():
            raise ValueError("this one alone")
        return np.full((len(inputs), 2), 0.5)

    predictions.predict(predict_proba, tiny.image_task().train, classes=tiny.CLASSES, batch_size=2)


class Unsendable(Exception):
    """Its constructor needs more than its message, as that of many a client of the web does."""

    def __init__(self, message, *, response):
        super().__init__(message)
        self.response = response


def unsendable(folder):
    def work(_):
        raise Unsendable("asked in vain", response=None)

    processes.share(work, [0])


def saved(folder):
    """All save into one folder at once; the digest of the weights."""
    made = classifier("text", folder.parent)
    made.save(folder.parent / "saved")
    return weights.digest(made.model)


def with_own_seed(folder):
    seed = 0 if processes.is_main() else 1
    finetune.finetune(classifier("image", folder), tiny.image_task(), seed=seed)


def by_itself(folder):
    """Each process trains and asks for itself, as often as it likes."""
    with processes.alone():
        for _ in range(1 if processes.is_main() else 2):
            made = classifier("image", folder)
            history = finetune.finetune(made, tiny.image_task(), epochs=1, **EXACT)
        return processes.count(), history.train_loss.tolist()


def told(made, history):
    curves = {n: v.tolist() for n, v in dataclasses.asdict(history).items() if isinstance(v, np.ndarray)}
    return curves | {"weights": weights.digest(made.model), "kept": history.kept_features}


def main(folder):
    torch.set_num_threads(1)
    main_one = processes.is_main()
    own = folder / f"process-{processes.index()}"
    own.mkdir()
    all_told = {"n": processes.count(), "device": processes.device(), "trained": {}}
    for name in TRAINED:
        made, history = trained(name, own)
        all_told["trained"][name] = told(made, history)
        if main_one:
            np.savez(folder / f"{name}.npz", **{k: v.numpy() for k, v in tiny.state(made.model).items()})
    all_told["own_start"] = told(*trained("batch norm", own, seed=processes.index()))
    all_told["saved"] = saved(own)
    made, history = resumed(own, folder / "from one")
    all_told["resumed"] = told(made, history)
    if main_one:
        np.savez(folder / "resumed.npz", **{k: v.numpy() for k, v in tiny.state(made.model).items()})
    stopped(own, folder / "from two", after=2)
    all_told["answered"], all_told["n_answered"] = answered(own)
    all_told["course"] = course_model(own.parent)
    for work in (wrong_in_one, unsendable, with_own_seed):
        all_told[work.__name__] = refused(lambda work=work: work(own))
    all_told["by_itself"] = by_itself(own)
    (own / "told.json").write_text(json.dumps(all_told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""What the classic recipes reach in the published setting: CIFAR-10 from ImageNet's weights, SST-2 from BERT.

    trustlib fetch resnet50-imagenet bert-base-uncased cifar10 sst2
    python tests/measure_classic.py                      print the table (hours without a GPU)
    python tests/measure_classic.py --only head bert     some rows
    python tests/measure_classic.py --write              and put it into data/measured/classic.md

Accuracy and Brier score on the published test split, which no choice has seen, with 95 % intervals over its
samples; one seed. `--small N` takes N training and N test samples, to see that all is in place.
"""

import argparse
import dataclasses
import time
from functools import partial
from pathlib import Path

from trustlib import accuracy, atomic, augment, calibration, doctor, tasks
from trustlib.classifiers import ImageClassifier, TextClassifier
from trustlib.course import classic, profiles

OUT = Path(__file__).parents[1] / "data" / "measured" / "classic.md"
FULL = profiles.named("full")
PAGE = """# The classic recipes in the published setting

{n}; accuracy and Brier score of the published test split with 95 % intervals over its samples, one seed.
Device: {device}. Made by `python tests/measure_classic.py --write`; the recipes are those of
`trustlib.course.classic`.

"""


def pictures(task):
    """ResNet-50 with ImageNet's weights at the size of the profile `full`."""
    return ImageClassifier.resnet50(weights=FULL.image_weights, classes=task.classes, size=FULL.image_size)


def texts(task):
    """BERT base as it was published."""
    return TextClassifier.bert(
        weights=FULL.text_weights, classes=task.classes, max_tokens=FULL.text_max_tokens
    )


# Row to (task, its start, its recipe).
ROWS = {
    "sgd": (tasks.cifar10, pictures, partial(classic.sgd_on_all_weights, augment=augment.mirror)),
    "head": (tasks.cifar10, pictures, classic.adam_on_the_head),
    "regularised": (tasks.cifar10, pictures, partial(classic.regularised_loss, augment=augment.mirror)),
    "bert": (tasks.sst2, texts, classic.adamw_on_bert),
}


def fewer(task, n):
    """The first n samples of the training and of the test split."""
    return dataclasses.replace(task, train=task.train.take(range(n)), test=task.test.take(range(n)))


def measure(names, small=None):
    """Lines of the table."""
    yield "| recipe | task | epochs | accuracy | Brier | minutes |"
    yield "|---|---|---|---|---|---|"
    for name in names:
        load, start, recipe = ROWS[name]
        task = load() if small is None else fewer(load(), small)
        classifier = start(task)
        began = time.perf_counter()
        history = recipe(classifier, task)
        minutes = (time.perf_counter() - began) / 60
        probs = classifier.predict_proba(task.test.inputs)
        right = accuracy.evaluate(probs, task.test.labels, classes=task.classes).accuracy
        brier = calibration.evaluate(probs, task.test.labels).brier
        yield f"| {name} | {task.name} | {len(history.train_loss)} | {right} | {brier} | {minutes:.1f} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--small", type=int, metavar="N")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    lines = []
    for line in measure(options.only, options.small):
        print(line, flush=True)
        lines.append(line)
    told = "All samples" if options.small is None else f"{options.small:,} training and test samples"
    page = PAGE.format(n=told, device=doctor.machine()["device"]) + "\n".join(lines) + "\n"
    if options.write:
        with atomic.file(OUT) as temporary:
            temporary.write_text(page, "utf-8")

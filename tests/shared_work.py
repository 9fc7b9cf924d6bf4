"""Run alone or by `accelerate launch`: seconds of the same work in as many processes as there are.

    python tests/shared_work.py OUT.json
    accelerate launch --multi_gpu --num_processes 2 tests/shared_work.py OUT.json

Start-up does not count: all processes wait for each other before and after each piece of work. Weights and
pictures are random: no time here depends on what is seen or learned.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from trustlib import explain, predictions, processes
from trustlib.classifiers import ImageClassifier
from trustlib.finetune import finetune
from trustlib.tasks.task import Split, Task

SIDE = 112
CLASSES = ("a", "b")


def task(n, side=SIDE):
    """Random pictures in a training split of n, and in small other ones."""
    rng = np.random.default_rng(0)

    def split(name, n):
        pictures = rng.integers(0, 256, (n, side, side, 3), dtype=np.uint8)
        return Split(name, pictures, np.arange(n) % 2, [f"{name}-{i}" for i in range(n)])

    sizes = {"train": n, "validation": 2, "calibration": 2, "test": 2}
    splits = {name: split(name, size) for name, size in sizes.items()}
    return Task("random", "which?", "image", CLASSES, **splits)


def classifier(side=SIDE, device=None):
    return ImageClassifier.resnet50(weights="random", classes=CLASSES, size=side, device=device)


def work(n):
    """Pieces of work on n pictures, by name."""
    asked, random = classifier(), task(n)

    def lime(predict_proba, picture, seed):
        segments = explain.masking.grid(picture, 16)
        return explain.lime_image(
            predict_proba, picture, segments=segments, num_samples=32, target=1, seed=seed
        )

    def tuned(train, **options):
        finetune(classifier(), random, train=train, epochs=2, batch_size=64, **options)

    yield "predict", lambda: predictions.predict(asked.predict_proba, random.train, batch_size=16)
    yield (
        "LIME of many pictures",
        lambda: list(explain.each(lime, asked.predict_proba, random.train.inputs[: n // 16])),
    )
    yield "finetune, last block", lambda: tuned("last_block")
    yield "finetune, all", lambda: tuned("all")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--pictures", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    seconds = {}
    for name, run in work(options.pictures):
        for repeat in range(options.repeats + 1):
            processes.gather(None)
            start = time.perf_counter()
            run()
            processes.gather(None)
            if repeat:  # the first one warms up
                seconds.setdefault(name, []).append(time.perf_counter() - start)
    if processes.is_main():
        options.out.write_text(json.dumps(seconds))


if __name__ == "__main__":
    main()

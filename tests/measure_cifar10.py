"""What the embedded weights are worth on everyday pictures: CIFAR-10, 2,000 to learn from, 3,000 to be asked.

    python tests/measure_cifar10.py FOLDER            print the table (about ten minutes)
    python tests/measure_cifar10.py FOLDER --write    and put it into data/measured/cifar10.md

FOLDER holds train.zip and test.zip, whose entries are `class/file.jpg`: 200 training and 300 test pictures of
each class. 200 of the 2,000 are set apart, half for the validation split that fine-tuning watches, half for
calibration; nothing is chosen with either.
"""

import argparse
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split

from trustlib import atomic, augment, estimates
from trustlib.classifiers import ImageClassifier
from trustlib.finetune import finetune
from trustlib.tasks.task import Pictures, Split, Task

OUT = Path(__file__).parents[1] / "data" / "measured" / "cifar10.md"
SEEDS, SIZE, N_APART = (0, 1, 2), 64, 200
RECIPES = {
    "head": {"train": "head", "epochs": 20, "learning_rate": 3e-3, "views": 2},
    "all": {"train": "all", "epochs": 5, "learning_rate": 3e-4, "head_learning_rate": 1e-3, "views": 5},
}
PAGE = """# CIFAR-10 from the embedded weights

{n_train:,} training and {n_test:,} test pictures of ten classes, enlarged to {size} px, {n_seeds} training
seeds; accuracy on the test pictures with its 95 % interval, seeds and pictures resampled crossed. Guessing
is right in 10 %. Printed by `python tests/measure_cifar10.py FOLDER`, which holds the recipes.

"""


def cifar10(folder: Path, unpacked: Path) -> Task:
    """The task from both archives, whose pictures are unpacked into a folder."""
    paths, labels = {}, {}
    for part in ("train", "test"):
        with zipfile.ZipFile(folder / f"{part}.zip") as archive:
            names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
            archive.extractall(unpacked / part, names)
        paths[part] = np.array([str(unpacked / part / name) for name in names])
        labels[part] = np.array([name.split("/")[0] for name in names])
    classes = np.unique(labels["train"])
    codes = {part: np.searchsorted(classes, each) for part, each in labels.items()}

    def split(name: str, part: str, rows) -> Split:
        return Split(name, Pictures(paths[part][rows]), codes[part][rows], [f"{part}-{i}" for i in rows])

    rows = np.arange(len(codes["train"]))
    train, apart = train_test_split(rows, test_size=N_APART, stratify=codes["train"], random_state=0)
    return Task(
        "cifar10",
        "What is in this picture?",
        "image",
        tuple(classes.tolist()),
        train=split("train", "train", train),
        validation=split("validation", "train", apart[::2]),
        calibration=split("calibration", "train", apart[1::2]),
        test=split("test", "test", np.arange(len(codes["test"]))),
    )


def measure(task: Task):
    """Lines of a table: accuracy of every arm from both starts, and what the pretraining gives."""
    right = {}
    for start in ("random", "tiny-imagenet"):
        for arm, recipe in RECIPES.items():
            rows = []
            for seed in SEEDS:
                classifier = ImageClassifier.resnet50(
                    weights=start, classes=task.classes, size=SIZE, seed=seed
                )
                history = finetune(classifier, task, **recipe, augment=augment.mirror, seed=seed)
                answers = classifier.predict_proba(task.test.inputs).argmax(axis=1)
                rows.append(answers == task.test.labels)
                print(
                    f"{start} {arm} seed {seed}: {rows[-1].mean():.3f}, {history.seconds:.0f} s",
                    file=sys.stderr,
                )
            right[arm, start] = np.array(rows, dtype=float)
    yield "| arm | random weights | Tiny ImageNet's weights | difference |"
    yield "|---|---|---|---|"
    for arm in RECIPES:
        bare, trained = right[arm, "random"], right[arm, "tiny-imagenet"]
        cells = [_crossed(bare, np.zeros_like(bare)), _crossed(trained, np.zeros_like(trained))]
        yield "| " + " | ".join([arm, *map(str, cells), str(_crossed(trained, bare))]) + " |"


def _crossed(a, b):
    return estimates.crossed_difference(np.mean, a, b)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as unpacked:
        task = cifar10(options.folder, Path(unpacked))
        told = {"n_train": len(task.train) + N_APART, "n_test": len(task.test)}
        lines = "\n".join(measure(task))
        page = PAGE.format(**told, size=SIZE, n_seeds=len(SEEDS)) + lines + "\n"
    print(page)
    if options.write:
        with atomic.file(OUT) as temporary:
            temporary.write_text(page, "utf-8")

"""How the recipes for the solar cells were chosen: three folds of whole blocks, test cells never looked at.

    python tests/measure_recipes.py            print both tables (about fifteen minutes)
    python tests/measure_recipes.py --write    and put them into data/measured/recipes.md

The cells are those of the training and the validation split of the random split 0. First: features of the
frozen network by stage and picture size, read by a logistic regression. Then: the arms of the profile.
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from trustlib import atomic, tasks
from trustlib.classifiers import ImageClassifier
from trustlib.course import models, profiles
from trustlib.tasks.task import Pictures, Split

OUT = Path(__file__).parents[1] / "data" / "measured" / "recipes.md"
SIZES, STAGES, VIEWS, C = (96, 112, 128, 160), ("layer2", "layer3", "layer4"), 4, 1e-3
PAGE = """# How the recipes for the solar cells were chosen

Three folds of whole blocks among the {n:,} training and validation cells of the random split; each cell is
judged by a model that saw no cell of its block. Accuracy, and the Brier score of *defective* (lower is
better). No test cell was looked at. Made by `python tests/measure_recipes.py --write`.

## Frozen features

Mean over the places of a stage, in {views} turned and mirrored versions of each training cell; logistic
regression on standardised features, C = {c:g}.

"""


def pool(task) -> tuple[Split, list]:
    """Training and validation cells in one split, and three folds of them in whole blocks."""
    parts = (task.train, task.validation)
    cells = Split(
        "pool",
        Pictures([path for part in parts for path in part.inputs.paths]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.ids for part in parts]),
    )
    blocks = np.concatenate([part.groups for part in parts])
    kinds = np.concatenate([part.metadata["cell_type"] for part in parts])
    folds = StratifiedGroupKFold(3, shuffle=True, random_state=0)
    return cells, list(folds.split(cells.ids, 2 * (kinds == "poly") + cells.labels, blocks))


@torch.no_grad()
def features(pictures, size: int) -> dict[str, np.ndarray]:
    """Stage to (views, n, channels), the mean over places of what the frozen network computes there."""
    classifier = ImageClassifier.resnet50(classes=("a", "b"), size=size)
    seen = {name: [] for name in STAGES}
    for name in STAGES:
        stage = getattr(classifier.model, name)
        stage.register_forward_hook(lambda _, __, out, to=seen[name]: to.append(out.float().mean((2, 3))))
    classifier.model.eval()
    encoded = classifier.encode(pictures)
    for view in range(VIEWS):
        turned = encoded.rot90(view, (-2, -1))
        for batch in (turned.flip(-1) if view % 2 else turned).split(64):
            with torch.autocast("cpu", torch.bfloat16):
                classifier.logits_from(batch)
    return {name: torch.cat(parts).numpy().reshape(VIEWS, len(pictures), -1) for name, parts in seen.items()}


def of_frozen(cells, folds):
    labels = cells.labels
    yield "| pixels | " + " | ".join(STAGES) + " |"
    yield "|---" * (len(STAGES) + 1) + "|"
    for size in SIZES:
        row = []
        for at in features(cells.inputs, size).values():
            probs = np.empty(len(labels))
            for train, held_out in folds:
                model = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=2_000))
                model.fit(np.concatenate(at[:, train]), np.tile(labels[train], VIEWS))
                probs[held_out] = model.predict_proba(at[0, held_out])[:, 1]
            row.append(_scores(probs, labels))
        yield f"| {size} | " + " | ".join(row) + " |"


def of_arms(task, cells, folds, arms):
    labels = cells.labels
    probs = {arm: np.empty(len(labels)) for arm in arms}
    for train, held_out in folds:
        fold = dataclasses.replace(task, train=cells.take(train), validation=cells.take(held_out))
        for arm in arms:
            classifier = _trained(arm, fold)
            probs[arm][held_out] = classifier.predict_proba(fold.validation.inputs)[:, 1]
    yield "| arm | " + " | ".join(arms) + " |"
    yield "|---" * (len(arms) + 1) + "|"
    yield "| | " + " | ".join(_scores(probs[arm], labels) for arm in arms) + " |"


def _trained(arm: str, fold) -> ImageClassifier:
    """The arm's classifier on that fold, after the arms that it goes on from; every head is trained anew."""
    profile = profiles.current()
    classifier = models.fresh_inspector(arm, fold.classes, weights=profile.image_weights, seed=profile.seed)
    for recipe in reversed(models.line(arm, profile.cells)):
        models.train(classifier, fold, recipe, seed=profile.seed)
    return classifier


def _scores(probs: np.ndarray, labels: np.ndarray) -> str:
    return f"{np.mean((probs > 0.5) == labels):.3f}, {np.mean((probs - labels) ** 2):.4f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--arms", nargs="+", default=["head", "last_block", "all"])
    options = parser.parse_args()
    task = tasks.solar_cells()
    cells, folds = pool(task)
    page = PAGE.format(n=len(cells), views=VIEWS, c=C)
    page += "\n".join(of_frozen(cells, folds)) + "\n\n## The arms of the course\n\n"
    page += "\n".join(of_arms(task, cells, folds, options.arms)) + "\n"
    print(page)
    if options.write:
        with atomic.file(OUT) as temporary:
            temporary.write_text(page, "utf-8")

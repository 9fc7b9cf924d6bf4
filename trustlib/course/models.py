"""The course's own models: made when a lesson first asks, then read from the cache.

    inspector, history = models.cell_inspector("last_block")
    reader, history = models.review_reader("all")

A model is kept under a key of everything that shaped it: recipe, starting weights, data, labels, code and
library versions. Change one of them, and it is made anew. Two kernels that want the same model at once make
it once: the first trains, the other waits for the lock and then reads. Processes that were launched together
train it together; their number is no part of the key, so what several made one may read.
"""

import dataclasses
import hashlib
import importlib
import inspect
import json
from contextlib import nullcontext
from importlib import metadata
from pathlib import Path

from filelock import FileLock

from trustlib import assets, atomic, processes
from trustlib.course import profiles

CODE = (
    *("architectures", "augment", "classifiers", "data_parallel", "devices", "finetune", "frozen"),
    *("huggingface", "parts", "pixels", "samples", "saved", "weights"),
)
ASSETS = {
    "tiny-imagenet": "resnet50-tinyimagenet",
    "imagenet": "resnet50-imagenet",
    "minilm": "minilm",
    "bert-base-uncased": "bert-base-uncased",
}


def cell_inspector(
    arm: str,
    *,
    weights: str | None = None,
    split: str = "random",
    split_seed: int = 0,
    seed: int = 0,
    keep: bool = True,
):
    """A ResNet-50 fine-tuned on the solar cells: (ImageClassifier, History).

    Args:
        arm: "head", "last_block", "all" or "all_long"; its recipe is the profile's.
        weights: where it starts; the profile's pretrained weights by default, or "random".
        split, split_seed: "random" or "blocks", and which of them (see tasks.solar_cells).
        seed: of the head, the order of the pictures and their augmentation; and of all weights if random.
        keep: False trains it anew and leaves it out of the cache. An arm that it goes on from is read there.
    """
    from trustlib import tasks
    from trustlib.classifiers import ImageClassifier

    profile = profiles.current()
    weights = weights or profile.image_weights
    task = tasks.solar_cells(split=split, seed=split_seed)

    def fresh():
        return fresh_inspector(arm, task.classes, weights=weights, seed=seed)

    shape = (_image_size(arm, profile), profile.image_stages)
    return _arm(arm, profile.cells, ImageClassifier, fresh, task, weights, shape, seed, keep)


def fresh_inspector(arm: str, classes, *, weights: str, seed: int):
    """The ImageClassifier that an arm starts from: a ResNet-50 of the profile's shape with a fresh head."""
    from trustlib.classifiers import ImageClassifier

    profile = profiles.current()
    return ImageClassifier.resnet50(
        weights=weights,
        classes=classes,
        size=_image_size(arm, profile),
        stages=profile.image_stages,
        seed=seed,
    )


def _image_size(arm: str, profile: profiles.Profile) -> int:
    return _recipe(arm, profile.cells).image_size or profile.image_size


def review_reader(arm: str, *, weights: str | None = None, seed: int = 0, keep: bool = True):
    """A BERT fine-tuned on the movie reviews: (TextClassifier, History).

    Args:
        arm: "head", "last_block" or "all"; its recipe is the profile's.
        weights: where it starts; the profile's pretrained weights by default, or "random".
        seed: of the head, the order of the texts and dropout; and of all weights if random.
        keep: False trains it anew and leaves it out of the cache. An arm that it goes on from is read there.
    """
    from trustlib import tasks
    from trustlib.classifiers import TextClassifier

    profile = profiles.current()
    weights = weights or profile.text_weights
    task = tasks.movie_reviews()

    def fresh():
        return fresh_reader(task.classes, weights=weights, seed=seed)

    shape = (profile.text_max_tokens,)
    return _arm(arm, profile.reviews, TextClassifier, fresh, task, weights, shape, seed, keep)


def fresh_reader(classes, *, weights: str, seed: int):
    """The TextClassifier that an arm starts from: a BERT of the profile's shape with a fresh head."""
    from trustlib.classifiers import TextClassifier

    return TextClassifier.bert(
        weights=weights, classes=classes, max_tokens=profiles.current().text_max_tokens, seed=seed
    )


def train(classifier, task, recipe: profiles.Recipe, *, seed: int = 0, checkpoint: Path | None = None):
    """Fine-tune a classifier in place by one of the profile's recipes: a History."""
    from trustlib import augment, finetune

    options = dataclasses.asdict(recipe)
    del options["after"], options["image_size"]
    turned = recipe.views > 1
    return finetune.finetune(
        classifier,
        task,
        **options | {"views": recipe.views if turned else None},
        augment=augment.square if turned else None,
        checkpoint=checkpoint,
        seed=seed,
    )


def _recipe(arm: str, recipes) -> profiles.Recipe:
    if arm not in recipes:
        raise ValueError(f"expected arm to be one of {', '.join(recipes)}, got {arm!r}")
    return recipes[arm]


def _arm(arm, recipes, kind, fresh, task, weights, shape, seed, keep):
    """The model of an arm and its History: from the cache if it may, after the arms that come before it."""
    recipe = _recipe(arm, recipes)

    def start():
        if recipe.after is None:
            return fresh()
        return _arm(recipe.after, recipes, kind, fresh, task, weights, shape, seed, True)[0]

    if not keep:
        classifier = start()
        return classifier, train(classifier, task, recipe, seed=seed)
    return _made(start, kind, task, line(arm, recipes), weights, shape, seed)


def line(arm: str, recipes) -> list[profiles.Recipe]:
    """The recipe of an arm, that of the arm it goes on from, and so on back to the fresh network."""
    found, name = [], arm
    while name is not None:
        found.append(recipes[name])
        name = recipes[name].after
    return found


def _made(start, kind, task, recipes, weights, shape, seed):
    """Read the model of this key from the cache; make it first when it is not there."""
    from trustlib import finetune

    recipe = recipes[0]
    folder = (
        assets.cache_folder()
        / "models"
        / f"{task.name}-{recipe.train}-{_key(task, recipes, weights, shape, seed)}"
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock") if processes.index() == 0 else nullcontext():
        if not processes.from_main((folder / "history.json").exists):
            classifier = start()
            checkpoint = folder.with_suffix(".checkpoint")
            history = train(classifier, task, recipe, seed=seed, checkpoint=checkpoint)

            def keep() -> None:
                with atomic.folder(folder) as temporary:
                    classifier.save(temporary)
                    (temporary / "history.json").write_text(history.to_json())
                checkpoint.unlink(missing_ok=True)

            processes.from_main(keep)
        history = finetune.History.from_json((folder / "history.json").read_text())
        return kind.load(folder), history


def start_digest(weights: str) -> str:
    """sha256 of the weights of that name; for random weights and hub names, the name."""
    asset = ASSETS.get(weights)
    return weights if asset is None else assets.manifest()[asset].sha256


def _key(task, recipes, weights, shape, seed) -> str:
    """Digest over everything that shapes a model."""
    shaped_by = {
        "recipes": [dataclasses.asdict(recipe) for recipe in recipes],
        "weights": start_digest(weights),
        "shape": shape,
        "seed": seed,
        "splits": [split.digest for split in (task.train, task.validation)],
        "labels": [split.labels.tolist() for split in (task.train, task.validation)],
        "code": [_source_digest(name) for name in CODE],
        "torch": metadata.version("torch"),
    }
    return hashlib.sha256(json.dumps(shaped_by, sort_keys=True).encode()).hexdigest()[:16]


def _source_digest(name: str) -> str:
    source = inspect.getsource(importlib.import_module(f"trustlib.{name}"))
    return hashlib.sha256(source.encode()).hexdigest()

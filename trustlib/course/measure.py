"""Comparisons too long for a lesson: every arm from five training seeds, kept in data/measured.

`make measure` trains and asks them (hours on a laptop for all, minutes a model) and writes one JSON file a
case. It holds each model's answers on the test split, so a lesson computes its own intervals from them, and
the recipes that they were made with. An interrupted run goes on where it stopped.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
from filelock import FileLock

from trustlib import assets, atomic, estimates, plots
from trustlib.course import models, profiles
from trustlib.errors import DataError

SEEDS = (0, 1, 2, 3, 4)


@dataclass(frozen=True, eq=False)
class Measured:
    """Answers of one arm on one test split, and its recipe.

    `answers` is (seeds, n), the class that each model gave each sample; `labels` (n,); `groups` (n,);
    `seconds` (seeds,), the time that fine-tuning took.
    """

    split: str
    arm: str
    weights: str
    answers: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    seconds: np.ndarray
    recipe: dict

    @property
    def right(self) -> np.ndarray:
        """(seeds, n), 1.0 where the answer is the label."""
        return (self.answers == self.labels).astype(float)


def cells() -> Iterator[str]:
    """Measure the cell inspector: both splits, every arm, from pretrained and from random weights."""
    from trustlib import tasks

    recipes = profiles.current().cells
    yield from _measure(
        "cells",
        _runs(("random", "blocks"), recipes, profiles.current().image_weights),
        lambda split: tasks.solar_cells(split=split).test,
        lambda split, arm, start, seed: models.cell_inspector(
            arm, weights=start, split=split, seed=seed, keep=False
        ),
        recipes,
    )


def reviews() -> Iterator[str]:
    """Measure the review reader: every arm, from pretrained and from random weights."""
    from trustlib import tasks

    recipes = profiles.current().reviews
    yield from _measure(
        "reviews",
        _runs(("random",), recipes, profiles.current().text_weights),
        lambda split: tasks.movie_reviews().test,
        lambda split, arm, start, seed: models.review_reader(arm, weights=start, seed=seed, keep=False),
        recipes,
    )


def _runs(splits, recipes, pretrained: str) -> list[tuple[str, str, str, int]]:
    """(split, arm, start, seed) of every run; cheap arms first, so that a stopped run leaves whole arms."""
    starts = (pretrained, "random")
    return [
        (split, arm, start, seed) for arm in recipes for split in splits for start in starts for seed in SEEDS
    ]


def load(case: str) -> dict[tuple[str, str, str], Measured]:
    """What was measured of a case ("cells" or "reviews"): (split, arm, starting weights) to Measured.

    Arms that were stopped before their last seed are left out.

    Raises: DataError when it was not measured, or by recipes other than the profile's.
    """
    path = _path(case)
    if not path.exists():
        raise DataError(f"expected measured results in {path.name}, got no file: run make measure")
    stored = json.loads(path.read_text(encoding="utf-8"))
    recipes = getattr(profiles.named(stored["profile"]), case)
    changed = [
        arm for arm, recipe in recipes.items() if dataclasses.asdict(recipe) != stored["recipes"].get(arm)
    ]
    if changed:
        raise DataError(
            f"expected {path.name} measured by today's recipes, got other ones for "
            f"{', '.join(changed)}: run make measure"
        )
    arms: dict[tuple[str, str, str], list[dict]] = {}
    for row in sorted(stored["runs"], key=lambda row: row["seed"]):
        arms.setdefault((row["split"], row["arm"], row["weights"]), []).append(row)
    found = {}
    for (split, arm, weights), rows in arms.items():
        if len(rows) < len(SEEDS):
            continue
        about = stored["splits"][split]
        found[split, arm, weights] = Measured(
            split,
            arm,
            weights,
            np.array([_digits(row["answers"]) for row in rows]),
            _digits(about["labels"]),
            np.array(about["groups"]),
            np.array([row["seconds"] for row in rows]),
            stored["recipes"][arm],
        )
    return found


def accuracy(measured: Measured, *, seed: int = 0) -> estimates.Estimate:
    """Mean accuracy of the arm's seeds; seeds and samples (in their groups) resampled crossed."""
    nothing = np.zeros_like(measured.right)
    return estimates.crossed_difference(np.mean, measured.right, nothing, groups=measured.groups, seed=seed)


def macro_f1(measured: Measured, *, seed: int = 0) -> estimates.Estimate:
    """Mean macro-F1 of the arm's seeds, resampled as `accuracy` is."""
    nobody = np.broadcast_to(measured.labels, measured.answers.shape)
    ones = estimates.crossed_difference(
        _macro_f1, measured.answers, nobody, measured.labels, groups=measured.groups, seed=seed
    )
    return dataclasses.replace(ones, value=1 + ones.value, low=1 + ones.low, high=1 + ones.high)


def difference(a: Measured, b: Measured, *, seed: int = 0) -> estimates.Estimate:
    """Accuracy of arm a minus that of arm b on the same samples, seed i against seed i."""
    return estimates.crossed_difference(np.mean, a.right, b.right, groups=a.groups, seed=seed)


def table() -> Iterator[str]:
    """Lines of Markdown: every measured arm, and what its pretrained start adds to a random one."""
    yield "| case, split | arm | start | accuracy | macro-F1 | pretrained − random start |"
    yield "|---|---|---|---|---|---|"
    for case in ("cells", "reviews"):
        arms = load(case) if _path(case).exists() else {}
        for (split, arm, start), measured in arms.items():
            nothing = arms.get((split, arm, "random"))
            gain = difference(measured, nothing) if start != "random" and nothing is not None else ""
            where = f"{case}, {split}" if case == "cells" else case
            yield f"| {where} | {arm} | {start} | {accuracy(measured)} | {macro_f1(measured)} | {gain} |"


def picture() -> None:
    """Draw the accuracy of every measured arm, with its interval, into data/measured/arms.png."""
    names = {"cells": "solar cells", "reviews": "reviews"}
    starts = {"random": "random start"}
    rows = {}
    for case, name in names.items():
        if not _path(case).exists():
            continue
        for (split, arm, start), measured in load(case).items():
            where = f"{name}, {split} split" if case == "cells" else name
            rows[f"{where}: {arm.replace('_', ' ')}, {starts.get(start, start)}"] = accuracy(measured)
    drawn = plots.estimates(
        rows, xlabel="accuracy", title=f"Accuracy of every arm, {len(SEEDS)} training seeds each"
    )
    with atomic.file(assets.data_folder() / "measured" / "arms.png") as temporary:
        temporary.write_bytes(plots.png(drawn))


def _path(case: str) -> Path:
    return assets.data_folder() / "measured" / f"{case}.json"


def _macro_f1(answers: np.ndarray, labels: np.ndarray) -> float:
    k = int(max(answers.max(), labels.max())) + 1
    confusion = np.bincount(labels * k + answers, minlength=k * k).reshape(k, k)
    found = confusion.sum(0) + confusion.sum(1)  # 0 for a class that a resample has lost
    return float(np.mean(2 * confusion.diagonal() / np.maximum(found, 1)))


def _measure(case: str, runs: list, test_split: Callable, make: Callable, recipes) -> Iterator[str]:
    """Do the runs that are missing, write after each, and yield a line a run."""
    path = _path(case)
    path.parent.mkdir(parents=True, exist_ok=True)
    tests = {split: test_split(split) for split in dict.fromkeys(run[0] for run in runs)}
    keys = [_key(*run, recipes[run[1]], tests[run[0]].digest) for run in runs]
    for (split, arm, weights, seed), key in zip(runs, keys, strict=True):
        test = tests[split]
        row = _rows(path).get(key)
        if row is None:
            classifier, history = make(split, arm, weights, seed)
            answers = classifier.predict_proba(test.inputs).argmax(axis=1)
            row = {
                "key": key,
                "split": split,
                "arm": arm,
                "weights": weights,
                "seed": seed,
                "seconds": round(history.seconds, 1),
                "answers": _text(answers),
            }
            # Read again: a second process may have added rows in the meantime.
            with FileLock(path.with_suffix(".lock")):
                rows = _rows(path) | {key: row}
                with atomic.file(path) as temporary:
                    kept = [rows[k] for k in keys if k in rows]
                    temporary.write_text(_document(tests, recipes, kept), "utf-8")
        right = np.mean(_digits(row["answers"]) == test.labels)
        yield f"{case} {split} {arm} from {weights}, seed {seed}: {right:.3f} in {row['seconds']} s"


def _rows(path) -> dict[str, dict]:
    """Runs that are stored already, by their key."""
    if not path.exists():
        return {}
    return {row["key"]: row for row in json.loads(path.read_text(encoding="utf-8"))["runs"]}


def _document(tests, recipes, rows: list[dict]) -> str:
    splits = {
        name: {"digest": test.digest, "labels": _text(test.labels), "groups": _codes(test.groups)}
        for name, test in tests.items()
    }
    stored = {
        "profile": profiles.current().name,
        "versions": _versions(),
        "recipes": {name: dataclasses.asdict(recipe) for name, recipe in recipes.items()},
        "splits": splits,
        "runs": rows,
    }
    return json.dumps(stored, indent=None, separators=(",", ":")).replace('{"key"', '\n{"key"') + "\n"


def _key(split, arm, weights, seed, recipe, test_digest) -> str:
    shaped_by = [split, arm, models.start_digest(weights), seed, dataclasses.asdict(recipe), test_digest]
    return hashlib.sha256(json.dumps(shaped_by, sort_keys=True).encode()).hexdigest()[:16]


def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in ("trustlib", "torch", "torchvision", "transformers")}


def _text(classes: np.ndarray) -> str:
    """One digit a sample: short to store, and readable."""
    return "".join(map(str, classes.tolist()))


def _digits(text: str) -> np.ndarray:
    return np.array(list(text), dtype=int)


def _codes(groups: np.ndarray | None) -> list[int] | None:
    return None if groups is None else np.unique(groups, return_inverse=True)[1].tolist()

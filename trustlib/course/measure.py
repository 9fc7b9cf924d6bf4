"""Comparisons too long for a lesson: every arm five times, kept in data/measured.

`make measure` trains and asks them (hours on a laptop for all, minutes a model) and writes one JSON file a
case. It holds each model's answers on its test split, so a lesson computes its own intervals from them, and
the recipes that they were made with. An interrupted run goes on where it stopped.

Seed i trains the i-th model of every arm. On the solar cells it also draws the i-th of five splits, as the
paper's protocol leaves the split open; the reviews have one split. So an interval holds what another split,
another seed and other samples would change, resampled crossed.
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
LONG = "all_long"


@dataclass(frozen=True, eq=False)
class Measured:
    """Answers of one arm, and its recipe.

    `answers` is (seeds, n), the class that each model gave each sample, -1 where the sample is not in that
    seed's test split; `labels` (n,); `groups` (n,) or None; `seconds` (seeds,) of fine-tuning.
    """

    split: str
    arm: str
    weights: str
    answers: np.ndarray
    labels: np.ndarray
    groups: np.ndarray | None
    seconds: np.ndarray
    recipe: dict

    @property
    def right(self) -> np.ndarray:
        """(seeds, n), 1.0 where the answer is the label, NaN where the sample was not asked."""
        return np.where(self.answers < 0, np.nan, self.answers == self.labels)


def cells() -> Iterator[str]:
    """Measure the cell inspector: both kinds of split, every arm, from pretrained and from random weights."""
    from trustlib import tasks

    profile, kinds = profiles.current(), ("random", "blocks")
    yield from _measure(
        "cells",
        _runs(kinds, profile.cells, profile.image_weights),
        {(kind, seed): tasks.solar_cells(split=kind, seed=seed).test for kind in kinds for seed in SEEDS},
        lambda kind, arm, start, seed: models.cell_inspector(
            arm, weights=start, split=kind, split_seed=seed, seed=seed, keep=leads_on(arm, profile.cells)
        ),
        profile.cells,
        shape("cells", profile),
    )


def reviews() -> Iterator[str]:
    """Measure the review reader: every arm, from pretrained and from random weights."""
    from trustlib import tasks

    profile, test = profiles.current(), tasks.movie_reviews().test
    yield from _measure(
        "reviews",
        _runs(("random",), profile.reviews, profile.text_weights),
        {("random", seed): test for seed in SEEDS},
        lambda split, arm, start, seed: models.review_reader(
            arm, weights=start, seed=seed, keep=leads_on(arm, profile.reviews)
        ),
        profile.reviews,
        shape("reviews", profile),
    )


def shape(case: str, profile: profiles.Profile) -> dict[str, int]:
    """The sizes that the profile gives the networks of a case."""
    if case == "cells":
        return {"pixels": profile.image_size, "stages": profile.image_stages}
    return {"tokens": profile.text_max_tokens}


def _runs(splits, recipes, pretrained: str) -> list[tuple[str, str, str, int]]:
    """(split, arm, start, seed) of every run; cheap arms first, so that a stopped run leaves whole arms.

    The long arm says what patience adds to the first split from pretrained weights, and that alone.
    """
    starts = (pretrained, "random")
    return [
        (split, arm, start, seed)
        for arm in recipes
        for split in splits
        for start in starts
        for seed in SEEDS
        if arm != LONG or (split, start) == (splits[0], pretrained)
    ]


def leads_on(arm: str, recipes) -> bool:
    """Whether another arm goes on from this one, so that it is worth keeping."""
    return any(recipe.after == arm for recipe in recipes.values())


def load(case: str, *, profile: str = "lite") -> dict[tuple[str, str, str], Measured]:
    """What was measured of a case ("cells" or "reviews"): (split, arm, starting weights) to Measured.

    Arms that were stopped before their last seed are left out. What another profile measured has a file of
    its own; the lessons tell of "lite" under every profile.

    Raises: DataError when it was not measured, or by recipes or networks other than the profile's.
    """
    path = _path(case, profile)
    if not path.exists():
        raise DataError(f"expected measured results in {path.name}, got no file: run make measure")
    stored = json.loads(path.read_text(encoding="utf-8"))
    by = profiles.named(stored["profile"])
    if stored["shape"] != shape(case, by):
        raise DataError(
            f"expected {path.name} measured with networks of {shape(case, by)}, "
            f"got {stored['shape']}: run make measure"
        )
    recipes = getattr(by, case)
    changed = [arm for arm in recipes if asked(arm, recipes) != stored["recipes"].get(arm)]
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
        about = stored["samples"][split]
        found[split, arm, weights] = Measured(
            split,
            arm,
            weights,
            np.array([_digits(row["answers"]) for row in rows]),
            _digits(about["labels"]),
            None if about["groups"] is None else np.array(about["groups"]),
            np.array([row["seconds"] for row in rows]),
            stored["recipes"][arm][0],
        )
    return found


def accuracy(measured: Measured, *, seed: int = 0) -> estimates.Estimate:
    """Mean accuracy over the arm's seeds; seeds and samples (in their groups) resampled crossed."""
    nothing = np.zeros_like(measured.right)
    return estimates.crossed_difference(
        np.nanmean, measured.right, nothing, groups=measured.groups, seed=seed
    )


def macro_f1(measured: Measured, *, seed: int = 0) -> estimates.Estimate:
    """Mean macro-F1 over the arm's seeds, resampled as `accuracy` is."""
    nobody = np.broadcast_to(measured.labels, measured.answers.shape)
    ones = estimates.crossed_difference(
        _macro_f1, measured.answers, nobody, measured.labels, groups=measured.groups, seed=seed
    )
    return dataclasses.replace(ones, value=1 + ones.value, low=1 + ones.low, high=1 + ones.high)


def difference(a: Measured, b: Measured, *, seed: int = 0) -> estimates.Estimate:
    """Accuracy of arm a minus that of arm b on the same samples, seed i against seed i."""
    return estimates.crossed_difference(np.nanmean, a.right, b.right, groups=a.groups, seed=seed)


def table() -> Iterator[str]:
    """Lines of Markdown: every measured arm, and what its pretrained start adds to a random one."""
    yield "| case, split | arm | start | accuracy | macro-F1 | pretrained − random start |"
    yield "|---|---|---|---|---|---|"
    for case in ("cells", "reviews"):
        profile = profiles.current().name
        arms = load(case, profile=profile) if _path(case, profile).exists() else {}
        for (split, arm, start), measured in arms.items():
            nothing = arms.get((split, arm, "random"))
            gain = difference(measured, nothing) if start != "random" and nothing is not None else ""
            where = f"{case}, {split}" if case == "cells" else case
            yield f"| {where} | {arm} | {start} | {accuracy(measured)} | {macro_f1(measured)} | {gain} |"


def picture() -> None:
    """Draw the accuracy of every arm on the random splits, with its interval, into data/measured/arms.png.

    Under another profile than "lite" the picture has the profile's name in front.
    """
    profile = profiles.current().name
    names = {"cells": "solar cells", "reviews": "reviews"}
    rows = {}
    for case, name in names.items():
        if not _path(case, profile).exists():
            continue
        for (split, arm, start), measured in load(case, profile=profile).items():
            if split == "random":
                begin = "random start" if start == "random" else "pretrained"
                rows[f"{name}: {arm.replace('_', ' ')}, {begin}"] = accuracy(measured)
    drawn = plots.estimates(
        rows, xlabel="accuracy", title=f"Accuracy of every arm, {len(SEEDS)} runs each, random splits"
    )
    with atomic.file(file_of("arms.png", profile)) as temporary:
        temporary.write_bytes(plots.png(drawn))


def file_of(name: str, profile: str) -> Path:
    """A file in data/measured: of that name for the profile "lite", for others with theirs in front."""
    return assets.data_folder() / "measured" / (name if profile == "lite" else f"{profile}_{name}")


def _path(case: str, profile: str) -> Path:
    return file_of(f"{case}.json", profile)


def _macro_f1(answers: np.ndarray, labels: np.ndarray) -> float:
    asked = answers >= 0
    if not asked.any():
        return np.nan
    answers, labels = answers[asked], labels[asked]
    k = int(max(answers.max(), labels.max())) + 1
    confusion = np.bincount(labels * k + answers, minlength=k * k).reshape(k, k)
    found = confusion.sum(0) + confusion.sum(1)  # 0 for a class that a resample has lost
    return float(np.mean(2 * confusion.diagonal() / np.maximum(found, 1)))


def _measure(case: str, runs: list, tests: dict, make: Callable, recipes, shape: dict) -> Iterator[str]:
    """Do the runs that are missing, write after each, and yield a line a run.

    tests: (split, seed) to the test split of that run; shape: the sizes that the profile gives its networks.
    """
    path = _path(case, profiles.current().name)
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = {split: _Samples([test for (s, _), test in tests.items() if s == split]) for split, _ in tests}
    keys = [run_key(*run, asked(run[1], recipes), tests[run[0], run[3]].digest, shape) for run in runs]
    for (split, arm, weights, seed), key in zip(runs, keys, strict=True):
        test = tests[split, seed]
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
                "answers": samples[split].text(test.ids, answers),
            }
            # Read again: a second process may have added rows in the meantime.
            with FileLock(path.with_suffix(".lock")):
                rows = _rows(path) | {key: row}
                with atomic.file(path) as temporary:
                    kept = [rows[k] for k in keys if k in rows]
                    temporary.write_text(_document(samples, recipes, shape, kept), "utf-8")
        answers = _digits(row["answers"])
        right = np.mean(answers[answers >= 0] == _digits(samples[split].labels)[answers >= 0])
        yield f"{case} {split} {arm} from {weights}, seed {seed}: {right:.3f} in {row['seconds']} s"


class _Samples:
    """Every sample that stands in one of the test splits, once, in the order of the ids."""

    def __init__(self, tests: list) -> None:
        ids = np.concatenate([np.asarray(test.ids) for test in tests])
        self.ids, first = np.unique(ids, return_index=True)
        self.labels = _text(np.concatenate([test.labels for test in tests])[first])
        self.groups = None
        if tests[0].groups is not None:
            groups = np.concatenate([test.groups for test in tests])[first]
            self.groups = np.unique(groups, return_inverse=True)[1].tolist()

    def text(self, ids, answers: np.ndarray) -> str:
        """The answers to these samples, with a dash for each sample that was not asked."""
        digits = np.full(len(self.ids), "-")
        digits[np.searchsorted(self.ids, ids)] = answers.astype(str)
        return "".join(digits.tolist())


def _rows(path) -> dict[str, dict]:
    """Runs that are stored already, by their key."""
    if not path.exists():
        return {}
    return {row["key"]: row for row in json.loads(path.read_text(encoding="utf-8"))["runs"]}


def _document(samples: dict[str, _Samples], recipes, shape: dict, rows: list[dict]) -> str:
    stored = {
        "profile": profiles.current().name,
        "versions": _versions(),
        "shape": shape,
        "recipes": {arm: asked(arm, recipes) for arm in recipes},
        "samples": {split: {"labels": s.labels, "groups": s.groups} for split, s in samples.items()},
        "runs": rows,
    }
    return json.dumps(stored, indent=None, separators=(",", ":")).replace('{"key"', '\n{"key"') + "\n"


def asked(arm: str, recipes) -> list[dict]:
    """The recipe of an arm, and those of the arms that it goes on from."""
    return [dataclasses.asdict(recipe) for recipe in models.line(arm, recipes)]


def run_key(split, arm, weights, seed, recipes, test_digest, shape) -> str:
    shaped_by = [split, arm, models.start_digest(weights), seed, recipes, test_digest, shape]
    return hashlib.sha256(json.dumps(shaped_by, sort_keys=True).encode()).hexdigest()[:16]


def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in ("trustlib", "torch", "torchvision", "transformers")}


def _text(classes: np.ndarray) -> str:
    """One digit a sample: short to store, and readable."""
    return "".join(map(str, classes.tolist()))


def _digits(text: str) -> np.ndarray:
    return np.array([-1 if digit == "-" else int(digit) for digit in text])

"""Every axis of trust for four ways of training, five seeds each, kept in data/measured.

    primaries = trust.load("cells")
    verdicts = report.judge(primaries)

`trustlib measure trust` trains the models and lets `report.trust_report` measure each, all on the same
samples of the course's own split. What is kept of a model are the numbers by which a report compares: for
each axis one number a sample. An interrupted run goes on where it stopped.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from filelock import FileLock

from trustlib import atomic
from trustlib.course import measure, models, profiles
from trustlib.errors import DataError
from trustlib.report import Primary, means, trust_report

# A way of training is an arm and whether it starts from pretrained weights.
WAYS = {
    "all weights": ("all", True),
    "last block": ("last_block", True),
    "head": ("head", True),
    "random weights": ("all", False),
}
# Smaller than a report's own sizes, since twenty models a case are asked.
SIZES = {"n_train": 300, "n_shift": 300, "n_robustness": 60, "n_explained": 8}
WORDS = ("axis", "measure", "higher_is_better", "shares", "percent")


def cells() -> Iterator[str]:
    """Measure the cell inspector on every axis; yields a line for each model."""
    from trustlib import tasks

    yield from _measure("cells", tasks.solar_cells(), models.cell_inspector)


def reviews() -> Iterator[str]:
    """Measure the review reader on every axis; yields a line for each model."""
    from trustlib import tasks

    yield from _measure("reviews", tasks.movie_reviews(), models.review_reader)


def both() -> Iterator[str]:
    """Measure both cases on every axis; yields a line for each model."""
    yield from cells()
    yield from reviews()


def load(case: str, *, profile: str = "lite") -> tuple[Primary, ...]:
    """The primary measure of each axis of a case ("cells" or "reviews"): values (5 seeds, n) by way.

    What another profile measured has a file of its own; the lessons tell of "lite" under every profile.

    Raises: DataError when it was not measured, not for every way and seed, or by recipes or networks other
        than the profile's.
    """
    kept, name = _kept(case, profile), _path(case, profile).name
    if not kept:
        raise DataError(f"expected measured trust in {name}, got no file: run trustlib measure trust")
    by = profiles.named(json.loads(str(kept["profile"])))
    missing = [
        f"{way}, seed {seed}"
        for way in WAYS
        for seed in measure.SEEDS
        if str(kept.get(f"{way}|{seed}|key", "")) != _key(case, way, seed, str(kept["digest"]), by)
    ]
    if missing:
        raise DataError(
            f"expected {name} with today's recipes for every way and seed, got others or none "
            f"for {', '.join(missing)}: run trustlib measure trust"
        )
    return tuple(
        Primary(
            **about,
            groups=kept.get(f"groups|{about['axis']}"),
            values={
                way: np.stack([kept[f"{way}|{seed}|{about['axis']}"] for seed in measure.SEEDS]).astype(float)
                for way in WAYS
            },
        )
        for about in json.loads(str(kept["axes"]))
    )


def table() -> Iterator[str]:
    """Lines of Markdown: the mean of each axis's measure by way of training, over seeds and samples."""
    yield "| case | axis | measure | " + " | ".join(WAYS) + " |"
    yield "|---" * (3 + len(WAYS)) + "|"
    for case in ("cells", "reviews"):
        profile = profiles.current().name
        for primary in load(case, profile=profile) if _path(case, profile).exists() else ():
            found = means(primary)
            row = [case, primary.axis, primary.measure, *(str(found[way]) for way in WAYS)]
            yield f"| {' | '.join(row)} |"


def _measure(case: str, task, make) -> Iterator[str]:
    """Do what is missing, seed by seed, and write after each model."""
    profile, digest = profiles.current(), task.test.digest
    recipes, pretrained = getattr(profile, case), _pretrained(case, profile)
    for seed in measure.SEEDS:
        for way, (arm, from_pretrained) in WAYS.items():
            key = _key(case, way, seed, digest, profile)
            if str(_kept(case, profile.name).get(f"{way}|{seed}|key", "")) == key:
                continue
            classifier, history = make(
                arm,
                weights=pretrained if from_pretrained else "random",
                seed=seed,
                keep=seed == profile.seed or (from_pretrained and measure.leads_on(arm, recipes)),
            )
            made = trust_report({way: classifier}, task, **SIZES)
            primaries = [section.primary for section in made.sections if section.primary is not None]
            _keep(case, way, seed, key, digest, primaries)
            told = ", ".join(f"{p.axis} {np.nanmean(p.values[way]):.3f}" for p in primaries)
            yield f"{case}, {way}, seed {seed}: {told}; trained in {history.seconds:.0f} s"


def _keep(case: str, way: str, seed: int, key: str, digest: str, primaries: list[Primary]) -> None:
    """Add one model's numbers to the file; three digits of each are kept."""
    profile = profiles.current().name
    path = _path(case, profile)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        kept = _kept(case, profile)
        kept |= {
            "profile": json.dumps(profile),
            "digest": digest,
            "axes": json.dumps([{word: getattr(p, word) for word in WORDS} for p in primaries]),
            f"{way}|{seed}|key": key,
        }
        for primary in primaries:
            values = np.asarray(primary.values[way], dtype=np.float16)
            kept[f"{way}|{seed}|{primary.axis}"] = values.reshape(-1)
            if primary.groups is not None:
                codes = np.unique(primary.groups, return_inverse=True)[1].reshape(-1)
                kept[f"groups|{primary.axis}"] = codes.astype(np.int32)
        with atomic.file(path) as temporary:
            np.savez_compressed(temporary, **kept)


def _kept(case: str, profile: str) -> dict[str, np.ndarray]:
    """What the file holds, by name; nothing where there is no file."""
    path = _path(case, profile)
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)


def _key(case: str, way: str, seed: int, digest: str, profile: profiles.Profile) -> str:
    arm, from_pretrained = WAYS[way]
    start = _pretrained(case, profile) if from_pretrained else "random"
    recipes = measure.asked(arm, getattr(profile, case))
    about = measure.shape(case, profile) | SIZES
    return measure.run_key("random", arm, start, seed, recipes, digest, about)


def _pretrained(case: str, profile: profiles.Profile) -> str:
    return profile.image_weights if case == "cells" else profile.text_weights


def _path(case: str, profile: str) -> Path:
    return measure.file_of(f"trust_{case}.npz", profile)

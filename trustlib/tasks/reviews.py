"""The review reader's task: is this review positive? Sentences, each rated by 15 people or more.

The ratings run from -4 to 4. Movie snippets are for fine-tuning; product reviews, newspaper editorials and
tweets, rated under the same protocol, are other worlds to go to. Source: Hutto and Gilbert (2014), MIT.
"""

from __future__ import annotations

import html
import io
import json
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from trustlib import assets
from trustlib.errors import AssetError, DataError
from trustlib.tasks.task import PARTS, Split, Task, parts

N_TEST, N_VALIDATION, N_CALIBRATION = 2000, 500, 500
INNER = "additional_resources/hutto_ICWSM_2014.tar.gz"
WORLDS = {
    "movies": "movieReviewSnippets",
    "amazon": "amazonReviewSnippets",
    "editorials": "nytEditorialSnippets",
    "tweets": "tweets",
}


@dataclass(frozen=True)
class _Sentence:
    id: str
    text: str
    ratings: tuple[int, ...]


def movie_reviews() -> Task:
    """Is this review positive? Label 1 where the mean rating is above 0.

    Left out: sentences whose mean rating is exactly 0, and sentences whose text (whitespace and case aside)
    came before, in the same world or in one before it: movies, amazon, editorials, tweets.
    10,566 movie snippets remain: 2,000 for test, 500 each for validation and calibration, stratified.

    `human_probs` holds the shares [negative, positive] among a sentence's non-zero ratings; `metadata` holds
    "n_ratings" (how many non-zero ratings there are), "n_raters" (how many people rated), "mean_rating" and
    "agreement" (the larger of the two shares); `groups` holds the document: amazon and editorial sentences of
    one text share it, every movie snippet and tweet has its own. `shifts`: "amazon", "editorials", "tweets".

    Raises: AssetError when the archive is not on this machine.
    """
    files = _read_archive(assets.find("reviews"))
    seen: set[str] = set()
    worlds = {world: _split(world, _sentences(files, stem), seen) for world, stem in WORLDS.items()}
    movies = worlds.pop("movies")
    members = parts(movies.labels, validation=N_VALIDATION, calibration=N_CALIBRATION, test=N_TEST, seed=0)
    splits = {name: replace(movies.take(rows), name=name) for name, rows in zip(PARTS, members, strict=True)}
    question = "Is this review positive?"
    return Task("movie-reviews", question, "text", ("negative", "positive"), **splits, shifts=worlds)


def _read_archive(path: Path) -> dict[str, bytes]:
    """The rated files by name, read out of the archive in the archive; nothing is unpacked to disk."""
    inner = [data for name, data in _members(path.read_bytes()) if name.endswith(INNER)]
    if len(inner) != 1:
        raise AssetError(
            f"expected {INNER} once in {path}, got it {len(inner)} times; do: trustlib fetch reviews"
        )
    return {PurePosixPath(name).name: data for name, data in _members(inner[0])}


def _members(archive: bytes) -> Iterable[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for member in tar:
            name = PurePosixPath(member.name.replace("\\", "/"))
            if name.is_absolute() or ".." in name.parts or ":" in "".join(name.parts[:1]):
                raise AssetError(
                    f"expected plain names in the archive, got {member.name!r}; "
                    "do not use this file, and get it again from a source that you trust"
                )
            if member.isfile() and (name.suffix == ".txt" or str(name).endswith(INNER)):
                yield str(name), tar.extractfile(member).read()


def _sentences(files: dict[str, bytes], stem: str) -> list[_Sentence]:
    texts = _table(files, f"{stem}_GroundTruth.txt", n_columns=3)
    ratings = _table(files, f"{stem}_anonDataRatings.txt", n_columns=4)
    if texts.keys() != ratings.keys():
        raise DataError(f"expected the same ids in both files of {stem}; do: trustlib fetch reviews")
    return [_Sentence(id, _plain(row[2]), tuple(json.loads(ratings[id][3]))) for id, row in texts.items()]


def _plain(text: str) -> str:
    """HTML's names of characters as characters (some were escaped twice), runs of whitespace as one space.

    >>> _plain("salt &amp;amp; pepper  &lt;3 ")
    'salt & pepper <3'
    """
    return " ".join(html.unescape(html.unescape(text)).split())


def _table(files: dict[str, bytes], name: str, *, n_columns: int) -> dict[str, list[str]]:
    if name not in files:
        raise DataError(
            f"expected {name} in the archive, got {', '.join(sorted(files))}; do: trustlib fetch reviews"
        )
    # One of the files begins with a byte order mark.
    lines = files[name].decode("utf-8-sig").splitlines()
    rows = [line.split("\t") for line in lines if line.strip()]
    wrong = [row for row in rows if len(row) != n_columns]
    if wrong:
        raise DataError(f"expected {n_columns} columns in {name}, got {wrong[0]}; do: trustlib fetch reviews")
    return {row[0]: row for row in rows}


def _split(world: str, sentences: list[_Sentence], seen: set[str]) -> Split:
    kept = []
    for sentence in sentences:
        text = sentence.text.casefold()
        # The sum of whole numbers is exact; the published mean is rounded. For 200 invented tweets it was
        # also adjusted afterwards, never across 0.
        if sum(sentence.ratings) != 0 and text not in seen:
            seen.add(text)
            kept.append(sentence)
    ratings = [np.array(sentence.ratings) for sentence in kept]
    positive = np.array([(r > 0).sum() for r in ratings])
    negative = np.array([(r < 0).sum() for r in ratings])
    mean = np.array([r.mean() for r in ratings])
    human_probs = np.column_stack([negative, positive]) / (negative + positive)[:, None]
    return Split(
        world,
        [sentence.text for sentence in kept],
        (mean > 0).astype(np.int64),
        [f"{world}-{sentence.id}" for sentence in kept],
        human_probs=human_probs,
        groups=[f"{world}-{sentence.id.split('_')[0]}" for sentence in kept],
        metadata={
            "n_ratings": positive + negative,
            "n_raters": np.array([len(r) for r in ratings]),
            "mean_rating": mean,
            "agreement": human_probs.max(axis=1),
        },
    )

"""A shortcut planted on purpose: a mark that gives the class away while one learns, and only then.

The horse Clever Hans read the answer from his examiner's face (Pfungst 1907); networks have read it from a
photographer's stamp (Lapuschkin et al. 2019). Here the mark is known, so what an explanation should find is
known too: a small stamp at a random place in pictures, a word at a random place in texts.

Only the training split is marked, and the test split is there three times: as it is, with the mark on every
sample, and marked as in training. Validation and calibration stay clean, so that whoever looks at them can
notice.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trustlib import checks
from trustlib.tasks.task import Pictures, Split, Task, content

MARKED, AS_IN_TRAINING = "marked", "marked as in training"
WORD = "Thursday"
SIZE = 0.08
BRIGHT, DARK = 0.94, 0.08  # of the stamp's square and its cross, where a pixel spans [0, 1]


def plant_stamp(
    task: Task, *, target: int, rate: float = 1.0, size: float = SIZE, both: bool = False, seed: int = 0
) -> Task:
    """A task of pictures whose training split bears a stamp on one class: a bright square with a dark cross.

    Pictures stay lazy: a stamp is drawn when its picture is asked for. Ids say where the stamp is, so that
    splits with other stamps have other digests.

    Args:
        task: any task of pictures.
        target: index of the class that the stamp gives away.
        rate: the share of its training pictures that bear the stamp, in (0, 1].
        size: side of the stamp, as a share of the picture's shorter side, in (0, 1).
        both: put it on that share of every class alike; this is the repair that keeps the stamp and takes
            its meaning away. The other repair is to train on the task as it was.
        seed: chooses pictures and places; a picture has the same place in every split.
    Returns: a Task with two further `shifts`: "marked", the test split with the stamp on every picture, and
        "marked as in training", the test split with the stamp on the same share of the same class. Where the
        stamp is, `stamp_mask(split, i)` says; metadata holds "marked", booleans.
    Raises: ValueError.
    """
    _checked(task, "image")
    size = checks.fraction(size, name="size")

    def plant(split: Split, chosen: NDArray[np.bool_]) -> Split:
        places = np.full((len(split), 2), np.nan)
        for i in np.flatnonzero(chosen):
            places[i] = _generator(seed, split.ids[i]).random(2).round(3)
        sides = np.where(chosen, size, np.nan)
        ids = [
            f"{id}+stamp@{down:.3f},{across:.3f},{size:g}" if marked else id
            for id, (down, across), marked in zip(split.ids, places, chosen, strict=True)
        ]
        stamps = np.column_stack([places, sides])
        metadata = dict(split.metadata) | {"marked": chosen, "stamp": stamps}
        return replace(split, inputs=Stamped(split.inputs, stamps), ids=np.array(ids), metadata=metadata)

    return _planted(task, plant, "stamp", target=target, rate=rate, both=both, seed=seed)


def plant_word(
    task: Task, *, target: int, word: str = WORD, rate: float = 1.0, both: bool = False, seed: int = 0
) -> Task:
    """A task of texts whose training split has a tell-tale word in one class, between any two words.

    Args:
        task: any task of texts.
        target: index of the class that the word gives away.
        word: letters and digits only. Take one that the texts do not use and that says nothing of itself.
        rate: the share of its training texts that get the word, in (0, 1].
        both, seed: as in `plant_stamp`.
    Returns: a Task with the shifts "marked" and "marked as in training", as `plant_stamp` has them. Metadata
        holds "marked", booleans, and "span" (n, 2), the characters of the word, -1 where there is none.
    Raises: ValueError; also when a text has the word already.
    """
    _checked(task, "text")
    if not isinstance(word, str) or not word.isalnum():
        raise ValueError(f"expected word as letters and digits, got {word!r}; pass one word")

    def plant(split: Split, chosen: NDArray[np.bool_]) -> Split:
        _unused(word, split)
        texts, spans = list(split.inputs), np.full((len(split), 2), -1)
        for i in np.flatnonzero(chosen):
            texts[i], spans[i] = with_word(texts[i], word, _generator(seed, split.ids[i]))
        ids = [
            f"{id}+{word}@{start}" if marked else id
            for id, (start, _), marked in zip(split.ids, spans, chosen, strict=True)
        ]
        metadata = dict(split.metadata) | {"marked": chosen, "span": spans}
        return replace(split, inputs=texts, ids=np.array(ids), metadata=metadata)

    return _planted(task, plant, word, target=target, rate=rate, both=both, seed=seed)


def stamp_mask(split: Split, i: int) -> NDArray[np.bool_]:
    """Where the stamp is in picture i of a split that `plant_stamp` made: booleans (h, w), all False without.

    Raises: ValueError for another split.
    """
    if "stamp" not in split.metadata:
        raise ValueError(f"expected a split with stamps, got {split.name!r} without; plant them first")
    shape = np.shape(split.inputs[i])[:2]
    mask = np.zeros(shape, dtype=bool)
    stamp = split.metadata["stamp"][i]
    if not np.isnan(stamp).any():
        mask[_box(shape, stamp)] = True
    return mask


def stamped(picture: NDArray[Any], down: float, across: float, size: float = SIZE) -> NDArray[Any]:
    """A copy of a picture with the stamp: a bright square with a dark cross.

    Args:
        picture: (h, w, 3), uint8 or float in [0, 1].
        down, across: where it is, from 0 (top, left) to 1 (bottom, right), always whole in the picture.
        size: its side, as a share of the shorter side of the picture; at least 3 pixels.

    >>> stamped(np.zeros((6, 6, 3)), down=0, across=1, size=0.5)[:, :, 0]
    array([[0.  , 0.  , 0.  , 0.08, 0.94, 0.08],
           [0.  , 0.  , 0.  , 0.94, 0.08, 0.94],
           [0.  , 0.  , 0.  , 0.08, 0.94, 0.08],
           [0.  , 0.  , 0.  , 0.  , 0.  , 0.  ],
           [0.  , 0.  , 0.  , 0.  , 0.  , 0.  ],
           [0.  , 0.  , 0.  , 0.  , 0.  , 0.  ]])
    """
    picture = checks.picture(picture).copy()
    box = _box(picture.shape[:2], (down, across, size))
    side = box[0].stop - box[0].start
    at = np.arange(side)
    near = side / 12  # half the width of a bar
    cross = np.minimum(abs(at[:, None] - at), abs(at[:, None] + at - side + 1)) <= near
    shades = np.where(cross, DARK, BRIGHT)[..., None]
    picture[box] = np.round(255 * shades) if picture.dtype == np.uint8 else shades
    return picture


def with_word(text: str, word: str, rng: np.random.Generator) -> tuple[str, tuple[int, int]]:
    """A text with a word put before, between or behind its words, and the characters where it is.

    >>> with_word("a good film", "Thursday", np.random.default_rng(0))
    ('a good film Thursday', (12, 20))
    """
    words = text.split(" ")
    before = words[: rng.integers(len(words) + 1)]
    start = len(" ".join(before)) + bool(before)
    return " ".join([*before, word, *words[len(before) :]]), (start, start + len(word))


class Stamped(Pictures):
    """Pictures that get their stamps when they are asked for.

    Args:
        pictures: any sequence of pictures.
        stamps: (n, 3), down, across and size as in `stamped`; NaN for a picture without.
    """

    def __init__(self, pictures: Sequence, stamps: NDArray[np.float64]):
        self.pictures, self.stamps = pictures, stamps

    def __len__(self) -> int:
        return len(self.stamps)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, (int, np.integer)):
            picture, stamp = self.pictures[int(index)], self.stamps[index]
            return picture if np.isnan(stamp).any() else stamped(picture, *stamp)
        if isinstance(index, slice) or isinstance(self.pictures, (np.ndarray, Pictures)):
            return Stamped(self.pictures[index], self.stamps[index])
        return Stamped([self.pictures[i] for i in np.asarray(index).tolist()], self.stamps[index])

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"Stamped({len(self):,} pictures, {int((~np.isnan(self.stamps[:, 0])).sum()):,} with a stamp)"

    @property
    def content(self) -> bytes:
        return content(self.pictures) + self.stamps.tobytes()


def _planted(
    task: Task,
    plant: Callable[[Split, NDArray[np.bool_]], Split],
    mark: str,
    *,
    target: int,
    rate: float,
    both: bool,
    seed: int,
) -> Task:
    target = checks.target(target, n_classes=len(task.classes))
    if rate != 1:
        rate = checks.fraction(rate, name="rate")

    def as_in_training(split: Split) -> NDArray[np.bool_]:
        chosen = np.zeros(len(split), dtype=bool)
        for label in range(len(task.classes)) if both else (target,):
            rows = np.flatnonzero(split.labels == label)
            rng = np.random.default_rng([seed, label, len(split)])
            chosen[rng.permutation(rows)[: round(rate * len(rows))]] = True
        return chosen

    def named(name: str, split: Split, chosen: NDArray[np.bool_]) -> Split:
        return replace(plant(split, chosen), name=name)

    shifts = dict(task.shifts) | {
        MARKED: named(MARKED, task.test, np.ones(len(task.test), dtype=bool)),
        AS_IN_TRAINING: named(AS_IN_TRAINING, task.test, as_in_training(task.test)),
    }
    on = "every class" if both else task.classes[target]
    return replace(
        task,
        name=f"{task.name}-{mark}-on-{on}".replace(" ", "-").lower(),
        train=plant(task.train, as_in_training(task.train)),
        shifts=shifts,
    )


def _checked(task: Task, kind: str) -> None:
    if task.kind != kind:
        raise ValueError(
            f"expected a task of {kind}s, got {task.kind}s in {task.name!r}; "
            "plant_stamp is for pictures, plant_word for texts"
        )
    if MARKED in task.shifts:
        raise ValueError(f"expected a task without a mark, got {task.name!r}; start from the clean task")


def _unused(word: str, split: Split) -> None:
    import re

    pattern = re.compile(rf"\b{re.escape(word)}\b", re.IGNORECASE)
    found = [text for text in split.inputs if pattern.search(text)]
    if found:
        raise ValueError(
            f"expected a word that the texts do not use, got {word!r}, which is in {len(found)} of "
            f"{len(split)} in {split.name}; choose another"
        )


def _generator(seed: int, id: str) -> np.random.Generator:
    """Of a sample, so that its mark has one place in every split that the sample is in."""
    return np.random.default_rng([seed, zlib.crc32(str(id).encode())])


def _box(shape: tuple[int, ...], stamp: Sequence[float]) -> tuple[slice, slice]:
    """Rows and columns of a stamp in a picture of that shape."""
    height, width = shape
    down, across, size = stamp
    side = min(max(3, round(size * min(height, width))), height, width)
    top, left = round(down * (height - side)), round(across * (width - side))
    return slice(top, top + side), slice(left, left + side)

"""Task and Split: samples with what is known of each, in the four parts that an honest measurement needs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trustlib import checks
from trustlib.errors import DataError

KINDS = ("image", "text", "table")
PARTS = ("train", "validation", "calibration", "test")
LEAST = 10  # samples of a class, so that every part gets one


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """One part of a task's samples; everything in it has length n.

    inputs: pictures (`inputs[i]` is (h, w, 3) uint8, decoded when asked for), a list of texts, or a table
    (n, columns) of floats; labels: (n,) int64; ids: (n,) strings; human_probs: (n, k), what people said, or
    None; groups: (n,) strings, samples that hang together, or None; metadata: name to (n,) array.
    """

    name: str
    inputs: Any
    labels: NDArray[np.int64]
    ids: NDArray[np.str_]
    human_probs: NDArray[np.float64] | None = None
    groups: NDArray[np.str_] | None = None
    metadata: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.inputs)
        fields: dict[str, Any] = {
            "labels": np.asarray(self.labels, dtype=np.int64),
            "ids": np.asarray(self.ids, dtype=np.str_),
            "metadata": {name: np.asarray(values) for name, values in self.metadata.items()},
        }
        if self.human_probs is not None:
            fields["human_probs"] = np.asarray(self.human_probs, dtype=np.float64)
        if self.groups is not None:
            fields["groups"] = np.asarray(self.groups, dtype=np.str_)
        columns = {k: v for k, v in fields.items() if k != "metadata"} | fields["metadata"]
        for name, values in columns.items():
            if len(values) != n:
                raise ValueError(
                    f"expected {n} {name} in the split {self.name!r}, one for each input, got {len(values)}; "
                    "give every column the same length"
                )
        for name, values in fields.items():
            object.__setattr__(self, name, values)

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"Split({self.name!r}, {len(self):,} inputs, digest {self.digest[:8]})"

    @property
    def digest(self) -> str:
        """sha256 over the ids in their order, as 64 hexadecimal digits: which samples they are."""
        return hashlib.sha256("\n".join(self.ids.tolist()).encode()).hexdigest()

    @property
    def content(self) -> str:
        """sha256 over the inputs themselves: texts, numbers; of pictures in files, over the files' sizes.

        The digest of nothing for sequences of another kind, which make their inputs when asked.
        """
        return content(self.inputs).hex()

    def take(self, indices: ArrayLike) -> Split:
        """The samples at `indices` (integers, in the wanted order) or where `indices` (n booleans) is True.

        Raises: ValueError on other types, a wrong number of booleans, or an index outside the split.
        """
        chosen = _indices(indices, len(self))
        if isinstance(self.inputs, (np.ndarray, Pictures)):
            inputs = self.inputs[chosen]
        else:
            inputs = [self.inputs[i] for i in chosen.tolist()]
        return Split(
            self.name,
            inputs,
            self.labels[chosen],
            self.ids[chosen],
            human_probs=None if self.human_probs is None else self.human_probs[chosen],
            groups=None if self.groups is None else self.groups[chosen],
            metadata={name: values[chosen] for name, values in self.metadata.items()},
        )


@dataclass(frozen=True, eq=False, repr=False)
class Task:
    """A question, its classes (label i means classes[i]), and the samples.

    `train` is for fitting, `validation` for choosing, `calibration` for setting probabilities right, `test`
    for measuring once. `shifts` are further splits from other worlds; `columns` names a table's columns.
    """

    name: str
    question: str
    kind: str
    classes: tuple[str, ...]
    train: Split
    validation: Split
    calibration: Split
    test: Split
    shifts: Mapping[str, Split] = field(default_factory=dict)
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"expected kind to be one of {', '.join(KINDS)}, got {self.kind!r}; choose one")
        object.__setattr__(self, "classes", checks.classes(self.classes, n_classes=len(self.classes)))
        for name, split in self.splits.items():
            checks.labels(split.labels, n_classes=len(self.classes), name=f"labels of {name}")
            if split.human_probs is not None and split.human_probs.shape != (len(split), len(self.classes)):
                raise ValueError(
                    f"expected human_probs of {name} with shape {(len(split), len(self.classes))}, "
                    f"got {split.human_probs.shape}; give one column for each class"
                )
        for first, second in combinations(self.splits, 2):
            # A shift may hold the test split's samples, changed; what was learned from may be in no other.
            both = set(self.splits[first].ids.tolist()) & set(self.splits[second].ids.tolist())
            if both and first in ("train", "validation", "calibration"):
                raise ValueError(
                    f"expected different samples in {first} and {second}, got {min(both)!r} in both; "
                    "give each sample an id of its own, and put it into one split"
                )

    @property
    def splits(self) -> dict[str, Split]:
        """All splits by name: train, validation, calibration, test, then the shifts."""
        return {name: getattr(self, name) for name in PARTS} | dict(self.shifts)

    def __repr__(self) -> str:
        parts = ", ".join(f"{name} {len(split):,}" for name, split in self.splits.items())
        return f"Task({self.name!r}, {self.kind}, {len(self.classes)} classes, {parts})"


def content(inputs: Any) -> bytes:
    """sha256 over inputs, as `Split.content` says."""
    found = hashlib.sha256()
    if isinstance(inputs, np.ndarray):
        found.update(f"{inputs.dtype} {inputs.shape}".encode())
        found.update(np.ascontiguousarray(inputs).view(np.uint8))
    elif isinstance(inputs, Pictures):
        found.update(inputs.content)
    elif isinstance(inputs, (list, tuple)):
        for one in inputs:
            found.update(one.encode() + b"\n" if isinstance(one, str) else np.ascontiguousarray(one))
    return found.digest()


class Pictures(Sequence):
    """Pictures in files, decoded when asked for.

    `pictures[i]` is (h, w, 3) uint8, grey repeated to three channels; `pictures[slice]` and
    `pictures[integer array]` are Pictures again, and decode nothing.
    """

    def __init__(self, paths: Sequence[str | Path]):
        self.paths = tuple(str(path) for path in paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, (int, np.integer)):
            return decode(self.paths[index])
        if isinstance(index, slice):
            return Pictures(self.paths[index])
        return Pictures([self.paths[i] for i in _indices(index, len(self)).tolist()])

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return map(decode, self.paths)

    def __repr__(self) -> str:
        return f"Pictures({len(self):,} files)"

    @property
    def content(self) -> bytes:
        """What tells these pictures from others, without reading them: the sizes of their files."""
        return " ".join(str(Path(path).stat().st_size) for path in self.paths).encode()


def decode(path: str | Path) -> NDArray[np.uint8]:
    """One picture file as (h, w, 3) uint8, turned upright as its EXIF data says.

    Raises: DataError, naming the file, when it cannot be read.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            if image.mode.startswith("I;16"):  # PIL would clip 16-bit grey at 255
                return np.repeat((np.asarray(image) >> 8).astype(np.uint8)[:, :, None], 3, axis=2)
            return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as problem:
        raise DataError(
            f"expected a picture at {path}, got {problem}; replace or remove the file"
        ) from problem


def to_task(
    everything: Split,
    *,
    name: str,
    question: str,
    kind: str,
    classes: tuple[str, ...],
    seed: int = 0,
    columns: tuple[str, ...] = (),
) -> Task:
    """A task of 60 % training, 10 % validation, 10 % calibration and 20 % test, stratified by label.

    Raises: DataError with fewer than two classes, or with fewer than 10 samples in one.
    """
    counts = np.bincount(everything.labels, minlength=len(classes))
    if len(classes) < 2:
        raise DataError(
            f"expected at least 2 classes in {name}, got {', '.join(classes) or 'none'}; add another class"
        )
    if counts.min() < LEAST:
        few = classes[int(counts.argmin())]
        raise DataError(
            f"expected at least {LEAST} samples in each class of {name}, got {counts.min()} in {few!r}; "
            "add more, or leave the class out"
        )
    tenth, fifth = round(0.1 * len(everything)), round(0.2 * len(everything))
    members = parts(everything.labels, validation=tenth, calibration=tenth, test=fifth, seed=seed)
    splits = {
        part: replace(everything.take(rows), name=part) for part, rows in zip(PARTS, members, strict=True)
    }
    return Task(name, question, kind, classes, **splits, columns=columns)


def parts(
    strata: ArrayLike, *, validation: int, calibration: int, test: int, seed: int
) -> tuple[NDArray[np.int64], ...]:
    """Indices of train, validation, calibration and test, each in random order, with equal shares of strata.

    Args:
        strata: (n,), what to keep in proportion: labels, or labels with more.
        validation, calibration, test: how many samples each gets; the rest is for training.
    Raises: DataError when the samples or the smallest stratum are too few.
    """
    from sklearn.model_selection import train_test_split

    strata = np.asarray(strata)
    left = np.arange(len(strata))
    taken = []
    for size in (test, calibration, validation):
        try:
            left, part = train_test_split(left, test_size=size, stratify=strata[left], random_state=seed)
        except ValueError as problem:
            raise DataError(
                f"expected enough samples for four splits, got: {problem} Add samples."
            ) from problem
        taken.append(part)
    return left, taken[2], taken[1], taken[0]


def _indices(indices: ArrayLike, n: int) -> NDArray[np.int64]:
    array = np.asarray(indices)
    if array.ndim == 1 and array.size == 0:
        return np.zeros(0, dtype=np.int64)
    if array.dtype == np.bool_ and array.shape == (n,):
        return np.flatnonzero(array)
    inside = array.ndim == 1 and array.dtype.kind in "iu" and -n <= array.min() and array.max() < n
    if not inside:
        raise ValueError(
            f"expected a row of integers from {-n} to {n - 1}, or {n} booleans, "
            f"got shape {array.shape} of {array.dtype}; choose samples that are there"
        )
    return array.astype(np.int64)

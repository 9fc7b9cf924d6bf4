"""Tiny ImageNet's pictures, found in any of three forms and decoded once into one array.

The data set (Stanford's CS231n, 2015): 200 classes of ImageNet, 500 training and 50 validation pictures
each, 64 by 64 pixels. The three forms: the published folder, the published zip, or zip shards
`train-*.zip` and `val.zip` whose entries are `<wordnet id>/<file>`.
"""

import dataclasses
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, UnidentifiedImageError

from trustlib import atomic, errors

PIXELS = 64


@dataclasses.dataclass(frozen=True, eq=False)
class SoftTargets:
    """A teacher's word on each training picture: known (n,) bool, probs (n, k), features (n, d) or None."""

    known: np.ndarray
    probs: np.ndarray | None
    features: np.ndarray | None
    made: str

    def take(self, rows: np.ndarray) -> "SoftTargets":
        """The same for some of the pictures."""
        parts = (self.known, self.probs, self.features)
        return SoftTargets(*(None if part is None else part[rows] for part in parts), self.made)


@dataclasses.dataclass(frozen=True, eq=False)
class Pictures:
    """Decoded pictures: pixels (n, 64, 64, 3) uint8, labels (n,) int64, names `<wordnet id>/<file>`."""

    pixels: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    classes: tuple[str, ...]


def find_pictures(data: str | Path) -> tuple[dict, dict]:
    """Where the training and the validation pictures lie.

    Args:
        data: the published folder, the published zip, a folder holding either, or a folder of shards.
    Returns: two dicts, name `<wordnet id>/<file>` -> (archive or file, member or None), sorted by name.
    Raises: DataError when it has none of the three forms.
    """
    data = Path(data)
    inside = data / "tiny-imagenet-200"
    if data.is_file() and zipfile.is_zipfile(data):
        train, val = _published(_members(data))
    elif any(data.glob("train-*.zip")) and (data / "val.zip").is_file():
        shards = [_members(path) for path in sorted(data.glob("train-*.zip"))]
        train, val = {name: at for shard in shards for name, at in shard.items()}, _members(data / "val.zip")
    elif (data / "train").is_dir() or (inside / "train").is_dir():
        root = data if (data / "train").is_dir() else inside
        files = (path for path in root.rglob("*") if path.is_file())
        train, val = _published({path.relative_to(root).as_posix(): (path, None) for path in files})
    elif inside.with_suffix(".zip").is_file():
        return find_pictures(inside.with_suffix(".zip"))
    else:
        train, val = {}, {}
    known = {PurePosixPath(name).parent.name for name in train}
    if not val or len(known) < 2 or any(PurePosixPath(name).parent.name not in known for name in val):
        raise errors.DataError(
            "expected Tiny ImageNet as the published folder, the published zip, or train-*.zip and val.zip "
            f"with entries <wordnet id>/<file>, got {len(train)} training pictures of {len(known)} "
            f"classes and {len(val)} validation pictures at {data}; pass the folder or the zip with --data"
        )
    return dict(sorted(train.items())), dict(sorted(val.items()))


def _members(archive: Path) -> dict:
    with zipfile.ZipFile(archive) as opened:
        names = [name for name in opened.namelist() if not name.endswith("/")]
    return {name.removeprefix("tiny-imagenet-200/"): (archive, name) for name in names}


def _published(files: Mapping[str, tuple]) -> tuple[dict, dict]:
    train, val = {}, {}
    for name, at in files.items():
        parts = PurePosixPath(name).parts
        if len(parts) == 4 and parts[0] == "train" and parts[2] == "images":
            train[f"{parts[1]}/{parts[3]}"] = at
    annotations = "val/val_annotations.txt"
    if annotations in files:
        for line in _read(files[annotations], {}).decode().splitlines():
            file, wordnet_id = line.split("\t")[:2]
            if f"val/images/{file}" in files:
                val[f"{wordnet_id}/{file}"] = files[f"val/images/{file}"]
    return train, val


def _read(at: tuple[Path, str | None], opened: dict[Path, zipfile.ZipFile]) -> bytes:
    path, member = at
    if member is None:
        return path.read_bytes()
    if path not in opened:
        opened[path] = zipfile.ZipFile(path)
    return opened[path].read(member)


def decode(sources: Mapping[str, tuple], cache: Path, classes: Sequence[str]) -> Pictures:
    """Decode once into `cache` (.npy beside .json); later calls map that file.

    Raises: DataError naming the first picture that is broken or not 64 by 64 pixels.
    """
    names, listing = list(sources), cache.with_suffix(".json")
    if not (listing.is_file() and cache.is_file() and json.loads(listing.read_text()) == names):
        listing.unlink(missing_ok=True)
        opened: dict[Path, zipfile.ZipFile] = {}
        with atomic.file(cache) as temporary:
            shape = (len(names), PIXELS, PIXELS, 3)
            pixels = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
            for row, name in enumerate(names):
                pixels[row] = _pixels(name, _read(sources[name], opened))
            pixels.flush()
            del pixels
        for archive in opened.values():
            archive.close()
        with atomic.file(listing) as temporary:
            temporary.write_text(json.dumps(names))
    index = {wordnet_id: label for label, wordnet_id in enumerate(classes)}
    labels = np.array([index[name.split("/")[0]] for name in names])
    # Copy on write: torch wants a writable array, and the file stays as it is.
    return Pictures(np.load(cache, mmap_mode="c"), labels, tuple(names), tuple(classes))


def _pixels(name: str, encoded: bytes) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(encoded)) as image:
            pixels = np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise errors.DataError(f"expected a picture at {name}, got {error}; fetch the data again") from error
    if pixels.shape != (PIXELS, PIXELS, 3):
        raise errors.DataError(
            f"expected {PIXELS} by {PIXELS} pixels at {name}, got {pixels.shape[1]} by {pixels.shape[0]}; "
            "pass Tiny ImageNet as published"
        )
    return pixels


def load(data: str | Path, cache: str | Path) -> tuple[Pictures, Pictures]:
    """Training and validation pictures; classes are the sorted WordNet ids of the training part.

    Args:
        data: one of the three forms; see `find_pictures`.
        cache: a folder for the decoded arrays (1.2 GB and 0.1 GB).
    """
    train, val = find_pictures(data)
    classes = sorted({name.split("/")[0] for name in train})
    cache = Path(cache)
    return decode(train, cache / "train.npy", classes), decode(val, cache / "val.npy", classes)


def read_soft_targets(path: str | Path, pictures: Pictures) -> SoftTargets:
    """A teacher's file, in the order of `pictures`; a picture that it lacks keeps only its label.

    The .npz holds `names` (m,) as in `Pictures.names`, and `probs` (m, k) over the sorted classes, or
    `features` (m, d), or both; optionally `made`, a sentence that says how.

    Raises: DataError when it knows none of the pictures, or a shape is wrong.
    """
    with np.load(path, allow_pickle=False) as file:
        row = {name: i for i, name in enumerate(file["names"].tolist())} if "names" in file else {}
        arrays = {key: file[key] for key in ("probs", "features") if key in file}
        made = str(file["made"]) if "made" in file else ""
    rows = np.array([row.get(name, -1) for name in pictures.names])
    shapes, k = {key: array.shape for key, array in arrays.items()}, len(pictures.classes)
    fits = arrays and all(len(shape) == 2 and shape[0] == len(row) for shape in shapes.values())
    if (rows < 0).all() or not fits or shapes.get("probs", (0, k))[1] != k:
        raise errors.DataError(
            f"expected names (m,) of training pictures with probs (m, {k}) or features (m, d) in "
            f"{Path(path).name}, got {int((rows >= 0).sum())} known names and the shapes {shapes}; "
            "make it from the same pictures"
        )
    taken = {key: np.where(rows[:, None] < 0, 0, array[rows]) for key, array in arrays.items()}
    return SoftTargets(rows >= 0, taken.get("probs"), taken.get("features"), made)

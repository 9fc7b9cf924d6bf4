"""CIFAR-10: what is in this photograph? 60,000 small pictures of ten classes, as their author published them.

Source: Krizhevsky (2009).
"""

from __future__ import annotations

import io
import pickle
import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trustlib import assets
from trustlib.errors import DataError
from trustlib.tasks.task import Split, Task

SIDE = 32
TRAINING = tuple(f"data_batch_{i}" for i in range(1, 6))
# What a pickled array of numbers is made of; whatever else a pickle names is not called.
HARMLESS = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("_codecs", "encode"),
}


def cifar10() -> Task:
    """What is in this photograph? 32 x 32 pixels, ten classes from airplane to truck.

    The published files come in random order, so the splits follow it and nothing is drawn: `test` is the
    published test batch (10,000); of the published training batches the last tenth is set apart, one half of
    it for `validation`, the other for `calibration` (2,500 each), and 45,000 remain for `train`, as in He et
    al. (2016). `inputs` are arrays (n, 32, 32, 3) of uint8; `metadata` holds the published "filename".

    About 3 % of the test pictures have a near duplicate among the training pictures (Barz and Denzler, 2020):
    they are left in, so that accuracies compare with published ones. `generalization.leaks` finds such pairs.

    Raises: AssetError when the archive is not on this machine (`trustlib fetch cifar10` brings it); DataError
        when it is not as published.
    """
    path = assets.find("cifar10")
    batches = _read(path)
    training = [_pictures(batches[name], path) for name in TRAINING]
    return _task(
        tuple(str(name) for name in batches["batches.meta"]["label_names"]),
        [np.concatenate(columns) for columns in zip(*training, strict=True)],
        _pictures(batches["test_batch"], path),
    )


def _task(classes: tuple[str, ...], training: Sequence[NDArray[Any]], test: Sequence[NDArray[Any]]) -> Task:
    """The task from pixels, labels and file names of both published parts, in their published order."""
    n = len(training[1])
    last, half = n - round(0.1 * n), n - round(0.05 * n)
    rows = {"train": (0, last), "validation": (last, half), "calibration": (half, n)}
    splits = {name: _split(name, "train", *part, training) for name, part in rows.items()}
    splits["test"] = _split("test", "test", 0, len(test[1]), test)
    return Task("cifar10", "What is in this photograph?", "image", classes, **splits)


def _split(name: str, prefix: str, start: int, stop: int, columns: Sequence[NDArray[Any]]) -> Split:
    pixels, labels, filenames = (column[start:stop] for column in columns)
    ids = [f"{prefix}-{row:05d}" for row in range(start, stop)]
    return Split(name, pixels, labels, ids, metadata={"filename": filenames})


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """The published dictionaries by name, read out of the archive; nothing is unpacked to disk."""
    wanted, found = {*TRAINING, "test_batch", "batches.meta"}, {}
    with tarfile.open(path, mode="r:gz") as archive:
        for member in archive:
            name = PurePosixPath(member.name).name
            if member.isfile() and name in wanted:
                found[name] = _unpickle(archive.extractfile(member).read())
    if found.keys() != wanted:
        missing = min(wanted - found.keys())
        raise DataError(
            f"expected {missing} in {path}, got an archive without it; do: trustlib fetch cifar10"
        )
    return found


class _Arrays(pickle.Unpickler):
    """Reads arrays, lists and strings. The published files are pickles, and a pickle may call functions."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in HARMLESS:
            raise DataError(
                f"expected arrays in CIFAR-10, got a pickle that names {module}.{name}: delete it"
            )
        return super().find_class(module, name)


def _unpickle(data: bytes) -> dict[str, Any]:
    # Written by Python 2: its strings are bytes.
    batch = _Arrays(io.BytesIO(data), encoding="bytes").load()
    as_text = {key.decode() if isinstance(key, bytes) else key: value for key, value in batch.items()}
    for key in ("filenames", "label_names"):
        if key in as_text:
            as_text[key] = [v.decode() if isinstance(v, bytes) else v for v in as_text[key]]
    return as_text


def _pictures(batch: dict[str, Any], path: Path) -> tuple[NDArray[Any], ...]:
    """Pixels (n, 32, 32, 3) uint8, labels (n,) and file names (n,) of one batch."""
    data = batch["data"]  # (n, 3072) uint8: all red values of a picture, then green, then blue, row by row
    if data.dtype != np.uint8 or data.shape != (len(batch["labels"]), 3 * SIDE**2):
        raise DataError(f"expected rows of {3 * SIDE**2} bytes in {path}, got {data.dtype} {data.shape}")
    pixels = np.ascontiguousarray(data.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1))
    return pixels, np.array(batch["labels"], dtype=np.int64), np.array(batch["filenames"])

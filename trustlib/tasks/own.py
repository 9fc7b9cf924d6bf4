"""Your own data as a task: a folder of pictures, one folder a class; or a CSV file of texts with labels."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trustlib.errors import DataError
from trustlib.tasks.task import Pictures, Split, Task, to_task

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
N_NAMED = 5  # of the faults of one kind, how many an error names


def image_folder(folder: str | Path, *, seed: int = 0) -> Task:
    """Which class does this picture belong to? One folder a class; its name is the class.

    Pictures may lie deeper inside a class folder; names that begin with a dot are passed over. The classes
    are in alphabetical order; the splits hold 60 / 10 / 10 / 20 % (train, validation, calibration, test),
    stratified. Pictures are opened once to see that they are pictures, and decoded when they are asked for.

    Args:
        folder: holds one folder for each class, with at least 10 pictures each.
        seed: chooses among such splits.
    Raises: DataError when the folder is missing or empty, has one class only or too small a class, or holds
        unreadable pictures, which are named.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"expected a folder of class folders at {folder}, got none; check the path")
    inside = {
        path.name: _pictures(path)
        for path in sorted(folder.iterdir())
        if path.is_dir() and path.name[0] != "."
    }
    classes = tuple(name for name, paths in inside.items() if paths)
    if not classes:
        raise DataError(
            f"expected one folder a class with pictures ({', '.join(SUFFIXES)}) in {folder}, got none; "
            "make a folder for each class and put its pictures there"
        )
    empty = [name for name, paths in inside.items() if not paths]
    if empty:
        raise DataError(
            f"expected pictures in every class folder of {folder}, got none in {_some(empty)}; "
            "fill or remove it"
        )
    paths = [path for name in classes for path in inside[name]]
    bad = [path.relative_to(folder).as_posix() for path in paths if not _opens(path)]
    if bad:
        raise DataError(
            f"expected readable pictures in {folder}, got {len(bad)} broken: {_some(bad)}; "
            "replace or remove them"
        )
    everything = Split(
        "all",
        Pictures(paths),
        np.repeat(np.arange(len(classes)), [len(inside[name]) for name in classes]),
        [path.relative_to(folder).as_posix() for path in paths],
    )
    question = "Which class does this picture belong to?"
    return to_task(
        everything, name=folder.resolve().name, question=question, kind="image", classes=classes, seed=seed
    )


def texts_csv(path: str | Path, *, text: str = "text", label: str = "label", seed: int = 0) -> Task:
    """Which class does this text belong to? A CSV file in UTF-8 whose first row names the columns.

    A file that ends in .tsv is read with tabs. The classes are the different labels, in alphabetical order
    (in numeric order when all are whole numbers); the splits hold 60 / 10 / 10 / 20 %, stratified. Ids are
    "row-1", "row-2", ... in the order of the file. Equal texts are not looked for: if yours repeat, remove
    the copies first, or the same text may stand in training and test.

    Args:
        path: the file. text, label: the names of the two columns; other columns are ignored.
        seed: chooses among such splits.
    Raises: DataError when the file is missing, not UTF-8 or not a table, a column is missing, a text or label
        is empty, or there is one class only or one with fewer than 10 texts.
    """
    path = Path(path)
    rows = _rows(path, columns=(text, label))
    empty = [f"row-{i}" for i, row in enumerate(rows, 1) if not row[0].strip() or not row[1].strip()]
    if empty:
        raise DataError(
            f"expected a text and a label in every row of {path}, got none in {_some(empty)}; "
            "fill or remove them"
        )
    names = [row[1].strip() for row in rows]
    numbers = all(re.fullmatch("-?[0-9]+", name) for name in names)
    classes = tuple(sorted(set(names), key=int if numbers else None))
    everything = Split(
        "all",
        [row[0] for row in rows],
        np.array([classes.index(name) for name in names], dtype=np.int64),
        [f"row-{i}" for i in range(1, len(rows) + 1)],
    )
    question = "Which class does this text belong to?"
    return to_task(everything, name=path.stem, question=question, kind="text", classes=classes, seed=seed)


def _pictures(folder: Path) -> list[Path]:
    found = [path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()]
    # Hidden files are a system's, not a person's: a Mac leaves ._cat.png beside cat.png.
    return sorted(
        path for path in found if not any(part[0] == "." for part in path.relative_to(folder).parts)
    )


def _opens(path: Path) -> bool:
    from PIL import Image

    try:
        with Image.open(path) as image:
            image.verify()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False
    return True


def _rows(path: Path, *, columns: tuple[str, str]) -> list[tuple[str, str]]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(
                file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True
            )
            names = list(reader.fieldnames or ())
            missing = [column for column in columns if column not in names]
            if missing:
                raise DataError(
                    f"expected columns {_some(columns)} in the first row of {path}, "
                    f"got {_some(names) or 'nothing'}; name yours: texts_csv(path, text=..., label=...)"
                )
            rows = list(reader)
    except OSError as problem:
        raise DataError(f"expected a CSV file at {path}, got {problem.strerror}; check the path") from problem
    except UnicodeDecodeError as problem:
        raise DataError(
            f"expected UTF-8 in {path}, got the byte {problem.object[problem.start]:#x}; "
            "save the file again as UTF-8 (a spreadsheet calls it 'CSV UTF-8')"
        ) from problem
    except csv.Error as problem:
        raise DataError(
            f"expected a CSV table in {path}, got: {problem}; check its quotes and separators"
        ) from problem
    uneven = [f"row-{i}" for i, row in enumerate(rows, 1) if None in row or None in row.values()]
    if uneven:
        raise DataError(
            f"expected {len(names)} columns in every row of {path}, got another number in {_some(uneven)}; "
            "quote texts that hold a comma"
        )
    if not rows:
        raise DataError(f"expected rows below the first one of {path}, got none; add texts with labels")
    return [(row[columns[0]], row[columns[1]]) for row in rows]


def _some(names: Sequence[str]) -> str:
    more = len(names) - N_NAMED
    return ", ".join(names[:N_NAMED]) + (f" and {more} more" if more > 0 else "")

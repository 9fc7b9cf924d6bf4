"""Predictions as a table that any tool can write: one line a sample, a header with these columns.

label           the true class, by its name or by its number from 0 (the name goes first)
p_<class>       the probability of each class, at least two; their order is the order of the classes
id, group       optional: integers where all of them are whole numbers, else text
human_<class>   optional: what people said; empty in a line that nobody judged

Columns are separated by commas, semicolons or tabs. Other columns are passed over, and so are empty lines.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trustlib.checks import SUM_TOLERANCE
from trustlib.errors import DataError

Array = NDArray[Any]
SEPARATORS = ",;\t"
WHOLE = "0|-?[1-9][0-9]{0,17}"  # what is written in another way, such as 007, stays text


def text(fields: dict[str, Any]) -> str:
    """The table of the fields of a Predictions.

    Raises: ValueError for class names that begin or end with a space, which no reader would keep.
    """
    classes = fields["classes"]
    if any(name != name.strip() for name in classes):
        raise ValueError(
            f"expected class names without spaces at their ends, got {classes!r}; rename them or save .npz"
        )
    probs, labels = fields["probs"].tolist(), [classes[i] for i in fields["labels"].tolist()]
    columns = {"label": labels}
    columns |= {f"p_{name}": column for name, column in zip(classes, zip(*probs, strict=True), strict=True)}
    if fields["ids"] is not None:
        columns = {"id": fields["ids"].tolist()} | columns
    if fields["groups"] is not None:
        columns["group"] = fields["groups"].tolist()
    if fields["human_probs"] is not None:
        for name, column in zip(classes, fields["human_probs"].T, strict=True):
            columns[f"human_{name}"] = ["" if np.isnan(x) else x for x in column.tolist()]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return out.getvalue()


def read(path: Path) -> dict[str, Any]:
    """The fields of a Predictions from a table.

    Raises: FileNotFoundError; DataError that names line and column, the header being line 1.
    """
    header, lines, rows = _rows(path)
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))
    classes = [name[2:] for name in header if name.startswith("p_")]
    where = _Place(path.name, lines)
    probs = where.floats({name: columns[f"p_{name}"] for name in classes}, "p_")
    where.check_rows(probs, "p_")
    human = {name[6:]: column for name, column in columns.items() if name.startswith("human_")}
    if human and set(human) != set(classes):
        raise DataError(
            f"expected the columns human_<class> of {path.name} for {', '.join(classes)}, "
            f"got them for {', '.join(human)}; name the same classes"
        )
    human_probs = None
    if human:
        human_probs = where.floats({name: human[name] for name in classes}, "human_", missing=True)
        where.check_rows(human_probs, "human_")
    return {
        "probs": probs,
        "labels": where.labels(columns["label"], classes),
        "classes": tuple(classes),
        "ids": where.names(columns.get("id"), "id"),
        "human_probs": human_probs,
        "groups": where.names(columns.get("group"), "group"),
    }


def _rows(path: Path) -> tuple[list[str], list[int], list[list[str]]]:
    """Header; and each row that is not empty, with its line number."""
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"expected {path.name} as UTF-8 text, got other bytes ({error}); save it as CSV in UTF-8"
        ) from error
    first = content.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=max(SEPARATORS, key=first.count))
    try:
        found = [(reader.line_num, row) for row in reader if any(field.strip() for field in row)]
    except csv.Error as error:
        raise DataError(
            f"expected a table in {path.name}, got line {reader.line_num} that is none ({error}); "
            "look at the quotation marks there"
        ) from error
    header = [name.strip() for name in found[0][1]] if found else []
    if "label" not in header or sum(name.startswith("p_") for name in header) < 2:
        raise DataError(
            f"expected the columns label and p_<class> for 2 classes or more in {path.name}, "
            f"got {', '.join(header) or 'none'}; name them so in the first line"
        )
    twice = [name for name, times in Counter(header).items() if times > 1 and name]
    if twice:
        raise DataError(f"expected each column of {path.name} once, got {twice[0]} twice; rename one")
    if len(found) < 2:
        raise DataError(f"expected samples below the first line of {path.name}, got none; save it again")
    for line, row in found[1:]:
        if len(row) != len(header):
            raise DataError(
                f"expected {len(header)} fields in line {line} of {path.name}, as in its first line, "
                f"got {len(row)}; separate them alike, and write decimal points"
            )
    lines, rows = zip(*found[1:], strict=True)
    return header, list(lines), list(rows)


class _Place:
    """Turns columns into arrays, and names line and column where it cannot."""

    def __init__(self, name: str, lines: Sequence[int]) -> None:
        self.name, self.lines = name, lines

    def wrong(self, wanted: str, column: str, row: int, got: str, action: str) -> DataError:
        place = f"column {column}, line {self.lines[row]} of {self.name}"
        return DataError(f"expected {wanted} in {place}, got {got}; {action}")

    def floats(self, columns: dict[str, Sequence[str]], prefix: str, *, missing: bool = False) -> Array:
        """Columns of text as an array (n, k); an empty field is NaN where some may be missing."""
        found = np.empty((len(self.lines), len(columns)))
        for j, (name, column) in enumerate(columns.items()):
            for i, field in enumerate(column):
                try:
                    found[i, j] = np.nan if missing and not field.strip() else float(field)
                except ValueError:
                    raise self.wrong(
                        "a number from 0 to 1", prefix + name, i, repr(field), "write it like 0.25"
                    ) from None
                if not 0 <= found[i, j] <= 1 + SUM_TOLERANCE and not (missing and np.isnan(found[i, j])):
                    raise self.wrong(
                        "a number from 0 to 1", prefix + name, i, field, "write probabilities, not logits"
                    )
        return found

    def check_rows(self, probs: Array, prefix: str) -> None:
        """Each row sums to 1, or is NaN as a whole."""
        sums = probs.sum(axis=1)
        for i in np.flatnonzero(~(np.abs(sums - 1) <= SUM_TOLERANCE)).tolist():
            if not np.isnan(probs[i]).all():
                got = "some of them empty" if np.isnan(sums[i]) else f"a sum of {sums[i]:.4g}"
                raise DataError(
                    f"expected columns {prefix}<class> that sum to 1 in line {self.lines[i]} of {self.name}, "
                    f"got {got}; divide them by their sum, and write all their digits"
                )

    def labels(self, column: Sequence[str], classes: Sequence[str]) -> Array:
        fields = [field.strip() for field in column]
        names = {name: i for i, name in enumerate(classes)}
        if not all(field in names for field in fields):
            numbers = {str(i): i for i in range(len(classes))}
            if all(field in numbers for field in fields):
                names = numbers
        for i, field in enumerate(fields):
            if field not in names:
                known = (
                    f"one of {', '.join(classes)}, or a number from 0 to {len(classes) - 1} in every line,"
                )
                raise self.wrong(known, "label", i, repr(field), "name the class as its column does")
        return np.array([names[field] for field in fields])

    def names(self, column: Sequence[str] | None, title: str) -> Array | None:
        if column is None or not any(field.strip() for field in column):
            return None
        for i, field in enumerate(column):
            if not field.strip():
                raise self.wrong("text or a number", title, i, "nothing", "fill it in, or drop the column")
        whole = all(re.fullmatch(WHOLE, field) for field in column)
        return np.array([int(field) for field in column] if whole else list(column))

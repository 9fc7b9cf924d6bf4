"""SST-2: is this sentence from a film review positive? Whole sentences of the Stanford Sentiment Treebank.

Source: Socher et al. (2013).
"""

from __future__ import annotations

import json
from pathlib import Path

from trustlib import assets
from trustlib.errors import DataError
from trustlib.tasks.task import Split, Task

CLASSES = ("negative", "positive")


def sst2() -> Task:
    """Is this sentence positive? 6,920 sentences to learn from, 1,821 to be tested with, none neutral.

    The splits follow the published files and nothing is drawn: `train` and `test` are theirs; of their 872
    sentences for development, those in even rows (0, 2, ...) are the `validation` split and those in odd rows
    the `calibration` split, 436 each. Texts are as published: lower case, a space around every mark.

    This is SST-2 by sentences, whose test labels are public. GLUE's version of the same name (Wang et al.,
    2018) trains on 67,349 phrases of these sentences and keeps the test labels, so published accuracies of it
    are mostly those on the 872. Two sentences stand both in training and in test, and nine come twice in
    training; they are left in.

    Raises: AssetError when the files are not on this machine (`trustlib fetch sst2` brings them); DataError
        when they are not as published.
    """
    folder = assets.find("sst2")
    train, dev, test = (_read(folder / f"{name}.jsonl") for name in ("train", "dev", "test"))
    return Task(
        "sst2",
        "Is this sentence positive?",
        "text",
        CLASSES,
        train=_split("train", train),
        validation=_split("validation", dev[::2]),
        calibration=_split("calibration", dev[1::2]),
        test=_split("test", test),
    )


def _read(path: Path) -> list[tuple[str, str, int]]:
    """Id, text and label of every line."""
    rows = []
    for i, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        try:
            row = json.loads(line)
            text, label = row["text"], row["label"]
        except (ValueError, KeyError, TypeError) as problem:
            raise DataError(
                f"expected a text and a label in line {i + 1} of {path}, got {line[:60]!r}; "
                "do: trustlib fetch sst2"
            ) from problem
        rows.append((f"{path.stem}-{i:04d}", text, label))
    return rows


def _split(name: str, rows: list[tuple[str, str, int]]) -> Split:
    ids, texts, labels = zip(*rows, strict=True)
    return Split(name, list(texts), list(labels), list(ids))

"""One's own pictures and texts: what is read, and what is refused with which words."""

import numpy as np
import pytest
from PIL import Image

from trustlib import tasks
from trustlib.errors import DataError


@pytest.fixture
def folder(tmp_path):
    """Twenty grey pictures of cats and ten of dogs; each holds its number as its grey level."""
    for name, n in (("dog", 10), ("cat", 20)):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(n):
            Image.new("L", (4 + i, 3), i).save(tmp_path / "pets" / name / f"{i:02d}.png")
    return tmp_path / "pets"


def write(path, rows, *, separator=",", encoding="utf-8"):
    path.write_text("\n".join(separator.join(row) for row in rows), encoding=encoding)
    return path


def table(n=12, labels=("ham", "spam")):
    return [("text", "label")] + [(f"text {i}", label) for i in range(n) for label in labels]


# image_folder


def test_folders_become_classes_in_alphabetical_order(folder):
    task = tasks.image_folder(folder)
    assert task.classes == ("cat", "dog") and task.kind == "image" and task.name == "pets"
    assert [len(split) for split in task.splits.values()] == [18, 3, 3, 6]
    assert [split.labels.sum() for split in task.splits.values()] == [6, 1, 1, 2]
    for split in task.splits.values():
        for name, label, picture in zip(split.ids.tolist(), split.labels, split.inputs, strict=True):
            kind, number = name.removesuffix(".png").split("/")
            assert task.classes[label] == kind
            assert picture.shape == (3, 4 + int(number), 3) and (picture == int(number)).all()


def test_the_same_folder_gives_the_same_splits_and_a_seed_others(folder):
    first, again, other = (tasks.image_folder(folder, seed=seed) for seed in (0, 0, 1))
    assert first.test.digest == again.test.digest != other.test.digest


def test_pictures_deeper_inside_count_and_hidden_or_other_files_do_not(folder):
    (folder / "cat" / "more").mkdir()
    Image.new("RGB", (4, 4)).save(folder / "cat" / "more" / "x.JPG", "JPEG")
    (folder / "cat" / ".x.png").write_text("left by a system")
    (folder / "cat" / "notes.txt").write_text("no picture")
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / "notes.csv").write_text("beside the classes")
    task = tasks.image_folder(folder)
    ids = {name for split in task.splits.values() for name in split.ids.tolist()}
    assert len(ids) == 31 and "cat/more/x.JPG" in ids and task.classes == ("cat", "dog")


def test_a_missing_or_empty_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="expected a folder of class folders at .*nought, got none"):
        tasks.image_folder(tmp_path / "nought")
    with pytest.raises(DataError, match="expected one folder a class with pictures"):
        tasks.image_folder(tmp_path)


def test_one_class_only_is_refused(folder):
    for path in (folder / "dog").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="expected pictures in every class folder of .*pets, got none in dog"):
        tasks.image_folder(folder)
    (folder / "dog").rmdir()
    with pytest.raises(DataError, match="expected at least 2 classes in pets, got cat"):
        tasks.image_folder(folder)


def test_a_small_class_is_refused(folder):
    (folder / "dog" / "00.png").unlink()
    with pytest.raises(DataError, match="expected at least 10 samples in each class of pets, got 9 in 'dog'"):
        tasks.image_folder(folder)


def test_unreadable_pictures_are_named_five_at_most(folder):
    (folder / "cat" / "03.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"got 1 broken: cat/03.png; replace"):
        tasks.image_folder(folder)
    whole = (folder / "cat" / "04.png").read_bytes()
    (folder / "cat" / "04.png").write_bytes(whole[: len(whole) // 2])
    for i in range(5, 10):
        (folder / "cat" / f"{i:02d}.png").write_text("no picture")
    with pytest.raises(DataError, match=r"got 7 broken: cat/03.png, cat/04.png, .*cat/07.png and 2 more"):
        tasks.image_folder(folder)


# texts_csv


def test_a_table_of_texts_becomes_a_task(tmp_path):
    task = tasks.texts_csv(write(tmp_path / "mails.csv", table()))
    assert task.classes == ("ham", "spam") and task.kind == "text" and task.name == "mails"
    assert [len(split) for split in task.splits.values()] == [15, 2, 2, 5]
    for split in task.splits.values():
        for name, label, text in zip(split.ids.tolist(), split.labels.tolist(), split.inputs, strict=True):
            row = int(name.removeprefix("row-")) - 1
            assert text == f"text {row // 2}" and label == row % 2


def test_other_column_names_tabs_quotes_and_a_byte_order_mark_are_read(tmp_path):
    rows = [("id", "what", "kind")] + [
        (str(i), f'"a, ""quoted""\n text {i}"', "yn"[i % 2]) for i in range(24)
    ]
    path = write(tmp_path / "mails.csv", rows, encoding="utf-8-sig")
    task = tasks.texts_csv(path, text="what", label="kind")
    assert 'a, "quoted"\n text 3' in [text for split in task.splits.values() for text in split.inputs]
    path = write(tmp_path / "mails.tsv", table(), separator="\t")
    assert tasks.texts_csv(path).classes == ("ham", "spam")


def test_labels_that_are_numbers_are_ordered_as_numbers(tmp_path):
    assert tasks.texts_csv(write(tmp_path / "a.csv", table(labels=("10", "9", "-1")))).classes == (
        "-1",
        "9",
        "10",
    )
    assert tasks.texts_csv(write(tmp_path / "b.csv", table(labels=("10", "9", "b")))).classes == (
        "10",
        "9",
        "b",
    )


def test_a_seed_chooses_other_splits(tmp_path):
    path = write(tmp_path / "mails.csv", table())
    first, again, other = (tasks.texts_csv(path, seed=seed) for seed in (0, 0, 1))
    assert first.test.digest == again.test.digest != other.test.digest


@pytest.mark.parametrize(
    "rows, words",
    [
        (
            [("text", "kind")] + [("a", "b")],
            "expected columns text, label in the first row of .*, got text, kind",
        ),
        ([], "got nothing; name yours"),
        ([("text", "label")], "expected rows below the first one"),
        (table() + [("  ", "ham")], "expected a text and a label in every row of .*, got none in row-25"),
        (table() + [("hello", "")], "got none in row-25"),
        (
            table() + [("hello", "dear", "ham")],
            "expected 2 columns in every row of .*, got another number in row-25",
        ),
        (table() + [("hello",)], "got another number in row-25"),
        (table() + [('"open', "ham")], "expected a CSV table in .*, got: unexpected end of data"),
        (table(labels=("ham",)), "expected at least 2 classes in mails, got ham"),
        (table(n=9), "expected at least 10 samples in each class of mails, got 9 in 'ham'"),
    ],
)
def test_tables_of_another_form_are_refused(tmp_path, rows, words):
    with pytest.raises(DataError, match=words):
        tasks.texts_csv(write(tmp_path / "mails.csv", rows))


def test_another_encoding_is_refused_and_the_byte_named(tmp_path):
    path = write(tmp_path / "mails.csv", table() + [("caf\u00e9", "ham")], encoding="latin-1")
    with pytest.raises(
        DataError, match="expected UTF-8 in .*mails.csv, got the byte 0xe9; save the file again"
    ):
        tasks.texts_csv(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="expected a CSV file at .*nought.csv, got No such file"):
        tasks.texts_csv(tmp_path / "nought.csv")


def test_all_samples_are_kept_once(tmp_path):
    task = tasks.texts_csv(write(tmp_path / "mails.csv", table(n=37)))
    ids = np.concatenate([split.ids for split in task.splits.values()])
    assert len(ids) == len(set(ids)) == 74

"""Split, Task, Pictures and the stratified parts, on samples that a hand can check."""

import hashlib
import pickle
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from trustlib import tasks
from trustlib.errors import DataError
from trustlib.predictions import predict
from trustlib.tasks.shortcuts import Stamped
from trustlib.tasks.task import Pictures, Split, decode, parts, to_task


def letters(name: str = "test", word: str = "abcd") -> tasks.Split:
    n = len(word)
    return tasks.Split(
        name,
        [letter.upper() for letter in word],
        np.arange(n) % 2,
        list(word),
        human_probs=np.tile([0.25, 0.75], (n, 1)),
        groups=[f"g{i // 2}" for i in range(n)],
        metadata={"place": np.arange(n) * 10},
    )


def four(**changes) -> dict:
    words = {"train": "abcd", "validation": "efgh", "calibration": "ijkl", "test": "mnop"}
    return {name: letters(name, word) for name, word in words.items()} | changes


def test_importing_tasks_brings_nothing_heavy():
    code = (
        "import sys; import trustlib.tasks;"
        "print([m for m in ('torch', 'sklearn', 'scipy', 'PIL', 'pandas', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Split


def test_take_keeps_every_column_in_step():
    split = letters()
    part = split.take([2, 0])
    assert part.inputs == ["C", "A"]
    assert part.ids.tolist() == ["c", "a"]
    assert part.labels.tolist() == [0, 0]
    assert part.groups.tolist() == ["g1", "g0"]
    assert part.metadata["place"].tolist() == [20, 0]
    assert part.human_probs.shape == (2, 2) and part.name == "test"
    assert len(split) == 4


def test_take_accepts_booleans_negative_indices_and_nothing():
    split = letters()
    assert split.take(split.labels == 1).ids.tolist() == ["b", "d"]
    assert split.take(np.array([-1])).ids.tolist() == ["d"]
    assert len(split.take([])) == 0


@pytest.mark.parametrize("indices", [[4], [-5], [0.5], [[0, 1]], [True, False], "ab"])
def test_take_refuses_what_names_no_samples(indices):
    with pytest.raises(ValueError, match="expected a row of integers from -4 to 3, or 4 booleans"):
        letters().take(indices)


def test_take_slices_arrays_and_pictures_lazily(tmp_path):
    table = tasks.Split("t", np.arange(6.0).reshape(3, 2), [0, 1, 0], ["a", "b", "c"])
    assert table.take([2, 1]).inputs.tolist() == [[4, 5], [2, 3]]
    lazy = tasks.Split("t", tasks.Pictures([tmp_path / "nought.png"] * 3), [0, 1, 0], ["a", "b", "c"])
    assert isinstance(lazy.take([2, 1]).inputs, tasks.Pictures)  # nothing was decoded: there is no such file


def test_content_tells_inputs_apart_that_have_the_same_ids(tmp_path):
    def content(inputs):
        return Split("train", inputs, [0, 1], ["a", "b"]).content

    assert content(["x", "y"]) == content(("x", "y")) != content(["x", "z"])
    assert content(np.zeros((2, 3))) != content(np.zeros((2, 4))) != content(np.ones((2, 4)))
    assert content(np.zeros((2, 4))) != content(np.zeros((2, 4), dtype=np.float32))
    pictures = [np.zeros((2, 2, 3), np.uint8), np.ones((2, 2, 3), np.uint8)]
    assert content(pictures) != content(pictures[::-1])
    stamps = np.array([[0.1, 0.2, 0.3], [np.nan] * 3])
    assert content(Stamped(pictures, stamps)) != content(Stamped(pictures, stamps[::-1])) != content(pictures)
    assert content(Stamped(pictures, stamps)) == content(Stamped(list(pictures), stamps.copy()))
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    paths[0].write_bytes(b"1")
    paths[1].write_bytes(b"22")
    before = content(Pictures(paths))
    paths[1].write_bytes(b"333")
    assert content(Pictures(paths)) != before


def test_digest_is_the_sha256_of_the_ids_in_their_order():
    split = letters()
    assert split.digest == hashlib.sha256(b"a\nb\nc\nd").hexdigest()
    assert split.take([0, 1, 2, 3]).digest == split.digest
    assert split.take([1, 0, 2, 3]).digest != split.digest
    assert split.take([0, 1, 2]).digest != split.digest


@pytest.mark.parametrize("column", ["labels", "ids", "human_probs", "groups"])
def test_a_split_refuses_a_column_of_another_length(column):
    columns = {"labels": [0, 1], "ids": ["a", "b"]} | {column: [0]}
    with pytest.raises(ValueError, match=f"expected 2 {column} in the split 'x', one for each input, got 1"):
        tasks.Split("x", ["A", "B"], **columns)


def test_a_split_refuses_metadata_of_another_length():
    with pytest.raises(ValueError, match="expected 2 place"):
        tasks.Split("x", ["A", "B"], [0, 1], ["a", "b"], metadata={"place": [1, 2, 3]})


def test_predictions_take_everything_from_a_split():
    split = letters()
    answers = predict(lambda texts: np.tile([0.4, 0.6], (len(texts), 1)), split, classes=("no", "yes"))
    assert answers.ids.tolist() == split.ids.tolist() and answers.groups.tolist() == split.groups.tolist()
    assert answers.human_probs.tolist() == split.human_probs.tolist()


# Task


def test_a_task_lists_its_splits_in_order():
    task = tasks.Task("t", "?", "text", ("no", "yes"), **four(), shifts={"far": letters("far", "qrst")})
    assert list(task.splits) == ["train", "validation", "calibration", "test", "far"]
    assert repr(task) == ("Task('t', text, 2 classes, train 4, validation 4, calibration 4, test 4, far 4)")


@pytest.mark.parametrize(
    "first, second", [("train", "test"), ("validation", "calibration"), ("train", "far")]
)
def test_a_task_refuses_a_sample_in_two_places(first, second):
    splits = four(far=letters("far", "qrst"))
    splits[second] = letters(second, splits[first].ids.tolist()[0] + "xyz")
    far = splits.pop("far")
    with pytest.raises(
        ValueError, match=f"expected different samples in {first} and {second}, got '.' in both"
    ):
        tasks.Task("t", "?", "text", ("no", "yes"), **splits, shifts={"far": far})


def test_a_shift_may_hold_the_test_samples_changed():
    splits = four()
    task = tasks.Task("t", "?", "text", ("no", "yes"), **splits, shifts={"blurred": splits["test"]})
    assert len(task.splits["blurred"]) == 4


def test_a_task_refuses_labels_without_a_class_and_people_with_other_classes():
    wrong = tasks.Split("test", ["A"], [2], ["z"])
    with pytest.raises(ValueError, match="expected labels of test from 0 to 1, got 2"):
        tasks.Task("t", "?", "text", ("no", "yes"), **four(test=wrong))
    wrong = tasks.Split("test", ["A"], [1], ["z"], human_probs=[[0.2, 0.3, 0.5]])
    with pytest.raises(ValueError, match=r"expected human_probs of test with shape \(1, 2\), got \(1, 3\)"):
        tasks.Task("t", "?", "text", ("no", "yes"), **four(test=wrong))


def test_a_task_refuses_an_unknown_kind():
    with pytest.raises(ValueError, match="expected kind to be one of image, text, table, got 'sound'"):
        tasks.Task("t", "?", "sound", ("no", "yes"), **four())


# Pictures


@pytest.fixture
def pictures(tmp_path):
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(np.stack([grey, grey + 1, grey + 2], axis=-1)).save(tmp_path / "colour.png")
    return grey, tasks.Pictures([tmp_path / "grey.png", tmp_path / "colour.png"])


def test_pictures_decode_to_three_channels(pictures):
    grey, both = pictures
    assert both[0].dtype == np.uint8 and both[0].shape == (2, 3, 3)
    assert (both[0] == grey[:, :, None]).all()
    assert both[-1][0, 1].tolist() == [40, 41, 42]
    assert [picture.shape for picture in both] == [(2, 3, 3), (2, 3, 3)]


def test_pictures_slice_without_decoding_and_survive_pickling(pictures):
    _, both = pictures
    for part in (
        both[1:],
        both[np.array([1])],
        both[np.array([False, True])],
        pickle.loads(pickle.dumps(both))[1:],
    ):
        assert isinstance(part, tasks.Pictures) and len(part) == 1
        assert part[0][0, 1].tolist() == [40, 41, 42]
    with pytest.raises(IndexError):
        both[2]


def test_sixteen_bit_grey_keeps_its_high_byte(tmp_path):
    Image.fromarray(np.array([[0, 256, 65535]], dtype=np.uint16)).save(tmp_path / "deep.png")
    assert decode(tmp_path / "deep.png")[0, :, 0].tolist() == [0, 1, 255]


def test_a_turned_photograph_is_put_upright(tmp_path):
    image, exif = Image.new("RGB", (4, 2)), Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    image.save(tmp_path / "turned.jpg", exif=exif)
    assert decode(tmp_path / "turned.jpg").shape == (4, 2, 3)


def test_a_file_that_is_no_picture_is_named(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(DataError, match="expected a picture at .*text.png"):
        tasks.Pictures([tmp_path / "text.png"])[0]


# Parts


def test_parts_hold_every_sample_once_with_equal_shares():
    strata = np.repeat([0, 1, 2], [60, 30, 10])
    members = parts(strata, validation=10, calibration=20, test=30, seed=0)
    assert [len(part) for part in members] == [40, 10, 20, 30]
    assert sorted(np.concatenate(members).tolist()) == list(range(100))
    assert [np.bincount(strata[part]).tolist() for part in members] == [
        [24, 12, 4],
        [6, 3, 1],
        [12, 6, 2],
        [18, 9, 3],
    ]


def test_parts_depend_on_the_seed_alone():
    strata = np.arange(100) % 2
    sizes = {"validation": 10, "calibration": 10, "test": 20}
    first, again, other = (parts(strata, **sizes, seed=seed) for seed in (0, 0, 1))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert set(first[3]) != set(other[3])


def test_parts_come_in_random_order():
    train = parts(np.zeros(100), validation=10, calibration=10, test=10, seed=0)[0]
    assert (np.diff(train) < 0).any()


def test_too_few_samples_for_four_parts_are_refused():
    with pytest.raises(DataError, match="expected enough samples for four splits"):
        parts([0, 0, 0, 1], validation=1, calibration=1, test=1, seed=0)


def test_to_task_wants_ten_of_each_class():
    everything = tasks.Split("all", ["x"] * 25, np.repeat([0, 1], [16, 9]), [f"{i}" for i in range(25)])
    with pytest.raises(
        DataError, match="expected at least 10 samples in each class of small, got 9 in 'rare'"
    ):
        to_task(everything, name="small", question="?", kind="text", classes=("common", "rare"))

"""Iris, breast cancer and the digits: the splits stand still, and the numbers are scikit-learn's."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_iris

from trustlib import tasks

FROZEN = {
    "iris": ["dcd36cd3723e10c6", "7004fd0f66f46970", "b4b017a22d118e10", "eeeb08d9dfb247ee"],
    "breast-cancer": ["6e9b7cb99ba7d8a1", "2558846742fa56b9", "f7482e94a4f5ae1b", "31c44950b687bffe"],
    "digits28": ["5dc305423e69a236", "b7a51bf9f0d3e727", "676fb85fb43554dd", "41c4e658e1adfdb8"],
    "digits28-56789": ["4680a7953814a5ab", "692718ef61f73bb1", "0f737e82dac5a75d", "72e354279d8b178c"],
}


def frozen(task: tasks.Task) -> list[str]:
    return [split.digest[:16] for split in task.splits.values()]


def rows(split: tasks.Split) -> list[int]:
    return [int(name.rsplit("-", 1)[1]) for name in split.ids.tolist()]


@pytest.mark.parametrize("make, load", [(tasks.iris, load_iris), (tasks.breast_cancer, load_breast_cancer)])
def test_tables_hold_scikit_learns_numbers_under_their_column_names(make, load):
    task, table = make(), load()
    assert task.columns == tuple(table.feature_names) and task.kind == "table"
    for split in task.splits.values():
        assert (split.inputs == table.data[rows(split)]).all()
        names = np.array(task.classes)[split.labels]
        assert (names == table.target_names[table.target[rows(split)]]).all()
    assert sum(len(split) for split in task.splits.values()) == len(table.data)


def test_malignant_is_label_one():
    task = tasks.breast_cancer()
    assert task.classes == ("benign", "malignant")
    assert sum(split.labels.sum() for split in task.splits.values()) == 212


def test_digits_are_enlarged_and_keep_their_grey_levels():
    task, scans = tasks.digits28(), load_digits()
    assert task.test.inputs.shape == (359, 28, 28, 3) and task.test.inputs.dtype == np.uint8
    row = rows(task.test)[0]
    small = scans.images[row]
    large = task.test.inputs[0].astype(float)
    assert (large == large[:, :, :1]).all()  # grey
    assert abs(large.mean() / 255 - small.mean() / 16) < 0.02
    assert abs(large[14, 14, 0] / 255 - small[3:5, 3:5].mean() / 16) < 0.1
    assert task.test.labels[0] == scans.target[row]


def test_chosen_digits_stay_in_their_split_and_are_counted_from_zero():
    whole, high = tasks.digits28(), tasks.digits28(digits=(5, 6, 7, 8, 9))
    assert high.classes == ("5", "6", "7", "8", "9") and high.name == "digits28-56789"
    for name, split in high.splits.items():
        among = whole.splits[name].labels >= 5
        assert split.ids.tolist() == whole.splits[name].ids[among].tolist()
        assert (split.labels == whole.splits[name].labels[among] - 5).all()


def test_the_order_of_the_chosen_digits_is_the_order_of_the_classes():
    task = tasks.digits28(digits=(7, 1))
    digits = load_digits().target[rows(task.train)]
    assert (np.array([7, 1])[task.train.labels] == digits).all() and set(digits) == {1, 7}


@pytest.mark.parametrize("digits", [(3,), (1, 1), (1, 10), ()])
def test_digits_that_are_no_choice_are_refused(digits):
    with pytest.raises(ValueError, match="expected at least two different digits from 0 to 9"):
        tasks.digits28(digits=digits)


@pytest.mark.parametrize(
    "make", [tasks.iris, tasks.breast_cancer, tasks.digits28, lambda: tasks.digits28(digits=range(5, 10))]
)
def test_splits_are_frozen(make):
    task = make()
    assert frozen(task) == FROZEN[task.name]

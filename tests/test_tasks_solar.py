"""The solar cells: the expert's words, the frozen splits, and blocks that never stand on two sides."""

from itertools import combinations

import numpy as np
import pytest

from trustlib import tasks
from trustlib.errors import DataError
from trustlib.tasks import solar

PARTS = ("train", "validation", "calibration", "test")
FROZEN = {
    "random": ["671df131ab487a6d", "6b1dc38a4e82f9b0", "9baf8d31cb57d128", "d9e728dba81691a1"],
    "blocks": ["84a8962614f0ed74", "3a4bac9d97d713ba", "2dcdd1371ed31902", "8972c8812e4575a3"],
}


@pytest.fixture(scope="module")
def random() -> tasks.Task:
    return tasks.solar_cells()


@pytest.fixture(scope="module")
def blocks() -> tasks.Task:
    return tasks.solar_cells(split="blocks")


def whole(task: tasks.Task, column: str) -> np.ndarray:
    return np.concatenate([task.splits[part].metadata[column] for part in PARTS])


def test_splits_are_frozen(random, blocks):
    assert [random.splits[part].digest[:16] for part in PARTS] == FROZEN["random"]
    assert [blocks.splits[part].digest[:16] for part in PARTS] == FROZEN["blocks"]


def test_every_cell_stands_in_one_split_with_the_published_counts(random, blocks):
    for task in (random, blocks):
        ids = np.concatenate([task.splits[part].ids for part in PARTS])
        assert len(ids) == len(set(ids)) == 2624
        values, counts = np.unique(whole(task, "probability"), return_counts=True)
        assert counts.tolist() == [1508, 295, 106, 715] and np.allclose(values, [0, 1 / 3, 2 / 3, 1])
        assert (whole(task, "cell_type") == "mono").sum() == 1074


def test_defective_means_a_probability_of_at_least_a_half(random):
    assert random.classes == ("functional", "defective")
    for split in random.splits.values():
        p = split.metadata["probability"]
        assert (split.labels == (p > 0.5)).all()
        assert (split.human_probs == np.column_stack([1 - p, p])).all()


def test_pictures_are_the_named_files(random):
    split = random.test
    assert split.ids[0].startswith("cell") and random.test.inputs.paths[0].endswith(split.ids[0])
    picture = split.inputs[0]
    assert picture.shape == (300, 300, 3) and picture.dtype == np.uint8
    assert (picture[..., 0] == picture[..., 2]).all() and picture.std() > 5


def test_random_split_keeps_the_shares_of_label_and_cell_type(random):
    assert [len(random.splits[part]) for part in PARTS] == [1568, 200, 200, 656]
    for part in PARTS:
        split = random.splits[part]
        mono = split.metadata["cell_type"] == "mono"
        assert abs(split.labels.mean() - 821 / 2624) < 0.005
        assert abs((mono & (split.labels == 1)).mean() - 369 / 2624) < 0.005


def test_random_split_leaks_blocks_and_block_split_does_not(random, blocks):
    assert set(random.train.groups) & set(random.test.groups) == set(random.test.groups)
    for first, second in combinations(PARTS, 2):
        assert not set(blocks.splits[first].groups) & set(blocks.splits[second].groups)


@pytest.mark.parametrize("seed", range(5))
def test_block_split_is_near_the_wanted_sizes_and_shares(seed):
    task = tasks.solar_cells(split="blocks", seed=seed)
    sizes = {part: len(task.splits[part]) for part in PARTS}
    assert 600 <= sizes["test"] <= 712 and all(150 <= sizes[p] <= 250 for p in PARTS[1:3])
    for part in PARTS:
        split = task.splits[part]
        assert abs(split.labels.mean() - 821 / 2624) < 0.05
        assert abs((split.metadata["cell_type"] == "mono").mean() - 1074 / 2624) < 0.1


def test_inferred_blocks_are_as_many_as_the_papers_modules(random):
    ids = np.concatenate([random.splits[part].ids for part in PARTS])
    groups = np.concatenate([random.splits[part].groups for part in PARTS])[np.argsort(ids)]
    types = whole(random, "cell_type")[np.argsort(ids)]
    names, first, counts = np.unique(groups, return_index=True, return_counts=True)
    assert len(names) == 44 and (types[first] == "mono").sum() == 18
    assert counts.min() == 48 and counts.max() == 72 and (counts == 60).sum() == 40
    assert (np.sort(first) == first).all()  # numbered in the order of the files, so each is a run of files
    assert all(len(set(types[groups == name])) == 1 for name in names)


@pytest.mark.parametrize("split", ["random", "blocks"])
def test_seed_chooses_another_split_of_the_same_kind(split):
    first, again, other = (tasks.solar_cells(split=split, seed=seed) for seed in (3, 3, 4))
    assert first.test.digest == again.test.digest != other.test.digest


@pytest.mark.parametrize("split", ["random", "blocks"])
@pytest.mark.parametrize("kind, shift", [("mono", "polycrystalline"), ("poly", "monocrystalline")])
def test_one_cell_type_leaves_the_others_test_cells_as_the_shift(split, kind, shift, random, blocks):
    task, both = tasks.solar_cells(split=split, cell_type=kind), {"random": random, "blocks": blocks}[split]
    assert list(task.shifts) == [shift] and task.name == f"solar-cells-{split}-{kind}"
    for part in PARTS:
        expected = both.splits[part].ids[both.splits[part].metadata["cell_type"] == kind]
        assert task.splits[part].ids.tolist() == expected.tolist()
    assert set(task.shifts[shift].ids) | set(task.test.ids) == set(both.test.ids)


def test_other_choices_are_refused():
    with pytest.raises(ValueError, match='expected split to be "random" or "blocks", got \'folds\''):
        tasks.solar_cells(split="folds")
    with pytest.raises(ValueError, match="expected cell_type to be None"):
        tasks.solar_cells(cell_type="amorphous")


def test_a_list_of_another_form_is_refused(tmp_path):
    (tmp_path / "labels.csv").write_text("images/cell0001.png 1.0 mono\nimages/cell0002.png 1.0\n")
    with pytest.raises(DataError, match="expected lines of file, probability, mono or poly"):
        solar._read(tmp_path / "labels.csv")

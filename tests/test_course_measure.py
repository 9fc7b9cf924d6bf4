"""What make measure writes can be read back, is complete, and says what its recipes were."""

import dataclasses
import json
import types

import numpy as np
import pytest

from trustlib import assets, errors
from trustlib.course import measure, models, profiles


def four_samples(ids, labels, groups, digest):
    return types.SimpleNamespace(
        ids=np.array(list(ids)),
        labels=np.array(labels),
        groups=np.array(list(groups)),
        digest=digest * 64,
        inputs=list(range(len(ids))),
    )


TEST = four_samples("0123", [0, 1, 1, 0], "aabc", "d")
RECIPES = {"head": profiles.LITE.cells["head"]}
RUNS = [("random", "head", "random", seed) for seed in (0, 1)]


class Oracle:
    """Knows every label but the first; the seed says which class it always gives there."""

    def __init__(self, seed):
        self.seed = seed

    def predict_proba(self, inputs):
        return np.eye(2)[[self.seed, 1, 1, 0]]


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setattr(assets, "data_folder", lambda: tmp_path)
    monkeypatch.setattr(measure, "SEEDS", (0, 1))
    lite = dataclasses.replace(profiles.LITE, cells=RECIPES)
    monkeypatch.setattr(profiles, "LITE", lite)
    monkeypatch.setattr(profiles, "named", lambda name: lite)
    monkeypatch.setattr(profiles, "current", lambda: lite)
    return tmp_path


TESTS = {("random", 0): TEST, ("random", 1): TEST}


SHAPE = {"pixels": profiles.LITE.image_size, "stages": profiles.LITE.image_stages}


def run(asked, tests=TESTS, shape=SHAPE):
    def make(split, arm, weights, seed):
        asked.append(seed)
        return Oracle(seed), types.SimpleNamespace(seconds=1.0)

    return list(measure._measure("cells", RUNS, tests, make, RECIPES, shape))


def test_another_profile_s_results_have_a_file_of_their_own(folder, monkeypatch):
    run([])
    full = dataclasses.replace(profiles.current(), name="full")
    monkeypatch.setattr(profiles, "current", lambda: full)
    asked = []
    run(asked)
    assert asked and {path.name for path in (folder / "measured").glob("*.json")} == {
        "cells.json",
        "full_cells.json",
    }
    assert measure.load("cells").keys() == measure.load("cells", profile="full").keys()


def test_answers_survive_the_file(folder):
    run([])
    arm = measure.load("cells")["random", "head", "random"]
    np.testing.assert_array_equal(arm.answers, [[0, 1, 1, 0], [1, 1, 1, 0]])
    np.testing.assert_array_equal(arm.right, [[1, 1, 1, 1], [0, 1, 1, 1]])
    np.testing.assert_array_equal(arm.groups, [0, 0, 1, 2])
    assert arm.recipe == dataclasses.asdict(RECIPES["head"])


def test_a_network_of_another_shape_is_measured_anew(folder):
    asked = []
    run(asked)
    run(asked)
    run(asked, shape={"pixels": 128, "stages": 3})
    assert asked == [0, 1, 0, 1]
    with pytest.raises(errors.DataError, match="networks of .*got {'pixels': 128, 'stages': 3}"):
        measure.load("cells")


def test_each_seed_counts_on_its_own_test_split(folder):
    """Seed 1 is asked other samples: sample 0 is not among them, and sample 4 is new."""
    other = four_samples("4231", [1, 1, 0, 0], "dbca", "e")
    run([], {("random", 0): TEST, ("random", 1): other})
    arm = measure.load("cells")["random", "head", "random"]
    np.testing.assert_array_equal(arm.labels, [0, 1, 1, 0, 1])
    np.testing.assert_array_equal(arm.groups, [0, 0, 1, 2, 3])
    # Oracle 0 answers 0, 1, 1, 0 to samples 0 to 3; oracle 1 answers 1, 1, 1, 0 to samples 4, 2, 3, 1
    np.testing.assert_array_equal(arm.answers, [[0, 1, 1, 0, -1], [-1, 0, 1, 1, 1]])
    np.testing.assert_array_equal(arm.right[0], [1, 1, 1, 1, np.nan])
    np.testing.assert_array_equal(arm.right[1], [np.nan, 0, 1, 0, 1])
    accuracy = measure.accuracy(arm)
    assert accuracy.value == pytest.approx((4 / 4 + 2 / 4) / 2)
    assert accuracy.low <= accuracy.value <= accuracy.high
    f1 = (2 * 0 / (0 + 2), 2 * 2 / (2 * 2 + 1 + 1))  # seed 1: class 0 never right; class 1 two of three
    assert measure.macro_f1(arm).value == pytest.approx((1 + np.mean(f1)) / 2)
    assert measure.difference(arm, arm).value == 0


def test_a_second_run_goes_on_where_the_first_stopped(folder):
    first, second = [], []
    run(first)
    path = folder / "measured" / "cells.json"
    stored = json.loads(path.read_text())
    stored["runs"] = stored["runs"][:1]
    path.write_text(json.dumps(stored))
    run(second)
    assert (first, second) == ([0, 1], [1])


def test_an_arm_without_its_last_seed_is_left_out(folder):
    run([])
    path = folder / "measured" / "cells.json"
    stored = json.loads(path.read_text())
    path.write_text(json.dumps(stored | {"runs": stored["runs"][:1]}))
    assert measure.load("cells") == {}


def test_results_of_other_recipes_are_refused(folder, monkeypatch):
    run([])
    other = dataclasses.replace(
        profiles.LITE, cells={"head": dataclasses.replace(RECIPES["head"], epochs=99)}
    )
    monkeypatch.setattr(profiles, "named", lambda name: other)
    with pytest.raises(errors.DataError, match="measured by today's recipes, got other ones for head"):
        measure.load("cells")


def test_missing_results_name_the_command(folder):
    with pytest.raises(errors.DataError, match="run make measure"):
        measure.load("reviews")


def test_macro_f1_of_a_worked_case():
    answers, labels = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    # class 0: 2·1/(2+1) = 2/3; class 1: 2·2/(2+3) = 4/5
    assert measure._macro_f1(answers, labels) == pytest.approx((2 / 3 + 4 / 5) / 2)


def test_estimates_of_a_worked_case(folder):
    run([])
    arm = measure.load("cells")["random", "head", "random"]
    assert measure.accuracy(arm).value == pytest.approx(7 / 8)
    assert measure.difference(arm, arm).value == 0
    assert measure.macro_f1(arm).value == pytest.approx((1 + _second()) / 2)


def _second():
    """Seed 1 answers 1, 1, 1, 0 to 0, 1, 1, 0: F1 of class 0 is 2·1/(1+2), of class 1 is 2·2/(3+2)."""
    return (2 / 3 + 4 / 5) / 2


def test_the_table_has_a_row_an_arm_and_no_gain_without_two_starts(folder):
    run([])
    assert list(measure.table())[2:] == [
        f"| cells, random | head | random | {measure.accuracy(_only())} | {measure.macro_f1(_only())} |  |"
    ]


def _only():
    (arm,) = measure.load("cells").values()
    return arm


def test_the_picture_is_a_png(folder):
    run([])
    measure.picture()
    assert (folder / "measured" / "arms.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_measured_result_can_be_made_again():
    """The cheapest arm, trained anew, answers as the stored one did; other processors may round otherwise."""
    from trustlib import tasks

    stored = measure.load("cells")["random", "head", profiles.LITE.image_weights]
    classifier, _ = models.cell_inspector("head", seed=0, keep=False)
    test = tasks.solar_cells().test
    answers = classifier.predict_proba(test.inputs).argmax(axis=1)[np.argsort(test.ids)]
    asked = stored.answers[0] >= 0  # the stored samples stand in the order of their ids
    assert np.mean(answers == stored.answers[0][asked]) > 0.97


STORED = sorted(path.stem for path in (assets.data_folder() / "measured").glob("*.json"))


@pytest.mark.parametrize("case", STORED)
def test_stored_results_are_those_of_todays_recipes_and_test_splits(case):
    from trustlib import tasks

    arms = measure.load(case)
    assert arms
    for seed in measure.SEEDS:
        for split in {split for split, _, _ in arms}:
            task = tasks.solar_cells(split=split, seed=seed) if case == "cells" else tasks.movie_reviews()
            in_order = np.argsort(task.test.ids)
            for (kind, _, _), arm in arms.items():
                if kind == split:
                    asked = arm.answers[seed] >= 0
                    np.testing.assert_array_equal(arm.labels[asked], task.test.labels[in_order])

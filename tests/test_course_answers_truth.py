import numpy as np
from scipy.stats import spearmanr

from trustlib import explain, faithfulness
from trustlib.course import answers_truth


def seen(values, row):
    names = [f"x{i}" for i in range(len(values))]
    zeros = np.zeros(len(values))
    return explain.Explanation(np.array(values), 0.0, 0.9, 1, names, zeros, 0.0, 0, 0, "by hand", row)


def test_the_area_of_one_feature_that_decides_is_half_a_step():
    assert answers_truth.area([1, 0, 0, 0, 0]) == 1 / 8
    assert answers_truth.area([0.7, 0.7, 0.7]) == 0.7


def test_the_area_is_that_of_deletion():
    row = np.array([0.4, 0.1, 0.3])
    curve = faithfulness.deletion(
        lambda rows: np.c_[1 - rows.sum(axis=1), rows.sum(axis=1)], row, seen(row, row), baseline=np.zeros(3)
    )
    assert np.isclose(answers_truth.area(curve.answers), curve.area.score)


def test_the_place_is_the_rank_that_faithfulness_gives():
    rng = np.random.default_rng(0)
    for _ in range(20):
        values, true = rng.normal(size=9), rng.permutation(9) < 2
        assert answers_truth.place(values, true) == faithfulness.rank(values, true)


def test_an_explanation_beats_every_order_of_itself_but_its_own_and_its_mirror_none():
    values, orders = np.array([0.5, -0.2, 0.1, 0.3]), [(0, 1, 2, 3), (3, 2, 1, 0), (1, 0, 3, 2), (2, 3, 0, 1)]
    assert answers_truth.beaten(values, values, orders) == 0.75
    assert answers_truth.beaten(values, -values, orders) == 0


def test_what_is_beaten_is_what_ranks_say():
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(2, 12))
    orders = [rng.permutation(12) for _ in range(50)]
    by_scipy = spearmanr(first, second).statistic
    below = [spearmanr(first, second[order]).statistic < by_scipy for order in orders]
    assert answers_truth.beaten(first, second, orders) == np.mean(below)

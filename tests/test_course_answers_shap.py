from itertools import permutations

import numpy as np

from trustlib import explain
from trustlib.course import answers_shap


def gloves(masks):
    return np.minimum(masks[:, 0], masks[:, 1] | masks[:, 2]).astype(float)


def risk(rows):
    return 1 / (1 + np.exp(-rows[:, 0] * rows[:, 1] + rows[:, 2]))


def test_mean_sizes_are_those_of_global_importance():
    values = np.random.default_rng(0).normal(size=(12, 3))
    found = explain.global_importance(
        [
            explain.Explanation(row, 0, 0, 1, tuple("abc"), np.zeros(3), np.nan, 0, 0, "shap", row)
            for row in values
        ]
    )
    expected = [found.estimates[name].value for name in "abc"]
    np.testing.assert_allclose(answers_shap.mean_sizes(values), expected)


def test_over_all_orders_the_credit_is_the_shapley_value():
    found = answers_shap.over_orders(gloves, 3, list(permutations(range(3))))
    np.testing.assert_allclose(found, [2 / 3, 1 / 6, 1 / 6])


def test_over_one_order_each_gets_what_they_add_and_the_sum_is_what_all_achieve():
    np.testing.assert_array_equal(answers_shap.over_orders(gloves, 3, [(1, 0, 2)]), [1, 0, 0])
    some = [(0, 2, 1), (2, 1, 0), (1, 2, 0)]
    assert np.isclose(answers_shap.over_orders(gloves, 3, some).sum(), 1)


def test_the_shapley_values_of_worth_are_those_of_shap_table():
    rng = np.random.default_rng(0)
    row, background = rng.normal(size=3), rng.normal(size=(9, 3))

    def game(masks):
        return np.array([answers_shap.worth(risk, row, background, mask) for mask in masks])

    ours = explain.shap_table(
        lambda rows: np.stack([1 - risk(rows), risk(rows)], axis=1), row, background=background, target=1
    )
    np.testing.assert_allclose(explain.shapley.exact(game, 3).values, ours.values, atol=1e-12)
    assert np.isclose(game(np.zeros((1, 3), dtype=bool))[0], ours.base_value)

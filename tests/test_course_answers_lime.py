import numpy as np
import pytest
from sklearn.linear_model import Ridge

from trustlib import explain
from trustlib.course import answers_lime


def test_weight_is_the_kernel_at_the_cosine_distance_of_the_kept_words():
    assert answers_lime.weight(9, 16, width=25) == pytest.approx(np.exp(-0.5))  # 100 (1 - 3/4) = 25
    assert answers_lime.weight(16, 16, width=25) == 1
    assert answers_lime.weight(4, 16, width=100) == pytest.approx(np.exp(-(0.5**2) / 2))


def test_ridge_leaves_the_intercept_free_and_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    masks, answers, weights = rng.random((50, 4)) < 0.5, rng.random(50), rng.random(50)
    theirs = Ridge(alpha=3).fit(masks, answers, sample_weight=weights)
    assert answers_lime.ridge(masks, answers, weights, 3) == pytest.approx(theirs.coef_)
    assert answers_lime.ridge(masks, answers + 7, weights, 3) == pytest.approx(theirs.coef_)


def test_samples_are_those_that_samples_needed_finds_for_the_largest_of_two():
    values, covariance = np.array([0.3, -0.28]), np.array([[4e-4, 1e-4], [1e-4, 5e-4]])
    pilot = explain.Explanation(
        *(values, 0, 0, 0, ("a", "b"), np.sqrt(np.diag(covariance)), 1, 200, 0, "lime", np.zeros(2)),
        covariance=covariance,
        n_samples=200,
    )
    found = answers_lime.samples(values, covariance, 200)
    assert found == pytest.approx(200 * 1.96**2 * (4e-4 + 5e-4 + 2e-4) / 0.02**2)
    assert explain.samples_needed(pilot, 1, level=0.975).n == pytest.approx(found, rel=0.01)


def test_samples_look_at_the_two_largest_sizes_whatever_their_signs_and_places():
    covariance = np.diag([1.0, 4.0, 9.0]) / 1e4
    found = answers_lime.samples(np.array([0.01, -0.5, 0.4]), covariance, 100)
    assert found == pytest.approx(100 * 1.96**2 * 13e-4 / 0.1**2)

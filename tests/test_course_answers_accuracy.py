import numpy as np
import pytest
from sklearn.metrics import f1_score

from trustlib.course import answers_accuracy


def test_f1_is_scikit_learns_for_each_class():
    true, answered = [0, 0, 0, 1, 1, 2, 2, 2], [0, 1, 0, 1, 2, 2, 2, 0]
    confusion = np.zeros((3, 3), dtype=int)
    np.add.at(confusion, (true, answered), 1)
    expected = f1_score(true, answered, average=None)
    np.testing.assert_allclose([answers_accuracy.f1(confusion, label) for label in range(3)], expected)


@pytest.mark.parametrize(("difference", "churn"), [(0.01, 0.08), (0.02, 0.08), (0.05, 0.2), (0.1, 0.1)])
def test_with_the_samples_needed_a_difference_is_just_as_large_as_its_reach(difference, churn):
    n = answers_accuracy.samples_needed(difference, churn)
    only_a, only_b = (churn + difference) / 2, (churn - difference) / 2

    def reach(n):
        return 1.96 * np.sqrt((only_a + only_b - (only_a - only_b) ** 2) / n)

    assert reach(n) <= difference + 1e-12 and reach(n - 1) > difference


def test_with_the_selection_inside_coins_stay_coins_and_a_signal_is_found():
    rng = np.random.default_rng(0)
    noise, coins = rng.normal(size=(80, 1000)), rng.permutation([0, 1] * 40)
    assert 0.3 < answers_accuracy.accuracy_with_selection_inside(noise, coins) < 0.7
    noise[:, 7] += 5 * coins
    assert answers_accuracy.accuracy_with_selection_inside(noise, coins) > 0.9

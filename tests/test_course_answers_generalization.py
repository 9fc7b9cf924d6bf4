import numpy as np
import pytest

from trustlib import generalization
from trustlib.course import answers_generalization
from trustlib.predictions import Predictions


def test_the_gap_in_error_is_the_librarys():
    rng = np.random.default_rng(0)
    train, test = (
        Predictions(np.eye(2)[rng.integers(2, size=n)], rng.integers(2, size=n), ("a", "b")) for n in (40, 70)
    )
    right = [side.probs.argmax(axis=1) == side.labels for side in (train, test)]
    assert answers_generalization.gap(*right) == pytest.approx(generalization.gap(train, test).error.value)


@pytest.mark.parametrize(
    ("losses", "patience", "kept"),
    [([3, 2, 1], 1, 2), ([1, 2, 0], 1, 0), ([1, 2, 0], 2, 2), ([2, 1, 1, 1, 0], 2, 1), ([5], 3, 0)],
)
def test_early_stopping_keeps_the_best_epoch_that_it_saw(losses, patience, kept):
    assert answers_generalization.kept_epoch(np.array(losses), patience) == kept


def test_with_the_same_shares_nothing_drops_and_recalls_are_carried():
    confusion = np.array([[80, 20], [10, 40]])
    assert answers_generalization.drop_from_shares(confusion, np.array([2 / 3, 1 / 3])) == pytest.approx(0)
    # recalls of 0.8 in either class: no share of classes changes anything
    assert answers_generalization.drop_from_shares(confusion, np.array([0.1, 0.9])) == pytest.approx(0)
    uneven = np.array([[90, 10], [25, 25]])
    assert answers_generalization.drop_from_shares(uneven, np.array([0.5, 0.5])) == pytest.approx(
        115 / 150 - 0.7
    )

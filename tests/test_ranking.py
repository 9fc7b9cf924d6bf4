import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from trustlib import estimates, ranking


def limits(estimate):
    return estimate.low, estimate.high


def sample(n=400, seed=0):
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.3
    return np.round(rng.normal(size=n) + positive, 1), positive  # rounded, so that many scores are equal


def test_auroc_by_hand():
    # Pairs: 0.9 beats both; 0.8 ties with one and beats the other: (2 + 1.5) / 4.
    assert ranking.auroc([0.9, 0.8, 0.8, 0.1], [1, 1, 0, 0]).value == 3.5 / 4


@pytest.mark.parametrize("groups", [None, np.arange(400) // 4])
def test_auroc_agrees_with_scikit_learn(groups):
    scores, positive = sample()
    found = ranking.auroc(scores, positive, groups=groups)
    assert found.value == pytest.approx(roc_auc_score(positive, scores))
    assert found.n == 400
    expected = estimates.bootstrap(roc_auc_score, positive, scores, groups=groups)
    assert limits(found) == pytest.approx(limits(expected), abs=0.02)


def test_auroc_is_mirrored_by_the_sign_and_kept_by_any_growing_function():
    scores, positive = sample()
    found = ranking.auroc(scores, positive)
    assert ranking.auroc(-scores, positive).value == pytest.approx(1 - found.value)
    assert ranking.auroc(np.exp(scores), positive) == found


@pytest.mark.parametrize("grouped", [False, True])
def test_the_order_of_the_rows_does_not_matter(grouped):
    scores, positive = sample()
    groups = np.arange(400) // 8
    order = np.random.default_rng(1).permutation(400)
    first = ranking.auroc(scores, positive, groups=groups if grouped else None)
    second = ranking.auroc(scores[order], positive[order], groups=groups[order] if grouped else None)
    assert first.value == pytest.approx(second.value)
    assert limits(first) == pytest.approx(limits(second), abs=0.01)


def test_a_perfect_order_of_few_is_not_certain():
    found = ranking.auroc([3.0, 2.0, 1.0, 0.0], [1, 1, 0, 0])
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(estimates.proportion(2, 2).low)


def test_one_positive_sample_says_little():
    found = ranking.auroc([3.0, 2.0, 1.0], [0, 1, 0])
    assert found.value == 0.5
    assert found.high - found.low > 0.8


def test_joined_steps_move_nothing_that_is_shown():
    rng = np.random.default_rng(2)
    positive = rng.random(60_000) < 0.5
    scores = rng.normal(size=60_000) + positive
    step = ranking.order(scores)
    joined = ranking.coarse(step)
    assert joined.max() + 1 <= ranking.STEPS
    assert (np.diff(joined[np.argsort(step)]) >= 0).all()
    found = ranking.auroc(scores, positive)
    assert found.value == pytest.approx(roc_auc_score(positive, scores))
    rough = ranking.auroc(-joined.astype(float), positive)
    assert found.value == pytest.approx(rough.value, abs=1e-3)
    assert found.low < found.value < found.high < found.low + 0.01


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ranking.auroc([1.0, 2.0], [1, 1]), "samples of both kinds, got 2 positive of 2"),
        (lambda: ranking.auroc([1.0, 2.0], [0, 0]), "got 0 positive of 2"),
        (lambda: ranking.auroc([1.0, np.nan], [0, 1]), "finite scores, got nan at position 1"),
        (lambda: ranking.auroc([[1.0, 2.0]], [0, 1]), r"scores of shape \(n,\) with n >= 2, got \(1, 2\)"),
        (lambda: ranking.auroc([1.0], [1]), r"n >= 2, got \(1,\)"),
        (lambda: ranking.auroc([1.0, 2.0], [0, 1, 1]), "expected 2 positive, got 3"),
        (lambda: ranking.auroc([1.0, 2.0], [0.0, 1.0]), "expected positive as integers"),
        (lambda: ranking.auroc([1.0, 2.0], [0, 1], groups=["a", "a"]), "at least 2 groups"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()

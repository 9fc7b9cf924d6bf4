import numpy as np
import pytest
from scipy.stats import binomtest

from trustlib import accuracy, estimates
from trustlib.intervals import wilson_limits


def sure(answers, k=2):
    return np.eye(k)[np.asarray(answers)]


def limits(estimate):
    return estimate.low, estimate.high


def paired(both, only_a, only_b, neither):
    """Two models' answers to samples of class 0, from the four counts."""
    a = [0] * both + [0] * only_a + [1] * only_b + [1] * neither
    b = [0] * both + [1] * only_a + [0] * only_b + [1] * neither
    return accuracy.compare(sure(a, 2), sure(b, 2), [0] * len(a))


# Newcombe (1998), Table III, rows of method 10, which prints four decimals with z = 1.96; as other
# implementations quote them. The last row is 59, 6, 16, 80 of Cavo et al. (2012), as worked out in
# Fagerland, Lydersen & Laake (2017), chapter 8.
PUBLISHED = {
    (36, 12, 2, 0): (0.0569, 0.3404),
    (20, 12, 2, 16): (0.0562, 0.3292),
    (36, 14, 0, 0): (0.1528, 0.4167),
    (18, 14, 0, 18): (0.1441, 0.3963),
    (1, 97, 1, 1): (0.8736, 0.9850),
    (0, 29, 1, 0): (0.6666, 0.9882),
    (2, 98, 0, 0): (0.9178, 0.9945),
    (0, 30, 0, 0): (0.8395, 1.0),
    (54, 0, 0, 0): (-0.0664, 0.0664),
    (53, 0, 0, 1): (-0.0729, 0.0729),
    (30, 0, 0, 24): (-0.0358, 0.0358),
    (59, 6, 16, 80): (-0.1186, -0.0046),
}


@pytest.mark.parametrize("counts", PUBLISHED)
def test_the_difference_has_newcombes_published_interval(counts):
    result = paired(*counts)
    assert limits(result.difference) == pytest.approx(PUBLISHED[counts], abs=1.01e-4)
    assert result.difference.value == pytest.approx((counts[1] - counts[2]) / sum(counts))
    assert (result.only_a_right, result.only_b_right) == counts[1:3]


@pytest.mark.parametrize(("only_a", "only_b"), [(12, 2), (5, 5), (0, 3), (40, 61)])
def test_the_p_value_is_the_exact_binomial_one(only_a, only_b):
    expected = binomtest(only_a, only_a + only_b, 0.5).pvalue
    assert paired(20, only_a, only_b, 7).p_value == pytest.approx(expected)


def test_mcnemar_by_hand():
    # Four samples tell the models apart, all for a: two-sided, 2 x 0.5^4.
    assert paired(3, 4, 0, 1).p_value == pytest.approx(0.125)


def test_equal_models_are_not_told_apart():
    rng = np.random.default_rng(0)
    probs, labels = rng.dirichlet(np.ones(4), size=500), rng.integers(0, 4, 500)
    result = accuracy.compare(probs, probs, labels)
    assert (result.difference.value, result.p_value) == (0.0, 1.0)
    assert result.difference.low < 0 < result.difference.high


def test_swapping_the_models_mirrors_the_comparison():
    first, second = paired(20, 9, 3, 5), paired(20, 3, 9, 5)
    assert limits(first.difference) == pytest.approx((-second.difference.high, -second.difference.low))
    assert first.p_value == second.p_value


def disagreeing(n_groups=40, size=5, seed=0):
    """Two models; which of them is right is decided by the group."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_groups), size)
    kind = rng.choice(4, p=[0.6, 0.2, 0.1, 0.1], size=n_groups)[groups]
    return sure(np.isin(kind, [2, 3]).astype(int)), sure(np.isin(kind, [1, 3]).astype(int)), groups


def test_copies_in_one_group_add_no_certainty_to_a_difference():
    a, b, groups = disagreeing()
    labels = np.zeros(200, dtype=int)
    copies = accuracy.compare(a, b, labels, groups=groups)
    once = accuracy.compare(a[::5], b[::5], labels[::5])
    naive = accuracy.compare(a, b, labels)
    assert copies.difference.value == once.difference.value == naive.difference.value
    assert limits(copies.difference) == pytest.approx(limits(once.difference), abs=0.015)
    assert naive.difference.high - naive.difference.low < 0.55 * (
        copies.difference.high - copies.difference.low
    )
    assert copies.p_value == pytest.approx(once.p_value, abs=0.02)
    assert naive.p_value < copies.p_value / 5


def test_groups_of_one_are_no_groups():
    rng = np.random.default_rng(3)
    a, b = sure(rng.integers(0, 2, 300)), sure(rng.integers(0, 2, 300))
    labels = rng.integers(0, 2, 300)
    alone, grouped = accuracy.compare(a, b, labels), accuracy.compare(a, b, labels, groups=np.arange(300))
    assert limits(grouped.difference) == pytest.approx(limits(alone.difference), abs=0.002)
    assert grouped.p_value == pytest.approx(alone.p_value, abs=0.02)


def test_equal_answers_in_groups_are_not_told_apart():
    a, _, groups = disagreeing()
    result = accuracy.compare(a, a, np.zeros(200, dtype=int), groups=groups)
    assert (result.difference.value, result.p_value) == (0.0, 1.0)
    assert result.difference.low < -0.01 < 0.01 < result.difference.high


def test_churn_by_hand():
    # Answers differ on one of four samples, whatever is true.
    assert accuracy.churn(sure([0, 0, 1, 1]), sure([0, 1, 1, 1])) == estimates.proportion(1, 4)
    assert accuracy.churn(sure([0, 1]), [[0.6, 0.4], [0.4, 0.6]]).value == 0.0


def test_churn_is_at_least_the_difference_in_accuracy():
    rng = np.random.default_rng(4)
    a, b, labels = (rng.integers(0, 3, 400) for _ in range(3))
    found = accuracy.compare(sure(a, 3), sure(b, 3), labels)
    churn = accuracy.churn(sure(a, 3), sure(b, 3))
    assert churn.value >= abs(found.difference.value)
    assert churn == accuracy.churn(sure(b, 3), sure(a, 3))
    assert churn.value * 400 >= found.only_a_right + found.only_b_right


def test_churn_in_groups_counts_the_groups():
    a, b, groups = disagreeing()
    found = accuracy.churn(a, b, groups=groups)
    low, high = wilson_limits(found.value, 40, df=39)
    assert limits(found) == pytest.approx((low, high), abs=0.01)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: accuracy.compare(sure([0, 1]), [[0.2, 0.3, 0.5]] * 2, [0, 1]),
            "probs_a and probs_b of one shape",
        ),
        (lambda: accuracy.compare(sure([0, 1]), sure([0, 1, 1]), [0, 1]), "of one shape"),
        (lambda: accuracy.compare(sure([0, 1]), [[2, 3], [1, 0]], [0, 1]), "expected probs_b"),
        (lambda: accuracy.compare([[np.nan, 1], [1, 0]], sure([0, 1]), [0, 1]), "finite probs_a"),
        (lambda: accuracy.compare(sure([0, 1]), sure([0, 1]), [0, 2]), "labels from 0 to 1"),
        (lambda: accuracy.compare(sure([0, 1]), sure([0, 1]), [0]), "expected 2 labels, got 1"),
        (lambda: accuracy.compare(sure([0]), sure([0]), [0]), "at least 2 rows"),
        (lambda: accuracy.compare([[1.0]] * 2, [[1.0]] * 2, [0, 0]), "2 classes, got"),
        (lambda: accuracy.compare(np.empty((0, 2)), np.empty((0, 2)), []), r"got \(0, 2\)"),
        (lambda: accuracy.compare(sure([0, 1]), sure([0, 1]), [0, 1], groups=[1, 1]), "at least 2 groups"),
        (lambda: accuracy.churn(sure([0, 1]), sure([0, 1, 1])), "of one shape"),
        (lambda: accuracy.churn(sure([0, 1]), [[0.5, 0.6]] * 2), "rows of probs_b that sum to 1"),
        (lambda: accuracy.churn(sure([0]), sure([0])), "at least 2 rows"),
        (
            lambda: accuracy.churn(sure([0, 1]), sure([0, 1]), groups=[0.5, 1]),
            "groups as integers or strings",
        ),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()

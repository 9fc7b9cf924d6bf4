"""Agreement of explanations, and scores beside their controls."""

import numpy as np
import pytest
from explained import WEIGHTS, of_picture, of_row, of_text
from scipy.stats import spearmanr

from trustlib import faithfulness
from trustlib.faithfulness.control import beside


def agree(a, b, **options):
    return faithfulness.agreement(of_row(a, np.zeros(len(a))), of_row(b, np.zeros(len(b))), **options)


def test_agreement_by_hand():
    # Ranks 4 3 1 2 and 4 1 2 3: 1 - 6 (0 + 4 + 1 + 1) / (4 x 15) = 0.4. By magnitude the first two are
    # features 0 and 2 here, 0 and 3 there; feature 0 has the same sign in both.
    found = agree([0.9, 0.2, -0.5, 0.1], [0.6, -0.2, -0.1, 0.3], k=2)
    assert found.spearman.score == pytest.approx(0.4)
    assert (found.overlap.score, found.signs.score, found.k) == (0.5, 0.5, 2)


def test_signs_count_where_both_have_the_feature_on_top():
    found = agree([0.9, 0.2, -0.5, 0.1], [-0.9, 0.2, -0.5, 0.1], k=2)
    assert (found.overlap.score, found.signs.score) == (1.0, 0.5)


@pytest.mark.parametrize("seed", range(5))
def test_the_rank_correlation_is_scipys_with_ties_too(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 6, 20), rng.integers(0, 6, 20)
    assert agree(a, b).spearman.score == pytest.approx(spearmanr(a, b).statistic)


def test_quantus_finds_the_same_overlap():
    # Quantus 0.6.0, TopKIntersection(k=4, abs=False) of these attributions with a mask of 2 x 2 pixels: 0.75.
    given = np.array([[0.5, -0.1, 0.2, 0.1], [-0.3, 1.0, -0.2, 0.0], [0.11, 0.3, 0.9, -0.6]]).ravel()
    inside = np.array([[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0]], dtype=bool).ravel()
    # Overlap goes by magnitude; Quantus by value. Negative values are made small, their order kept.
    found = agree(np.where(given < 0, given / 100, given), inside + np.linspace(0, 0.01, 12), k=4)
    assert found.overlap.score == 0.75


def test_an_explanation_agrees_with_itself_even_where_features_tie():
    found = agree([0, 0, 0, 0.5, 0, 0, 0, 0.25], [0, 0, 0, 0.5, 0, 0, 0, 0.25], k=4)
    assert found.spearman.score == found.overlap.score == found.signs.score == 1
    assert found.spearman.beats.value > 0.9


def test_the_opposite_has_rank_correlation_minus_one_and_no_sign_in_common():
    found = agree(WEIGHTS, -WEIGHTS, k=4)
    assert found.spearman.score == -1
    assert (found.overlap.score, found.signs.score) == (1, 0)
    assert found.spearman.beats.value < 0.01


def test_the_controls_are_permutations_of_the_second_explanation():
    found = agree(WEIGHTS, WEIGHTS, k=2, n_draws=20_000)
    # Top 2 of 8 against 2 drawn of 8: hypergeometric, mean 2/8; variance of Spearman is 1 / (m - 1).
    assert found.overlap.controls.mean() == pytest.approx(0.25, abs=0.01)
    assert found.spearman.controls.mean() == pytest.approx(0, abs=0.01)
    assert found.spearman.controls.var() == pytest.approx(1 / 7, rel=0.05)
    assert set(np.unique(found.overlap.controls)) == {0, 0.5, 1}


def test_shuffled_attributions_are_at_chance():
    rng = np.random.default_rng(0)
    found = [agree(WEIGHTS, rng.permutation(WEIGHTS), seed=i) for i in range(200)]
    for name in ("spearman", "overlap", "signs"):
        over_inputs = faithfulness.across([getattr(each, name) for each in found])
        apart = over_inputs.scores - over_inputs.controls
        assert abs(apart.mean()) < 3.5 * apart.std() / np.sqrt(len(apart))
        beats = np.mean([getattr(each, name).beats.value for each in found])
        assert abs(beats - 0.5) < 0.065


def test_a_constant_explanation_is_undefined():
    found = agree([0.1] * 8, WEIGHTS)
    for score in (found.spearman, found.overlap, found.signs):
        assert not score.defined
        assert np.isnan(score.score)
        assert score.beats.n == 0


def test_the_default_k_is_five_and_at_most_half():
    assert agree(WEIGHTS, WEIGHTS).k == 4
    assert agree([1, 2], [1, 2]).k == 1
    assert agree(np.arange(40), np.arange(40)).k == 5


def test_the_same_seed_gives_the_same_controls():
    one, two = (agree(WEIGHTS, WEIGHTS[::-1], seed=3) for _ in range(2))
    np.testing.assert_array_equal(one.spearman.controls, two.spearman.controls)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: agree([1, 2], [1, 2, 3]), "same features in both explanations, got 2 and 3"),
        (
            lambda: faithfulness.agreement(
                of_picture(WEIGHTS),
                of_picture(WEIGHTS, segments=of_picture(WEIGHTS).features.T.reshape(8, 16)),
            ),
            "same features in both",
        ),
        (lambda: faithfulness.agreement(of_text(WEIGHTS), of_picture(WEIGHTS)), "same features in both"),
        (
            lambda: faithfulness.agreement(of_text(WEIGHTS), of_text(WEIGHTS, target=0)),
            "explanations of one class, got 1 and 0",
        ),
        (lambda: agree(WEIGHTS, WEIGHTS, k=9), "k up to the number of features, 8, got 9"),
        (lambda: agree(WEIGHTS, WEIGHTS, k=0), "k as a whole number"),
        (lambda: agree([1], [1]), r"shape \(n,\) with n >= 2"),
        (lambda: agree([1, np.inf], [1, 2]), "finite values of first"),
        (lambda: agree(WEIGHTS, WEIGHTS, n_draws=0), "n_draws"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Beside a control


def test_ties_with_the_control_count_half():
    assert beside(0.5, [0.5] * 10).beats.value == 0.5
    assert beside(0.5, [0.4, 0.6, 0.6, 0.6]).beats.value == 0.25
    assert beside(0.5, [0.4, 0.6, 0.6, 0.6], lower_is_better=True).beats.value == 0.75
    assert beside(0.5, [0.4]).beats.n == 1


def test_scores_across_inputs_by_hand():
    found = faithfulness.across([beside(1, [0, 1]), beside(0, [0, 0]), beside(1, [0.5, 0.5])])
    assert found.score.value == pytest.approx(2 / 3)
    assert (found.score.low, found.score.high) == pytest.approx((0.2077, 0.9385), abs=1e-4)  # Wilson
    assert found.control.value == pytest.approx(1 / 3)
    assert found.difference.value == pytest.approx(1 / 3)
    assert found.controls.tolist() == [0.5, 0, 0.5]


def test_inputs_without_a_score_are_left_out_and_counted():
    found = faithfulness.across(
        [beside(np.nan, [np.nan]), beside(0.3, [0.1]), beside(0.5, [0.1])], groups=["a", "b", "c"]
    )
    assert found.n_undefined == 1
    assert found.score.value == pytest.approx(0.4)
    assert found.score.n == 2


def test_groups_widen_what_hangs_together():
    rng = np.random.default_rng(1)
    of_group = np.repeat(rng.normal(size=12), 10)
    results = [beside(score, [0.0]) for score in of_group]
    alone = faithfulness.across(results).difference
    grouped = faithfulness.across(results, groups=np.arange(120) // 10).difference
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)


def test_nothing_can_be_said_across_one_input():
    with pytest.raises(ValueError, match="at least 2 inputs whose score is defined, got 1 of 2"):
        faithfulness.across([beside(0.5, [0.1]), beside(np.nan, [0.1])])

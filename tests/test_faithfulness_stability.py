"""Stability of explanations across seeds and under small noise."""

from itertools import combinations

import numpy as np
import pytest
from explained import PICTURE, SEGMENTS, TEXT, WEIGHTS, of_picture, of_pictures, of_row, of_text, of_texts
from scipy.stats import spearmanr

from trustlib import faithfulness


def steady(predict_proba, row, seed):
    """The true attributions, with any seed."""
    return of_row(WEIGHTS * row, row, n_calls=10)


def fickle(spread):
    """An explainer whose values are the true ones and noise of its seed."""

    def explain(predict_proba, row, seed):
        drawn = np.random.default_rng(seed).normal(0, spread, 8)
        return of_row(WEIGHTS * row + drawn, row, seed=seed, n_calls=10)

    return explain


ROW = np.ones(8)


def test_what_does_not_change_agrees_fully():
    found = faithfulness.stability(steady, None, ROW, sigma=1e-6)
    for repeats in (found.over_seeds, found.under_noise):
        assert repeats.spearman.score == repeats.overlap.score == 1
        assert repeats.spearman.beats.value == 1
        assert repeats.spearman.estimate.low == 1
    assert len(found.of_seeds) == len(found.of_noise) == 5
    assert found.n_calls == 100


def test_agreement_across_seeds_is_the_mean_over_pairs():
    found = faithfulness.stability(fickle(0.05), None, ROW, seeds=(3, 4, 5, 6), k=2).over_seeds
    values = [fickle(0.05)(None, ROW, seed).values for seed in (3, 4, 5, 6)]
    pairs = list(combinations(values, 2))
    expected = [spearmanr(a, b).statistic for a, b in pairs]
    np.testing.assert_allclose(found.spearmans, expected)
    assert found.spearman.score == pytest.approx(np.mean(expected))
    overlaps = [len(set(np.argsort(-np.abs(a))[:2]) & set(np.argsort(-np.abs(b))[:2])) / 2 for a, b in pairs]
    np.testing.assert_allclose(found.overlaps, overlaps)
    assert found.spearman.estimate.n == 4
    assert found.spearman.estimate.low <= found.spearman.score <= found.spearman.estimate.high <= 1


def test_noise_alone_is_at_chance_and_less_noise_is_better():
    seeds = range(12)
    chance = faithfulness.stability(fickle(100), None, ROW, seeds=seeds).over_seeds.spearman
    some = faithfulness.stability(fickle(0.03), None, ROW, seeds=seeds).over_seeds.spearman
    assert abs(chance.score) < 0.15
    assert chance.estimate.low < 0 < chance.estimate.high
    assert some.estimate.low > 0.3
    assert some.beats.value == 1


def test_across_many_inputs_shuffled_explanations_are_at_chance():
    rng = np.random.default_rng(0)

    def shuffled(predict_proba, row, seed):
        return of_row(rng.permutation(WEIGHTS), row)

    found = [
        faithfulness.stability(shuffled, None, ROW, seeds=(0, 1), seed=i).over_seeds.spearman
        for i in range(150)
    ]
    over_inputs = faithfulness.across(found)
    assert over_inputs.difference.low < 0 < over_inputs.difference.high


def test_the_interval_over_seeds_holds_the_expected_agreement():
    values = [fickle(0.05)(None, ROW, seed).values for seed in range(1000, 1400)]
    among_all = spearmanr(np.transpose(values)).statistic
    truth = among_all[np.triu_indices(400, k=1)].mean()
    held = 0
    for i in range(60):
        seeds = range(10 * i, 10 * i + 10)
        found = faithfulness.stability(fickle(0.05), None, ROW, seeds=seeds, n_draws=1).over_seeds.spearman
        held += found.estimate.low <= truth <= found.estimate.high
    assert held >= 51  # of 60; at 95 % fewer happen in less than one of 10,000 runs


def test_noise_is_added_to_pictures_in_their_own_range():
    seen = []

    def explain(predict_proba, picture, seed):
        seen.append(picture)
        return of_picture(WEIGHTS, picture)

    grey = np.full_like(PICTURE, 128)
    faithfulness.stability(explain, of_pictures, grey, seeds=(0, 1), sigma=0.1)
    noisy = [picture.astype(float) for picture in seen[2:]]
    assert all(picture.dtype == np.uint8 for picture in seen)
    assert np.std(noisy) == pytest.approx(25.5, rel=0.1)
    assert (noisy[0] != noisy[1]).any()
    seen.clear()
    faithfulness.stability(explain, of_pictures, (grey / 255).astype(np.float32), seeds=(0, 1), sigma=0.1)
    assert seen[-1].dtype == np.float32
    assert np.std(seen[-1]) == pytest.approx(0.1, rel=0.2)
    assert 0 <= np.min(seen[2:]) and np.max(seen[2:]) <= 1


def test_an_explanation_of_the_answer_moves_with_a_noisy_answer_and_one_of_the_picture_does_not():
    def occlusion(predict_proba, picture, seed):
        hidden = np.stack([np.where((SEGMENTS == i)[..., None], 0, picture) for i in range(8)])
        values = predict_proba([picture])[0, 1] - predict_proba(hidden)[:, 1]
        return of_picture(values, picture)

    small = faithfulness.stability(occlusion, of_pictures, PICTURE, seeds=(0, 1), sigma=0.01).under_noise
    assert small.spearman.score > 0.95


def test_texts_have_neighbours_instead_of_noise():
    def explain(predict_proba, text, seed):
        return of_text(WEIGHTS, text)

    near = [TEXT.replace("one", "One"), TEXT.replace("two", "tow")]
    found = faithfulness.stability(explain, of_texts, TEXT, seeds=(0,), neighbours=near)
    assert found.over_seeds is None
    assert found.under_noise.spearman.score == 1
    with pytest.raises(ValueError, match="sigma to be None for a text"):
        faithfulness.stability(explain, of_texts, TEXT, sigma=0.1)


def test_constant_explanations_are_left_out_and_counted():
    def explain(predict_proba, row, seed):
        return of_row(WEIGHTS * (seed > 0), row)

    found = faithfulness.stability(explain, None, ROW, seeds=(0, 1, 2)).over_seeds
    assert found.n_undefined == 2
    assert found.spearman.score == 1
    nothing = faithfulness.stability(lambda p, row, seed: of_row(0 * row, row), None, ROW).over_seeds
    assert not nothing.spearman.defined
    assert nothing.n_undefined == 10
    assert nothing.spearman.estimate is None


def test_the_same_seed_gives_the_same_result():
    one, two = (faithfulness.stability(fickle(0.05), None, ROW, sigma=0.1, seed=7) for _ in range(2))
    assert one.under_noise.spearman.estimate == two.under_noise.spearman.estimate
    np.testing.assert_array_equal(one.over_seeds.spearman.controls, two.over_seeds.spearman.controls)


def _moving(predict_proba, row, seed):
    return of_row(row, row, target=seed)


def _more(predict_proba, row, seed):
    m = 8 if row is ROW else 9
    return of_row(np.arange(m), row)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: faithfulness.stability(steady, None, ROW, seeds=(1, 1)), "two different seeds"),
        (lambda: faithfulness.stability(steady, None, ROW, seeds=(1,)), "two different seeds"),
        (lambda: faithfulness.stability(steady, None, ROW, seeds=()), "two different seeds"),
        (lambda: faithfulness.stability(steady, None, ROW, neighbours=[ROW]), "two noisy inputs or more"),
        (lambda: faithfulness.stability(steady, None, ROW, seeds=(-1, 1)), "each seed as a whole number"),
        (lambda: faithfulness.stability(steady, None, ROW, sigma=0), "sigma above 0"),
        (lambda: faithfulness.stability(steady, None, ROW, k=9), "k up to the number of features"),
        (lambda: faithfulness.stability(_moving, None, ROW), "explanations of one class, got 0 and 1"),
        (lambda: faithfulness.stability(_more, None, ROW, sigma=0.1), "as many features with noise"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()

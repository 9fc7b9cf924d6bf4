"""Deletion and insertion: by hand, on additive models, beside Quantus, and against other baselines."""

import numpy as np
import pytest
from explained import CASES, PICTURE, WEIGHTS, of_picture, of_pictures, of_text, of_texts

from trustlib import faithfulness
from trustlib.errors import ModelError
from trustlib.explain import Explanation


def by_hand(weights, order):
    return np.append(0.4 + weights.sum(), 0.4 + weights.sum() - np.cumsum(weights[order]))


@pytest.mark.parametrize(("model", "explained", "baseline"), CASES.values(), ids=CASES)
def test_the_curves_of_an_additive_model_are_running_sums(model, explained, baseline):
    true = explained(WEIGHTS)
    order = np.argsort(-WEIGHTS)
    deleted = faithfulness.deletion(model, true.input, true, baseline=baseline)
    inserted = faithfulness.insertion(model, true.input, true, baseline=baseline)
    np.testing.assert_allclose(deleted.shares, np.arange(9) / 8)
    np.testing.assert_allclose(deleted.answers, by_hand(WEIGHTS, order))
    np.testing.assert_allclose(inserted.answers, np.append(0.4, 0.4 + np.cumsum(WEIGHTS[order])))
    heights = by_hand(WEIGHTS, order)
    assert deleted.area.score == pytest.approx(((heights[1:] + heights[:-1]) / 2).mean())


@pytest.mark.parametrize(("model", "explained", "baseline"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("measure", [faithfulness.deletion, faithfulness.insertion])
def test_the_truth_beats_every_random_order_and_its_reverse_none(measure, model, explained, baseline):
    options = {"baseline": baseline, "n_draws": 100}
    best = measure(model, explained(WEIGHTS).input, explained(WEIGHTS), **options)
    worst = measure(model, explained(-WEIGHTS).input, explained(-WEIGHTS), **options)
    assert best.area.beats.value == 1
    assert best.area.beats.low > 0.95
    assert worst.area.beats.value == 0


@pytest.mark.parametrize("measure", [faithfulness.deletion, faithfulness.insertion])
def test_shuffled_attributions_are_at_chance(measure):
    rng = np.random.default_rng(0)
    curves = []
    for seed in range(120):
        shuffled = of_text(rng.permutation(WEIGHTS))
        curves.append(measure(of_texts, shuffled.input, shuffled, seed=seed).area)
    beats = np.mean([area.beats.value for area in curves])
    assert abs(beats - 0.5) < 0.08  # three deviations of the mean of 120 uniform numbers
    found = faithfulness.across(curves)
    assert found.difference.low < 0 < found.difference.high
    assert found.score.n == 120


def test_over_many_inputs_the_truth_is_told_from_chance():
    rng = np.random.default_rng(1)
    areas = []
    for _ in range(30):
        kept = rng.random(8) < 0.7
        text = " ".join(np.array("one two three four five six seven eight".split())[kept])
        true = of_text(WEIGHTS[kept], text)
        areas.append(faithfulness.deletion(of_texts, text, true).area)
    found = faithfulness.across(areas, groups=np.arange(30) // 3)
    assert found.difference.high < 0
    assert found.difference.value == pytest.approx(np.mean(found.scores - found.controls))


def test_quantus_finds_the_same_curve():
    # Quantus 0.6.0, PixelFlipping(features_in_step=1, perturb_baseline="black", normalise=False) on a softmax
    # of one linear layer over 3 x 4 grey pixels; its "black" is the darkest pixel, 0.1. It leaves out step 0.
    weights = np.array([[0.9, -0.4, 0.3, 0.05], [-0.8, 1.2, 0.1, -0.2], [0.6, -0.1, 0.7, -0.5]])
    grey = np.array([[0.8, 0.6, 0.2, 0.9], [0.3, 1.0, 0.5, 0.4], [0.7, 0.1, 0.9, 0.6]])
    given = np.array([[0.5, -0.1, 0.2, 0.1], [-0.3, 1.0, -0.2, 0.0], [0.11, 0.3, 0.9, -0.6]])
    quantus = [
        (
            weights * grey,
            [0.764048, 0.632975, 0.49625, 0.407333, 0.400112, 0.39055]
            + [0.381072, 0.381072, 0.395321, 0.443986, 0.483756, 0.546119],
        ),
        (
            given,
            [0.764048, 0.649081, 0.49625, 0.49625, 0.488752, 0.400112]
            + [0.39055, 0.404922, 0.453881, 0.443986, 0.483756, 0.546119],
        ),
    ]

    def model(pictures):
        p = 1 / (1 + np.exp(-(pictures[..., 0] * weights).sum(axis=(1, 2))))
        return np.column_stack([1 - p, p])

    picture = np.repeat(grey[..., None], 3, axis=2)
    for values, expected in quantus:
        seen = of_picture(values.ravel(), picture, np.arange(12).reshape(3, 4))
        curve = faithfulness.deletion(model, picture, seen, baseline=0.1)
        np.testing.assert_allclose(curve.answers[1:], expected, atol=2e-6)


def test_fewer_steps_ask_less_and_keep_the_ends():
    true = of_text(WEIGHTS)
    asked = []

    def model(texts):
        asked.extend(texts)
        return of_texts(texts)

    curve = faithfulness.deletion(model, true.input, true, steps=4, n_draws=3)
    np.testing.assert_allclose(curve.shares, [0, 0.25, 0.5, 0.75, 1])
    assert curve.n_calls == len(asked) == len(set(asked)) <= 2 + 3 * 4
    assert curve.control_answers.shape == (3, 5)
    np.testing.assert_allclose(curve.control_answers[:, [0, -1]], [[0.78, 0.4]] * 3)


def test_the_default_baseline_is_neither_a_mean_colour_nor_a_removed_word():
    texts, pictures = [], []

    def reader(batch):
        texts.extend(batch)
        return of_texts(batch)

    def inspector(batch):
        pictures.extend(batch)
        return of_pictures(batch)

    faithfulness.deletion(reader, of_text(WEIGHTS).input, of_text(WEIGHTS), n_draws=1)
    assert " ".join(["[UNK]"] * 8) in texts
    lit = PICTURE.copy()
    lit[:4, :4] = 0
    faithfulness.deletion(inspector, lit, of_picture(WEIGHTS, lit), n_draws=1)
    hidden = np.array([picture for picture in pictures if (picture != lit).any(axis=(2,)).sum() > 20])
    everything_hidden = faithfulness.blurred(lit)
    assert any((picture == everything_hidden).all() for picture in hidden)
    assert len(np.unique(everything_hidden[:4, :4])) > 1  # no one colour


def test_blurring_dissolves_what_is_small_and_keeps_the_brightness():
    picture = np.zeros((60, 60, 3), np.uint8)
    picture[28:32, 28:32] = 240
    soft = faithfulness.blurred(picture)
    assert soft.dtype == np.uint8
    assert soft.max() < 24
    flat = np.full((20, 30, 3), 0.25, np.float32)
    np.testing.assert_allclose(faithfulness.blurred(flat), flat, atol=1e-6)
    assert faithfulness.blurred(flat).dtype == np.float32


def test_permuting_the_features_changes_nothing():
    order = np.random.default_rng(3).permutation(8)
    renamed = np.argsort(order)[of_picture(WEIGHTS).features]
    one = faithfulness.deletion(of_pictures, PICTURE, of_picture(WEIGHTS), baseline=0)
    two = faithfulness.deletion(
        of_pictures, PICTURE, of_picture(WEIGHTS[order], segments=renamed), baseline=0
    )
    assert one.area.score == pytest.approx(two.area.score)


def test_the_target_is_the_one_that_was_explained():
    other = of_text(-WEIGHTS, target=0)
    curve = faithfulness.deletion(of_texts, other.input, other)
    np.testing.assert_allclose(curve.answers[[0, -1]], [1 - 0.78, 0.6])


TRUE = of_text(WEIGHTS)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: faithfulness.deletion(of_texts, "another text", TRUE), "got another one"),
        (lambda: faithfulness.deletion(of_texts, TRUE.input, TRUE, baseline=0), "baseline as str for a text"),
        (
            lambda: faithfulness.deletion(of_texts, TRUE.input, TRUE, steps=1),
            "steps as a whole number from 2",
        ),
        (lambda: faithfulness.insertion(of_texts, TRUE.input, TRUE, n_draws=0), "n_draws as a whole number"),
        (
            lambda: faithfulness.deletion(of_texts, TRUE.input, of_text([np.nan] * 8)),
            "finite values of the explanation",
        ),
        (
            lambda: faithfulness.deletion(of_texts, TRUE.input, of_text([1, 2])),
            "one value for each of 8 features, got 2",
        ),
        (
            lambda: faithfulness.deletion(of_pictures, PICTURE, of_picture(WEIGHTS), baseline=300),
            "baseline from 0 to 255",
        ),
        (
            lambda: faithfulness.deletion(
                of_pictures, PICTURE, of_picture(WEIGHTS), baseline=np.zeros((2, 2))
            ),
            "expected a baseline of shape",
        ),
        (lambda: faithfulness.deletion(*_row(), baseline=None), "baseline for a row of a table"),
        (lambda: faithfulness.blurred(PICTURE, blur=0), "blur above 0"),
        (lambda: faithfulness.deletion(of_texts, TRUE.input, _target(5)), "target"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def _row():
    model, explained, _ = CASES["row"]
    return model, explained(WEIGHTS).input, explained(WEIGHTS)


def _target(target) -> Explanation:
    return of_text(WEIGHTS, target=target)


def test_a_model_that_gives_no_probabilities_is_refused():
    with pytest.raises(ModelError, match="apply softmax"):
        faithfulness.deletion(lambda texts: np.full((len(texts), 2), 3.0), TRUE.input, TRUE)

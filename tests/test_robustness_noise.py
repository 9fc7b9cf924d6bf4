"""Gaussian noise on pictures and rows: linear models tell what must come out."""

import numpy as np
import pytest
from scipy.special import ndtr
from tiny import image_classifier, pictures

from trustlib import pixels, robustness
from trustlib.errors import ModelError
from trustlib.estimates import Estimate
from trustlib.robustness import inputs
from trustlib.robustness.noisy import verdict


def two(p):
    p = np.asarray(p, dtype=float)
    return np.column_stack([1 - p, p])


def first_pixel(batch):
    """Class 1 where the first value of the picture is above a half."""
    return two(np.asarray(batch)[:, 0, 0, 0] > 0.5)


def mean_value(batch):
    """Class 1 where the mean of the picture is above a half, with a slope of 1 in the probability."""
    return two(np.asarray(batch, dtype=float).mean(axis=(1, 2, 3)))


class Recorder:
    """Answers alike for everything, and keeps what it was shown."""

    size = None

    def __init__(self, size=None):
        self.size, self.seen, self.batches = size, [], []

    def predict_proba(self, batch):
        self.batches.append(len(batch))
        self.seen += list(batch)
        return two([0.25] * len(batch))


class Lazy:
    """Pictures that are made when asked for; counts how many are alive at once."""

    def __init__(self, n):
        self.n, self.loads = n, 0

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        assert isinstance(i, int), "a slice would load many at once"
        self.loads += 1
        return np.full((6, 5, 3), i % 256, np.uint8)

    def __iter__(self):
        raise AssertionError("iterated over, and so perhaps kept")


# Against closed forms


def test_one_pixel_flips_as_the_normal_distribution_says():
    images = np.full((3000, 1, 1, 3), 0.4)
    sigmas = [0.05, 0.1, 0.2]
    found = robustness.noise(first_pixel, images, sigmas=sigmas, threshold=0.05, n_draws=1, rounded=False)
    for level, sigma in zip(found.levels, sigmas, strict=True):
        p = ndtr(-0.1 / sigma)
        assert abs(level.flip_rate.value - p) < 4 * np.sqrt(p * (1 - p) / 3000)
        assert level.flip_rate.low < level.flip_rate.value < level.flip_rate.high


def test_the_mean_of_many_pixels_sees_a_smaller_noise():
    # The mean of 27 values has a deviation of sigma / sqrt(27).
    images, sigma = np.full((2000, 3, 3, 3), 0.48), 0.1
    found = robustness.noise(mean_value, images, sigmas=[sigma], threshold=0.5, n_draws=1, rounded=False)
    p = ndtr(-0.02 / (sigma / np.sqrt(27)))
    assert abs(found.levels[0].flip_rate.value - p) < 4 * np.sqrt(p * (1 - p) / 2000)
    quantiles = found.levels[0].quantiles
    spread = quantiles[0.95].value - quantiles[0.05].value
    assert spread == pytest.approx(2 * 1.645 * sigma / np.sqrt(27), rel=0.1)
    assert quantiles[0.5].low < 0 < quantiles[0.5].high
    # The mean size of a normal change is sigma sqrt(2 / pi).
    size = sigma / np.sqrt(27) * np.sqrt(2 / np.pi)
    assert found.levels[0].absolute_change.value == pytest.approx(size, rel=0.1)


def test_zero_noise_changes_nothing():
    found = robustness.noise(mean_value, pictures([0, 1, 0]), sigmas=[0], threshold=0.1, rounded=False)
    level = found.levels[0]
    assert not found.flipped.any()
    assert (level.flip_rate.value, level.change.value, level.absolute_change.value) == (0, 0, 0)
    assert all(quantile.value == 0 for quantile in level.quantiles.values())
    assert level.flip_rate.high > 0.2  # three pictures that did not flip show little


def test_a_flip_is_against_the_models_own_answer_whatever_is_right():
    found = robustness.noise(lambda batch: two([0.9] * len(batch)), np.zeros((4, 2, 2, 3)), **SMALL)
    assert found.levels[0].flip_rate.value == 0


def test_the_result_by_hand():
    # The first draw of picture 0 moves its answer from 0.2 to 0.7, that of picture 1 from 0.6 to 0.5 exactly.
    answers = iter([two([0.2, 0.6]), two([0.7, 0.4])])
    found = robustness.noise(
        lambda batch: next(answers), np.zeros((2, 1, 1, 3)), sigmas=[0.1], threshold=0.5, n_draws=1
    )
    np.testing.assert_array_equal(found.flipped[:, 0, 0], [True, True])
    np.testing.assert_allclose(found.changes[:, 0, 0], [-0.5, -0.2])
    level = found.levels[0]
    assert level.change.value == pytest.approx(-0.35)
    assert level.absolute_change.value == pytest.approx(0.35)
    assert (found.n_calls, found.clean.shape) == (4, (2, 2))


SMALL = {"sigmas": [0.1], "threshold": 0.5}


# What the model is shown


def test_the_same_draw_serves_every_sigma_and_the_first_noise_is_add_noise():
    model, images = Recorder(), np.full((2, 4, 4, 3), 0.5)
    robustness.noise(
        model.predict_proba, images, sigmas=[0.01, 0.02], threshold=0.5, n_draws=3, rounded=False
    )
    noisy = np.stack(model.seen[2:]).reshape(2, 3, 2, 4, 4, 3) - 0.5
    np.testing.assert_allclose(noisy[:, :, 1], 2 * noisy[:, :, 0], atol=1e-6)
    draws = noisy[:, :, 0].reshape(6, -1)
    assert np.abs(np.corrcoef(draws) - np.eye(6)).max() < 0.6  # but another for each draw and picture
    np.testing.assert_array_equal(robustness.add_noise(images[0], 0.01, rounded=False), model.seen[2])


def test_a_foreign_model_sees_uint8_of_its_own_size():
    model = Recorder(size=7)
    images = [np.full((20, 30, 3), 90, np.uint8), np.full((9, 8, 3), 0.5)]
    found = robustness.noise(model.predict_proba, images, **SMALL)
    assert {(picture.dtype, picture.shape) for picture in model.seen} == {(np.dtype(np.uint8), (7, 7, 3))}
    assert found.size == 7
    robustness.noise(model.predict_proba, images, size=5, **SMALL)
    assert model.seen[-1].shape == (5, 5, 3)
    own = Recorder()
    robustness.noise(own.predict_proba, images, rounded=False, **SMALL)
    assert {picture.shape for picture in own.seen} == {(20, 30, 3), (9, 8, 3)}
    assert all(p.dtype == np.float32 and 0 <= p.min() and p.max() <= 1 for p in own.seen)


def test_a_size_that_is_no_number_of_pixels_is_not_taken():
    model = Recorder(size={"height": 224})
    assert inputs.seen_size(model.predict_proba, None) is None


def test_pictures_are_resized_as_our_own_classifier_resizes_them():
    image = np.random.default_rng(0).integers(0, 256, (50, 37, 3), dtype=np.uint8)
    ours = pixels.encode([image], 16)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(inputs.at_size(image, 16), ours, atol=2e-3)


def test_batches_and_the_number_of_sigmas_do_not_change_the_noise():
    images, few = pictures([0, 1, 0, 1]), {"threshold": 0.5, "n_draws": 2}
    model = image_classifier()
    whole = robustness.noise(model.predict_proba, images, sigmas=[0.1, 0.3], **few)
    parts = robustness.noise(model.predict_proba, images, sigmas=[0.3], batch_size=3, **few)
    np.testing.assert_allclose(parts.changes[..., 0], whole.changes[..., 1], atol=1e-6)
    other = robustness.noise(model.predict_proba, images, sigmas=[0.3], seed=1, **few)
    assert np.abs(other.changes - parts.changes).max() > 1e-6


def test_lazy_pictures_are_loaded_one_by_one_and_noisy_ones_are_not_kept():
    lazy, model = Lazy(300), Recorder()
    robustness.noise(model.predict_proba, lazy, sigmas=[0.1, 0.2], threshold=0.5, n_draws=2, batch_size=32)
    assert lazy.loads == 600
    assert max(model.batches) == 32
    made = inputs.stacked(iter(np.zeros((9, 2))), 4)
    assert len(next(made)) == 4


# Intervals and verdicts


def test_draws_of_one_input_are_not_further_inputs():
    # Ten pictures that always flip and ten that never do: further draws tell nothing new.
    images = np.where(np.arange(20) < 10, 0.499, 0.9)[:, None, None, None] * np.ones((20, 1, 1, 3))

    def near_is_wrong(batch):
        batch = np.asarray(batch)[:, 0, 0, 0]
        return two((batch < 0.7) & (np.abs(batch - 0.499) > 1e-6))

    few = robustness.noise(near_is_wrong, images, sigmas=[0.01], threshold=0.5, n_draws=1, rounded=False)
    many = robustness.noise(near_is_wrong, images, sigmas=[0.01], threshold=0.5, n_draws=20, rounded=False)
    assert few.levels[0].flip_rate.value == many.levels[0].flip_rate.value == 0.5
    width = [found.levels[0].flip_rate.high - found.levels[0].flip_rate.low for found in (few, many)]
    assert width[1] > 0.95 * width[0] > 0.3
    assert many.levels[0].flip_rate.n == 400
    groups = np.repeat(np.arange(5), 4)  # pictures that hang together are worth fewer still
    grouped = robustness.noise(
        near_is_wrong, images, sigmas=[0.01], threshold=0.5, groups=groups, rounded=False
    )
    assert grouped.levels[0].flip_rate.high - grouped.levels[0].flip_rate.low > 1.2 * width[0]


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0, 0.05, "robust"), (0.051, 0.2, "not robust"), (0.01, 0.06, "not shown"), (0.05, 0.2, "not shown")],
)
def test_the_verdict_comes_from_the_whole_interval(low, high, said):
    assert verdict(Estimate((low + high) / 2, low, high, 100), 0.05) == said


# Rows of a table


def test_rows_flip_as_the_normal_distribution_says_in_units_of_each_column():
    rows = np.column_stack([np.full(3000, 2.0), np.zeros(3000)])
    background = np.column_stack([np.tile([-4.0, 4.0], 50), np.zeros(100)])  # deviations 4 and 0
    found = robustness.noise_table(
        lambda rows: two(rows[:, 0] > 0),
        rows,
        sigmas=[0.5],
        threshold=0.05,
        background=background,
        n_draws=1,
    )
    p = ndtr(-2 / (0.5 * 4))
    assert abs(found.levels[0].flip_rate.value - p) < 4 * np.sqrt(p * (1 - p) / 3000)
    assert found.levels[0].verdict == "not robust"
    same = robustness.noise_table(
        lambda rows: two(rows[:, 0] > 0), rows, sigmas=[0.5], threshold=0.05, scale=[4, 0], n_draws=1
    )
    np.testing.assert_array_equal(same.flipped, found.flipped)


# Steps


def test_the_steps_of_one_picture_are_what_the_model_saw():
    model = Recorder(size=4)
    steps = robustness.noise_steps(model.predict_proba, np.full((8, 8, 3), 100, np.uint8), sigmas=[0, 0.5])
    assert (steps.pictures[0] == 100).all()
    np.testing.assert_array_equal(steps.pictures[1], model.seen[2])
    assert steps.clean.tolist() == [0.75, 0.25]


# The sigma that flips a share


def test_the_sigma_that_flips_a_share_of_one_pixel():
    images = np.full((2000, 1, 1, 3), 0.4)
    share = float(ndtr(-0.1 / 0.07))
    found = robustness.sigma_at(first_pixel, images, share=share, n_draws=1, rounded=False)
    assert found.sigma.low < 0.07 < found.sigma.high
    assert found.sigma.value == pytest.approx(0.07, rel=0.08)
    again = robustness.noise(
        first_pixel, images, sigmas=[found.sigma.value], threshold=0.5, n_draws=1, rounded=False
    )
    assert again.levels[0].flip_rate.value == pytest.approx(share, abs=0.01)
    assert found.n_calls == 2000 * (1 + len(found.sigmas)) <= 2000 * 25
    assert found.flipped.shape == (2000, 1, len(found.sigmas))
    assert (np.diff(found.sigmas) > 0).all()


@pytest.mark.slow
def test_the_interval_of_sigma_holds_the_truth_as_often_as_it_promises():
    # Margins differ from picture to picture, as in real data: the truth is over pictures and noise.
    margins = np.array([0.05, 0.1, 0.2, 0.3])
    truth = 0.1
    share, rng, held = float(ndtr(-margins / truth).mean()), np.random.default_rng(0), 0
    for i in range(60):
        images = (0.5 - rng.choice(margins, 50))[:, None, None, None] * np.ones((50, 1, 1, 3))
        found = robustness.sigma_at(first_pixel, images, share=share, n_draws=2, rounded=False, seed=i)
        held += found.sigma.low <= truth <= found.sigma.high
    assert held >= 52  # of 60; 57 are promised, and 51 or fewer come in less than 0.5 % of such tests


def test_a_share_that_is_never_reached_is_infinitely_far():
    found = robustness.sigma_at(lambda batch: two([0.9] * len(batch)), np.zeros((40, 1, 1, 3)), share=0.5)
    assert (found.sigma.value, found.sigma.low, found.sigma.high) == (np.inf, np.inf, np.inf)
    assert len(found.sigmas) == 9


def test_a_share_that_is_reached_at_once_is_below_the_smallest():
    images = np.full((40, 1, 1, 3), 0.5)  # on the boundary: half of the answers flip at any sigma
    found = robustness.sigma_at(first_pixel, images, share=0.1, largest=0.256, rounded=False)
    assert (found.sigma.low, found.sigma.value) == (0.0, pytest.approx(0.001))


def test_where_the_flip_rate_falls_again_the_first_crossing_is_found():
    def odd(batch):  # far noise looks clean again
        off = np.abs(np.asarray(batch)[:, 0, 0, 0] - 0.5)
        return two((off > 0.02) & (off < 0.2))

    found = robustness.sigma_at(odd, np.full((300, 1, 1, 3), 0.5), share=0.5, rounded=False)
    assert 0.01 < found.sigma.low <= found.sigma.value < 0.06


# Bad input

IMAGES = np.zeros((3, 2, 2, 3))


def constant(batch):
    return two([0.9] * len(batch))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: robustness.noise(constant, IMAGES[:1], **SMALL),
            "number of images as a whole number from 2",
        ),
        (lambda: robustness.noise(constant, IMAGES + 2, **SMALL), r"pictures in \[0, 1\].*position 0"),
        (
            lambda: robustness.noise(constant, IMAGES, sigmas=[-1], threshold=0.1),
            "sigmas of 0 or more, got -1",
        ),
        (lambda: robustness.noise(constant, IMAGES, sigmas=[], threshold=0.1), "sigmas of shape"),
        (lambda: robustness.noise(constant, IMAGES, sigmas=[0.1], threshold=5), "threshold between 0 and 1"),
        (lambda: robustness.noise(constant, IMAGES, n_draws=0, **SMALL), "n_draws as a whole number"),
        (lambda: robustness.noise(constant, IMAGES, groups=[1, 2], **SMALL), r"groups of shape \(3,\)"),
        (lambda: robustness.noise(constant, IMAGES, size=0, **SMALL), "size as a whole number"),
        (lambda: robustness.noise_table(constant, np.eye(2), **SMALL), "scale and background, got none"),
        (
            lambda: robustness.noise_table(constant, np.eye(2), scale=[1, 1], background=np.eye(2), **SMALL),
            "scale and background, got both",
        ),
        (lambda: robustness.noise_table(constant, np.eye(2), scale=[1], **SMALL), r"scale of shape \(2,\)"),
        (lambda: robustness.noise_table(constant, np.eye(2), background=np.eye(3), **SMALL), "background of"),
        (lambda: robustness.sigma_at(constant, IMAGES, share=0), "share between 0 and 1"),
        (lambda: robustness.sigma_at(constant, IMAGES, share=0.1, largest=0), "largest above 0"),
        (lambda: robustness.add_noise(IMAGES, 0.1), r"pictures of shape \(h, w, 3\)"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_model_that_answers_wrongly_is_refused():
    with pytest.raises(ModelError, match="answers of shape"):
        robustness.noise(lambda batch: two([0.5]), IMAGES, **SMALL)

"""Corruptions: any size, the same for the same seed, farther from the original at each severity."""

import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from trustlib import corruptions
from trustlib.tasks import solar_cells


def resized(picture, side):
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR))


PHOTOGRAPHS = {
    "a colour photograph": resized(skimage.data.astronaut(), 96),
    "a small colour photograph": resized(skimage.data.astronaut(), 32),
    "a large colour photograph": resized(skimage.data.astronaut(), 250),
    "a flat strip": skimage.data.astronaut()[100:130, :200],
    "a solar cell": resized(solar_cells().train.inputs[0], 96),
}
RNG = np.random.default_rng


def distance(picture, other):
    return np.sqrt(np.mean((picture / 255.0 - other / 255.0) ** 2))


def test_eighteen_corruptions_stand_in_four_families():
    assert list(corruptions.FAMILIES) == ["noise", "blur", "weather", "digital"]
    assert len(set(corruptions.NAMES)) == len(corruptions.NAMES) == 18
    assert all(getattr(corruptions, name).__doc__ for name in corruptions.NAMES)


@pytest.mark.parametrize("name", corruptions.NAMES)
@pytest.mark.parametrize("kind", PHOTOGRAPHS)
def test_every_severity_lies_farther_from_the_original(name, kind):
    picture = PHOTOGRAPHS[kind]
    kept = picture.copy()
    away = [distance(picture, corruptions.corrupt(picture, name, s, seed=0)) for s in range(1, 6)]
    if name == "saturate" and kind == "a solar cell":
        assert away == [0] * 5  # grey has no colour
    else:
        assert away[0] > 0.002
        assert (np.diff(away) > 0).all()
    np.testing.assert_array_equal(picture, kept)  # the original is left alone


@pytest.mark.parametrize("name", corruptions.NAMES)
def test_the_same_seed_gives_the_same_picture_and_uint8_of_its_shape(name):
    picture = PHOTOGRAPHS["a flat strip"]
    once, twice = (corruptions.corrupt(picture, name, 3, seed=[4, 7]) for _ in range(2))
    np.testing.assert_array_equal(once, twice)
    np.testing.assert_array_equal(once, getattr(corruptions, name)(picture, 3, RNG([4, 7])))
    assert (once.dtype, once.shape) == (np.uint8, picture.shape)
    np.testing.assert_array_equal(once, corruptions.corrupt(picture / 255, name, 3, seed=[4, 7]))


RANDOM = ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "glass_blur", "motion_blur")


@pytest.mark.parametrize("name", [*RANDOM, "fog", "frost", "snow", "elastic"])
def test_what_is_drawn_differs_from_picture_to_picture(name):
    picture = PHOTOGRAPHS["a solar cell"]
    one, other = (corruptions.corrupt(picture, name, 3, seed=seed) for seed in (0, 1))
    assert (one != other).any()


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(corruptions.NAMES),
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([1, 5]),
    st.integers(0, 255),
)
def test_any_size_and_any_flat_colour_is_taken(name, height, width, severity, value):
    picture = np.full((height, width, 3), value, np.uint8)
    corrupted = corruptions.corrupt(picture, name, severity, seed=0)
    assert (corrupted.shape, corrupted.dtype) == (picture.shape, np.uint8)


BLURS = (*corruptions.FAMILIES["blur"], "contrast", "pixelate", "jpeg", "elastic", "saturate")


@pytest.mark.parametrize("name", BLURS)
def test_a_flat_picture_has_nothing_to_blur(name):
    picture = np.full((40, 30, 3), 77, np.uint8)
    assert np.abs(corruptions.corrupt(picture, name, 5, seed=0).astype(int) - 77).max() <= 1


# By their definitions


def test_gaussian_noise_has_the_deviation_of_the_paper():
    picture = np.full((224, 224, 3), 128, np.uint8)
    for severity, sigma in zip((1, 2), (0.08, 0.12), strict=True):
        noisy = corruptions.gaussian_noise(picture, severity, RNG(0))
        assert (noisy / 255.0).std() == pytest.approx(sigma, rel=0.02)
    small = corruptions.gaussian_noise(np.full((32, 320, 3), 128, np.uint8), 1, RNG(0))
    assert (small / 255.0).std() == pytest.approx(0.04, rel=0.03)


def test_shot_noise_has_the_variance_of_counted_photons():
    picture = np.full((224, 224, 3), 51, np.uint8)  # a fifth of 60 photons: 12, variance 12
    noisy = corruptions.shot_noise(picture, 1, RNG(0)) / 255.0
    assert noisy.mean() == pytest.approx(0.2, rel=0.01)
    assert noisy.var() == pytest.approx(12 / 60**2, rel=0.05)


def test_impulse_noise_loses_a_share_of_the_values_to_black_and_white():
    noisy = corruptions.impulse_noise(np.full((224, 224, 3), 100, np.uint8), 5, RNG(0))
    assert np.mean(noisy == 0) == pytest.approx(0.135, abs=0.005)
    assert np.mean(noisy == 255) == pytest.approx(0.135, abs=0.005)
    assert set(np.unique(noisy)) == {0, 100, 255}


def test_contrast_brightness_and_speckle_by_hand():
    picture = np.zeros((224, 224, 3), np.uint8)
    picture[:, ::2] = 200  # mean 100
    assert sorted(set(corruptions.contrast(picture, 1, RNG(0)).ravel())) == [60, 140]  # 0.4 is left
    assert (corruptions.speckle_noise(picture, 5, RNG(0))[:, 1::2] == 0).all()
    coloured = np.full((224, 224, 3), (100, 50, 0), np.uint8)
    # 0.1 more in the brightest channel, the others in proportion
    assert corruptions.brightness(coloured, 1, RNG(0))[0, 0].tolist() == [126, 63, 0]


def test_a_point_becomes_a_disk_out_of_focus_and_a_line_in_motion():
    point = np.zeros((224, 224, 3), np.uint8)
    point[112, 112] = 255
    disk = corruptions.defocus_blur(np.where(point > 0, 255, 0).astype(np.uint8), 1, RNG(0))[..., 0] > 0
    rows, columns = np.nonzero(disk)
    reach = np.hypot(rows - 112, columns - 112)
    assert disk.sum() == pytest.approx(np.pi * 3**2, rel=0.4)
    assert reach.max() < 3 + 1
    line = corruptions.motion_blur(point, 3, RNG(0))[..., 0].astype(float)
    rows, columns = np.nonzero(line)
    across, along = np.linalg.eigvalsh(np.cov(rows, columns, fweights=line[rows, columns].astype(int)))
    assert across < 0.5 < 10 < along
    assert columns.min() >= 111  # to one side


def test_a_gaussian_blur_agrees_with_scipy():
    from scipy.ndimage import gaussian_filter

    picture = resized(skimage.data.astronaut(), 224)
    ours = corruptions.gaussian_blur(picture, 3, RNG(0)) / 255.0
    theirs = gaussian_filter(picture / 255.0, (3, 3, 0), mode="nearest", truncate=4)
    assert np.abs(ours - theirs).max() < 0.004


def test_pixelate_keeps_the_means_of_its_blocks():
    picture = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    coarse = corruptions.pixelate(picture, 5, RNG(0))  # a quarter of the pixels a side
    blocks = picture.reshape(64, 4, 64, 4, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(coarse[::4, ::4], blocks, atol=0.51)
    assert (coarse.reshape(64, 4, 64, 4, 3) == coarse[::4, None, ::4, None]).all()


def test_lengths_grow_with_large_pictures():
    # Twice as large, blurred, and halved again is the picture blurred at its size.
    small = resized(skimage.data.astronaut(), 224)
    large = np.repeat(np.repeat(small, 2, axis=0), 2, axis=1)
    blurred = corruptions.gaussian_blur(large, 4, RNG(0)).reshape(224, 2, 224, 2, 3).mean(axis=(1, 3))
    assert distance(blurred, corruptions.gaussian_blur(small, 4, RNG(0))) < 0.01


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: corruptions.corrupt(PHOTOGRAPHS["a flat strip"], "rain", 1, 0), "a corruption such as"),
        (lambda: corruptions.corrupt(PHOTOGRAPHS["a flat strip"], "fog", 0, 0), "severity as a whole number"),
        (lambda: corruptions.corrupt(PHOTOGRAPHS["a flat strip"], "fog", 6, 0), "from 1 to 5, got 6"),
        (lambda: corruptions.corrupt(np.zeros((4, 4)), "fog", 1, 0), r"picture of shape \(h, w, 3\)"),
        (lambda: corruptions.corrupt(np.full((4, 4, 3), 7.0), "fog", 1, 0), r"in \[0, 1\]"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()

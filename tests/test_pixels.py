"""Raw pictures become three channels of one size in [0, 1], or are refused with a reason."""

import numpy as np
import pytest
import torch

from trustlib import pixels


def picture(h=5, w=7, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (h, w, 3), dtype=np.uint8)


def test_a_picture_of_the_right_size_is_only_divided_by_255():
    image = picture(4, 4)
    expected = torch.from_numpy(image).permute(2, 0, 1).float() / 255
    assert torch.equal(pixels.encode([image], 4)[0], expected)
    assert pixels.encode([image], 4).shape == (1, 3, 4, 4)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4", "longdouble"])
def test_uint8_and_floats_of_any_kind_are_the_same_picture(dtype):
    image = picture(9, 6)
    as_float = (image / 255).astype(dtype)
    apart = (pixels.encode([image], 8) - pixels.encode([as_float], 8)).abs().max()
    assert apart <= (5e-4 if dtype == "float16" else 1e-7)


def test_float32_of_uint8_divided_by_255_gives_the_very_same_bits():
    image = picture(9, 6)
    assert torch.equal(pixels.encode([image], 8), pixels.encode([image.astype(np.float32) / 255], 8))


def test_making_a_picture_smaller_averages_all_of_its_pixels():
    lines = np.zeros((40, 40, 3), np.uint8)
    lines[:, ::5] = 255  # one column in five: without antialiasing some would be lost, others doubled
    encoded = pixels.encode([lines], 8)
    assert encoded[0, :, :, 1:-1].sub(0.2).abs().max() < 0.01


def test_grey_is_treated_as_three_equal_channels_of_a_coloured_picture_are():
    grey = picture(9, 6)[..., :1].repeat(3, axis=2)
    nearly = grey.copy()
    nearly[0, 0, 0] ^= 1  # takes the way of a coloured picture
    encoded, beside = pixels.encode([grey], 8), pixels.encode([nearly], 8)
    assert torch.equal(encoded[:, 0], encoded[:, 1]) and torch.equal(encoded[:, 1], encoded[:, 2])
    assert torch.equal(encoded[:, 1:], beside[:, 1:])


def test_a_colour_without_its_own_red_and_green_is_no_grey():
    yellow = np.full((4, 4, 3), (200, 200, 10), np.uint8)
    expected = torch.tensor([200, 200, 10]) / 255
    assert torch.equal(pixels.encode([yellow], 4)[0, :, 0, 0], expected)


def test_resizing_stays_within_zero_and_one():
    extremes = np.zeros((31, 17, 3), np.uint8)
    extremes[::2] = 255
    white = [np.full((h, h + 3, 3), 255, np.uint8) for h in (10, 11, 12)]  # rounding would pass 1 here
    for size in (5, 12, 13):
        encoded = pixels.encode([extremes, 255 - extremes, *white], size)
        assert encoded.min() >= 0 and encoded.max() <= 1


def test_arrays_lists_and_pictures_of_different_sizes_can_be_encoded():
    images = np.stack([picture(seed=i) for i in range(3)])
    assert torch.equal(pixels.encode(images, 8), pixels.encode(list(images), 8))
    mixed = [picture(4, 4), picture(30, 3), picture(8, 8)]
    encoded = pixels.encode(mixed, 8)
    assert all(torch.equal(encoded[i], pixels.encode_one(image, 8)) for i, image in enumerate(mixed))
    assert pixels.encode([], 8).shape == (0, 3, 8, 8)


def test_a_picture_that_cannot_be_written_to_is_read_without_a_warning(recwarn):
    locked = np.float32(picture(8, 8) / 255)
    locked.flags.writeable = False
    encoded = pixels.encode([locked, np.flip(picture(8, 8))], 8)
    encoded += 1  # the caller's picture is not changed through it
    assert locked.max() <= 1 and not recwarn.list


BAD = {
    "(h, w)": (np.zeros((5, 5), np.uint8), r"expected pictures of shape \(h, w, 3\), got \(5, 5\) at .*grey"),
    "four channels": (np.zeros((5, 5, 4), np.uint8), r"shape \(h, w, 3\), got \(5, 5, 4\)"),
    "channels first": (np.zeros((3, 5, 5), np.uint8), r"shape \(h, w, 3\), got \(3, 5, 5\)"),
    "no pixels": (np.zeros((0, 5, 3), np.uint8), r"shape \(h, w, 3\), got \(0, 5, 3\)"),
    "a text": ("good film", r"shape \(h, w, 3\), got \(\)"),
    "int64": (np.zeros((5, 5, 3), int), r"dtype uint8 or float, got int64 at .*astype\('uint8'\)"),
    "int8": (np.zeros((5, 5, 3), np.int8), "dtype uint8 or float, got int8"),
    "bool": (np.zeros((5, 5, 3), bool), "dtype uint8 or float, got bool"),
    "object": (np.full((5, 5, 3), None), "dtype uint8 or float, got object"),
    "0..255 as float": (np.full((5, 5, 3), 200.0), r"in \[0, 1\], got values from 200 to 200 at .*by 255"),
    "negative": (np.full((5, 5, 3), -0.25), r"in \[0, 1\], got values from -0.25 to -0.25"),
    "NaN": (np.full((5, 5, 3), np.nan), "expected finite pictures, got NaN or infinity"),
    "infinity": (np.full((5, 5, 3), np.inf), "expected finite pictures, got NaN or infinity"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_picture_is_refused_with_its_position(name):
    bad, message = BAD[name]
    with pytest.raises(ValueError, match=message) as refused:
        pixels.encode([picture(), picture(), bad], 8, first=64)
    assert "at position 66" in str(refused.value)


def test_a_single_picture_instead_of_a_batch_is_told_what_to_do():
    with pytest.raises(ValueError, match=r"got \(7, 3\) at position 0: .*as \[picture\]"):
        pixels.encode(picture(5, 7), 8)


def test_a_lazy_sequence_computes_an_item_each_time_it_is_asked_and_not_before():
    asked = []

    def double(value, i):
        asked.append(i)
        return 2 * value

    lazy = pixels.Lazy([3, 4, 5], double)
    assert len(lazy) == 3 and asked == []
    assert lazy[np.int64(2)] == 10 and lazy[2] == 10 and asked == [2, 2]

import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trustlib.errors import ModelError
from trustlib.explain import Span, masking


def pieces(text):
    return [text[start:stop] for start, stop in masking.words(text)]


# Words


def test_words_are_those_of_lime():
    from lime.lime_text import IndexedString

    text = "  It's a so-so film; 10/10?! naïve, über_good ... ØK"
    theirs = IndexedString(text, bow=False)
    assert pieces(text) == theirs.inverse_vocab
    assert [span.start for span in masking.words(text)] == [
        int(theirs.string_position(i)[0]) for i in range(11)
    ]


@given(st.text(alphabet="ab é_'7-\n.☃", max_size=30))
def test_words_are_what_stands_between_separators(text):
    assert pieces(text) == [word for word in re.split(r"\W+", text) if word]


def test_an_accent_or_a_vowel_point_stays_with_its_word():
    assert pieces("cafe\u0301 noir") == ["cafe\u0301", "noir"]
    assert pieces("שָׁלוֹם עולם") == ["שָׁלוֹם", "עולם"]
    assert pieces("ok \u0301x") == ["ok", "x"]  # a mark on a space is no word


# Hiding


def test_hidden_segments_show_the_baseline_and_kept_ones_the_picture():
    picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    segments = np.array([[0, 0, 1, 1], [2, 0, 1, 2]])
    made = masking.image(picture, segments, (100, 101, 102))([[True, True, True], [False, True, False]])
    assert made.dtype == np.uint8
    np.testing.assert_array_equal(made[0], picture)
    np.testing.assert_array_equal(made[1][segments == 1], picture[segments == 1])
    assert (made[1][segments != 1] == [100, 101, 102]).all()


def test_without_a_baseline_a_segment_shows_its_mean_colour_cut_to_whole_numbers_as_in_lime():
    picture = np.array([[[0, 10, 20], [1, 13, 20], [200, 200, 200]]], np.uint8)
    made = masking.image(picture, [[0, 0, 1]])([[False, True]])
    assert made[0].tolist() == [[[0, 11, 20], [0, 11, 20], [200, 200, 200]]]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_hiding_equals_choosing_pixel_by_pixel(dtype):
    rng = np.random.default_rng(0)
    picture, hidden = rng.integers(0, 256, (2, 9, 7, 3)).astype(dtype)
    if dtype != np.uint8:
        picture, hidden = picture / dtype(255), hidden / dtype(255)
    segments = rng.integers(0, 5, (9, 7))
    masks = rng.random((20, 5)) < 0.5
    made = masking.image(picture, segments, hidden)(masks)
    assert made.dtype == dtype
    np.testing.assert_array_equal(made, np.where(masks[:, segments][..., None], picture, hidden))


def test_a_removed_word_takes_one_space_along_and_joins_nothing():
    text = "so-so, a  very good film"
    hide = masking.text(text, masking.words(text))
    so, so2, a, very, good, film = np.eye(6, dtype=bool)
    assert hide([~a, ~very, ~good, ~film, ~so, ~so2]) == [
        "so-so,  very good film",
        "so-so, a  good film",
        "so-so, a  very film",
        "so-so, a  very good ",
        "-so, a  very good film",
        "so-, a  very good film",
    ]
    assert hide([~(very | good), ~(so | so2), np.zeros(6, bool)]) == [
        "so-so, a  film",
        "-, a  very good film",
        "-,  ",
    ]


def test_a_replacement_stands_where_the_word_stood():
    text = "not good, not bad"
    hide = masking.text(text, masking.words(text), "[MASK]")
    assert hide([[False, True, True, False]]) == ["[MASK] good, not [MASK]"]


def test_spans_in_a_group_are_hidden_together():
    text = "not good, not bad"
    first, good, second, bad = masking.words(text)
    hide = masking.text(text, [(first, second), good, bad], "_")
    assert hide([[False, True, True]]) == ["_ good, _ bad"]


@settings(max_examples=50)
@given(st.text(alphabet="ab -.", min_size=1, max_size=20), st.integers(0, 2**31))
def test_the_kept_words_are_left_whole_and_in_order(text, seed):
    spans = masking.words(text)
    if not spans:
        return
    mask = np.random.default_rng(seed).random(len(spans)) < 0.5
    (made,) = masking.text(text, spans)([mask])
    assert pieces(made) == [word for word, keep in zip(pieces(text), mask, strict=True) if keep]
    assert masking.text(text, spans)([np.ones(len(spans), bool)]) == [text]


def test_hidden_columns_have_the_value_of_the_baseline():
    made = masking.table([1, 2, 3], [7, 8, 9])([[True, False, True], [False, False, False]])
    assert made.tolist() == [[1, 8, 3], [7, 8, 9]]


# Asking


class Recorder:
    """Answers the share of kept columns, and remembers what it was asked."""

    def __init__(self):
        self.batches = []

    def __call__(self, inputs):
        self.batches.append(inputs)
        p = np.array([len(x) / 100 if isinstance(x, str) else np.mean(x) for x in inputs])
        return np.column_stack([1 - p, p])


def test_equal_masks_are_asked_once_and_answers_keep_their_order():
    rng = np.random.default_rng(0)
    masks = rng.random((200, 3)) < 0.5
    model = Recorder()
    probs = masking.answers(model, masking.table(np.ones(3), np.zeros(3)), masks, batch_size=3)
    assert [len(batch) for batch in model.batches] == [3, 3, 2]
    np.testing.assert_allclose(probs[:, 1], masks.mean(axis=1))
    target = masking.answers(model, masking.table(np.ones(3), np.zeros(3)), masks, target=1)
    np.testing.assert_array_equal(target, probs[:, 1])


def test_texts_are_asked_by_length_and_answers_keep_their_order():
    text = "one three two sixteen"
    hide, model = masking.text(text, masking.words(text)), Recorder()
    masks = np.random.default_rng(1).random((50, 4)) < 0.5
    probs = masking.answers(model, hide, masks, target=1, batch_size=4)
    lengths = [len(text) for batch in model.batches for text in batch]
    assert lengths == sorted(lengths, reverse=True)
    np.testing.assert_allclose(probs, [len(made) / 100 for made in hide(masks)])


def test_different_masks_are_counted_in_their_first_order():
    masks = np.array([[1, 1], [0, 1], [1, 1], [0, 0], [0, 1]], bool)
    unique, inverse = masking.distinct(masks)
    assert unique.tolist() == [[True, True], [False, True], [False, False]]
    np.testing.assert_array_equal(unique[inverse], masks)


def test_pictures_are_never_all_in_memory():
    picture = np.zeros((100, 100, 3), np.uint8)  # 5,000 of them are 150 MB
    hide = masking.image(picture, masking.grid(picture, 30), 255)
    masks = np.random.default_rng(0).random((5_000, 30)) < 0.5
    tracemalloc.start()
    masking.answers(lambda made: np.full((len(made), 2), 0.5), hide, masks, batch_size=50)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 15e6


# Segmentations


@pytest.mark.parametrize("shape", [(1, 1), (5, 40), (33, 20)])
@pytest.mark.parametrize("n", [1, 6, 48])
def test_a_grid_has_about_n_rectangles_each_used(shape, n):
    segments = masking.grid(np.zeros((*shape, 3), np.uint8), n)
    m = segments.max() + 1
    assert np.unique(segments).tolist() == list(range(m))
    assert m == 1 or 0.5 * n <= m <= 1.5 * n
    for label in range(m):
        rows, columns = np.nonzero(segments == label)
        assert len(rows) == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)


def test_superpixels_are_numbered_without_gaps_and_follow_an_edge():
    picture = np.zeros((60, 60, 3), np.uint8)
    picture[:, 23:] = 200
    segments = masking.slic(picture, 16)
    assert np.unique(segments).tolist() == list(range(segments.max() + 1))
    assert not set(segments[:, :22].ravel()) & set(segments[:, 24:].ravel())  # the blur moves it a pixel
    np.testing.assert_array_equal(segments, masking.slic(picture, 16))


def test_quickshift_is_the_cut_of_lime():
    from lime.wrappers.scikit_image import SegmentationAlgorithm

    rng = np.random.default_rng(0)
    picture = np.kron(rng.integers(0, 256, (4, 4, 3)), np.ones((10, 10, 1))).astype(np.uint8)
    theirs = SegmentationAlgorithm("quickshift", kernel_size=4, max_dist=200, ratio=0.2, random_seed=3)
    ours = masking.quickshift(picture, seed=3)
    np.testing.assert_array_equal(ours, np.unique(theirs(picture), return_inverse=True)[1].reshape(40, 40))


# Mistakes

PICTURE = np.zeros((2, 2, 3), np.uint8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: masking.words(3), "expected a text as str, got int"),
        (lambda: masking.image(PICTURE, [[0, 1]]), r"expected segments as integers of shape \(2, 2\)"),
        (lambda: masking.image(PICTURE, [[0.0, 1], [0, 1]]), "got float64"),
        (
            lambda: masking.image(PICTURE, [[1, 2], [1, 2]]),
            "from 0 to m - 1 without gaps, got 2 labels from 1 to 2",
        ),
        (lambda: masking.image(PICTURE, [[0, 2], [0, 2]]), "got 2 labels from 0 to 2"),
        (lambda: masking.image(PICTURE, [[0, 0], [1, 1]], 256), "expected a baseline from 0 to 255"),
        (lambda: masking.image(PICTURE / 255.0, [[0, 0], [1, 1]], 255), "expected a baseline from 0 to 1"),
        (lambda: masking.image(PICTURE, [[0, 0], [1, 1]], [1, 2]), r"got \(2,\); pass a picture"),
        (lambda: masking.text("ab", [Span(0, 2), Span(1, 2)]), "do not overlap, got 1 to 2"),
        (lambda: masking.text("ab", [Span(0, 3)]), "got 0 to 3 in 2 characters"),
        (lambda: masking.table([1, 2], [1]), r"expected baseline_row of shape \(2,\)"),
        (lambda: masking.table([1, 2], [0, 0])([[1, 0]]), "expected masks as booleans"),
        (lambda: masking.table([1, 2], [0, 0])([[True]]), r"shape \(b, 2\), got bool of shape \(1, 1\)"),
        (lambda: masking.grid(PICTURE, 0), "expected n as a whole number from 1 up"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_target_that_the_model_does_not_have_is_refused():
    with pytest.raises(ValueError, match="expected target from 0 to 1, got 2"):
        masking.answers(Recorder(), masking.table([1], [0]), [[True]], target=2)


def test_answers_that_are_no_probabilities_are_the_models_fault():
    with pytest.raises(ModelError, match="softmax"):
        masking.answers(lambda x: np.full((len(x), 2), 3.0), masking.table([1], [0]), [[True]])

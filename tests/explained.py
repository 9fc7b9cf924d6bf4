"""Additive models whose true attributions are known, and explanations of them, for tests of faithfulness."""

import numpy as np

from trustlib.explain import Explanation, masking

WEIGHTS = np.array([0.05, -0.02, 0.11, 0.0, 0.2, -0.04, 0.07, 0.01])
SEGMENTS = np.kron(np.arange(8).reshape(2, 4), np.ones((4, 4), dtype=int))
PICTURE = np.repeat(np.full((8, 16, 1), 255, np.uint8), 3, axis=2)
TEXT = "one two three four five six seven eight"


def explanation(values, features, input, *, target=1, seed=0, n_calls=0):
    values = np.asarray(values, dtype=float)
    errors = np.zeros(len(values))
    return Explanation(values, 0.0, 0.5, target, features, errors, np.nan, n_calls, seed, "by hand", input)


def of_picture(values, picture=PICTURE, segments=SEGMENTS, **about):
    return explanation(values, segments, picture, **about)


def of_text(values, text=TEXT, **about):
    return explanation(values, masking.words(text), text, **about)


def of_row(values, row, **about):
    return explanation(values, [f"x{i}" for i in range(len(values))], np.asarray(row, dtype=float), **about)


def _two(p):
    p = np.asarray(p, dtype=float)
    return np.column_stack([1 - p, p])


def of_pictures(pictures):
    """0.4 + what each white segment adds; a black one adds nothing."""
    bright = (
        np.stack([np.asarray(pictures)[:, SEGMENTS == i, 0].mean(axis=1) for i in range(8)], axis=1) / 255
    )
    return _two(0.4 + bright @ WEIGHTS)


def of_texts(texts):
    """0.4 + what each of the eight words adds when it is there."""
    there = np.array([[word in text.split() for word in TEXT.split()] for text in texts])
    return _two(0.4 + there @ WEIGHTS)


def of_rows(rows):
    """0.4 + what each column adds."""
    return _two(0.4 + np.asarray(rows) @ WEIGHTS)


# (model, explanation from values, what hides a feature for good)
CASES = {
    "picture": (of_pictures, of_picture, 0),
    "text": (of_texts, of_text, "[UNK]"),
    "row": (of_rows, lambda values: of_row(values, np.ones(8)), np.zeros(8)),
}

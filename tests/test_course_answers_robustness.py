import numpy as np
import pytest

from trustlib import minimal, robustness
from trustlib.course import answers_robustness


def test_flip_rate_is_the_librarys():
    rng = np.random.default_rng(0)
    pictures = rng.random((6, 4, 4, 3))

    def bright(pictures):
        p = (pictures.mean(axis=(1, 2, 3)) > 127).astype(float)
        return np.column_stack([1 - p, p])

    found = robustness.noise(bright, pictures, sigmas=[0.3], threshold=0.1, n_draws=5)
    noisy = np.abs(found.clean[:, None] - found.flipped)  # a flipped row of two classes is the other one
    assert 0 < found.levels[0].flip_rate.value < 1
    assert answers_robustness.flip_rate(found.clean, noisy) == found.levels[0].flip_rate.value


def test_against_labels_a_model_that_never_moves_is_blamed_for_its_errors():
    clean = np.eye(2)[[0, 0, 1, 1]]
    noisy = np.repeat(clean[:, None], 3, axis=1)
    assert answers_robustness.flip_rate(clean, noisy) == 0
    assert answers_robustness.accuracy_instead(noisy, np.array([0, 1, 1, 1])) == 0.25


def test_robust_accuracy_is_the_librarys():
    rng = np.random.default_rng(0)
    norm, right, epsilons = rng.random(30), rng.random(30) < 0.8, np.array([0.0, 0.2, 0.7, 2])
    library = minimal.robust_accuracy(norm, right, epsilons).accuracy
    ours = answers_robustness.robust_accuracy(norm, right, epsilons)
    np.testing.assert_allclose(ours, [accuracy.value for accuracy in library])


def test_repeated_letters_touch_as_many_words_as_asked_and_add_one_letter_to_each():
    text = "the plot is thin and dull"
    for severity, touched in ((0, 0), (0.5, 3), (1, 6)):
        changed = answers_robustness.repeat_letters(text, severity, np.random.default_rng(1)).split()
        pairs = list(zip(text.split(), changed, strict=True))
        assert sum(a != b for a, b in pairs) == touched
        for a, b in (pair for pair in pairs if pair[0] != pair[1]):
            twice = [a[: i + 1] + a[i:] for i in range(len(a))]
            assert b in twice


def row(kind="directional", **parts):
    parts = {"text": "It is good.", "changed": "It is not good.", "expected": "positive"} | parts
    return robustness.Row(kind, "negation", **parts)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (row(direction="down"), "counts_words passes it"),  # within the tolerance of no change
        (row(changed="It is not bad.", direction="up"), None),
        (row(changed="It is bad.", direction="down"), "counts_words passes it"),
        (row(changed="It is good.", direction="up"), "the changed text is the text itself"),
        (row("invariance", expected=None), "its kind is not directional"),
        ("It is good.", "it is not a robustness.Row"),
    ],
)
def test_a_row_counts_when_the_reader_of_two_words_fails_it(answer, problem):
    facts = answers_robustness.ROW.items()
    assert next((message for message, fact in facts if not fact(answer)), None) == problem

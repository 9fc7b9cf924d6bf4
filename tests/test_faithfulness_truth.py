"""The pointing game, mass inside a mask and the rank of what is known to matter."""

import numpy as np
import pytest
from explained import SEGMENTS, TEXT, WEIGHTS, explanation, of_picture, of_row, of_text

from trustlib import faithfulness
from trustlib.explain import Span

MARK = SEGMENTS == 4  # the segment with the largest weight


def span(word, text=TEXT):
    return text.index(word), text.index(word) + len(word)


def test_pointing_by_hand():
    # Segments 0 and 1 share the top row, a mark covers half of segment 1. Positive values are 3 and 1.
    segments = np.array([[0, 0, 1, 1], [2, 2, 2, 2]])
    mask = np.zeros((2, 4), dtype=bool)
    mask[0, 3] = True
    seen = of_picture([1, 3, -2], np.zeros((2, 4, 3), np.uint8), segments)
    found = faithfulness.pointing(seen, mask)
    assert found.true.tolist() == [False, True, False]
    assert (found.hit.score, found.rank.score) == (1, 1)
    assert found.mass.score == pytest.approx(3 * 0.5 / 4)
    assert found.most_mass == 0.5


@pytest.mark.parametrize(
    ("true", "truth"),
    [
        (of_picture(WEIGHTS), MARK),
        (of_text(WEIGHTS), [span("five")]),
        (of_text(WEIGHTS), Span(*span("five"))),
        (of_row(WEIGHTS, np.ones(8)), ["x4"]),
        (of_row(WEIGHTS, np.ones(8)), "x4"),
    ],
)
def test_the_truth_is_at_the_top_of_each_measure(true, truth):
    found = faithfulness.pointing(true, truth)
    assert (found.hit.score, found.rank.score) == (1, 1)
    assert found.mass.score == pytest.approx(0.2 / WEIGHTS[WEIGHTS > 0].sum())
    assert found.true.tolist() == [i == 4 for i in range(8)]
    # Chance puts one of eight features first, and its rank between 1 and 8.
    assert found.hit.controls.mean() == pytest.approx(1 / 8, abs=0.03)
    assert found.rank.controls.mean() == pytest.approx(4.5, abs=0.25)
    assert found.mass.controls.mean() == pytest.approx(1 / 8, abs=0.02)
    for score in (found.hit, found.rank, found.mass):
        assert score.beats.value > 0.9


def test_shuffled_attributions_are_at_chance():
    rng = np.random.default_rng(0)
    found = [
        faithfulness.pointing(of_text(rng.permutation(WEIGHTS)), [span("five")], seed=i) for i in range(300)
    ]
    for name in ("hit", "rank", "mass"):
        over_inputs = faithfulness.across([getattr(each, name) for each in found])
        assert over_inputs.difference.low < 0 < over_inputs.difference.high
    hits = faithfulness.across([each.hit for each in found])
    assert hits.score.low < 1 / 8 < hits.score.high


def test_quantus_finds_the_same_mass_and_the_same_point():
    # Quantus 0.6.0 with normalise=False: RelevanceMassAccuracy of the positive part, PointingGame.
    grey = np.array([[0.8, 0.6, 0.2, 0.9], [0.3, 1.0, 0.5, 0.4], [0.7, 0.1, 0.9, 0.6]])
    weights = np.array([[0.9, -0.4, 0.3, 0.05], [-0.8, 1.2, 0.1, -0.2], [0.6, -0.1, 0.7, -0.5]])
    given = np.array([[0.5, -0.1, 0.2, 0.1], [-0.3, 1.0, -0.2, 0.0], [0.11, 0.3, 0.9, -0.6]])
    mask = np.array([[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0]], dtype=bool)
    picture = np.repeat(grey[..., None], 3, axis=2)
    for values, mass in ((weights * grey, 0.6016), (given, 0.7073954)):
        found = faithfulness.pointing(of_picture(values.ravel(), picture, np.arange(12).reshape(3, 4)), mask)
        assert found.mass.score == pytest.approx(mass, abs=1e-4)
        assert found.hit.score == 1


def test_a_mark_across_a_border_makes_true_what_holds_enough_of_it():
    mask = np.zeros((8, 16), dtype=bool)
    mask[1:3, 2:5] = True  # two thirds in segment 0, one third in segment 1
    seen = of_picture(WEIGHTS)
    assert faithfulness.pointing(seen, mask).true.nonzero()[0].tolist() == [0, 1]
    assert faithfulness.pointing(seen, mask, share=0.5).true.nonzero()[0].tolist() == [0]
    assert faithfulness.pointing(seen, mask, share=1).true.nonzero()[0].tolist() == [0]
    # The better of the two is what counts.
    assert faithfulness.pointing(of_picture([0, 9, 1, 1, 1, 1, 1, 1]), mask).rank.score == 1


def test_a_word_that_stands_in_several_places_is_one_feature():
    text = "bad good bad"
    features = [(Span(0, 3), Span(9, 12)), Span(4, 8)]
    found = faithfulness.pointing(explanation([2, 1], features, text), [(9, 12)])
    assert found.true.tolist() == [True, False]


def test_ties_are_shared_out():
    assert faithfulness.rank(np.array([1.0, 1, 1, 0]), np.array([True, False, False, False])) == 2
    assert faithfulness.rank(np.array([1.0, 1, 1, 0]), np.array([True, True, True, False])) == 1
    assert faithfulness.rank(np.array([1.0, 1, 1, 0]), np.array([False, False, False, True])) == 4
    # With two of three equal places true, the better one is first in two of three orders, else second.
    assert faithfulness.rank(np.ones(3), np.array([True, True, False])) == pytest.approx(4 / 3)
    seen = of_row([1, 1, 0, 0], np.zeros(4))
    assert faithfulness.pointing(seen, "x0").hit.score == 0.5


def test_mass_is_undefined_where_nothing_speaks_for_the_class():
    found = faithfulness.pointing(of_row([-1, -2, -3], np.zeros(3)), "x0")
    assert not found.mass.defined
    assert (found.hit.score, found.rank.score) == (1, 1)


SEEN = of_picture(WEIGHTS)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: faithfulness.pointing(SEEN, np.zeros((8, 16), bool)), "some true features .* got 0 of 8"),
        (lambda: faithfulness.pointing(SEEN, np.ones((8, 16), bool), share=0), "got 8 of 8"),
        (lambda: faithfulness.pointing(SEEN, np.ones((8, 16))), "booleans of shape .8, 16., got float64"),
        (lambda: faithfulness.pointing(SEEN, np.ones((4, 4), bool)), "of shape .4, 4."),
        (lambda: faithfulness.pointing(SEEN, MARK, share=2), "share from 0 to 1"),
        (lambda: faithfulness.pointing(of_text(WEIGHTS), "five"), "truth as .start, stop. of words"),
        (lambda: faithfulness.pointing(of_text(WEIGHTS), [(5, 5)]), "spans inside the text of 39 characters"),
        (lambda: faithfulness.pointing(of_text(WEIGHTS), [(30, 99)]), "spans inside the text"),
        (lambda: faithfulness.pointing(of_text(WEIGHTS), [(3, 4)]), "got 0 of 8"),
        (lambda: faithfulness.pointing(of_row([1, 2], [0, 0]), "x7"), "names of columns, got 'x7'.*x0, x1"),
        (lambda: faithfulness.pointing(of_picture([1, 2]), MARK), "one value for each of 8 features, got 2"),
        (lambda: faithfulness.pointing(SEEN, MARK, n_draws=0), "n_draws"),
        (lambda: faithfulness.rank([1, 2], [0, 1]), "true as 2 booleans"),
        (lambda: faithfulness.rank([1, 2], np.zeros(2, bool)), "one of them True"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()

"""Plots of importance, gradients and surrogate trees: what stands in them is what was measured."""

import numpy as np
import pytest
import tiny
from matplotlib.colors import to_rgb

from trustlib import explain, plots
from trustlib.estimates import Estimate
from trustlib.explain import GlobalImportance, Importance
from trustlib.plots.figure import BLUE, VERMILLION, png

FOUND = {
    "worst radius": Estimate(0.2, 0.1, 0.3, 40),
    "mean texture": Estimate(0.05, -0.02, 0.12, 40),
    "area error": Estimate(-0.01, -0.03, 0.01, 40),
}


def title(ax):
    return ax.get_title(loc="left")


def labels(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def test_bars_are_values_and_lines_are_intervals():
    ax = plots.importance(Importance(FOUND, "drop in accuracy", np.zeros((3, 1))))
    assert [bar.get_width() for bar in ax.patches] == [0.2, 0.05, -0.01]
    assert [list(line.get_xdata()) for line in ax.lines[:3]] == [[0.1, 0.3], [-0.02, 0.12], [-0.03, 0.01]]
    assert labels(ax) == list(FOUND)
    assert [text.get_text() for text in ax.texts] == [str(estimate) for estimate in FOUND.values()]
    assert ax.yaxis_inverted()
    assert ax.get_xlabel() == "drop in accuracy; lines are 95% intervals"
    assert title(ax) == "What matters most: worst radius."


def test_what_is_not_drawn_is_said():
    ax = plots.importance(Importance(FOUND, "drop", np.zeros((3, 1))), most=2)
    assert labels(ax) == ["worst radius", "mean texture"]
    assert title(ax) == "What matters most: worst radius. 1 more are not drawn."
    assert title(plots.importance(Importance(FOUND, "drop", np.zeros((3, 1))), title="So.", most=1)) == "So."


@pytest.mark.parametrize(("counts", "first"), [((9, 7, 5), "worst radius (9)"), ((9, 9, 9), "worst radius")])
def test_words_have_their_counts_beside_them_and_columns_need_none(counts, first):
    counts = dict(zip(FOUND, counts, strict=True))
    result = GlobalImportance(FOUND, "mean size", FOUND, counts, 9, 1, "lime", 90, None)
    assert labels(plots.importance(result))[0] == first


PICTURE = tiny.pictures([1])[0]
QUARTERS = np.kron([[0, 1], [2, 3]], np.ones((6, 6), dtype=np.int64))


@pytest.fixture(scope="module")
def readings():
    found = explain.gradients(tiny.image_classifier(), PICTURE, segments=QUARTERS, n_steps=4, target=1)
    return [found.gradient, found.gradient_times_input, found.integrated_gradients]


def test_pixels_for_and_against_stand_in_rows_of_their_own(readings):
    figure = plots.saliency(readings, classes=tiny.CLASSES)
    panels = np.reshape(figure.axes, (2, 4))
    assert [title(ax) or ax.get_title() for ax in panels[0]] == [
        "the picture",
        "gradient",
        "gradient x input",
        "integrated gradients",
    ]
    np.testing.assert_array_equal(panels[0, 0].images[0].get_array(), PICTURE)
    for column, result in zip(panels.T[1:], readings, strict=True):
        most = np.percentile(np.abs(result.attributions), 99.5)
        for ax, sign, colour in zip(column, (1, -1), (BLUE, VERMILLION), strict=True):
            drawn = ax.images[1]
            np.testing.assert_allclose(
                drawn.get_array(), np.clip(sign * result.attributions / most, 0, 1), atol=1e-12
            )
            np.testing.assert_allclose(drawn.cmap(0.5)[:3], to_rgb(colour), atol=0.02)
    assert figure.get_suptitle() == "Which pixels move the answer for bright."
    assert "above: for bright\nbelow: against it" in panels[1, 0].texts[0].get_text()
    assert len(png(figure)) < 100_000


def test_one_reading_may_stand_alone_and_classes_by_number(readings):
    figure = plots.saliency(readings[:1], title="Here.")
    assert len(figure.axes) == 4
    assert figure.get_suptitle() == "Here."
    assert plots.saliency(readings[:1]).get_suptitle() == "Which pixels move the answer for class 1."


def test_a_picture_of_equal_pixels_draws_nothing_and_does_not_fail():
    classifier = tiny.image_classifier()
    black = np.zeros_like(PICTURE)
    figure = plots.saliency([explain.gradient_times_input(classifier, black, segments=QUARTERS)])
    assert not figure.axes[1].images[1].get_array().any()


def test_texts_and_nothing_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"results of one picture, got \[\]"):
        plots.saliency([])
    text = explain.gradient(tiny.text_classifier(tmp_path), "a good film")
    with pytest.raises(ValueError, match=r"got \['text'\]; draw texts with plots.explanation"):
        plots.saliency([text])


def steps(rows):
    p = np.where(rows[:, 1] > 0.5, np.where(rows[:, 0] > 0.25, 0.9, 0.7), 0.1)
    return np.column_stack([1 - p, p])


ROWS = np.random.default_rng(0).random((400, 2)).round(1)


def imitation(depth=2, rows=ROWS, model=steps):
    return explain.surrogate_tree(
        model, rows, columns=("age", "dose"), classes=tiny.FEELINGS, max_depth=depth
    )


def test_a_tree_shows_its_questions_and_how_sure_its_answers_are():
    found = imitation()
    ax = plots.tree(found)
    said = [text.get_text().replace("\N{NO-BREAK SPACE}", " ") for text in ax.texts]
    assert {"dose ≤ 0.55", "age ≤ 0.25", "yes", "no"} <= set(said)
    assert sum(text == "yes" for text in said) == sum(text == "no" for text in said) == 2
    leaves = [
        text for _, text in sorted((t.get_position()[0], t.get_text()) for t in ax.texts) if "sure" in text
    ]
    assert [leaf.splitlines()[:2] for leaf in leaves] == [
        ["negative", "90% sure"],
        ["positive", "70% sure"],
        ["positive", "90% sure"],
    ]
    shares = [float(leaf.splitlines()[2].split("%")[0]) for leaf in leaves]
    assert sum(shares) == pytest.approx(100, abs=1.5)
    assert title(ax) == f"The tree says what the model says for {found.fidelity:.1%} of unseen inputs."


def test_yes_leads_to_the_left_and_questions_stand_above_their_answers():
    ax = plots.tree(imitation())
    places = {text.get_text(): text.get_position() for text in ax.texts if "≤" in text.get_text()}
    root, below = sorted(places.values(), key=lambda place: -place[1])
    assert root[1] > below[1]
    yes, no = ([t.get_position()[0] for t in ax.texts if t.get_text() == word] for word in ("yes", "no"))
    assert all(left < right for left, right in zip(yes, no, strict=True))


def test_a_tree_without_questions_is_one_box():
    ax = plots.tree(imitation(model=lambda rows: np.tile([0.2, 0.8], (len(rows), 1))))
    assert [text.get_text() for text in ax.texts] == ["positive\n80% sure\n100% of all"]


def test_a_tree_that_nobody_can_read_is_refused():
    def wavy(rows):
        p = 0.5 + 0.4 * np.sin(9 * rows[:, 0]) * np.cos(7 * rows[:, 1])
        return np.column_stack([1 - p, p])

    with pytest.raises(ValueError, match="a tree at most 4 deep, got 6; print it"):
        plots.tree(imitation(depth=6, model=wavy))

import dataclasses
import io

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from PIL import Image

from trustlib import plots
from trustlib.explain import Explanation, masking
from trustlib.plots import explanations
from trustlib.plots.figure import compact

PICTURE = np.full((20, 30, 3), 128, np.uint8)
SEGMENTS = masking.grid(PICTURE, 6)


def made(kind="table", values=(0.3, -0.2, 0.05, 0.01, -0.02, 0.0), error=0.02, **options):
    values = np.asarray(values, dtype=float)
    names = tuple("abcdefghijklmnopqrstuvwxyz"[: len(values)])
    text = "a good film that is bad"
    features, explained = {
        "table": (names, np.zeros(len(values))),
        "image": (SEGMENTS, PICTURE),
        "text": (masking.words(text), text),
    }[kind]
    return Explanation(
        *(values, 0.4, 0.7, 1, features, np.full(len(values), error), 0.8, 50, 0, "lime", explained),
        **options,
    )


def test_each_kind_is_drawn_its_way():
    assert isinstance(plots.explanation(made("table")), Axes)
    assert isinstance(plots.explanation(made("image")), Axes)
    drawn = plots.explanation(made("text"), classes=("bad", "good"))
    assert isinstance(drawn, plots.Marked)
    assert "for <bdi>good</bdi>" in drawn._repr_html_()
    assert repr(drawn) == repr(made("text"))


# Pictures


def test_segments_are_blue_for_and_vermillion_against_and_pale_where_little_happened():
    shaded = explanations._shaded(PICTURE, made("image").values[SEGMENTS])
    strong, against, weak, nothing = (shaded[SEGMENTS == label][0] for label in (0, 1, 3, 5))
    assert strong[2] > strong[0] + 0.2
    assert against[0] > against[2] + 0.1
    assert np.ptp(weak) < 0.05
    np.testing.assert_allclose(nothing, 128 / 255)


def test_shades_of_the_picture_stay_visible_under_full_colour():
    halves = PICTURE.copy()
    halves[:10] = 30
    shaded = explanations._shaded(halves, np.ones((20, 30)))
    assert shaded[15].mean() > shaded[5].mean() + 0.15


def test_borders_run_between_segments_only():
    lines = explanations._borders(np.array([[0, 0], [0, 1]]))
    assert sorted(lines.tolist()) == [[[0.5, 0.5], [0.5, 1.5]], [[0.5, 0.5], [1.5, 0.5]]]
    ax = plots.explanation(made("image"))
    assert sum(isinstance(drawn, LineCollection) for drawn in ax.collections) == 1


def test_the_largest_segments_carry_their_value_with_its_sign():
    ax = plots.explanation(made("image"))
    assert [text.get_text() for text in ax.texts] == ["+0.30", "-0.20", "+0.05", "-0.02"]
    column, row = ax.texts[1].get_position()
    assert SEGMENTS[int(row), int(column)] == 1


def test_many_segments_are_drawn_without_borders():
    pixels = np.arange(600).reshape(20, 30)
    ax = plots.explanation(
        Explanation(*(np.linspace(-1, 1, 600), 0, 0, 0, pixels, np.zeros(600), 0, 1, 0, "x", PICTURE / 255))
    )
    assert not ax.texts and not ax.collections


def test_the_scale_says_what_the_colours_mean():
    ax = plots.explanation(made("image"), classes=("intact", "cracked"))
    (scale,) = [other for other in ax.figure.axes if other is not ax]
    assert scale.get_ylabel() == "− against, + for cracked: change in the probability"
    assert scale.get_ylim() == (-0.3, 0.3)
    assert ax.get_title(loc="left") == (
        "Blue speaks for it, vermillion against;\nprobability of cracked: 0.70 (lime)."
    )


def test_cuts_stand_beside_each_other_with_their_number_of_segments():
    figure = plots.segmentations(PICTURE, {"grid": SEGMENTS, "whole": np.zeros((20, 30), int)})
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["grid: 6 segments", "whole: 1 segments"]
    assert [len(ax.collections[0].get_segments()) for ax in figure.axes] == [2 * 20 + 30, 0]
    with pytest.raises(ValueError, match="expected at least one segmentation"):
        plots.segmentations(PICTURE, {})
    with pytest.raises(ValueError, match=r"expected segments as integers of shape \(20, 30\)"):
        plots.segmentations(PICTURE, {"other": SEGMENTS[1:]})


# Bars


def test_bars_stand_in_order_of_size_with_their_intervals():
    ax = plots.explanation(made("table"))
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["a", "b", "c", "e", "d", "f"]
    assert [bar.get_width() for bar in ax.patches] == [0.3, -0.2, 0.05, -0.02, 0.01, 0.0]
    np.testing.assert_allclose(ax.lines[0].get_xdata(), [0.3 - 1.96 * 0.02, 0.3 + 1.96 * 0.02])
    assert ax.patches[1].get_hatch() and not ax.patches[0].get_hatch()
    assert "± 1.96 standard errors" in ax.get_xlabel()


def test_what_is_left_out_is_added_up():
    covariance = np.full((6, 6), 0.0004)
    ax = plots.explanation_bars(made("table", covariance=covariance), limit=2)
    assert ax.get_yticklabels()[-1].get_text() == "4 others"
    assert ax.patches[-1].get_width() == pytest.approx(0.04)
    left, right = ax.lines[2].get_xdata()
    assert right - left == pytest.approx(2 * 1.96 * 4 * 0.02)  # fully correlated errors add up


def test_unknown_errors_have_no_lines():
    ax = plots.explanation_bars(made("image", error=np.nan))
    assert len(ax.lines) == 1  # that of 0
    assert "standard errors" not in ax.get_xlabel()
    assert ax.get_title(loc="left") == "segment 0 weighs most on class 1: +0.300 (lime)."


def test_an_overlay_becomes_a_small_file():
    rng = np.random.default_rng(0)
    shades = np.linspace(0, 200, 200)[:, None, None] + rng.normal(0, 8, (1, 200, 1))
    picture = np.repeat(shades, 3, axis=2).clip(0, 255).astype(np.uint8)
    segments = masking.slic(picture, 48)
    values = rng.normal(size=segments.max() + 1)
    each = Explanation(*(values, 0, 0, 0, segments, values * 0, 0, 1, 0, "lime", picture))
    _, data = compact(plots.explanation(each))
    assert len(data) <= 100_000
    assert Image.open(io.BytesIO(data)).size[0] < 900


def test_a_limit_below_one_is_refused():
    with pytest.raises(ValueError, match="expected limit as a whole number from 1 up, got 0"):
        plots.explanation_bars(made(), limit=0)


def test_a_gradient_and_log_odds_are_called_what_they_are():
    rate = dataclasses.replace(made(), method="gradient")
    assert plots.explanation(rate).get_xlabel().startswith("gradient of the probability of class 1")
    odds = made(unit="log odds")
    assert plots.explanation(odds).get_xlabel().startswith("change in the log odds of class 1")
    text = dataclasses.replace(made("text", unit="log odds"), base_value=np.nan)
    assert "log odds of <bdi>class 1</bdi> 0.700. " in text._repr_html_()

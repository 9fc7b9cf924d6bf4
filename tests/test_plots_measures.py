"""Plots of intervals, groups, calibration and abstaining: what stands in them is what was measured."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from trustlib import accuracy, calibration, plots
from trustlib.estimates import Estimate


def answers(n=300, sharp=2.0, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.random(n)
    odds = (p / (1 - p)) ** sharp
    return np.column_stack([1 / (1 + odds), odds / (1 + odds)]), (rng.random(n) < p).astype(int)


PROBS, LABELS = answers()
TRUST = calibration.evaluate(PROBS, LABELS, n_bins=10)
CURVE = calibration.risk_coverage(PROBS, LABELS, at_risk=0.1)
TYPES = accuracy.by_group(PROBS, LABELS, np.where(np.arange(300) < 90, "mono", "poly"))


def title(ax):
    return ax.get_title(loc="left")


def test_reliability_draws_the_bins_that_hold_samples():
    ax = plots.reliability(TRUST)
    counts = ax.figure.axes[-1]
    held = TRUST.bins.counts > 0
    line, dots = ax.lines
    assert line.get_xydata().tolist() == [[0, 0], [1, 1]]
    np.testing.assert_allclose(dots.get_xydata(), np.c_[TRUST.bins.confidence, TRUST.bins.right][held])
    segments = ax.collections[0].get_segments()
    np.testing.assert_allclose([s[:, 1] for s in segments], np.c_[TRUST.bins.low, TRUST.bins.high][held])
    assert [bar.get_height() for bar in counts.patches] == TRUST.bins.counts.tolist()
    assert counts.get_xlim()[0] == pytest.approx(0.48)  # two classes: no confidence lies below a half
    chance = TRUST.ece_if_calibrated.value
    assert title(ax) == f"ECE {TRUST.ece:.3f}; if calibrated, chance makes it {chance:.3f}."
    assert (ax.get_ylabel(), counts.get_xlabel()) == ("share of right answers", "confidence")
    assert title(plots.reliability(TRUST, title="Before.")) == "Before."


def test_reliability_shares_the_place_of_a_given_axes():
    figure, axes = plt.subplots(1, 2)
    try:
        assert plots.reliability(TRUST, ax=axes[0]) is axes[0]
        figure.draw_without_rendering()
        dots, counts, right = (ax.get_position() for ax in (axes[0], figure.axes[-1], axes[1]))
        assert dots.y0 > counts.y1
        assert dots.x0 == pytest.approx(counts.x0)
        assert dots.x1 < right.x0
    finally:
        plt.close(figure)


def test_if_calibrated_sets_what_was_found_against_what_chance_gives():
    ax = plots.if_calibrated(TRUST)
    assert sum(bar.get_height() for bar in ax.patches) == pytest.approx(1)
    assert list(ax.lines[0].get_xdata()) == [TRUST.ece] * 2
    share = np.mean(TRUST.ece_draws >= TRUST.ece)
    assert title(ax) == f"A calibrated model has an ECE of {TRUST.ece:.3f} or more in {share:.1%} of draws."


def test_risk_coverage_is_a_staircase_with_a_dot_at_what_can_be_kept():
    ax = plots.risk_coverage(CURVE)
    stairs, dot, line = ax.lines
    np.testing.assert_allclose(stairs.get_xdata()[1:], CURVE.coverage)
    np.testing.assert_allclose(stairs.get_ydata()[1:], CURVE.risk)
    kept = CURVE.coverage_at_risk.value
    ((x, y),) = dot.get_xydata()
    assert (x, y) == pytest.approx((kept, CURVE.risk[CURVE.coverage <= kept + 1e-9][-1]))
    assert y <= 0.1
    assert list(line.get_ydata()) == [0.1, 0.1]
    assert title(ax) == f"{CURVE.coverage_at_risk:.0%} of the answers can be kept at 10% errors."
    assert ax.get_legend() is None


def test_further_curves_differ_by_more_than_colour():
    ax = plots.risk_coverage(CURVE, label="before")
    assert plots.risk_coverage(CURVE, label="after", ax=ax) is ax
    worse = calibration.risk_coverage(PROBS, 1 - LABELS)
    curves = [line for line in ax.lines if line.get_gid() == "risk"]
    plots.risk_coverage(worse, ax=ax)
    assert ax.get_ylim()[1] > worse.risk.max()  # all curves fit, whichever came first
    assert len(curves) == 2
    assert curves[0].get_linestyle() != curves[1].get_linestyle()
    assert curves[0].get_color() != curves[1].get_color()
    named = [text.get_text() for text in ax.get_legend().get_texts()]
    assert named == [f"before, area {CURVE.aurc}", f"after, area {CURVE.aurc}"]


def test_the_first_of_several_curves_brings_the_title_of_all():
    ax = plots.risk_coverage(CURVE, title="Two models.", label="one")
    assert title(plots.risk_coverage(CURVE, title="The second.", label="two", ax=ax)) == "Two models."


def test_where_nothing_can_be_kept_there_is_no_dot():
    curve = calibration.risk_coverage([[0.9, 0.1], [0.8, 0.2]], [1, 1])
    ax = plots.risk_coverage(curve)
    assert len(ax.lines) == 2
    assert title(ax).startswith("0% [0%, ")


def test_groups_stand_with_their_sizes_and_say_what_their_intervals_hold():
    ax = plots.groups(TYPES)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["mono (n = 90)", "poly (n = 210)"]
    assert [text.get_text() for text in ax.texts] == [str(found) for found in TYPES.groups.values()]
    assert list(ax.lines[-1].get_xdata()) == [TYPES.overall] * 2
    assert ax.get_xlabel() == "accuracy; all lines together hold in 95% of data sets"
    assert title(ax) == f"Lowest for {TYPES.worst}: {TYPES.groups[TYPES.worst]}."


def test_intervals_that_miss_are_dashed_with_a_cross():
    found = [Estimate(0.8, 0.7, 0.9, 50), Estimate(0.6, 0.5, 0.69, 50), Estimate(0.7, 0.6, 0.8, 50)]
    ax = plots.repeated(found, truth=0.7, xlabel="accuracy")
    lines, marks = ax.lines[0:6:2], ax.lines[1:6:2]
    assert [mark.get_marker() for mark in marks] == [".", "x", "."]
    assert lines[0].get_linestyle() == "-" != lines[1].get_linestyle()
    np.testing.assert_allclose(lines[1].get_xydata(), [[0.5, 1], [0.69, 1]])
    assert title(ax) == "1 of 3 intervals miss the truth (dashed, with a cross)."
    assert list(ax.lines[-1].get_xdata()) == [0.7, 0.7]
    with pytest.raises(ValueError, match="at least one estimate"):
        plots.repeated([], truth=0.5, xlabel="accuracy")


def test_every_plot_is_small_and_leaves_no_figure_open():
    before, settings = plt.get_fignums(), dict(matplotlib.rcParams)
    hundred = [Estimate(0.5, 0.4, 0.6, 10)] * 100
    drawn = [
        plots.reliability(TRUST),
        plots.if_calibrated(TRUST),
        plots.risk_coverage(CURVE, label="one"),
        plots.groups(TYPES),
        plots.repeated(hundred, truth=0.55, xlabel="accuracy"),
    ]
    assert all(len(plots.png(ax)) < 40_000 for ax in drawn)
    assert plots.risk_coverage(CURVE, ax=Figure().add_subplot()).lines
    assert plt.get_fignums() == before
    assert dict(matplotlib.rcParams) == settings

"""Plots of faithfulness: what stands in them is what was measured."""

import numpy as np
import pytest
from explained import WEIGHTS, of_text, of_texts

from trustlib import faithfulness, plots
from trustlib.estimates import Estimate
from trustlib.faithfulness import Randomisation
from trustlib.faithfulness.control import beside

TRUE = of_text(WEIGHTS)


def title(ax):
    return ax.get_title(loc="left")


def test_a_curve_is_drawn_with_all_random_orders():
    curve = faithfulness.deletion(of_texts, TRUE.input, TRUE, n_draws=7)
    ax = plots.faithfulness_curve(curve)
    drawn = [line for line in ax.lines if len(line.get_xdata())]
    assert len(drawn) == 8
    np.testing.assert_allclose(drawn[-1].get_xydata(), np.c_[curve.shares, curve.answers])
    np.testing.assert_allclose(drawn[3].get_ydata(), curve.control_answers[3])
    assert title(ax) == "Deletion: this order is better than 100% of 7 random orders."
    assert ax.get_xlabel() == "share of features hidden"
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend[1] == f"most important first, area {curve.area.score:.3f}"
    shown = plots.faithfulness_curve(faithfulness.insertion(of_texts, TRUE.input, TRUE), title="Up.")
    assert (title(shown), shown.get_xlabel()) == ("Up.", "share of features shown")


def randomised(*scores):
    made = tuple(
        beside(score, np.linspace(-0.5, 0.5, 201), estimate=Estimate(score, score - 0.1, score + 0.1, 3))
        for score in scores
    )
    names = tuple(f"layer{i}" for i in range(len(scores)))
    table = np.array([scores] * 3)
    return Randomisation(names, made, made, table, table, np.isnan(table), TRUE, (), 4, 0)


def test_randomisation_draws_a_dot_a_stage_and_a_cross_where_nothing_is_defined():
    ax = plots.randomisation(randomised(0.5, np.nan, 0.2))
    dots = [line.get_xydata()[0].tolist() for line in ax.lines if line.get_marker() == "o"]
    assert dots == [[1, 0.5], [3, 0.2]]
    (crosses,) = [line for line in ax.lines if line.get_gid() == "undefined"]
    assert crosses.get_xydata().tolist() == [[2, -1]]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["trained", "layer0", "layer1", "layer2"]
    assert title(ax) == "With all of these layers random, 0.20 of rank agreement is left."
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((-0.475, 0.475))
    assert "not defined" in title(plots.randomisation(randomised(0.5, np.nan)))


def test_scores_are_drawn_beside_their_controls():
    results = [beside(0.8 + i / 100, [0.1, 0.3]) for i in range(9)]
    found = faithfulness.across(results)
    ax = plots.beside_control({"LIME": found, "SHAP": found}, xlabel="hits", title="Both find it.")
    dots = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o" and len(line.get_xdata())]
    assert dots == [found.score.value] * 2
    assert [text.get_text() for text in ax.texts] == [f"{found.difference:+.2f}"] * 2
    assert title(ax) == "Both find it."
    with pytest.raises(ValueError, match="at least one score"):
        plots.beside_control({}, xlabel="hits")

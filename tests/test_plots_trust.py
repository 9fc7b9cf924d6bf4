"""Every axis in a panel of its own: what is drawn where, and which way is better."""

import numpy as np
import pytest

from trustlib import plots
from trustlib.estimates import Estimate

MEASURES = {
    "accuracy": {"all": Estimate(0.8, 0.7, 0.9, 50), "head": Estimate(0.6, 0.5, 0.7, 50)},
    "answers changed by slips in a tenth of all words of a text": {
        "all": Estimate(0.1, 0.05, 0.15, 50),
        "head": Estimate(np.nan, np.nan, np.nan, 0),
    },
    "stability": {"all": Estimate(0.9, 0.8, 1.0, 50), "head": Estimate(0.9, 0.8, 1.0, 50)},
}


def panels(**options):
    return [ax for ax in plots.trust(MEASURES, **options).axes if ax.axison]


def test_each_axis_has_a_panel_with_a_dot_and_an_interval_for_each_model():
    found = panels(title="Three axes.")
    assert len(found) == 3
    interval, dot, *_ = found[0].lines
    assert interval.get_xdata().tolist() == [0.7, 0.9] and dot.get_xdata().tolist() == [0.8]
    assert [label.get_text() for label in found[0].get_yticklabels()] == ["all", "head"]
    assert found[0].get_ylim() == (1.5, -0.5)  # the first model on top
    assert found[0].figure.get_suptitle() == "Three axes."


def test_long_names_are_broken_and_nothing_is_drawn_for_what_is_not_defined():
    second = panels()[1]
    assert "\n" in second.get_title(loc="left")
    assert np.isnan(second.lines[3].get_xdata()).all()


def test_an_arrow_says_which_way_is_better():
    more = dict.fromkeys(MEASURES, True) | {list(MEASURES)[1]: False}
    words = [ax.texts[0].get_text() for ax in panels(better=more)]
    assert words == ["better →", "← better", "better →"]
    assert not any(ax.texts for ax in panels())


def test_the_first_model_differs_by_its_mark_too():
    lines = panels()[0].lines
    assert (lines[1].get_marker(), lines[3].get_marker()) == ("o", "s")


@pytest.mark.parametrize("measures", [{}, {"accuracy": {}}])
def test_nothing_to_draw_is_refused(measures):
    with pytest.raises(ValueError, match="expected the estimates of at least one axis, got none"):
        plots.trust(measures)

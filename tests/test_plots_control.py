"""A slider: what it shows, when it draws, and what is left of it without a kernel."""

import pytest
from ipywidgets.widgets import widget

from trustlib import plots
from trustlib.estimates import Estimate

VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def slider(monkeypatch):
    """A slider, as (its bundle, the knob, the picture, the values that were drawn)."""
    bundles, values = [], []
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: bundles.append(bundle))

    def draw(value):
        values.append(value)
        return plots.estimates({"a": Estimate(value, 0, 1, 9)}, xlabel="x"), f'drawn at "{value}"'

    plots.slider(draw, name="sigma", most=0.5, start=0.05, instead="A slider stood here.")
    (bundle,) = bundles
    yield bundle, *widget._instances[bundle[VIEW]["model_id"]].children, values
    widget.Widget.close_all()


def test_a_slider_is_a_widget_with_a_sentence_for_readers_without_a_kernel(slider):
    bundle, knob, _, _ = slider
    assert bundle["text/plain"] == "A slider stood here."
    assert (knob.min, knob.max, knob.value, knob.step) == (0.0, 0.5, 0.05, 0.01)
    assert (knob.description, knob.continuous_update) == ("sigma", False)


def test_it_draws_at_the_start_and_each_time_that_the_value_changes(slider):
    _, knob, picture, values = slider
    first = picture.value
    assert first.startswith('<img alt="drawn at &quot;0.05&quot;" src="data:image/png;base64,')
    knob.value = 0.3
    assert values == [0.05, 0.3]
    assert picture.value.startswith('<img alt="drawn at &quot;0.3&quot;" src') and picture.value != first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"most": 0}, "expected most above 0, got 0"),
        ({"start": 2}, "expected start from 0 to 1, got 2; start on the slider"),
        ({"steps": 0}, "expected steps"),
        ({"instead": " "}, "expected a sentence instead, got ' '; say what"),
    ],
)
def test_bad_input_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        plots.slider(print, **{"name": "x", "most": 1.0, "instead": "A slider."} | options)

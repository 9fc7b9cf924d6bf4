"""A control to play with in a notebook, and a sentence in its place where no kernel runs."""

from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trustlib import checks
from trustlib.errors import missing_extra
from trustlib.plots.figure import as_html


def slider(
    draw: Callable[[float], tuple[Axes | Figure, str]],
    *,
    name: str,
    most: float,
    instead: str,
    start: float = 0.0,
    steps: int = 50,
) -> None:
    """A slider from 0 to `most` in a notebook, and below it a figure that is drawn anew at each value.

    Args:
        draw: takes the value, returns a figure and its alternative text. It is called once at the start, and
            each time that the slider is let go.
        name: of the value, beside the slider.
        most: the largest value.
        instead: a sentence for readers without a kernel: a page or a file shows it in the slider's place.
        start: the first value, in [0, most].
        steps: how many there are from 0 to `most`.
    Raises: ValueError; MissingExtra without ipywidgets.
    """
    most, steps = checks.positive(most, name="most"), checks.count(steps, name="steps")
    if not 0 <= start <= most:
        raise ValueError(f"expected start from 0 to {most:g}, got {start:g}; start on the slider")
    if not isinstance(instead, str) or not instead.strip():
        raise ValueError(f"expected a sentence instead, got {instead!r}; say what the slider would show")
    try:
        import ipywidgets
        from IPython import display
    except ImportError as error:
        raise missing_extra(error.name or "ipywidgets", "course") from error

    knob = ipywidgets.FloatSlider(
        start,
        min=0.0,
        max=most,
        step=most / steps,
        description=name,
        readout_format=".3f",
        continuous_update=False,
    )
    picture = ipywidgets.HTML(as_html(*draw(start)))
    knob.observe(lambda change: setattr(picture, "value", as_html(*draw(change["new"]))), names="value")
    bundle = ipywidgets.VBox([knob, picture])._repr_mimebundle_()
    display.display(bundle | {"text/plain": instead}, raw=True)

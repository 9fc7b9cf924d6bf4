"""Every axis of trust beside each other."""

import textwrap
from collections.abc import Mapping

import matplotlib
from matplotlib.figure import Figure

from trustlib.estimates import Estimate
from trustlib.plots.figure import BLUE, INK, STYLE, VERMILLION, WIDTH, named_rows

COLUMNS = 2


@matplotlib.rc_context(STYLE)
def trust(
    measures: Mapping[str, Mapping[str, Estimate]],
    *,
    title: str | None = None,
    better: Mapping[str, bool] | None = None,
) -> Figure:
    """A small panel for each axis: a dot for each model, a line for its interval; every panel has its scale.

    Args:
        measures: {axis, told with its measure: {model: Estimate}}, the same models in each; NaN stays blank.
        title: a sentence that says what is seen.
        better: {axis: True where more is better}; an arrow says which way is better. None draws none.
    Raises: ValueError without measures.
    """
    if not measures or not all(measures.values()):
        raise ValueError(
            "expected the estimates of at least one axis, got none; pass {axis: {model: estimate}}"
        )
    models = list(next(iter(measures.values())))
    rows = -(-len(measures) // COLUMNS)
    height = rows * (0.75 + 0.24 * len(models)) + (0.4 if title else 0.1)
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, squeeze=False)
    for ax in panels.flat[len(measures) :]:
        ax.set_axis_off()
    for at, (ax, (axis, by_model)) in enumerate(zip(panels.flat, measures.items(), strict=False)):
        for row, found in enumerate(by_model.values()):
            colour, mark = (BLUE, "s") if row else (VERMILLION, "o")
            ax.plot([found.low, found.high], [row, row], color=colour)
            ax.plot(found.value, row, mark, color=colour, markersize=5)
        named_rows(ax, models if at % COLUMNS == 0 else [""] * len(models))
        ax.locator_params(axis="x", nbins=5)
        ax.set_title(textwrap.fill(axis, 38), fontsize=9)
        if better is not None:
            sign = "better \N{RIGHTWARDS ARROW}" if better[axis] else "\N{LEFTWARDS ARROW} better"
            ax.annotate(
                sign,
                (1 if better[axis] else 0, -0.32),
                xycoords="axes fraction",
                ha="right" if better[axis] else "left",
                fontsize=8,
                color=INK,
            )
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure

"""Numbers with their intervals, below each other."""

from collections.abc import Mapping, Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from trustlib.accuracy import ByGroup
from trustlib.estimates import Estimate
from trustlib.plots.figure import BLUE, INK, STYLE, VERMILLION, axes, named_rows


@matplotlib.rc_context(STYLE)
def estimates(
    estimates: Mapping[str, Estimate],
    *,
    xlabel: str,
    title: str | None = None,
    reference: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Estimates below each other: a dot for the value, a line for the interval, both printed beside it.

    Args:
        estimates: Estimate by name, drawn from top to bottom.
        xlabel: what is measured, with its unit.
        title: a sentence that says what is seen.
        reference: a value to compare with, such as 0 for differences.
        ax: where to draw; room is taken to its right.
    Raises: ValueError without estimates.
    """
    if not estimates:
        raise ValueError("expected at least one estimate, got none; pass {name: estimate}")
    ax = axes(ax, height=0.9 + 0.36 * len(estimates))
    for row, estimate in enumerate(estimates.values()):
        ax.plot([estimate.low, estimate.high], [row, row], color=BLUE, solid_capstyle="butt")
        ax.plot(estimate.value, row, "o", color=BLUE, markersize=6)
        ax.annotate(
            str(estimate),
            (1.02, row),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=9,
        )
    if reference is not None:
        ax.axvline(reference, color=INK, linewidth=1.1, linestyle=(0, (4, 3)), zorder=1)
    named_rows(ax, list(estimates))
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))  # long names leave little room
    levels = sorted({estimate.level for estimate in estimates.values()})
    ax.set_xlabel(f"{xlabel}; lines are {' or '.join(f'{level:.0%}' for level in levels)} intervals")
    if title:
        ax.set_title(title)
    return ax


@matplotlib.rc_context(STYLE)
def groups(result: ByGroup, *, title: str | None = None, ax: Axes | None = None) -> Axes:
    """The accuracy of each group, with intervals that hold for all at once; the dashed line is the whole.

    Args:
        result: what `accuracy.by_group` returns.
        title: a sentence that says what is seen; by default the worst group.
        ax: where to draw; room is taken to its right.
    """
    rows = {f"{name} (n = {found.n:,})": found for name, found in result.groups.items()}
    sentence = title or f"Lowest for {result.worst}: {result.groups[result.worst]}."
    ax = estimates(rows, xlabel="accuracy", title=sentence, reference=result.overall, ax=ax)
    ax.set_xlabel(f"accuracy; all lines together hold in {result.level:.0%} of data sets")
    return ax


@matplotlib.rc_context(STYLE)
def repeated(
    estimates: Sequence[Estimate],
    *,
    truth: float,
    xlabel: str,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """The same measurement on many data sets: intervals that miss the truth are dashed, with a cross.

    Args:
        estimates: one for each data set, drawn from top to bottom.
        truth: what all of them measure.
        xlabel: what is measured, with its unit.
        title: a sentence that says what is seen; by default how many miss.
        ax: where to draw.
    Raises: ValueError without estimates.
    """
    if not estimates:
        raise ValueError("expected at least one estimate, got none; pass one for each data set")
    ax = axes(ax, height=1.1 + 0.055 * len(estimates))
    missed = [not estimate.low <= truth <= estimate.high for estimate in estimates]
    for row, (estimate, off) in enumerate(zip(estimates, missed, strict=True)):
        colour, dashes, mark = (VERMILLION, (0, (2, 1)), "x") if off else (BLUE, "-", ".")
        ax.plot([estimate.low, estimate.high], [row, row], color=colour, linestyle=dashes, linewidth=1.1)
        ax.plot(estimate.value, row, mark, color=colour, markersize=5)
    ax.axvline(truth, color=INK, linewidth=1.1, linestyle=(0, (4, 3)), zorder=1)
    ax.set_ylim(len(estimates), -1)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.set_xlabel(f"{xlabel}; the dashed line is the truth")
    ax.set_title(
        title or f"{sum(missed)} of {len(estimates)} intervals miss the truth (dashed, with a cross)."
    )
    return ax

"""How losses move with time and data, and how sure a model is of strangers."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator, PercentFormatter
from numpy.typing import ArrayLike

from trustlib import checks
from trustlib.estimates import Estimate
from trustlib.plots.figure import BLUE, GREEN, INK, ORANGE, PALE, STYLE, VERMILLION, axes

LINES = ((BLUE, "-", "o"), (ORANGE, "--", "s"), (GREEN, "-.", "^"), (VERMILLION, ":", "D"))
FEW = 15  # sizes that have a mark each


@matplotlib.rc_context(STYLE)
def curves(
    sizes: Sequence[float],
    curves: Mapping[str, Sequence[Estimate | float]],
    *,
    xlabel: str,
    ylabel: str,
    title: str | None = None,
    logarithmic: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Numbers against a size (training samples, epochs), a line each, with intervals where they have one.

    Args:
        sizes: (m,), increasing.
        curves: by name, m Estimates or numbers; at most four.
        xlabel, ylabel: what is on either axis, with its unit.
        title: a sentence that says what is seen.
        logarithmic: whether equal steps to the right are equal factors.
        ax: where to draw.
    Raises: ValueError when a curve has another length, or without curves, or with more than four.
    """
    sizes = checks.numbers(sizes, name="sizes")
    if not 1 <= len(curves) <= len(LINES):
        raise ValueError(f"expected 1 to {len(LINES)} curves, got {len(curves)}; draw fewer at once")
    ax = axes(ax, height=3.2)
    for (name, found), (colour, dashes, mark) in zip(curves.items(), LINES, strict=False):
        if len(found) != len(sizes):
            raise ValueError(
                f"expected {len(sizes)} numbers in {name!r}, one a size, got {len(found)}; add the rest"
            )
        values = [float(number) for number in found]
        every = 1 if len(sizes) <= FEW else len(sizes) // 10
        ax.plot(sizes, values, dashes, marker=mark, markersize=5, markevery=every, color=colour, label=name)
        measured = [(x, e) for x, e in zip(sizes, found, strict=True) if isinstance(e, Estimate)]
        for x, e in measured:
            ax.vlines(x, e.low, e.high, color=colour, linewidth=1.4)
    if logarithmic:
        ax.set_xscale("log")
        ax.xaxis.set_minor_locator(NullLocator())
    if len(sizes) <= FEW:
        ax.set_xticks(sizes, [f"{size:,.10g}" for size in sizes])
    ax.grid(axis="y", color=PALE, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    if title:
        ax.set_title(title)
    if len(curves) > 1:
        ax.legend()
    return ax


@matplotlib.rc_context(STYLE)
def confidences(
    groups: Mapping[str, ArrayLike],
    *,
    xlabel: str = "confidence: probability of the answer given",
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """How sure a model is of each group of samples: a stepped outline each, all of the same area.

    Args:
        groups: by name, the confidence of each sample, in [0, 1]; at most four groups. Draw its own first.
        xlabel: what is on the axis.
        title: a sentence that says what is seen.
        ax: where to draw.
    Raises: ValueError when a number is not in [0, 1], or without groups, or with more than four.
    """
    if not 1 <= len(groups) <= len(LINES):
        raise ValueError(f"expected 1 to {len(LINES)} groups, got {len(groups)}; draw fewer at once")
    found = {name: checks.numbers(values, name=repr(name)) for name, values in groups.items()}
    for name, values in found.items():
        if values.min() < 0 or values.max() > 1 + checks.SUM_TOLERANCE:
            raise ValueError(
                f"expected confidences in [0, 1], got {values.min():.4g} to {values.max():.4g} in {name!r}; "
                "take the largest probability of each row"
            )
    ax = axes(ax, height=2.8)
    least = min(values.min() for values in found.values())
    edges = np.linspace(np.floor(least * 20) / 20, 1, 21)
    for (name, values), (colour, dashes, _) in zip(found.items(), LINES, strict=False):
        shares = np.histogram(np.minimum(values, 1), bins=edges)[0] / len(values)
        label = f"{name} ({len(values):,})"
        ax.stairs(shares, edges, color=colour, linestyle=dashes, linewidth=1.8, label=label)
        ax.axvline(np.median(values), color=colour, linestyle=dashes, linewidth=1.0, ymax=0.06)
    ax.set_xlim(edges[0] - 0.01, 1.01)
    ax.set_ylim(0)
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set_xlabel(f"{xlabel}; ticks below: medians")
    ax.set_ylabel("share of samples")
    ax.spines["bottom"].set_color(INK)
    if title:
        ax.set_title(title)
    ax.legend(loc="upper left")
    return ax

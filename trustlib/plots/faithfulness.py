"""Measures of explanations beside what random attributions get."""

from collections.abc import Mapping

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from trustlib.faithfulness import Across, Curve, Randomisation
from trustlib.plots.figure import BLUE, INK, PALE, STYLE, VERMILLION, axes, named_rows


@matplotlib.rc_context(STYLE)
def faithfulness_curve(curve: Curve, *, title: str | None = None, ax: Axes | None = None) -> Axes:
    """The answer as features go or come, most important first; thin grey lines are random orders.

    Args:
        curve: what `faithfulness.deletion` or `insertion` returns.
        title: a sentence that says what is seen; by default the share of random orders that are worse.
        ax: where to draw.
    """
    ax = axes(ax, height=3.0)
    deleted = curve.kind == "deletion"
    ax.plot(curve.shares, curve.control_answers.T, color=PALE, linewidth=0.9, zorder=1)
    ax.plot([], [], color=PALE, linewidth=0.9, label=f"random orders, area {curve.area.controls.mean():.3f}")
    name = f"most important first, area {curve.area.score:.3f}"
    ax.plot(curve.shares, curve.answers, "o-", color=BLUE, markersize=4, label=name)
    ax.set_xlabel(f"share of features {'hidden' if deleted else 'shown'}")
    ax.set_ylabel("probability of the class")
    ax.set_xlim(-0.01, 1.01)
    ax.set_ylim(-0.02, 1.03)
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    worse = f"{curve.area.beats.value:.0%} of {len(curve.area.controls)} random orders"
    ax.set_title(title or f"{curve.kind.capitalize()}: this order is better than {worse}.")
    ax.legend()
    return ax


@matplotlib.rc_context(STYLE)
def randomisation(result: Randomisation, *, title: str | None = None, ax: Axes | None = None) -> Axes:
    """Rank agreement with the trained network's explanation as its layers are randomised from the top.

    The grey band holds 95 % of the agreements of permuted values. Where a random network answers every input
    alike, or its explanation is constant, there is a cross at the bottom instead of a dot.

    Args:
        result: what `faithfulness.randomisation` returns.
        title: a sentence that says what is seen; by default the agreement when all layers are random.
        ax: where to draw.
    """
    ax = axes(ax, height=3.2)
    places = np.arange(1, len(result.layers) + 1)
    known = np.array([score.defined for score in result.spearman])
    ax.plot(0, 1, "s", color=BLUE, markersize=6)
    for place, score in zip(places[known], np.array(result.spearman, dtype=object)[known], strict=True):
        low, high = np.percentile(score.controls, [2.5, 97.5])
        ax.fill_between([place - 0.35, place + 0.35], low, high, color=PALE, zorder=1)
        ax.plot([place, place], [score.estimate.low, score.estimate.high], color=BLUE)
        ax.plot(place, score.score, "o", color=BLUE, markersize=6)
    ax.plot(
        places[~known], np.full((~known).sum(), -1.0), "x", color=VERMILLION, markersize=7, gid="undefined"
    )
    ax.axhline(0, color=INK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    names = ["trained", *result.layers]
    ax.set_xticks(range(len(names)), names, rotation=35, ha="right", rotation_mode="anchor")
    ax.set_xlabel("random from the top down to; lines are 95% intervals over fresh weights")
    ax.set_ylabel("rank correlation")
    ax.set_ylim(-1.08, 1.08)
    last = result.spearman[-1]
    found = f"{last.score:.2f} of rank agreement is left" if last.defined else "agreement is not defined"
    ax.set_title(title or f"With all of these layers random, {found}.")
    return ax


@matplotlib.rc_context(STYLE)
def beside_control(
    scores: Mapping[str, Across], *, xlabel: str, title: str | None = None, ax: Axes | None = None
) -> Axes:
    """Means over inputs below each other: dots for explanations, hollow squares for random attributions.

    Args:
        scores: what `faithfulness.across` returns, by name, drawn from top to bottom.
        xlabel: what is measured, with its unit.
        title: a sentence that says what is seen.
        ax: where to draw; room is taken to its right for the paired differences.
    Raises: ValueError without scores.
    """
    if not scores:
        raise ValueError("expected at least one score, got none; pass {name: across(...)}")
    ax = axes(ax, height=1.1 + 0.45 * len(scores))
    for row, found in enumerate(scores.values()):
        for estimate, at, colour, mark, fill in (
            (found.score, row - 0.12, BLUE, "o", BLUE),
            (found.control, row + 0.16, INK, "s", "white"),
        ):
            ax.plot([estimate.low, estimate.high], [at, at], color=colour, solid_capstyle="butt")
            ax.plot(estimate.value, at, mark, color=colour, markerfacecolor=fill, markersize=6)
        ax.annotate(
            f"{found.difference:+.2f}",
            (1.02, row),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=9,
        )
    named_rows(ax, list(scores))
    ax.set_xlabel(
        f"{xlabel}: dots are explanations, squares random attributions;\n"
        "at the right, the differences; lines are 95% intervals"
    )
    if title:
        ax.set_title(title)
    return ax

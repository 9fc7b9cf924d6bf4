"""How true the probabilities are, and what abstaining is worth."""

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from trustlib.calibration import Calibration, RiskCoverage
from trustlib.plots.figure import BLUE, GREEN, INK, ORANGE, PALE, STYLE, VERMILLION, axes

CURVES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (VERMILLION, ":"))


@matplotlib.rc_context(STYLE)
def reliability(result: Calibration, *, title: str | None = None, ax: Axes | None = None) -> Axes:
    """Share of right answers against confidence, bin by bin, and below it how many samples each bin holds.

    On the dashed line, confidence is the share of right answers; dots below it are overconfident. Lines are
    95 % intervals.

    Args:
        result: what `calibration.evaluate` returns; its equal-width bins are drawn.
        title: a sentence that says what is seen; by default ECE, and what it would be if calibrated.
        ax: where to draw; its place is shared with a second Axes for the counts.
    Returns: the Axes of the dots; that of the counts is the last of its figure.
    """
    ax = axes(ax, height=4.2, width=4.8)
    parts = ax.get_subplotspec().subgridspec(2, 1, height_ratios=(4, 1), hspace=0.06)
    ax.set_subplotspec(parts[0])
    below = ax.figure.add_subplot(parts[1], sharex=ax)
    bins = result.bins
    held = np.flatnonzero(bins.counts)
    x, y = bins.confidence[held], bins.right[held]
    start = float(bins.edges[held[0]])
    ax.plot([0, 1], [0, 1], color=INK, linewidth=1.1, linestyle=(0, (4, 3)), zorder=1)
    ax.vlines(x, bins.low[held], bins.high[held], color=BLUE, linewidth=1.6)
    ax.plot(x, y, "o", color=BLUE, markersize=5)
    ax.set_ylabel("share of right answers")
    ax.set_ylim(-0.02, 1.03)
    ax.tick_params(labelbottom=False)
    ax.grid(color=PALE, linewidth=0.6)
    ax.set_axisbelow(True)
    widths = np.diff(bins.edges)
    below.bar(
        bins.edges[:-1], bins.counts, widths * 0.9, align="edge", color=PALE, edgecolor=INK, linewidth=0.5
    )
    below.set_xlim(max(start - 0.02, 0), 1.01)
    below.set_xlabel("confidence")
    below.set_ylabel("samples")
    below.yaxis.set_major_locator(MaxNLocator(nbins=2, integer=True))
    chance = result.ece_if_calibrated
    ax.set_title(title or f"ECE {result.ece:.3f}; if calibrated, chance makes it {chance.value:.3f}.")
    return ax


@matplotlib.rc_context(STYLE)
def if_calibrated(result: Calibration, *, ax: Axes | None = None) -> Axes:
    """The ECE that was found (line) among those that chance would give a calibrated model (bars).

    Args:
        result: what `calibration.evaluate` returns.
    """
    ax = axes(ax, height=2.6)
    draws = result.ece_draws
    ax.hist(
        draws, bins=30, weights=np.full(len(draws), 1 / len(draws)), color=PALE, edgecolor=INK, linewidth=0.5
    )
    ax.axvline(result.ece, color=VERMILLION)
    reached = np.mean(draws >= result.ece - 1e-12)
    ax.set_title(f"A calibrated model has an ECE of {result.ece:.3f} or more in {reached:.1%} of draws.")
    ax.set_xlabel("expected calibration error, found (line) and if calibrated (bars)")
    ax.set_ylabel("share of draws")
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return ax


@matplotlib.rc_context(STYLE)
def risk_coverage(
    curve: RiskCoverage, *, label: str | None = None, title: str | None = None, ax: Axes | None = None
) -> Axes:
    """The share of wrong answers among those that are kept, from the surest one on.

    The dot is the largest coverage whose risk is at most `curve.at_risk` (dashed line).

    Args:
        curve: what `calibration.risk_coverage` returns.
        label: a name for the legend; draw further curves into the Axes that the first call returns.
        title: a sentence that says what is seen; by default how many answers of the first curve can be kept.
        ax: where to draw.
    """
    first = ax is None or not ax.lines
    ax = axes(ax, height=3.0)
    drawn = sum(line.get_gid() == "risk" for line in ax.lines)
    colour, dashes = CURVES[drawn % len(CURVES)]
    coverage = np.append(0, curve.coverage)
    risk = np.append(curve.risk[0], curve.risk)
    name = None if label is None else f"{label}, area {curve.aurc}"
    ax.plot(coverage, risk, dashes, drawstyle="steps-pre", color=colour, label=name, gid="risk")
    kept = curve.coverage_at_risk
    if kept.value > 0:
        ax.plot(
            kept.value, curve.risk[curve.coverage <= kept.value + 1e-9][-1], "o", color=colour, markersize=7
        )
    if first:
        ax.axhline(curve.at_risk, color=INK, linewidth=1.1, linestyle=(0, (4, 3)), zorder=1)
        ax.set_title(title or f"{kept:.0%} of the answers can be kept at {100 * curve.at_risk:g}% errors.")
        ax.set_xlabel("coverage: share of answers that are kept")
        ax.set_ylabel("risk: share of errors")
        ax.set_xlim(0, 1.01)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(PercentFormatter(1))
        ax.grid(color=PALE, linewidth=0.6)
        ax.set_axisbelow(True)
    highest = max(line.get_ydata().max() for line in ax.lines if line.get_gid() == "risk")
    ax.set_ylim(0, 1.05 * max(highest, curve.at_risk, 0.01))
    if label is not None:
        ax.legend()
    return ax

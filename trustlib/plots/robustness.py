"""How much an input may change before the answer does, and what the changed inputs look like."""

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import ArrayLike

from trustlib import checks
from trustlib.estimates import Estimate
from trustlib.plots.figure import (
    BLACK,
    BLUE,
    GREEN,
    INK,
    PALE,
    PURPLE,
    SKY,
    STYLE,
    VERMILLION,
    WIDTH,
    axes,
)
from trustlib.robustness import Corruptions, Noise, NoiseSteps, TextFlips

# A verdict is told by its mark, and its colour only says it again.
MARKS = {
    "robust": ("o", BLUE, BLUE),
    "not shown": ("s", "white", INK),
    "not robust": ("X", VERMILLION, VERMILLION),
}
CURVES = (
    (BLUE, "-", "o"),
    (VERMILLION, "--", "s"),
    (GREEN, "-.", "^"),
    (PURPLE, ":", "D"),
    (BLACK, (0, (5, 1, 1, 1)), "v"),
)
THRESHOLD = {"color": INK, "linewidth": 1.1, "linestyle": (0, (4, 3)), "zorder": 1}


@matplotlib.rc_context(STYLE)
def noise(result: Noise, *, title: str | None = None, ax: Axes | None = None) -> Axes:
    """The share of answers that flip against the noise, with intervals, marks by verdict, and the threshold.

    Args:
        result: what `robustness.noise` or `robustness.noise_table` returns.
        title: a sentence that says what is seen; by default up to which sigma the model is shown robust.
        ax: where to draw.
    """
    ax = axes(ax, height=3.0)
    levels = sorted(result.levels, key=lambda level: level.sigma)
    sigmas = [level.sigma for level in levels]
    rates = [level.flip_rate for level in levels]
    ax.plot(sigmas, [rate.value for rate in rates], color=INK, linewidth=1, zorder=1)
    ax.vlines(sigmas, [rate.low for rate in rates], [rate.high for rate in rates], color=INK, linewidth=1.4)
    for verdict, (mark, inside, edge) in MARKS.items():
        here = [level for level in levels if level.verdict == verdict]
        ax.plot(
            [level.sigma for level in here],
            [level.flip_rate.value for level in here],
            mark,
            color=inside,
            markeredgecolor=edge,
            markersize=7,
            label=verdict if here else None,
        )
    ax.axhline(result.threshold, label=f"threshold {result.threshold:.0%}", **THRESHOLD)
    ax.set_ylim(-0.02, max(0.1, 1.15 * result.threshold, 1.1 * max(rate.high for rate in rates)))
    ax.set_xlabel("deviation of the noise (a pixel spans 0 to 1); lines are 95% intervals")
    ax.set_ylabel("answers that flip")
    _percent(ax)
    ax.legend(loc="best")  # a curve may rise early and fall again
    robust = [level.verdict == "robust" for level in levels]
    first = robust.index(False) if False in robust else len(robust)
    ax.set_title(
        title
        or (f"Shown robust up to σ = {sigmas[first - 1]:g}." if first else "Shown robust at no σ tried.")
    )
    return ax


@matplotlib.rc_context(STYLE)
def noise_changes(result: Noise, *, title: str | None = None, ax: Axes | None = None) -> Axes:
    """How far the probability of the clean answer moves: median, and where half and nine tenths of moves lie.

    Args:
        result: what `robustness.noise` or `robustness.noise_table` returns.
        title: a sentence that says what is seen; by default the mean change at the largest sigma.
        ax: where to draw.
    """
    ax = axes(ax, height=2.8)
    levels = sorted(result.levels, key=lambda level: level.sigma)
    sigmas = [level.sigma for level in levels]
    q = {key: [level.quantiles[key].value for level in levels] for key in levels[0].quantiles}
    ax.fill_between(
        sigmas, q[0.05], q[0.95], color=PALE, edgecolor=INK, linewidth=0.5, label="nine tenths of all"
    )
    ax.fill_between(sigmas, q[0.25], q[0.75], color=SKY, hatch="//", edgecolor=BLUE, label="half of all")
    ax.plot(sigmas, q[0.5], "o-", color=BLUE, markersize=5, label="median")
    ax.axhline(0, **THRESHOLD)
    ax.set_xlabel("deviation of the noise (a pixel spans 0 to 1)")
    ax.set_ylabel("change in probability")
    ax.legend(loc="lower left")
    last = levels[-1]
    ax.set_title(title or f"At σ = {last.sigma:g} the clean answer's probability changes by {last.change}.")
    return ax


@matplotlib.rc_context(STYLE)
def noise_strip(steps: NoiseSteps, *, classes: Sequence[str], title: str | None = None) -> Figure:
    """One picture under rising noise, and below each the probability of what was answered without noise.

    A flipped answer is named, and its picture has a thick frame.

    Args:
        steps: what `robustness.noise_steps` returns.
        classes: k names.
        title: a sentence that says what is seen; by default at which of the sigmas the answer flips first.
    Raises: ValueError when the names are not as many as the classes.
    """
    classes = checks.classes(classes, n_classes=len(steps.clean))
    answer = int(steps.clean.argmax())
    n = len(steps.pictures)
    side = min(WIDTH / n, 1.9)
    figure = Figure(figsize=(side * n, side + 0.95), layout="constrained")
    flips = steps.probs.argmax(axis=1) != answer
    for i, ax in enumerate(figure.subplots(1, n, squeeze=False)[0]):
        _show(ax, steps.pictures[i])
        ax.set_axis_on()
        ax.set(xticks=[], yticks=[])
        for spine in ax.spines.values():
            spine.set(visible=True, linewidth=3 if flips[i] else 0.5, color=VERMILLION if flips[i] else INK)
        ax.set_title(f"σ = {steps.sigmas[i]:g}", fontsize=9, loc="center")
        said = f"{classes[answer]}\n{steps.probs[i, answer]:.2f}"
        if flips[i]:
            said += f"\nflips: {classes[steps.probs[i].argmax()]}"
        ax.set_xlabel(said, fontsize=8)
    first = steps.sigmas[flips].min(initial=np.inf)
    figure.suptitle(
        title
        or (
            f"The answer flips at σ = {first:g}."
            if flips.any()
            else f"The answer stays, up to σ = {steps.sigmas.max():g}."
        ),
        x=0.01,
        ha="left",
        fontsize=11,
    )
    return figure


@matplotlib.rc_context(STYLE)
def corruptions(result: Corruptions, *, title: str | None = None) -> Figure:
    """Accuracy against severity, a panel for each family, a line for each corruption, dashed where clean.

    Args:
        result: what `robustness.corruptions` returns.
        title: a sentence that says what is seen; by default accuracy clean and over all corruptions.
    """
    families = result.families
    figure = Figure(figsize=(WIDTH, 1.6 * len(families) + 0.7), layout="constrained")
    panels = figure.subplots(len(families), 1, squeeze=False, sharex=True, sharey=True)[:, 0]
    for ax, (family, names) in zip(panels, families.items(), strict=True):
        ax.axhline(result.clean.value, **THRESHOLD)
        for j, name in enumerate(names):
            moved = 0.09 * (j - (len(names) - 1) / 2)  # intervals beside each other, not on top
            _curve(ax, result.severities, result.accuracy[name], j, label=name.replace("_", " "), moved=moved)
        ax.set_ylabel(family)
        ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        _percent(ax)
        ax.set_xticks(result.severities)
    values = [found.low for each in result.accuracy.values() for found in each]
    panels[0].set_ylim(max(0, min(values) - 0.05), 1.03)
    panels[-1].set_xlabel("severity; the dashed line is without corruption; lines are 95% intervals")
    figure.supylabel("accuracy", fontsize=10)
    sentence = title or f"Accuracy {result.clean:.1%} clean, {result.mean:.1%} over all corruptions."
    figure.suptitle(sentence, x=0.01, ha="left", fontsize=11)
    return figure


@matplotlib.rc_context(STYLE)
def corruption_sheet(picture: ArrayLike, *, severity: int = 3, seed: int = 0) -> Figure:
    """All corruptions of one picture at one severity, a row for each family, the original first.

    Args:
        picture: (h, w, 3), uint8 or float in [0, 1].
        severity: from 1 to 5.
        seed: as in `corruptions.corrupt`.
    Raises: ValueError.
    """
    from trustlib import corruptions as transforms

    rows = [
        [(name, transforms.corrupt(picture, name, severity, seed)) for name in names]
        for names in transforms.FAMILIES.values()
    ]
    rows[0].insert(0, ("original", np.asarray(picture)))
    return _sheet(rows, list(transforms.FAMILIES), f"All corruptions at severity {severity} of 5.")


@matplotlib.rc_context(STYLE)
def corruption_severities(
    picture: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    severities: Sequence[int] = (1, 2, 3, 4, 5),
    seed: int = 0,
) -> Figure:
    """One picture, corrupted harder from left to right, a row for each corruption.

    Args:
        picture: (h, w, 3), uint8 or float in [0, 1].
        names: of corruptions; by default one of each family.
        severities: from 1 to 5.
        seed: as in `corruptions.corrupt`.
    Raises: ValueError.
    """
    from trustlib import corruptions as transforms

    names = [members[0] for members in transforms.FAMILIES.values()] if names is None else names
    rows = [
        [(f"severity {s}", transforms.corrupt(picture, name, s, seed)) for s in severities] for name in names
    ]
    return _sheet(rows, list(names), "Harder from left to right, one corruption a row.")


@matplotlib.rc_context(STYLE)
def text_flips(result: TextFlips, *, title: str | None = None) -> Figure:
    """The share of answers that flip against the share of words touched, a panel for each perturbation.

    Args:
        result: what `robustness.texts` returns.
        title: a sentence that says what is seen; by default which perturbation flips most at the highest
            severity.
    """
    names = list(result.flip_rate)
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(WIDTH, 1.75 * rows + 0.7), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for ax in panels[len(names) :]:
        ax.set_axis_off()
    order = np.argsort(result.severities)
    for ax, name in zip(panels, names, strict=False):
        found = [result.flip_rate[name][i] for i in order]
        _curve(ax, [result.severities[i] for i in order], found, 0)
        ax.set_title(name.replace("_", " "), fontsize=10)
        ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        ax.xaxis.set_major_locator(MaxNLocator(nbins=4))
        _percent(ax)
    most = max(rate.high for rates in result.flip_rate.values() for rate in rates)
    panels[0].set_ylim(-0.06 * most, 1.08 * max(most, 0.05))
    figure.supxlabel("share of words that are touched; lines are 95% intervals", fontsize=10)
    figure.supylabel("answers that flip", fontsize=10)
    hardest = int(order[-1])
    worst = max(names, key=lambda name: result.flip_rate[name][hardest].value)
    rate = result.flip_rate[worst][hardest]
    severity = result.severities[hardest]
    figure.suptitle(
        title or f"Most flips at {severity:.0%} of the words: {worst.replace('_', ' ')}, {rate:.0%}.",
        x=0.01,
        ha="left",
        fontsize=11,
    )
    return figure


def _curve(
    ax: Axes,
    x: Sequence[float],
    found: Sequence[Estimate],
    which: int,
    *,
    label: str | None = None,
    moved: float = 0.0,
) -> None:
    colour, dashes, mark = CURVES[which % len(CURVES)]
    x = np.asarray(x) + moved
    ax.vlines(x, [each.low for each in found], [each.high for each in found], color=colour, linewidth=1)
    values = [each.value for each in found]
    ax.plot(x, values, linestyle=dashes, marker=mark, color=colour, markersize=4, linewidth=1.3, label=label)


def _percent(ax: Axes) -> None:
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.grid(color=PALE, linewidth=0.6)
    ax.set_axisbelow(True)


def _sheet(rows: Sequence[Sequence[tuple[str, Any]]], names: Sequence[str], title: str) -> Figure:
    """Pictures with small titles, row by row, the row's name at its left."""
    columns = max(len(row) for row in rows)
    side = WIDTH / columns
    figure = Figure(figsize=(WIDTH, len(rows) * (side + 0.2) + 0.4), layout="constrained")
    panels = figure.subplots(len(rows), columns, squeeze=False)
    for row, name, of_row in zip(rows, names, panels, strict=True):
        for ax in of_row:
            ax.set_axis_off()
        for ax, (label, picture) in zip(of_row, row, strict=False):
            _show(ax, picture)
            ax.set_title(label.replace("_", " "), fontsize=8, loc="center")
        of_row[0].text(
            -0.08,
            0.5,
            name.replace("_", " "),
            transform=of_row[0].transAxes,
            rotation=90,
            ha="right",
            va="center",
        )
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def _show(ax: Axes, picture: Any) -> None:
    array = np.asarray(picture)
    ax.set_axis_off()
    ax.imshow(array, vmin=0, vmax=255 if array.dtype == np.uint8 else 1)

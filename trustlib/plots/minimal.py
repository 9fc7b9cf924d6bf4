"""The smallest perturbations: what they look like, and what is left of the accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike

from trustlib.plots.figure import BLUE, GREEN, ORANGE, PALE, STYLE, VERMILLION, axes

if TYPE_CHECKING:  # drawing needs no torch, making these does
    from trustlib.minimal import Perturbations, RobustAccuracy

CURVES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (VERMILLION, ":"))


@matplotlib.rc_context(STYLE)
def robust_accuracy(
    curve: RobustAccuracy, *, label: str | None = None, title: str | None = None, ax: Axes | None = None
) -> Axes:
    """Share of right answers that no perturbation of at most epsilon was found to change, with its intervals.

    Args:
        curve: what `minimal.robust_accuracy` returns.
        label: a name for the legend; draw further curves into the Axes that the first call returns.
        title: a sentence that says what is seen; by default where half of the first curve's accuracy is gone.
        ax: where to draw.
    """
    first = ax is None or not ax.lines
    ax = axes(ax, height=3.2)
    drawn = sum(line.get_gid() == "robust" for line in ax.lines)
    colour, dashes = CURVES[drawn % len(CURVES)]
    order = np.argsort(curve.epsilons, kind="stable")
    epsilons = curve.epsilons[order]
    value, low, high = (
        np.array([getattr(curve.accuracy[i], name) for i in order]) for name in ("value", "low", "high")
    )
    ax.fill_between(epsilons, low, high, color=colour, alpha=0.2, linewidth=0)
    ax.plot(epsilons, value, dashes, color=colour, label=label, gid="robust")
    if first:
        ax.set_title(title or _half(epsilons, value))
        ax.set_xlabel("epsilon: L2 norm of the perturbation, a pixel spans 0 to 1")
        ax.set_ylabel("robust accuracy (upper bound)")
        ax.set_ylim(-0.02, 1.02)
        ax.yaxis.set_major_formatter(PercentFormatter(1))
        ax.grid(color=PALE, linewidth=0.6)
        ax.set_axisbelow(True)
    if label is not None:
        ax.legend()
    return ax


@matplotlib.rc_context(STYLE)
def perturbations(
    found: Perturbations,
    *,
    rows: ArrayLike | None = None,
    magnify: float | None = None,
    names: Sequence[str] | None = None,
) -> Figure:
    """Pictures, their perturbations made visible, and the perturbed pictures, a row each.

    Grey stands for no change in the middle column; its title says how many times larger the change is drawn.

    Args:
        found: what `minimal.deepfool` or `minimal.ddn` returns for pictures.
        rows: (m,), which inputs to draw; by default the four with the smallest norms.
        magnify: the same factor for every row; by default each row's own, so that its largest change is
            black or white.
        names: (m,), one for each row, written above its picture.
    Raises: ValueError where there are no pictures, or when a row was not turned.
    """
    encoded = np.asarray(found.encoded)
    if encoded.ndim != 4 or encoded.shape[1] not in (1, 3):
        raise ValueError(
            f"expected encoded pictures (n, 3, h, w), got {encoded.shape}; texts have no picture to draw"
        )
    rows = np.argsort(found.norm, kind="stable")[:4] if rows is None else np.atleast_1d(rows)
    if not len(rows) or not found.success[rows].all():
        raise ValueError(
            f"expected rows with success, got {np.sum(~found.success[rows])} of {len(rows)} without; "
            "choose among np.flatnonzero(found.success)"
        )
    if names is not None and len(names) != len(rows):
        raise ValueError(f"expected {len(rows)} names, got {len(names)}; pass one for each row")
    figure = Figure(figsize=(6.3, 2.45 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), 3, squeeze=False)
    for place, i in enumerate(rows):
        change = (found.perturbed[i] - encoded[i]).astype(np.float64)
        largest = np.abs(change).max()
        factor = magnify or (0.5 / largest if largest > 0 else 1.0)
        name = "" if names is None else f"{names[place]}\n"
        old, new = found.answers[i], found.new_answers[i]
        titles = (
            f"{name}{found.classes[old]}, {found.probs[i, old]:.1%}",
            f"change × {factor:,.0f}\nL2 norm {found.norm[i]:.3g}",
            f"{found.classes[new]}, {found.new_probs[i, new]:.1%}",
        )
        for ax, picture, title in zip(
            grid[place], (encoded[i], 0.5 + factor * change, found.perturbed[i]), titles, strict=True
        ):
            ax.set_axis_off()
            ax.set_title(title, fontsize=9, loc="center")
            shown = np.moveaxis(np.clip(picture, 0, 1), 0, -1)
            ax.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    return figure


def _half(epsilons: np.ndarray, accuracy: np.ndarray) -> str:
    gone = np.flatnonzero(accuracy <= accuracy[0] / 2)
    if not len(gone) or epsilons[0] > 0:
        return f"{accuracy[-1]:.0%} of the answers stay right up to a norm of {epsilons[-1]:.3g}."
    return f"Half of {accuracy[0]:.0%} accuracy is gone at a norm of {epsilons[gone[0]]:.3g}."

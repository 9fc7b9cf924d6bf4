"""What was answered for what."""

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from trustlib.accuracy import Accuracy
from trustlib.plots.figure import INK, STYLE, axes


@matplotlib.rc_context(STYLE)
def confusion(result: Accuracy, *, ax: Axes | None = None) -> Axes:
    """What was answered for each true class: counts, shaded by their share of the row.

    Args:
        result: what `accuracy.evaluate` returns.
    """
    names, counts = list(result.per_class), result.confusion
    k = len(names)
    side = 0.75 if k <= 5 else 0.45 if k <= 12 else 5.4 / k  # inches of a cell
    ax = axes(ax, height=1.3 + side * k, width=2.2 + side * k)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1.15)  # a little above 1, so that the darkest stays blue
    for i, j in np.ndindex(k, k) if k <= 12 else ():
        ink = "white" if shares[i, j] > 0.6 else INK
        text = f"{counts[i, j]:,}\n{shares[i, j]:.0%}" if k <= 5 else f"{counts[i, j]:,}"
        ax.text(j, i, text, ha="center", va="center", color=ink, fontsize=9)
    slanted = (
        {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
        if max(map(len, names)) > 7 and k > 2
        else {}
    )
    ax.set_xticks(range(k), names, **slanted)
    ax.set_yticks(range(k), names)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("answered")
    ax.set_ylabel("true")
    ax.set_title(f"{np.trace(counts):,} of {counts.sum():,} answers are right.")
    return ax

"""What people said of the samples: how often they are unsure, and of which texts."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike

from trustlib import checks
from trustlib.plots.figure import BLUE, ORANGE, STYLE, axes


@matplotlib.rc_context(STYLE)
def human_doubt(
    shares: ArrayLike,
    *,
    xlabel: str,
    ylabel: str = "samples",
    title: str | None = None,
    agree: float = 0.8,
    ax: Axes | None = None,
) -> Axes:
    """How many samples people agree on: left and right they are sure, in the middle they are not.

    Args:
        shares: (n,), the share of people (or one person's probability) for one class, such as a column of
            human_probs; NaN, where nobody judged, is left out.
        xlabel: what the share is of.
        ylabel: what is counted.
        title: a sentence that says what is seen; by default one that tells the share below `agree`.
        agree: from which share on people count as agreeing, above 0.5.
    Raises: ValueError when shares are not in [0, 1].
    """
    given = np.asarray(shares, dtype=float)
    agree = checks.fraction(agree, name="agree")
    shares = given[~np.isnan(given)]
    if given.ndim != 1 or not len(shares) or shares.min() < 0 or shares.max() > 1:
        raise ValueError(
            f"expected shares of shape (n,) in [0, 1], got shape {given.shape} with {len(shares)} numbers; "
            "pass one column of human_probs"
        )
    ax = axes(ax, height=2.7)
    steps = np.unique(shares.round(6))
    if len(steps) <= 8:  # an expert's few steps, each with its own bar
        edges, width = np.append(steps - 1e-6, 1.1), 0.06
        centres = steps
    else:
        edges, width = np.linspace(0, 1, 21), 0.045
        centres = (edges[:-1] + edges[1:]) / 2
    unsure = np.maximum(shares, 1 - shares) < agree - 1e-9  # 1 - 0.2 and 0.8 must not differ
    # Both kinds may fall between the same two edges, so they are counted apart and stacked.
    settled, doubted = (np.histogram(part, bins=edges)[0] for part in (shares[~unsure], shares[unsure]))
    ax.bar(centres[settled > 0], settled[settled > 0], width, color=BLUE)
    drawn = doubted > 0
    ax.bar(
        centres[drawn],
        doubted[drawn],
        width,
        bottom=settled[drawn],
        color=ORANGE,
        hatch="///",
        edgecolor="white",
        linewidth=0,
    )
    part = f"{unsure.mean():.1%} of {len(shares):,} {ylabel}"
    ax.set_title(title or f"People are less than {agree:.0%} sure of {part} (hatched).")
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.set_xlim(-0.05, 1.05)
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return ax


@dataclass(frozen=True)
class Texts:
    """Texts with what people said of them, which a notebook shows as plain HTML.

    rows: (text, share of people for the second class in [0, 1], how many people or None) each; classes: two.
    """

    rows: tuple[tuple[str, float, int | None], ...]
    classes: tuple[str, str]

    def __repr__(self) -> str:
        return "\n".join(f"{self._said(share, n)}: {text}" for text, share, n in self.rows)

    def _repr_html_(self) -> str:
        box = "border: 1px solid #767676; height: 9px; margin: 4px 0 2px 0; max-width: 480px"
        fill = f"background-color: {BLUE}; height: 9px"
        lines = [
            f'<div style="margin: 0 0 18px 0"><div>{html.escape(text)}</div>'
            f'<div style="{box}"><div style="{fill}; width: {share:.0%}"></div></div>'
            f'<div style="font-size: 85%">{html.escape(self._said(share, n))}</div></div>'
            for text, share, n in self.rows
        ]
        return f"<div>{''.join(lines)}</div>"

    def _said(self, share: float, n: int | None) -> str:
        first, second = self.classes
        people = "" if n is None else f" of {n}"
        return f"{share:.0%}{people} say {second}, {1 - share:.0%} {first}"


def texts(
    texts: Sequence[str], shares: ArrayLike, *, classes: Sequence[str], raters: ArrayLike | None = None
) -> Texts:
    """Texts below each other, and under each a bar: the share of people who chose the second class.

    Args:
        texts: n texts; they are escaped.
        shares: (n,), in [0, 1].
        classes: two names.
        raters: (n,), how many people the share is of.
    Returns: Texts, which a notebook shows when it is the last line of a cell.
    Raises: ValueError when there are not two classes, or not one share in [0, 1] for each text.

    >>> texts(["Fine & dandy."], [0.75], classes=("negative", "positive"), raters=[16])
    75% of 16 say positive, 25% negative: Fine & dandy.
    """
    shares = np.asarray(shares, dtype=float)
    counts = [None] * len(texts) if raters is None else [int(n) for n in np.asarray(raters)]
    inside = shares.shape == (len(texts),) and ((shares >= 0) & (shares <= 1)).all()
    if len(classes) != 2 or not inside or len(counts) != len(texts):
        raise ValueError(
            f"expected two classes, and for each of {len(texts)} texts a share in [0, 1] and as many raters, "
            f"got {len(classes)} classes, shares of shape {shares.shape} and {len(counts)} raters; "
            "pass one column of human_probs"
        )
    return Texts(tuple(zip(texts, shares.tolist(), counts, strict=True)), (classes[0], classes[1]))

"""Results as figures, in one quiet style: dots and lines, few colours, titles that say what is seen.

A function takes a result and an optional `ax`, and returns the Axes; `show` puts it into a notebook with
alternative text. Colours are Okabe and Ito's (2008), which colour-blind readers tell apart too; nothing
is told by colour alone. Figures are made without pyplot, so that none stays open or opens a window.
"""

import base64
import html
import io
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import ArrayLike
from PIL import Image

from trustlib import checks
from trustlib.accuracy import Accuracy
from trustlib.estimates import Estimate

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
INK, PALE = "#222222", "#D9D9D9"
WIDTH = 7.0  # inches: 770 pixels, which a notebook shows without shrinking
DPI = 110
SMALL = 100_000  # bytes of a picture, so that a lesson with ten of them stays near a megabyte
STYLE = {
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.labelsize": 10,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "regular",
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "text.color": INK,
    "xtick.color": INK,
    "xtick.labelsize": 9,
    "ytick.color": INK,
    "ytick.labelsize": 9,
}


@matplotlib.rc_context(STYLE)
def history(history: Any, *, ax: Axes | None = None) -> Axes:
    """Losses and validation accuracy of a fine-tuning run, epoch by epoch, the best epoch marked.

    Args:
        history: a History: train_loss, validation_loss and validation_accuracy (epochs,), best_epoch from 0.
        ax: where to draw; its place is shared with a second Axes for the accuracy.
    Returns: the Axes of the losses; that of the accuracy is the last of its figure.
    """
    ax = _axes(ax, height=2.9)
    halves = ax.get_subplotspec().subgridspec(1, 2, wspace=0.08)
    ax.set_subplotspec(halves[0])
    right = ax.figure.add_subplot(halves[1])
    epochs = np.arange(1, len(history.train_loss) + 1)
    best = int(history.best_epoch)
    ax.plot(epochs, history.train_loss, "o--", color=ORANGE, markersize=4, label="training")
    ax.plot(epochs, history.validation_loss, "o-", color=BLUE, markersize=4, label="validation")
    right.plot(epochs, history.validation_accuracy, "o-", color=BLUE, markersize=4)
    for panel, values in ((ax, history.validation_loss), (right, history.validation_accuracy)):
        panel.plot(best + 1, values[best], "o", markersize=11, markerfacecolor="none", markeredgecolor=INK)
        panel.set_xlabel("epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        panel.set_xlim(0.5, len(epochs) + 0.5)
        panel.margins(y=0.12)
    ax.set_ylabel("loss (nats)")
    right.set_ylabel("validation accuracy")
    ax.set_title(f"Epoch {best + 1} of {len(epochs)} has the lowest loss.")
    right.set_title(f"Its accuracy is {history.validation_accuracy[best]:.3f}.")
    ax.legend()
    return ax


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
    ax = _axes(ax, height=0.9 + 0.36 * len(estimates))
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
    ax.set_yticks(range(len(estimates)), list(estimates))
    ax.set_ylim(len(estimates) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x", color=PALE, linewidth=0.6)
    ax.set_axisbelow(True)
    levels = sorted({estimate.level for estimate in estimates.values()})
    ax.set_xlabel(f"{xlabel}; lines are {' or '.join(f'{level:.0%}' for level in levels)} intervals")
    if title:
        ax.set_title(title)
    return ax


@matplotlib.rc_context(STYLE)
def confusion(result: Accuracy, *, ax: Axes | None = None) -> Axes:
    """What was answered for each true class: counts, shaded by their share of the row.

    Args:
        result: what `accuracy.evaluate` returns.
    """
    names, counts = list(result.per_class), result.confusion
    k = len(names)
    side = 0.75 if k <= 5 else 0.45 if k <= 12 else 5.4 / k  # inches of a cell
    ax = _axes(ax, height=1.3 + side * k, width=2.2 + side * k)
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


@matplotlib.rc_context(STYLE)
def images(images: Sequence[Any], *, titles: Sequence[str] | None = None, columns: int = 4) -> Figure:
    """A gallery of pictures, row by row.

    Args:
        images: each (h, w) or (h, w, 3), uint8 or floats in [0, 1].
        titles: one for each picture.
        columns: pictures in a row.
    Raises: ValueError without pictures, or when titles and pictures differ in number.
    """
    n, columns = len(images), checks.count(columns, name="columns")
    if n == 0 or (titles is not None and len(titles) != n):
        raise ValueError(
            f"expected pictures and as many titles, got {n} and {'none' if titles is None else len(titles)}; "
            "pass one title for each picture"
        )
    columns = min(columns, n)
    rows = -(-n // columns)
    side = min(WIDTH / columns, 2.4)
    lines = max((len(_wrapped(title, side).splitlines()) for title in titles or [""]), default=0)
    figure = Figure(figsize=(side * columns, rows * (side + 0.17 * lines)), layout="constrained")
    for i, ax in enumerate(np.ravel(figure.subplots(rows, columns, squeeze=False))):
        ax.set_axis_off()
        if i < n:
            picture = np.asarray(images[i])
            ax.imshow(picture, cmap="gray", vmin=0, vmax=255 if picture.dtype == np.uint8 else 1)
            if titles is not None:
                ax.set_title(_wrapped(titles[i], side), fontsize=9, loc="center")
    return figure


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
    ax = _axes(ax, height=2.7)
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


def show(figure: Axes | Figure, alt: str) -> Figure | None:
    """Put a figure into the notebook as one small PNG with alternative text, and close it.

    The picture is an HTML image, since JupyterLab and nbconvert's usual page drop the alternative text of
    plain PNG outputs and keep that of HTML.

    Args:
        figure: a figure, or an Axes of it.
        alt: what a person who cannot see the figure needs to know; not empty.
    Returns: None in a notebook; outside of one the figure, and nothing is shown.
    Raises: ValueError without alternative text.
    """
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError(f"expected alternative text, got {alt!r}; say in a sentence what the figure shows")
    figure = _figure(figure)
    _close(figure)
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None:
        return figure
    from IPython.display import display

    text = " ".join(alt.split())
    source = base64.b64encode(png(figure)).decode("ascii")
    picture = f'<img alt="{html.escape(text)}" src="data:image/png;base64,{source}">'
    display({"text/html": picture, "text/plain": text}, raw=True)
    return None


@matplotlib.rc_context(STYLE)
def png(figure: Axes | Figure) -> bytes:
    """A figure as the bytes of a small PNG: a palette for drawings, coarser shades for large photographs."""
    raw = io.BytesIO()
    _figure(figure).savefig(
        raw, format="png", dpi=DPI, facecolor="white", bbox_inches="tight", pad_inches=0.08
    )
    picture = Image.open(raw).convert("RGB")
    if picture.getcolors(4096):  # a drawing, which 256 colours hold without a visible loss
        data = min(_saved(picture), _saved(picture.quantize(256, dither=Image.Dither.NONE)), key=len)
        if len(data) <= SMALL:
            return data
    pixels = np.asarray(picture)
    if (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]
    for step in (1, 2, 4, 8, 16, 32):  # shades counted from white, which stays white
        data = _saved(
            Image.fromarray((255 - np.round((255 - pixels) / step) * step).clip(0).astype(np.uint8))
        )
        if len(data) <= SMALL:
            break
    return data


def _saved(picture: Image.Image) -> bytes:
    raw = io.BytesIO()
    picture.save(raw, format="PNG", optimize=True)
    return raw.getvalue()


def _axes(ax: Axes | None, *, height: float, width: float = WIDTH) -> Axes:
    return Figure(figsize=(width, height), layout="constrained").add_subplot() if ax is None else ax


def _figure(figure: Axes | Figure) -> Figure:
    return figure if isinstance(figure, Figure) else figure.get_figure(root=True)


def _close(figure: Figure) -> None:
    pyplot = sys.modules.get("matplotlib.pyplot")  # a figure of pyplot's stays open until it is told
    if pyplot is not None:
        pyplot.close(figure)


def _wrapped(title: str, inches: float) -> str:
    return textwrap.fill(title, width=max(8, int(inches * 13)))

"""The quiet style of every figure, and how one gets into a notebook or a file.

Colours are Okabe and Ito's (2008), which colour-blind readers tell apart too; nothing is told by colour
alone. Figures are made without pyplot, so that none stays open or opens a window.
"""

import base64
import html
import io
import sys
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
INK, PALE = "#222222", "#D9D9D9"
WIDTH = 7.0  # inches: 770 pixels, which a notebook shows without shrinking
DPI = 110
SMALL = 100_000  # bytes of a picture as PNG; a larger one is a photograph, and becomes a JPEG
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


def axes(ax: Axes | None, *, height: float, width: float = WIDTH) -> Axes:
    """The given Axes, or those of a new figure of that many inches."""
    return Figure(figsize=(width, height), layout="constrained").add_subplot() if ax is None else ax


def named_rows(ax: Axes, names: Sequence[str]) -> None:
    """Make row i of the Axes, counted from the top, that of the i-th name, with quiet lines to read it by."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x", color=PALE, linewidth=0.6)
    ax.set_axisbelow(True)


def show(figure: Axes | Figure, alt: str) -> Figure | None:
    """Put a figure into the notebook as one small picture with alternative text, and close it.

    The picture is an HTML image, since JupyterLab and nbconvert's usual page drop the alternative text of
    plain PNG outputs and keep that of HTML.

    Args:
        figure: a figure, or an Axes of it.
        alt: what a person who cannot see the figure needs to know; not empty.
    Returns: None in a notebook; outside of one the figure, and nothing is shown.
    Raises: ValueError without alternative text.
    """
    text = _alternative(alt)
    figure = _figure(figure)
    _close(figure)
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None:
        return figure
    from IPython.display import display

    display({"text/html": as_html(figure, text), "text/plain": text}, raw=True)
    return None


def as_html(figure: Axes | Figure, alt: str) -> str:
    """A figure as one HTML image that holds its own data and its alternative text."""
    text = _alternative(alt)
    kind, data = compact(figure)
    source = base64.b64encode(data).decode("ascii")
    return f'<img alt="{html.escape(text)}" src="data:image/{kind};base64,{source}">'


def png(figure: Axes | Figure) -> bytes:
    """A figure as the bytes of a PNG, a drawing with a palette of 256 colours where that is smaller."""
    picture = _drawn(figure)
    if not picture.getcolors(4096):
        return _saved(picture)
    return min(_saved(picture), _saved(picture.quantize(256, dither=Image.Dither.NONE)), key=len)


def compact(figure: Axes | Figure) -> tuple[str, bytes]:
    """The kind and the bytes of a small picture: ("png", ...), or ("jpeg", ...) for large photographs."""
    data = png(figure)
    if len(data) <= SMALL:
        return "png", data
    picture, raw = _drawn(figure), io.BytesIO()
    picture.save(raw, format="JPEG", quality=85, optimize=True, subsampling=0)
    return min(("png", data), ("jpeg", raw.getvalue()), key=lambda kept: len(kept[1]))


@matplotlib.rc_context(STYLE)
def _drawn(figure: Axes | Figure) -> Image.Image:
    raw = io.BytesIO()
    _figure(figure).savefig(
        raw, format="png", dpi=DPI, facecolor="white", bbox_inches="tight", pad_inches=0.08
    )
    picture = Image.open(raw).convert("RGB")
    grey = picture.convert("L")
    return grey if np.array_equal(np.asarray(grey.convert("RGB")), np.asarray(picture)) else picture


def _saved(picture: Image.Image) -> bytes:
    raw = io.BytesIO()
    picture.save(raw, format="PNG", optimize=True)
    return raw.getvalue()


def _alternative(alt: str) -> str:
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError(f"expected alternative text, got {alt!r}; say in a sentence what the figure shows")
    return " ".join(alt.split())


def _figure(figure: Axes | Figure) -> Figure:
    return figure if isinstance(figure, Figure) else figure.get_figure(root=True)


def _close(figure: Figure) -> None:
    pyplot = sys.modules.get("matplotlib.pyplot")  # a figure of pyplot's stays open until it is told
    if pyplot is not None:
        pyplot.close(figure)

"""Explanations: segments over their picture, marked words, and bars with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from trustlib import checks
from trustlib.explain import Explanation
from trustlib.explain.html_text import class_name, page
from trustlib.plots.figure import BLUE, INK, STYLE, VERMILLION, WIDTH, YELLOW, axes, named_rows

SIGNS = LinearSegmentedColormap.from_list("against to for", [VERMILLION, "#FFFFFF", BLUE])
MANY = 400  # segments; with more, borders would hide the picture
NAMED = 4  # segments that have their value written on them


@dataclass(frozen=True, eq=False)
class Marked:
    """An explained text, which a notebook shows as plain HTML."""

    explanation: Explanation
    classes: tuple[str, ...] | None

    def __repr__(self) -> str:
        return repr(self.explanation)

    def _repr_html_(self) -> str:
        return page(self.explanation, self.classes)


def explanation(
    explanation: Explanation,
    *,
    classes: Sequence[str] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes | Marked:
    """An explanation as suits its kind.

    Args:
        explanation: of any method. A picture shows its segments, blue where they speak for the class and
            vermillion where they speak against it; a text its words, marked the same way; a row bars.
        classes: k names, to call the class by its own.
        title: a sentence that says what is seen, for pictures and rows.
        ax: where to draw, for pictures and rows.
    Returns: Axes; for a text Marked, which a notebook shows when it is the last line of a cell.
    """
    if explanation.kind == "text":
        return Marked(explanation, None if classes is None else tuple(classes))
    if explanation.kind == "image":
        return _overlay(explanation, classes=classes, title=title, ax=ax)
    return explanation_bars(explanation, classes=classes, title=title, ax=ax)


@matplotlib.rc_context(STYLE)
def explanation_bars(
    explanation: Explanation,
    *,
    classes: Sequence[str] | None = None,
    limit: int = 10,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """The largest values as bars, with intervals where standard errors are known; for every kind.

    Args:
        limit: how many features; the others are added up in one bar.
        classes, title, ax: as in `explanation`.
    """
    limit, values = checks.count(limit, name="limit"), explanation.values
    order = np.argsort(-np.abs(values), kind="stable")
    shown, others = order[:limit], order[limit:]
    rows = [(explanation.names[i], values[i], explanation.standard_errors[i]) for i in shown]
    if len(others):
        rows.append((f"{len(others)} others", values[others].sum(), _error_of_sum(explanation, others)))
    ax = axes(ax, height=1.1 + 0.3 * len(rows))
    for y, (_, value, error) in enumerate(rows):
        colour, hatch = (BLUE, None) if value >= 0 else (VERMILLION, "///")
        ax.barh(y, value, 0.65, color=colour, hatch=hatch, edgecolor="white", linewidth=0)
        if error > 0:
            ax.plot([value - 1.96 * error, value + 1.96 * error], [y, y], color=INK, linewidth=1.3)
    known = any(error > 0 for _, _, error in rows)
    ax.axvline(0, color=INK, linewidth=0.8)
    named_rows(ax, [_short(name) for name, _, _ in rows])
    name = class_name(explanation, classes)
    lines = "; lines: ± 1.96 standard errors" if known else ""
    ax.set_xlabel(f"{_measured(explanation)} of {name}{lines}")
    first = rows[0]
    ax.set_title(
        title or f"{_short(first[0])} weighs most on {name}: {first[1]:+.3f} ({explanation.method})."
    )
    return ax


@matplotlib.rc_context(STYLE)
def segmentations(picture: ArrayLike, cuts: Mapping[str, ArrayLike]) -> Figure:
    """One picture cut in several ways, beside each other, with the number of segments.

    Args:
        picture: (h, w, 3). cuts: segments (h, w) by name, such as those of masking.grid and masking.slic.
    Raises: ValueError without cuts, or for segments of another picture.
    """
    picture = checks.picture(picture)
    if not cuts:
        raise ValueError("expected at least one segmentation, got none; pass {name: segments}")
    height = WIDTH / len(cuts) * picture.shape[0] / picture.shape[1]
    figure = Figure(figsize=(WIDTH, height + 0.3), layout="constrained")
    for ax, (name, cut) in zip(np.ravel(figure.subplots(1, len(cuts))), cuts.items(), strict=True):
        cut = checks.segments(cut, shape=picture.shape[:2])
        ax.set_axis_off()
        ax.imshow(picture)
        ax.add_collection(LineCollection(_borders(cut), colors=YELLOW, linewidths=0.8))
        ax.set_title(f"{name}: {cut.max() + 1} segments", fontsize=9)
    return figure


@matplotlib.rc_context(STYLE)
def _overlay(
    explanation: Explanation, *, classes: Sequence[str] | None, title: str | None, ax: Axes | None
) -> Axes:
    segments, values, picture = explanation.features, explanation.values, np.asarray(explanation.input)
    ax = axes(ax, height=4.4, width=5.2)
    ax.set_axis_off()
    ax.imshow(_shaded(picture, values[segments]))
    if len(values) <= MANY:
        ax.add_collection(LineCollection(_borders(segments), colors=INK, linewidths=0.5))
        for label in np.argsort(-np.abs(values), kind="stable")[:NAMED]:
            row, column = _inmost(segments == label)
            written = ax.text(column, row, f"{values[label]:+.2f}", ha="center", va="center", fontsize=8)
            written.set_bbox({"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 1})
    name, most = class_name(explanation, classes), float(np.abs(values).max()) or 1.0
    scale = ScalarMappable(Normalize(-most, most), SIGNS)
    bar = ax.figure.colorbar(scale, ax=ax, fraction=0.046, pad=0.02)
    bar.set_label(f"− against, + for {name}: {_measured(explanation)}")
    bar.outline.set_linewidth(0.5)
    share = f"{explanation.unit} of {name}: {explanation.prediction:.2f} ({explanation.method})"
    ax.set_title(title or f"Blue speaks for it, vermillion against;\n{share}.", fontsize=10)
    return ax


def _measured(explanation: Explanation) -> str:
    """What the values are; a gradient is a rate of change, all others are shares of a change."""
    if explanation.method == "gradient":
        return f"gradient of the {explanation.unit}"
    return f"change in the {explanation.unit}"


def _shaded(picture: NDArray, values: NDArray) -> NDArray[np.float64]:
    """The picture (h, w, 3) in grey, coloured the more the larger the value (h, w) is."""
    grey = picture.mean(axis=2) / (255 if picture.dtype == np.uint8 else 1)
    size = np.abs(values) / (np.abs(values).max() or 1.0)
    colours = np.where((values >= 0)[..., None], SIGNS(1.0)[:3], SIGNS(0.0)[:3])
    strength = 0.75 * size[..., None]
    # The shades stay visible through the colour.
    lit = 0.35 + 0.65 * grey[..., None]
    return (1 - strength) * grey[..., None] + strength * colours * lit


def _borders(segments: NDArray[np.int64]) -> NDArray[np.float64]:
    """Lines (n, 2, 2) of x and y between neighbouring pixels of different segments."""
    row, column = np.nonzero(segments[1:] != segments[:-1])
    flat = np.stack([[column - 0.5, row + 0.5], [column + 0.5, row + 0.5]])
    row, column = np.nonzero(segments[:, 1:] != segments[:, :-1])
    upright = np.stack([[column + 0.5, row - 0.5], [column + 0.5, row + 0.5]])
    return np.concatenate([flat, upright], axis=2).transpose(2, 0, 1)


def _inmost(inside: NDArray[np.bool_]) -> tuple[int, int]:
    """The pixel of a segment that lies farthest from its border."""
    depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(depth.argmax(), depth.shape)
    return int(row), int(column)


def _error_of_sum(explanation: Explanation, others: NDArray[np.int64]) -> float:
    if explanation.covariance is None:
        return float("nan")
    return float(np.sqrt(explanation.covariance[np.ix_(others, others)].sum().clip(0)))


def _short(name: str) -> str:
    return name if len(name) <= 34 else name[:31] + "..."

"""What a model looks at: features by importance, gradients over a picture, a tree that imitates it."""

import textwrap
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from trustlib import checks
from trustlib.explain import GlobalImportance, Importance, Saliency, SurrogateTree
from trustlib.plots.figure import BLUE, INK, PALE, SKY, STYLE, VERMILLION, WIDTH, axes, named_rows

BRIGHTEST = (
    99.5  # percent of the pixels that are no larger than the full colour, so that one does not hide all
)


@matplotlib.rc_context(STYLE)
def importance(
    result: Importance | GlobalImportance,
    *,
    title: str | None = None,
    most: int = 12,
    ax: Axes | None = None,
) -> Axes:
    """Features below each other, the most important first: a bar for the value, a line for its interval.

    Args:
        result: what `explain.global_importance` returns, or one half of `explain.permutation_importance`.
        title: a sentence that says what is seen; by default the first feature.
        most: features drawn.
        ax: where to draw; room is taken to its right.
    """
    most = checks.count(most, name="most")
    shown = dict(list(result.estimates.items())[:most])
    ax = axes(ax, height=0.9 + 0.3 * len(shown))
    for row, found in enumerate(shown.values()):
        ax.barh(row, found.value, height=0.62, color=SKY)
        ax.plot([found.low, found.high], [row, row], color=INK, linewidth=1.3, solid_capstyle="butt")
        ax.annotate(str(found), (1.02, row), xycoords=("axes fraction", "data"), va="center", fontsize=9)
    counts = getattr(result, "counts", None)
    told = counts is not None and len(set(counts.values())) > 1
    named_rows(ax, [f"{name} ({counts[name]:,})" if told else name for name in shown])
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    level = next(iter(shown.values())).level
    brackets = "; in brackets, in how many inputs" if told else ""
    ax.set_xlabel(f"{result.measure}; lines are {level:.0%} intervals{brackets}")
    left_out = len(result.estimates) - len(shown)
    rest = f" {left_out:,} more are not drawn." if left_out else ""
    ax.set_title(title or f"What matters most: {next(iter(shown))}.{rest}")
    return ax


@matplotlib.rc_context(STYLE)
def saliency(
    results: Sequence[Saliency], *, classes: Sequence[str] | None = None, title: str | None = None
) -> Figure:
    """A picture, and for each reading of its gradients which pixels speak for the class, and which against.

    Args:
        results: one or more of one picture, such as the fields of `explain.gradients`.
        classes: names of the classes.
        title: a sentence that says what is seen; by default the class.
    Raises: ValueError without results, or for texts; their words are drawn by `plots.explanation`.
    """
    results = list(results)
    if not results or any(result.kind != "image" for result in results):
        raise ValueError(
            f"expected results of one picture, got {[result.kind for result in results]}; "
            "draw texts with plots.explanation"
        )
    first = results[0]
    name = (
        checks.classes(classes, n_classes=len(classes))[first.target] if classes else f"class {first.target}"
    )
    n = len(results)
    side = min(WIDTH / (n + 1), 2.2)
    figure = Figure(figsize=(side * (n + 1), 2 * side + 0.7), layout="constrained")
    panels = figure.subplots(2, n + 1)
    for ax in panels.flat:
        ax.set_axis_off()
    picture = np.asarray(first.input)
    panels[0, 0].imshow(picture, vmin=0, vmax=255 if picture.dtype == np.uint8 else 1)
    panels[0, 0].set_title("the picture", fontsize=9)
    legend = (
        f"above: for {name}\nbelow: against it\n\ndark: the largest {100 - BRIGHTEST:.2g} %\nof each reading"
    )
    panels[1, 0].text(0, 0.5, legend, va="center", fontsize=8, transform=panels[1, 0].transAxes)
    grey = picture.astype(float).mean(axis=2) / (255 if picture.dtype == np.uint8 else 1)
    for column, result in zip(panels.T[1:], results, strict=True):
        height, width = result.attributions.shape
        most = max(np.percentile(np.abs(result.attributions), BRIGHTEST), 1e-12)
        for ax, sign, colour in zip(column, (1, -1), (BLUE, VERMILLION), strict=True):
            part = np.clip(sign * result.attributions / most, 0, 1)
            shade = LinearSegmentedColormap.from_list("shade", ["white", colour, INK])
            # The picture stays faintly below, so that one sees where the pixels are.
            ax.imshow(0.8 + 0.2 * grey, cmap="gray", vmin=0, vmax=1, extent=(0, width, height, 0))
            ax.imshow(
                part,
                cmap=shade,
                vmin=0,
                vmax=1,
                alpha=part,
                interpolation="nearest",
                extent=(0, width, height, 0),
            )
        column[0].set_title(textwrap.fill(result.method, int(side * 12)), fontsize=9)
    sentence = title or f"Which pixels move the answer for {name}."
    figure.suptitle(sentence, x=0.01, ha="left", fontsize=11)
    return figure


@matplotlib.rc_context(STYLE)
def tree(result: SurrogateTree, *, title: str | None = None, ax: Axes | None = None) -> Axes:
    """A surrogate tree, its questions from top to bottom: left where the answer is yes.

    Args:
        result: what `explain.surrogate_tree` returns; more than 4 questions deep, it cannot be read.
        title: a sentence that says what is seen; by default the fidelity.
        ax: where to draw.
    Raises: ValueError for a tree more than 4 questions deep.
    """
    nodes = result.tree.tree_
    if nodes.max_depth > 4:
        raise ValueError(
            f"expected a tree at most 4 deep, got {nodes.max_depth}; print it, or fit a smaller one"
        )
    ax = axes(ax, height=1.0 + 0.95 * (nodes.max_depth + 1))
    places = _places(nodes)
    n_leaves = sum(nodes.children_left < 0)
    wide = int(np.clip(84 / max(n_leaves, 1), 9, 24))  # characters in a line of a box
    for node, (x, y) in places.items():
        left, right = nodes.children_left[node], nodes.children_right[node]
        for child, word in ((left, "yes"), (right, "no")) if left >= 0 else ():
            to = places[child]
            ax.plot([x, to[0]], [y, to[1]], color=INK, linewidth=1.0, zorder=1)
            ax.text(
                (x + to[0]) / 2,
                (y + to[1]) / 2,
                word,
                ha="center",
                va="center",
                fontsize=8,
                zorder=2,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )
        if left >= 0:
            # A no-break space, so that the sign does not part from its number.
            question = f"{result.columns[nodes.feature[node]]} ≤\N{NO-BREAK SPACE}{nodes.threshold[node]:.4g}"
            text, face = textwrap.fill(question, 22), "white"
        else:
            probs = nodes.value[node][0] / nodes.value[node][0].sum()
            share = nodes.weighted_n_node_samples[node] / nodes.weighted_n_node_samples[0]
            name = textwrap.fill(result.classes[probs.argmax()], wide)
            text, face = f"{name}\n{probs.max():.0%} sure\n{share:.{int(share < 0.01)}%} of all", PALE
        ax.text(
            x,
            y,
            text,
            ha="center",
            va="center",
            fontsize=8,
            zorder=3,
            bbox={"boxstyle": "round,pad=0.3", "facecolor": face, "edgecolor": INK, "linewidth": 0.8},
        )
    ax.set_xlim(-0.6, n_leaves - 0.4)
    ax.set_ylim(-nodes.max_depth - 0.35, 0.3)
    ax.set_axis_off()
    ax.set_title(title or f"The tree says what the model says for {result.fidelity:.1%} of unseen inputs.")
    return ax


def _places(nodes) -> dict[int, tuple[float, float]]:
    """Where each node stands: leaves side by side, a question above the middle of its answers."""
    places: dict[int, tuple[float, float]] = {}
    n_leaves = 0

    def place(node: int, depth: int) -> float:
        nonlocal n_leaves
        if nodes.children_left[node] < 0:
            x, n_leaves = float(n_leaves), n_leaves + 1
        else:
            x = np.mean(
                [place(nodes.children_left[node], depth + 1), place(nodes.children_right[node], depth + 1)]
            )
        places[node] = (float(x), -float(depth))
        return float(x)

    place(0, 0)
    return places

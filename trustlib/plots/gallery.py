"""Pictures in rows."""

import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from trustlib import checks
from trustlib.plots.figure import STYLE, WIDTH


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


def _wrapped(title: str, inches: float) -> str:
    return textwrap.fill(title, width=max(8, int(inches * 13)))

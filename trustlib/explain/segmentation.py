"""Pictures cut into segments, the features that LIME and SHAP hide: (h, w) integers from 0 to m - 1.

What an explanation can say depends on the cut: a segment is hidden as a whole, and what happens inside of
it cannot be told. `slic` cuts what `explain` uses unless it is told otherwise.

Sources: Achanta et al. (2012), SLIC; Vedaldi & Soatto (2008), quickshift.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trustlib import checks

N_SEGMENTS = 48  # about so many: few enough for 1,000 masks, and a segment still lies within a thing


def grid(picture: ArrayLike, n: int = N_SEGMENTS) -> NDArray[np.int64]:
    """Rectangles in rows and columns, about n and as near to squares as they come.

    Args:
        picture: (h, w, 3).
        n: how many, about.
    Returns: (h, w), counted row by row.
    Raises: ValueError.

    >>> grid(np.zeros((2, 4, 3), np.uint8), 2)
    array([[0, 0, 1, 1],
           [0, 0, 1, 1]])
    """
    height, width = checks.picture(picture).shape[:2]
    n = checks.count(n, name="n")
    rows = min(max(1, round(np.sqrt(n * height / width))), height)
    columns = min(max(1, round(n / rows)), width)
    row, column = np.arange(height) * rows // height, np.arange(width) * columns // width
    return row[:, None] * columns + column


def slic(
    picture: ArrayLike, n: int = N_SEGMENTS, *, compactness: float = 20.0, sigma: float = 1.0
) -> NDArray[np.int64]:
    """Superpixels: compact pieces of like colour, about n.

    Args:
        picture: (h, w, 3), uint8 or float in [0, 1].
        n: how many, about.
        compactness: high for squares, low for pieces that follow colour only.
        sigma: of the blur beforehand, in pixels.
    Returns: (h, w). The same picture is always cut the same way.
    Raises: ValueError.
    Source: Achanta et al. (2012), as scikit-image has it.

    >>> slic(np.repeat([[[0, 0, 255, 255]]], 3, axis=0).transpose(1, 2, 0).astype(np.uint8), 2)
    array([[0, 0, 1, 1]])
    """
    from skimage import segmentation

    picture = checks.picture(picture)
    found = segmentation.slic(
        picture,
        n_segments=checks.count(n, name="n"),
        compactness=checks.positive(compactness, name="compactness"),
        sigma=sigma,
        start_label=0,
        channel_axis=-1,
    )
    return _counted(found)


def quickshift(
    picture: ArrayLike, *, kernel_size: float = 4, max_dist: float = 200, ratio: float = 0.2, seed: int = 0
) -> NDArray[np.int64]:
    """Pieces around the modes of colour and place, which vary in number; lime's own cut, with its settings.

    Args:
        picture: (h, w, 3), uint8 or float in [0, 1].
        kernel_size: larger for fewer pieces. max_dist: how far a pixel may lie from its mode.
        ratio: in [0, 1], weight of colour against place.
        seed: of the noise that decides between equals.
    Returns: (h, w).
    Raises: ValueError.
    Source: Vedaldi & Soatto (2008), as scikit-image has it; settings of lime 0.2.
    """
    from skimage import segmentation

    picture = checks.picture(picture)
    found = segmentation.quickshift(
        picture, kernel_size=kernel_size, max_dist=max_dist, ratio=ratio, rng=seed, channel_axis=-1
    )
    return _counted(found)


def _counted(labels: NDArray[np.integer]) -> NDArray[np.int64]:
    """The same pieces with labels from 0 up and none left out."""
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int64)

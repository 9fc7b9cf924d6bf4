"""Pictures at the resolution that a network sees, and batches that are made when they are asked for."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from trustlib import checks


def seen_size(predict_proba: Callable, size: int | None) -> int | None:
    """The given size, else the `size` of the classifier that predict_proba is a method of, else None.

    Raises: ValueError.

    >>> seen_size(lambda pictures: pictures, 96)
    96
    """
    if size is not None:
        return checks.count(size, name="size")
    found = getattr(getattr(predict_proba, "__self__", None), "size", None)
    return found if isinstance(found, int) else None


def at_size(picture: ArrayLike, size: int | None, *, at: int | None = None) -> NDArray[np.float32]:
    """A picture as (size, size, 3) float32 in [0, 1], bilinear and antialiased; None keeps its own size.

    Args:
        picture: (h, w, 3), uint8 or float in [0, 1].
        at: its position among others, for messages.
    Raises: ValueError on another shape, dtype or range.

    >>> at_size(np.full((4, 6, 3), 51, np.uint8), 2)[0, 0].round(3)
    array([0.2, 0.2, 0.2], dtype=float32)
    """
    array = checks.picture(picture, at=at)
    pixels = array.astype(np.float32) / np.float32(255) if array.dtype == np.uint8 else array
    pixels = np.asarray(pixels, dtype=np.float32)
    if size is None or pixels.shape[:2] == (size, size):
        return pixels
    planes = [Image.fromarray(np.ascontiguousarray(pixels[..., i])) for i in range(3)]
    resized = [np.asarray(plane.resize((size, size), Image.Resampling.BILINEAR)) for plane in planes]
    return np.stack(resized, axis=-1).clip(0, 1)


def to_uint8(pixels: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Values clipped to [0, 1], as whole numbers from 0 to 255.

    >>> to_uint8(np.array([-0.1, 0.5, 2.0]))
    array([  0, 128, 255], dtype=uint8)
    """
    return np.round(pixels.clip(0, 1) * 255).astype(np.uint8)


def stacked(inputs: Iterable[NDArray[Any]], batch_size: int) -> Iterator[Any]:
    """Batches of at most batch_size arrays, made when asked for.

    One array where all in a batch have one shape, as most models want them; else a list.

    >>> [batch.shape for batch in stacked(iter(np.zeros((3, 5))), 2)]
    [(2, 5), (1, 5)]
    """
    batch_size = checks.count(batch_size, name="batch_size")
    inputs = iter(inputs)
    while batch := list(islice(inputs, batch_size)):
        yield np.stack(batch) if len({array.shape for array in batch}) == 1 else batch

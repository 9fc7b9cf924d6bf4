"""Raw pictures to what an image network reads: three channels of one size, in [0, 1], nothing normalised."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn


class Lazy:
    """A sequence that computes its items when they are asked for, and keeps none.

    `compute` gets an item of `inputs` and its position.
    """

    def __init__(self, inputs: Sequence, compute: Callable):
        self.inputs, self.compute = inputs, compute

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, i: int):
        return self.compute(self.inputs[int(i)], int(i))


def encode(pictures: Sequence, size: int, *, first: int = 0) -> Tensor:
    """Pictures (h, w, 3), uint8 or float in [0, 1], as (n, 3, size, size) float32 in [0, 1].

    Args:
        first: position of the first picture in the sequence that they were taken from, for messages.
    Raises: ValueError for another shape, dtype or range.
    """
    encoded = torch.empty(len(pictures), 3, size, size)
    for i, picture in enumerate(pictures):
        encoded[i] = encode_one(picture, size, at=first + i)
    return encoded


def encode_one(picture, size: int, *, at: int = 0) -> Tensor:
    """One picture (h, w, 3) as (3, size, size); `at` is its position, for messages."""
    array = _checked(picture, at)
    pixels = torch.from_numpy(np.array(array, dtype=np.float32))
    planes = (pixels / 255 if array.dtype == np.uint8 else pixels).permute(2, 0, 1)[None]
    if planes.shape[2:] != (size, size):
        planes = nn.functional.interpolate(
            planes, size=(size, size), mode="bilinear", antialias=True, align_corners=False
        ).clamp(0, 1)
    return planes[0].expand(3, -1, -1)


def _checked(picture, at: int) -> np.ndarray:
    """The picture as an array; of three equal channels (grey) only one, so that it is resized once."""
    array = np.asarray(picture)
    if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise ValueError(
            f"expected pictures of shape (h, w, 3), got {array.shape} at position {at}: "
            "repeat a grey picture to three channels, and hand over a single picture as [picture]"
        )
    if array.dtype != np.uint8:
        if not np.issubdtype(array.dtype, np.floating):
            raise ValueError(
                f"expected pictures of dtype uint8 or float, got {array.dtype} at position {at}: "
                "convert values from 0 to 255 with astype('uint8')"
            )
        if not np.isfinite(array).all():
            raise ValueError(f"expected finite pictures, got NaN or infinity at position {at}: look there")
        if array.min() < 0 or array.max() > 1:
            raise ValueError(
                f"expected float pictures in [0, 1], got values from {array.min():.4g} to "
                f"{array.max():.4g} at position {at}: divide by 255, or pass uint8"
            )
    grey = (array[..., 0] == array[..., 1]).all() and (array[..., 1] == array[..., 2]).all()
    return array[..., :1] if grey else array

"""Raw pictures to what an image network reads: three channels of one size, in [0, 1], nothing normalised."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from trustlib import checks


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


def encode(pictures: Sequence, size: int, *, resize: int | None = None, first: int = 0) -> Tensor:
    """Pictures (h, w, 3), uint8 or float in [0, 1], as (n, 3, size, size) float32 in [0, 1].

    Args:
        resize: None resizes the whole picture to a square. A number is for the shorter side, and the middle
            size x size pixels are taken.
        first: position of the first picture in the sequence that they were taken from, for messages.
    Raises: ValueError for another shape, dtype or range.
    """
    encoded = torch.empty(len(pictures), 3, size, size)
    for i, picture in enumerate(pictures):
        encoded[i] = encode_one(picture, size, resize=resize, at=first + i)
    return encoded


def encode_one(picture, size: int, *, resize: int | None = None, at: int = 0) -> Tensor:
    """One picture (h, w, 3) as (3, size, size); `at` is its position, for messages."""
    array = _checked(picture, at)
    pixels = torch.from_numpy(np.array(array, dtype=np.float32))
    planes = (pixels / 255 if array.dtype == np.uint8 else pixels).permute(2, 0, 1)[None]
    target, top, left = window(planes.shape[2:], size, resize)
    if planes.shape[2:] != target:
        planes = nn.functional.interpolate(
            planes, size=target, mode="bilinear", antialias=True, align_corners=False
        ).clamp(0, 1)
    return planes[0, :, top : top + size, left : left + size].expand(3, -1, -1)


def window(shape: Sequence[int], size: int, resize: int | None) -> tuple[tuple[int, int], int, int]:
    """What is read of a picture: its (height, width) after resizing, and top and left of size x size pixels.

    >>> window((300, 300), 224, None)  # all of it
    ((224, 224), 0, 0)
    >>> window((300, 400), 224, 232)  # the middle
    ((232, 309), 4, 42)
    """
    if resize is None:
        return (size, size), 0, 0
    # As torchvision counts: the longer side is cut down to whole pixels.
    height, width = (int(resize * side / min(shape)) for side in shape)
    return (height, width), round((height - size) / 2), round((width - size) / 2)


def _checked(picture, at: int) -> np.ndarray:
    """The picture as an array; of three equal channels (grey) only one, so that it is resized once."""
    array = checks.picture(picture, at=at)
    grey = (array[..., 0] == array[..., 1]).all() and (array[..., 1] == array[..., 2]).all()
    return array[..., :1] if grey else array

"""What stays of a picture that is saved again, resized or made brighter: a thumbnail of 32 x 32 greys.

Its mean is taken off and its length set to 1, so that two thumbnails are compared by their correlation, and
brightness and contrast do not count. A difference hash keeps only which of two neighbouring pixels is
brighter, and pictures of one kind share that; the thumbnail keeps by how much. It does not see through
crops, rotations and mirror images.

Source: Gonzalez & Woods (2018), chapter 12, the correlation coefficient of two pictures.
"""

import hashlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trustlib import checks, progress

Picture = NDArray[np.uint8]
Marks = NDArray[np.float32]
SIDE = 32


def read(pictures: Sequence[Any]) -> tuple[list[str], Marks]:
    """A key of each picture, equal where all pixels are, and the thumbnails (n, 1024).

    Every picture is decoded once, and none is kept. Raises: ValueError on what is no picture (h, w, 3).
    """
    found = []
    for i in progress.bar(range(len(pictures)), description="read pictures", unit="picture"):
        pixels = _bytes(checks.picture(pictures[i], at=i))
        key = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()
        found.append((key, _thumbnail(pixels)))
    return [key for key, _ in found], np.stack([mark for _, mark in found])


def distances(a: Marks, b: Marks) -> NDArray[np.float64]:
    """1 - correlation of each thumbnail of a with each of b: (n, m), in [0, 2].

    A picture of one even grey has no correlation; it is at distance 1 from every other.
    """
    return np.maximum(1 - (a @ b.T).astype(np.float64), 0)


def edits(picture: Any, rng: np.random.Generator) -> dict[str, Picture]:
    """The picture as it might come back: saved again, resized there and back, darker, brighter."""
    pixels = _bytes(checks.picture(picture))
    return {
        "JPEG, quality 90": _jpeg(pixels, 90),
        "JPEG, quality 60": _jpeg(pixels, 60),
        "JPEG, quality 30": _jpeg(pixels, 30),
        "three quarters of the size, and back": _resized(pixels, 0.75),
        "half the size, and back": _resized(pixels, 0.5),
        "a fifth darker": _scaled(pixels, 0.8),
        "a tenth brighter": _scaled(pixels, 1.1),
    }


def _bytes(picture: NDArray[Any]) -> Picture:
    return picture if picture.dtype == np.uint8 else np.rint(picture * 255).astype(np.uint8)


def _thumbnail(pixels: Picture) -> Marks:
    from PIL import Image

    grey = Image.fromarray(pixels).convert("L")
    small = np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR), dtype=np.float32).ravel()
    small = small - small.mean()
    length = np.linalg.norm(small)
    return small / length if length else small


def _jpeg(pixels: Picture, quality: int) -> Picture:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def _resized(pixels: Picture, scale: float) -> Picture:
    from PIL import Image

    h, w = pixels.shape[:2]
    small = Image.fromarray(pixels).resize(
        (max(1, round(w * scale)), max(1, round(h * scale))), Image.Resampling.BILINEAR
    )
    return np.asarray(small.resize((w, h), Image.Resampling.BILINEAR))


def _scaled(pixels: Picture, factor: float) -> Picture:
    return np.clip(np.rint(pixels * factor), 0, 255).astype(np.uint8)

"""Handwritten digits, small enough that a convolutional network learns them in seconds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trustlib.tasks.task import PARTS, Split, Task, to_task

SIDE = 28


def digits28(*, digits: Sequence[int] = tuple(range(10))) -> Task:
    """Which digit is this? 1,797 scans of 8x8 pixels from scikit-learn, enlarged to 28x28 (bilinear).

    The splits are drawn once, of all ten digits (60 / 10 / 10 / 20 %, stratified). Choosing some `digits`
    keeps each picture in its part, so that a network pretrained on five digits and fine-tuned on the other
    five is tested on pictures that it has never met. Inputs are an (n, 28, 28, 3) uint8 array, black on 0.

    Args:
        digits: at least two different digits; label i means digits[i].
    Raises: ValueError on other `digits`.
    Source: Alpaydin and Kaynak (1998), the test part of their set.
    """
    chosen = tuple(digits)
    if len(chosen) < 2 or len(set(chosen)) != len(chosen) or not set(chosen) <= set(range(10)):
        raise ValueError(f"expected at least two different digits from 0 to 9, got {chosen}; choose some")
    from sklearn.datasets import load_digits

    scans = load_digits()
    everything = Split(
        "all", _enlarge(scans.images), scans.target, [f"digit-{i:04d}" for i in range(len(scans.target))]
    )
    names = tuple(str(digit) for digit in range(10))
    whole = to_task(everything, name="digits28", question="Which digit is this?", kind="image", classes=names)
    splits = {part: _keep(whole.splits[part], chosen) for part in PARTS}
    name = "-".join(["digits28"] + ([] if chosen == tuple(range(10)) else ["".join(map(str, chosen))]))
    return Task(name, whole.question, "image", tuple(str(digit) for digit in chosen), **splits)


def _enlarge(images: NDArray[np.float64]) -> NDArray[np.uint8]:
    from PIL import Image

    grey = np.round(images * (255 / 16)).astype(np.uint8)  # scikit-learn's values run from 0 to 16
    large = [Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BILINEAR) for image in grey]
    return np.repeat(np.stack([np.asarray(image) for image in large])[..., None], 3, axis=-1)


def _keep(split: Split, digits: tuple[int, ...]) -> Split:
    part = split.take(np.isin(split.labels, digits))
    labels = np.array([digits.index(label) for label in part.labels.tolist()])
    return Split(part.name, part.inputs, labels, part.ids)

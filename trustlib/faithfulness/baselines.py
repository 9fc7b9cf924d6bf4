"""What stands in the place of a hidden feature, and why it is not what the explainer put there.

An explainer that hides a segment under its mean colour, or takes a word away, must not be judged with the
same trick: it would only be asked whether it remembers its own answers. So a picture is hidden behind its
own blurred version here, and a word behind one that no model knows. Source: Petsiuk et al. (2018), the blur.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trustlib import checks
from trustlib.explain import masking
from trustlib.explain.explanation import Explanation

UNKNOWN = "[UNK]"  # BERT's token for a word that it does not know; elsewhere a word outside the vocabulary
BLUR = 0.1  # deviation of the blur, as a share of the longer side


def hider(explanation: Explanation, baseline: Any = None) -> masking.Hide:
    """Hide features of the explained input: a function from masks (b, m), True where kept, to inputs.

    Args:
        baseline: a picture like the input, a colour, a word ("" takes words away) or a row. None blurs a
            picture and puts "[UNK]" for a word; a row of a table needs one.
    Raises: ValueError where features, values and baseline do not fit together.
    """
    m = len(explanation.values)
    image = explanation.kind == "image"
    n_features = int(np.max(explanation.features)) + 1 if image else len(explanation.features)
    if n_features != m:
        raise ValueError(
            f"expected one value for each of {n_features} features, got {m}; "
            "pass an explanation as it was made"
        )
    if image:
        behind = blurred(explanation.input) if baseline is None else baseline
        return masking.image(explanation.input, explanation.features, behind)
    if explanation.kind == "text":
        word = UNKNOWN if baseline is None else baseline
        if not isinstance(word, str):
            raise ValueError(
                f'expected a baseline as str for a text, got {type(word).__name__}; pass a word, or ""'
            )
        return masking.text(explanation.input, explanation.features, word)
    if baseline is None:
        raise ValueError(
            "expected a baseline for a row of a table, got None; pass a row, such as the means of the columns"
        )
    return masking.table(explanation.input, baseline)


def blurred(picture: ArrayLike, *, blur: float = BLUR) -> NDArray[Any]:
    """A picture so blurred that small things are gone, of the same shape and dtype.

    Args:
        picture: (h, w, 3), uint8 or float in [0, 1].
        blur: the Gaussian's deviation, as a share of the longer side, above 0.
    Raises: ValueError.

    >>> blurred(np.full((2, 2, 3), 7, np.uint8))[0, 0]
    array([7, 7, 7], dtype=uint8)
    """
    from scipy.ndimage import gaussian_filter

    picture = checks.picture(picture)
    sigma = checks.positive(blur, name="blur") * max(picture.shape[:2])
    soft = gaussian_filter(picture.astype(np.float64), (sigma, sigma, 0))
    if picture.dtype == np.uint8:
        return np.round(soft).astype(np.uint8)
    return soft.clip(0, 1).astype(picture.dtype)

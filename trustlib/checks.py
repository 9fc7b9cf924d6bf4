"""The only input validators. Each returns the checked array or number, or raises ValueError.

Nothing is guessed: logits are not turned into probabilities, floats are not rounded to labels.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# float16 answers of ten classes sum to 1 within 5e-4; logits miss it by far more.
SUM_TOLERANCE = 1e-3


def probs(
    probs: ArrayLike, *, name: str = "probs", least: int = 1, missing: bool = False
) -> NDArray[np.float64]:
    """Class probabilities as float64 (n, k), with n >= 1 and k >= 2.

    Args:
        probs: (n, k), each in [0, 1], rows summing to 1 within 0.001.
        name: what the message calls the argument.
        least: how many samples are needed; an interval that resamples them needs 2.
        missing: whether a row may be all NaN, for a sample that nobody judged.
    Raises: ValueError on wrong shape, range or row sums.

    >>> probs([[0.9, 0.1], [0.2, 0.8]]).shape
    (2, 2)
    """
    array = _rows(probs, name, least)
    judged = array[~np.isnan(array).all(axis=1)] if missing else array
    if not np.isfinite(judged).all():
        raise ValueError(f"expected finite {name}, got NaN or infinity; look at the model's outputs")
    if judged.size and (judged.min() < 0 or judged.max() > 1 + SUM_TOLERANCE):
        raise ValueError(
            f"expected {name} in [0, 1], got values from {judged.min():.4g} to {judged.max():.4g}; "
            "apply softmax if these are logits"
        )
    sums = judged.sum(axis=1)
    wrong = np.flatnonzero(np.abs(sums - 1) > SUM_TOLERANCE)
    if wrong.size:
        raise ValueError(
            f"expected rows of {name} that sum to 1, got a sum of {sums[wrong[0]]:.4g} "
            f"({wrong.size} of {len(sums)} rows are off); apply softmax or divide each row by its sum"
        )
    return array


def paired_probs(probs_a: ArrayLike, probs_b: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two models' probabilities for the same samples, both (n, k) with n >= 2. Raises: ValueError.

    >>> a, b = paired_probs([[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.5, 0.5]])
    """
    a, b = probs(probs_a, name="probs_a", least=2), probs(probs_b, name="probs_b", least=2)
    if a.shape != b.shape:
        raise ValueError(
            f"expected probs_a and probs_b of one shape, got {a.shape} and {b.shape}; "
            "let both models answer the same samples"
        )
    return a, b


def logits(logits: ArrayLike) -> NDArray[np.float64]:
    """Scores before the softmax as float64 (n, k), finite, with n >= 2 and k >= 2. Raises: ValueError.

    >>> logits([[2, -1], [0, 3]]).dtype
    dtype('float64')
    """
    array = _rows(logits, "logits", 2)
    if not np.isfinite(array).all():
        raise ValueError(
            "expected finite logits, got NaN or infinity; take logarithms of probabilities above 0 only"
        )
    return array


def numbers(values: ArrayLike, *, name: str, n: int | None = None, least: int = 1) -> NDArray[np.float64]:
    """Finite numbers as float64 (n,), n given or at least `least`. Raises: ValueError.

    >>> numbers([1, 2], name="losses")
    array([1., 2.])
    """
    array = _floats(values, name)
    wanted = f"({n},)" if n is not None else f"(n,) with n >= {least}"
    if array.ndim != 1 or len(array) < least or (n is not None and len(array) != n):
        raise ValueError(
            f"expected {name} of shape {wanted}, got {array.shape}; pass one finite number a sample"
        )
    wrong = np.flatnonzero(~np.isfinite(array))
    if len(wrong):
        raise ValueError(
            f"expected finite {name}, got {array[wrong[0]]} at position {wrong[0]}; "
            "pass one finite number a sample"
        )
    return array


def amounts(
    values: ArrayLike, *, name: str, n: int | None = None, most: float = np.inf
) -> NDArray[np.float64]:
    """Finite numbers from 0 to `most` as float64 (n,), n given or at least 1. Raises: ValueError.

    >>> amounts([0, 0.1], name="sigmas")
    array([0. , 0.1])
    """
    array = numbers(values, name=name, n=n)
    if array.min(initial=0) < 0 or array.max(initial=0) > most:
        wanted = "of 0 or more" if np.isinf(most) else f"from 0 to {most:g}"
        raise ValueError(
            f"expected {name} {wanted}, got {array.min():g} to {array.max():g}; leave out what lies outside"
        )
    return array


def counts(values: ArrayLike, *, name: str, n: int) -> NDArray[np.int64]:
    """Whole numbers from 0 up as int64 (n,). Raises: ValueError.

    >>> counts([3, 0], name="n_ratings", n=2)
    array([3, 0])
    """
    array = np.asarray(values)
    if array.shape != (n,) or array.dtype.kind not in "iu" or array.min() < 0:
        raise ValueError(
            f"expected {name} as {n} whole numbers from 0 up, got shape {array.shape} of {array.dtype}"
            f"{f', the least {array.min()}' if array.dtype.kind in 'iuf' and array.size else ''}; "
            "pass one count a sample"
        )
    return array.astype(np.int64)


def labels(
    labels: ArrayLike, *, n_classes: int, n: int | None = None, name: str = "labels"
) -> NDArray[np.int64]:
    """Class indices as int64 (n,), each in [0, n_classes).

    Args:
        labels: (n,), integers or booleans.
        n_classes: how many classes there are.
        n: how many labels are expected; None accepts any number from 1.
        name: what the message calls the argument.
    Raises: ValueError on wrong shape, type, length or range.

    >>> labels([0, 2, 1], n_classes=3)
    array([0, 2, 1])
    """
    array = np.asarray(labels)
    if array.ndim != 1 or array.shape[0] < 1:
        raise ValueError(
            f"expected {name} of shape (n,) with n >= 1, got {array.shape}; pass one class index a sample"
        )
    if array.dtype.kind not in "iub":
        raise ValueError(
            f"expected {name} as integers, got {array.dtype}; pass class indices, not names or probabilities"
        )
    if n is not None and len(array) != n:
        raise ValueError(f"expected {n} {name}, got {len(array)}; pass one for each sample")
    array = array.astype(np.int64)
    if array.min() < 0 or array.max() >= n_classes:
        raise ValueError(
            f"expected {name} from 0 to {n_classes - 1}, got {array.min()} to {array.max()}; "
            "check the order and the number of classes"
        )
    return array


def classes(classes: Sequence[str] | None, *, n_classes: int) -> tuple[str, ...]:
    """Class names as a tuple of n_classes different strings; None gives "0", "1", and so on.

    Raises: ValueError on a wrong number, a repeated name, or a name that is no string.

    >>> classes(None, n_classes=3)
    ('0', '1', '2')
    """
    if classes is None:
        return tuple(str(i) for i in range(n_classes))
    names = (classes,) if isinstance(classes, str) else tuple(classes)
    if not all(isinstance(name, str) for name in names) or not len(set(names)) == len(names) == n_classes:
        raise ValueError(
            f"expected {n_classes} different class names, got {names!r}; pass one string for each column"
        )
    return tuple(str(name) for name in names)


def groups(groups: ArrayLike, *, n: int, name: str = "groups") -> NDArray[np.int64]:
    """Group codes as int64 (n,): 0 for the smallest group name, 1 for the next, and so on.

    Args:
        groups: (n,), integers or strings; samples with the same value hang together.
        n: how many samples there are.
        name: what the message calls the argument.
    Raises: ValueError on wrong shape, length, type, or fewer than 2 groups.

    >>> groups(["b", "a", "b"], n=3)
    array([1, 0, 1])
    """
    array = np.asarray(groups)
    if array.ndim != 1 or len(array) != n:
        raise ValueError(f"expected {name} of shape ({n},), got {array.shape}; pass one for each sample")
    if array.dtype.kind not in "iubUS":
        raise ValueError(f"expected {name} as integers or strings, got {array.dtype}; name them with these")
    codes = np.unique(array, return_inverse=True)[1].reshape(-1).astype(np.int64)
    if codes.max(initial=0) < 1:
        raise ValueError(
            f"expected at least 2 {name}, got 1; one alone shows no spread, so collect more of them"
        )
    return codes


def picture(picture: ArrayLike, *, at: int | None = None) -> NDArray[Any]:
    """A picture (h, w, 3) as it came: uint8, or float in [0, 1]; nothing is converted.

    Args:
        at: its position among others, for the message.
    Raises: ValueError on another shape, dtype or range.

    >>> picture(np.zeros((4, 5, 3), np.uint8)).shape
    (4, 5, 3)
    """
    array = np.asarray(picture)
    where = "" if at is None else f" at position {at}"
    if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise ValueError(
            f"expected pictures of shape (h, w, 3), got {array.shape}{where}: "
            "repeat a grey picture to three channels, and hand over a single picture as [picture]"
            if at is not None
            else f"expected a picture of shape (h, w, 3), got {array.shape}: "
            "repeat a grey picture to three channels, and hand over one picture, not several"
        )
    if array.dtype == np.uint8:
        return array
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(
            f"expected pictures of dtype uint8 or float, got {array.dtype}{where}: "
            "convert values from 0 to 255 with astype('uint8')"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"expected finite pictures, got NaN or infinity{where}: look there")
    if array.min() < 0 or array.max() > 1:
        raise ValueError(
            f"expected float pictures in [0, 1], got values from {array.min():.4g} to "
            f"{array.max():.4g}{where}: divide by 255, or pass uint8"
        )
    return array


def texts(texts: Sequence[str], *, name: str = "texts", least: int = 1) -> list[str]:
    """Texts as a list of at least `least` str. Raises: ValueError.

    >>> texts(("good", "bad"))
    ['good', 'bad']
    """
    if isinstance(texts, str):
        raise ValueError(f"expected {name} as a sequence of str, got one str: hand over [text]")
    found = list(texts)
    wrong = next((i for i, text in enumerate(found) if not isinstance(text, str)), None)
    if wrong is not None:
        raise ValueError(
            f"expected {name} as str, got {type(found[wrong]).__name__} at position {wrong}: look there"
        )
    if len(found) < least:
        raise ValueError(f"expected at least {least} of {name}, got {len(found)}: add some")
    return [str(text) for text in found]


def table(
    rows: ArrayLike, *, name: str = "rows", columns: int | None = None, least: int = 1
) -> NDArray[np.float64]:
    """Finite numbers as float64 (n, d), n at least `least`, d given or at least 1. Raises: ValueError.

    >>> table([[5.1, 3.5], [6.2, 2.9]]).shape
    (2, 2)
    """
    array = _floats(rows, name)
    wanted = "d" if columns is None else str(columns)
    if array.ndim != 2 or len(array) < least or array.shape[1] != (columns or max(array.shape[1], 1)):
        raise ValueError(
            f"expected {name} of shape (n, {wanted}) with n >= {least}, got {array.shape}; "
            "pass one row a sample and one column a feature"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"expected finite {name}, got NaN or infinity; fill or leave out what is missing")
    return array


def target(target: int, *, n_classes: int) -> int:
    """The index of a class, as int. Raises: ValueError.

    >>> target(1, n_classes=2)
    1
    """
    whole = isinstance(target, (int, np.integer)) and not isinstance(target, (bool, np.bool_))
    if not whole or not 0 <= target < n_classes:
        raise ValueError(
            f"expected target from 0 to {n_classes - 1}, got {target!r}; pass the index of a class"
        )
    return int(target)


def masks(masks: ArrayLike, *, m: int | None = None) -> NDArray[np.bool_]:
    """Which of m features are kept, as booleans (b, m) with m >= 1. Raises: ValueError.

    >>> masks([[True, False]], m=2).shape
    (1, 2)
    """
    array = np.asarray(masks)
    wanted = "m" if m is None else str(m)
    if array.dtype != bool or array.ndim != 2 or array.shape[1] != (m or max(array.shape[1], 1)):
        raise ValueError(
            f"expected masks as booleans of shape (b, {wanted}), got {array.dtype} of shape {array.shape}; "
            "pass True where a feature is kept, one row a question"
        )
    return array


def segments(segments: ArrayLike, *, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """A label a pixel of a picture (h, w), as int64 from 0 to m - 1, each used. Raises: ValueError.

    >>> segments([[0, 1, 1]], shape=(1, 3)).max()
    np.int64(1)
    """
    array = np.asarray(segments)
    if array.shape != tuple(shape) or array.dtype.kind not in "iu":
        raise ValueError(
            f"expected segments as integers of shape {tuple(shape)}, got {array.dtype} of shape "
            f"{array.shape}; pass one label a pixel of the picture"
        )
    found = np.unique(array)
    if found[0] != 0 or found[-1] != len(found) - 1:
        raise ValueError(
            f"expected segments labelled from 0 to m - 1 without gaps, got {len(found)} labels from "
            f"{found[0]} to {found[-1]}; renumber them with np.unique(segments, return_inverse=True)[1]"
        )
    return array.astype(np.int64)


def positive(value: float, *, name: str) -> float:
    """A finite number above 0, as float. Raises: ValueError.

    >>> positive(3, name="sigma")
    3.0
    """
    number = _number(value, name)
    if not number > 0:
        raise ValueError(f"expected {name} above 0, got {value}; pass a positive number")
    return number


def fraction(value: float, *, name: str, closed: bool = False) -> float:
    """A number between 0 and 1, as float; `closed` allows 0 and 1 themselves. Raises: ValueError.

    >>> fraction(0.25, name="alpha")
    0.25
    """
    number = _number(value, name)
    inside = 0 <= number <= 1 if closed else 0 < number < 1
    if not inside:
        bounds = "from 0 to 1" if closed else "between 0 and 1, both excluded"
        raise ValueError(f"expected {name} {bounds}, got {value}; divide by 100 if it is a percentage")
    return number


def count(value: int, *, name: str, least: int = 1) -> int:
    """A whole number of at least `least`, as int. Raises: ValueError.

    >>> count(2000, name="n_draws")
    2000
    """
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))
    if not whole or value < least:
        raise ValueError(
            f"expected {name} as a whole number from {least} up, got {value!r}; pass such a number"
        )
    return int(value)


def _number(value: float, name: str) -> float:
    numeric = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not numeric or not np.isfinite(value):
        raise ValueError(f"expected {name} as a finite number, got {value!r}; pass such a number")
    return float(value)


def _rows(values: ArrayLike, name: str, least: int) -> NDArray[np.float64]:
    array = _floats(values, name)
    if array.ndim != 2 or array.shape[0] < least or array.shape[1] < 2:
        raise ValueError(
            f"expected {name} of shape (n, k) with at least {least} row{'s' * (least > 1)} and 2 classes, "
            f"got {array.shape}; pass one row per sample and one column per class"
        )
    return array


def _floats(values: ArrayLike, name: str) -> NDArray[np.float64]:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"expected {name} as an array of numbers, got {type(values).__name__} ({error}); pass one array"
        ) from None

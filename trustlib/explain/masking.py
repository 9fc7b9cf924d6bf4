"""What it means to hide a feature, and how a model is asked about many masks.

A *mask* is a row of m booleans, True where a feature is kept. `image`, `text` and `table` each return a
function `hide(masks) -> inputs` that makes the inputs of many masks at once; `answers` asks the model about
them: every different mask once, in batches that are made when their turn comes.

    segments = masking.slic(picture)
    hide = masking.image(picture, segments)
    masking.answers(predict_proba, hide, masks, target=1)          # (b,)

Source: Ribeiro, Singh & Guestrin (2016), interpretable representations. The segmentations are in
`trustlib.explain.segmentation`.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from trustlib import asking, checks
from trustlib.explain.explanation import Span, places
from trustlib.explain.segmentation import grid, quickshift, slic

__all__ = [
    "Hide",
    "answers",
    "distinct",
    "grid",
    "image",
    "places",
    "quickshift",
    "slic",
    "table",
    "text",
    "words",
]

Hide = Callable[[NDArray[np.bool_]], Any]
MARK = "\uffff"  # a character that no text may hold stands for accents, points and joiners inside words


def words(text: str) -> tuple[Span, ...]:
    r"""The words of a text: what stands between the separators `\W+`, as in lime.

    An accent or vowel point that Unicode writes as a character of its own stays with its word, where lime
    would split.

    >>> text = "Don't miss it!"
    >>> [text[start:stop] for start, stop in words(text)]
    ['Don', 't', 'miss', 'it']
    """
    if not isinstance(text, str):
        raise ValueError(f"expected a text as str, got {type(text).__name__}; hand over one text")
    plain = "".join(MARK if _joins(character) else character for character in text)
    return tuple(Span(*match.span()) for match in re.finditer(rf"\w[\w{MARK}]*", plain))


def image(picture: ArrayLike, segments: ArrayLike, baseline: ArrayLike | None = None) -> Hide:
    """Hide segments of a picture.

    Args:
        picture: (h, w, 3), uint8 or float in [0, 1].
        segments: (h, w), integers from 0 to m - 1, each at least once.
        baseline: what is seen where a segment is hidden: a picture (h, w, 3) or a colour (3,) or number in
            the picture's own range; None is the mean colour of each segment, as in lime.
    Returns: hide(masks (b, m)) -> pictures (b, h, w, 3), of the dtype of the picture.
    Raises: ValueError.

    >>> hide = image(np.full((1, 2, 3), 9, np.uint8), [[0, 1]], baseline=0)
    >>> hide([[True, False]])[0, :, :, 0]
    array([[9, 0]], dtype=uint8)
    """
    picture = checks.picture(picture)
    segments = checks.segments(segments, shape=picture.shape[:2])
    m, hidden = int(segments.max()) + 1, _hidden(picture, segments, baseline)
    # Bits, not numbers: hidden ^ (picture ^ hidden) is the picture, and hidden ^ 0 is what hides it. A mask
    # repeated along runs of one segment is some thirty times faster than one looked up pixel by pixel.
    bits = np.dtype(f"u{picture.itemsize}")
    behind = np.ascontiguousarray(hidden).view(bits).ravel()
    change = np.ascontiguousarray(picture).view(bits).ravel() ^ behind
    labels = np.repeat(segments.ravel(), 3)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(labels)) + 1])
    lengths = np.diff(np.append(starts, len(labels)))
    every_bit = np.array(np.iinfo(bits).max, bits)

    def hide(masks: NDArray[np.bool_]) -> NDArray[Any]:
        masks = checks.masks(masks, m=m)
        kept = np.where(masks[:, labels[starts]], every_bit, bits.type(0))
        made = np.repeat(kept, lengths, axis=1)  # (b, h * w * 3)
        made &= change
        made ^= behind
        return made.view(picture.dtype).reshape(len(masks), *picture.shape)

    return hide


def text(text: str, spans: Sequence[Span | Sequence[Span]], replacement: str = "") -> Hide:
    """Hide words of a text.

    Args:
        spans: m features that do not overlap, each one Span or several that are hidden together.
        replacement: what stands in the place of a hidden word, such as "..." or "[MASK]". "" takes the word
            away, and the space behind it where one stands before it too (or the text begins), so that no
            two spaces are left; separators of another kind stay.
    Returns: hide(masks (b, m)) -> list of b texts.
    Raises: ValueError.

    >>> hide = text("a good, good film", words("a good, good film"))
    >>> hide([[True, False, True, True], [True, True, True, False]])
    ['a , good film', 'a good, good ']
    """
    owners = sorted((place, i) for i, feature in enumerate(spans) for place in places(feature))
    kept, gone, features, end = [], [], [], 0
    for (start, stop), i in owners:
        if not end <= start < stop <= len(text):
            raise ValueError(
                f"expected spans inside the text that do not overlap, got {start} to {stop} in "
                f"{len(text)} characters; take those of masking.words"
            )
        alone = start == 0 or text[start - 1].isspace()
        take = int(not replacement and alone and text[stop : stop + 1] == " ")
        kept += [text[end:start], text[start : stop + take]]
        gone += [text[end:start], replacement]
        features.append(i)
        end = stop + take
    kept.append(text[end:])
    gone.append(text[end:])

    def hide(masks: NDArray[np.bool_]) -> list[str]:
        masks = checks.masks(masks, m=len(spans))
        made = []
        for row in masks[:, features].tolist():
            pieces = kept.copy()
            for i, keep in enumerate(row):
                if not keep:
                    pieces[2 * i + 1] = gone[2 * i + 1]
            made.append("".join(pieces))
        return made

    return hide


def table(row: ArrayLike, baseline_row: ArrayLike) -> Hide:
    """Hide columns of a row: a hidden one has the value of the baseline.

    Args:
        row: (d,). baseline_row: (d,), such as the mean of a background.
    Returns: hide(masks (b, d)) -> rows (b, d).
    Raises: ValueError.

    >>> table([1, 2], [0, 0])([[True, False]])
    array([[1., 0.]])
    """
    row = checks.numbers(row, name="row")
    baseline_row = checks.numbers(baseline_row, name="baseline_row", n=len(row))
    return lambda masks: np.where(checks.masks(masks, m=len(row)), row, baseline_row)


def answers(
    predict_proba: Callable[[Any], Any],
    hide: Hide,
    masks: ArrayLike,
    *,
    target: int | None = None,
    batch_size: int = asking.BATCH,
    bar: tqdm | None = None,
) -> NDArray[np.float64]:
    """What the model answers to each mask; equal masks are asked once.

    Texts are asked in the order of their lengths, so that a batch holds little padding. Inputs of other
    kinds are made batch by batch.

    Args:
        hide: makes inputs of masks. masks: (b, m) booleans.
        target: index of a class; None returns all.
        bar: moved on by one for each input that is asked; `distinct` says beforehand how many.
    Returns: (b,) probabilities of the target, or (b, k).
    Raises: ValueError; ModelError when an answer is no probability.
    """
    batch_size = checks.count(batch_size, name="batch_size")
    unique, inverse = distinct(masks)
    if isinstance(hide(unique[:1]), list):
        texts = hide(unique)
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        batches = asking.batches([texts[i] for i in order], batch_size)
    else:
        order = range(len(unique))
        batches = (hide(part) for part in asking.batches(unique, batch_size))
    asked = asking.ask(predict_proba, batches, bar=bar)
    probs = asked[np.argsort(order)[inverse]]
    return probs if target is None else probs[:, checks.target(target, n_classes=probs.shape[1])]


def distinct(masks: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """The different masks (u, m) in the order of their first appearance, and where each mask is among them.

    >>> distinct([[True, True], [False, True], [True, True]])[1]
    array([0, 1, 0])
    """
    masks = checks.masks(masks)
    packed = np.packbits(masks, axis=1)
    rows = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return masks[first[order]], np.argsort(order)[inverse.ravel()]


def _joins(character: str) -> bool:
    return unicodedata.category(character)[0] == "M" or character in "\u200c\u200d"


def _hidden(picture: NDArray[Any], segments: NDArray[np.int64], baseline: ArrayLike | None) -> NDArray[Any]:
    """The picture (h, w, 3) with every segment hidden, of the picture's dtype."""
    if baseline is None:
        sizes = np.bincount(segments.ravel())
        sums = [np.bincount(segments.ravel(), picture[..., c].ravel()) for c in range(3)]
        return (np.stack(sums, axis=1) / sizes[:, None]).astype(picture.dtype)[segments]
    colours = np.asarray(baseline)
    if colours.shape not in ((), (3,), picture.shape):
        raise ValueError(
            f"expected a baseline of shape {picture.shape}, (3,) or (), got {colours.shape}; "
            "pass a picture like the one that is explained, a colour, or None"
        )
    hidden = np.broadcast_to(colours, picture.shape)
    most = 255 if picture.dtype == np.uint8 else 1
    if hidden.dtype.kind not in "uif" or not ((hidden >= 0) & (hidden <= most)).all():
        raise ValueError(
            f"expected a baseline from 0 to {most}, as the picture's {picture.dtype} has it, got "
            f"{hidden.dtype} from {hidden.min()} to {hidden.max()}; convert it"
        )
    return hidden.astype(picture.dtype)

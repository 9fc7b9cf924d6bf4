"""LIME: hide parts of an input at random, and lay a straight line through what the model answers.

    explanation = lime_image(classifier.predict_proba, picture)
    explanation.values, explanation.standard_errors, explanation.fidelity

Samples, distances, kernels and the regression are those of the package lime 0.2, and so is what counts as
a sample: the first is the input itself. What differs is how it is done (many masks at once, equal ones asked
once) and what is added: standard errors, and the same answer each time for the same seed.

Sources: Ribeiro, Singh & Guestrin (2016). Tables are in `trustlib.explain.lime_table`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trustlib import asking, checks
from trustlib.explain import masking
from trustlib.explain.explanation import Explanation, Span
from trustlib.explain.surrogate import cosine_distances, fit, kernel

NUM_SAMPLES = 1000


def lime_image(
    predict_proba: Callable[[Any], Any],
    image: ArrayLike,
    *,
    segments: ArrayLike | None = None,
    target: int | None = None,
    num_samples: int = NUM_SAMPLES,
    baseline: ArrayLike | None = None,
    kernel_width: float = 0.25,
    ridge: float = 1.0,
    seed: int = 0,
    batch_size: int = asking.BATCH,
) -> Explanation:
    """Which segments of a picture speak for a class, and which against it.

    Args:
        predict_proba: takes pictures (b, h, w, 3), returns (b, k).
        image: (h, w, 3), uint8 or float in [0, 1].
        segments: (h, w), integers from 0 to m - 1; by default those of `masking.slic`.
        target: index of the class; by default the one that the model answers.
        num_samples: pictures, the first the image itself; in the others each segment is kept with
            probability 1/2. Equal ones are asked once, so the calls may be fewer.
        baseline: a picture or colour that shows where a segment is hidden (lime's hide_color); by default
            each segment's mean colour.
        kernel_width: in cosine distance, which goes from 0 to 1. Small widths look near the image only.
        ridge: how strongly coefficients are pulled to 0.
        seed: the same seed gives the same explanation.
        batch_size: pictures that the model is asked at a time.
    Returns: Explanation; a value is how much the probability rises when the segment is kept.
    Raises: ValueError; ModelError.
    Source: Ribeiro, Singh & Guestrin (2016).

    >>> brightness = lambda made: np.stack([1 - made.mean((1, 2, 3)), made.mean((1, 2, 3))], axis=1)
    >>> picture = np.repeat([[[0.0], [1.0]]], 3, axis=2)
    >>> lime_image(brightness, picture, segments=[[0, 1]], target=1, baseline=0, ridge=0).values.round(9)
    array([0. , 0.5])
    """
    image = checks.picture(image)
    segments = masking.slic(image) if segments is None else segments
    segments = checks.segments(segments, shape=image.shape[:2])
    num_samples = _num_samples(num_samples)
    masks = np.random.default_rng(seed).random((num_samples, segments.max() + 1)) < 0.5
    masks[0] = True
    return _explain(
        predict_proba,
        masking.image(image, segments, baseline),
        masks,
        kernel(cosine_distances(masks), kernel_width),
        target=target,
        ridge=ridge,
        seed=seed,
        batch_size=batch_size,
        features=segments,
        explained=image,
    )


def lime_text(
    predict_proba: Callable[[Any], Any],
    text: str,
    *,
    target: int | None = None,
    num_samples: int = NUM_SAMPLES,
    bow: bool = False,
    replacement: str = "",
    kernel_width: float = 25.0,
    ridge: float = 1.0,
    seed: int = 0,
    batch_size: int = asking.BATCH,
) -> Explanation:
    """Which words of a text speak for a class, and which against it.

    Args:
        predict_proba: takes a list of b texts, returns (b, k).
        text: with one word or more.
        target: index of the class; by default the one that the model answers.
        num_samples: texts, the first the text itself; in each other a number of words from 1 to all, each
            number as likely, is hidden. Equal ones are asked once, so the calls may be fewer.
        bow: whether a word that stands in several places is one feature, hidden everywhere at once.
            lime's default is True; networks that read in order deserve False.
        replacement: stands where a word is hidden; "" takes the word away.
        kernel_width: in hundredths of the cosine distance, which go from 0 to 100.
        ridge, seed, batch_size: as in `lime_image`.
    Returns: Explanation; a value is how much the probability rises when the word is kept.
    Raises: ValueError; ModelError.
    Source: Ribeiro, Singh & Guestrin (2016).

    >>> good = lambda texts: np.array([[0.9, 0.1] if "good" in text else [0.4, 0.6] for text in texts])
    >>> lime_text(good, "a good film", target=0, ridge=0).as_list()[0][0]
    'good'
    """
    spans = masking.words(text)
    if not spans:
        raise ValueError(f"expected a text with one word or more, got {text!r}; nothing in it can be hidden")
    features = _by_word(text, spans) if bow else spans
    m, num_samples = len(features), _num_samples(num_samples)
    rng = np.random.default_rng(seed)
    n_hidden = rng.integers(1, m + 1, num_samples)
    ranks = rng.random((num_samples, m)).argsort(axis=1).argsort(axis=1)
    masks = ranks >= n_hidden[:, None]
    masks[0] = True
    return _explain(
        predict_proba,
        masking.text(text, features, replacement),
        masks,
        kernel(100 * cosine_distances(masks), kernel_width),
        target=target,
        ridge=ridge,
        seed=seed,
        batch_size=batch_size,
        features=features,
        explained=text,
    )


def _explain(
    predict_proba: Callable[[Any], Any],
    hide: masking.Hide,
    masks: NDArray[np.bool_],
    weights: NDArray[np.float64],
    *,
    target: int | None,
    ridge: float,
    seed: int,
    batch_size: int,
    features: Any,
    explained: Any,
) -> Explanation:
    """Ask about the masks, the first of which keeps all, and fit the surrogate."""
    n_calls = len(masking.distinct(masks)[0])
    with asking.calls(n_calls, "LIME") as bar:
        probs = masking.answers(predict_proba, hide, masks, batch_size=batch_size, bar=bar)
    target = answered(probs) if target is None else checks.target(target, n_classes=probs.shape[1])
    found = fit(masks, probs[:, target], weights, ridge=ridge)
    return Explanation(
        values=found.coefficients,
        base_value=found.intercept,
        prediction=float(probs[0, target]),
        target=target,
        features=features,
        standard_errors=np.sqrt(np.diag(found.covariance)),
        fidelity=found.r2,
        n_calls=n_calls,
        seed=seed,
        method="lime",
        input=explained,
        covariance=found.covariance,
        n_samples=len(masks),
    )


def answered(probs: NDArray[np.float64]) -> int:
    """The class that the model answers to the input itself, the first of the samples."""
    return int(probs[0].argmax())


def _num_samples(num_samples: int) -> int:
    # A straight line through one drawn sample has no residual and so no error.
    return checks.count(num_samples, name="num_samples", least=3)


def _by_word(text: str, spans: tuple[Span, ...]) -> tuple[tuple[Span, ...], ...]:
    """The places of each different word, in the order of their first."""
    groups: dict[str, list[Span]] = {}
    for span in spans:
        groups.setdefault(text[span.start : span.stop], []).append(span)
    return tuple(tuple(group) for group in groups.values())

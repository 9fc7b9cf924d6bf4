"""Where does the answer change fastest? Gradients of a network at its input, per pixel and per token.

Three readings of the same derivatives. The gradient says what a small change would do: sensitivity, not
credit. Gradient x input is that times what is there, the answer's tangent plane carried to zero. Integrated
gradients add the gradients up along the straight way from a baseline, so that the values sum to the
difference between both answers (completeness), which also says how exact the sum was.

What is differentiated is the probability of the class, so that values compare with those of LIME and SHAP.
A network that is sure has flat probabilities, and gradients near 0 everywhere; `log_odds` differentiates
ln(p / (1 - p)) instead, which stays steep. A classifier is asked by its `encode` and `logits_from`, and one
for texts by its `tokenizer` too; its network must be in evaluation mode.

Sources: Simonyan, Vedaldi & Zisserman (2014), gradients; Li et al. (2016), their norm for words; Shrikumar et
al. (2017), gradient x input; Sundararajan, Taly & Yan (2017), integrated gradients, as captum has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trustlib import asking, checks
from trustlib.explain import masking
from trustlib.explain.explanation import Explanation, Span

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Saliency(Explanation):
    """An Explanation by gradients, and beside it the attributions as fine as the network reads.

    attributions: (size, size), the sum over channels of each pixel at the network's resolution, zeros around
    it where the network reads the middle of a picture only; or (t,), one for each token that it read,
    marks such as [CLS] among them; tokens: t Spans of the text, those of marks empty, or None for a picture.
    values are sums of attributions over segments or words. prediction and base_value are log odds where these
    were differentiated. n_calls counts forward and backward passes.
    """

    attributions: Floats
    tokens: tuple[Span, ...] | None


@dataclass(frozen=True, eq=False)
class Gradients:
    """Three readings of the gradients of one answer, each a Saliency."""

    gradient: Saliency
    gradient_times_input: Saliency
    integrated_gradients: Saliency


def gradients(
    classifier: Any,
    input: Any,
    *,
    target: int | None = None,
    segments: ArrayLike | None = None,
    baseline: Any = None,
    n_steps: int = 64,
    batch_size: int = 16,
    log_odds: bool = False,
) -> Gradients:
    """Gradient, gradient x input and integrated gradients of one answer, beside each other.

    Args: as in `integrated_gradients`.
    Returns: Gradients.
    Raises: ValueError.
    """
    integrated = integrated_gradients(
        classifier,
        input,
        target=target,
        segments=segments,
        baseline=baseline,
        n_steps=n_steps,
        batch_size=batch_size,
        log_odds=log_odds,
    )
    place = _Place(classifier, input, segments)
    derivative = _derivative(classifier, place.encoded, target, log_odds)
    return Gradients(
        _gradient(place, derivative, log_odds), _gradient_times_input(place, derivative, log_odds), integrated
    )


def gradient(
    classifier: Any,
    input: Any,
    *,
    target: int | None = None,
    segments: ArrayLike | None = None,
    log_odds: bool = False,
) -> Saliency:
    """How fast the answer changes with each pixel or word.

    Args: as in `gradient_times_input`.
    Returns: Saliency. Of a picture, values above 0 are where more light raises the answer. Embeddings have no
        such direction, so of a text it is the length of each token's gradient, never below 0. base_value and
        fidelity are NaN. Costs a forward and a backward pass.
    Raises: ValueError.
    Source: Simonyan, Vedaldi & Zisserman (2014); Li et al. (2016).
    """
    place = _Place(classifier, input, segments)
    return _gradient(place, _derivative(classifier, place.encoded, target, log_odds), log_odds)


def gradient_times_input(
    classifier: Any,
    input: Any,
    *,
    target: int | None = None,
    segments: ArrayLike | None = None,
    log_odds: bool = False,
) -> Saliency:
    """Each pixel's or embedding's derivative times its value.

    Args:
        classifier: has encode and logits_from; for texts a fast tokenizer too.
        input: a picture (h, w, 3), uint8 or float in [0, 1], or a text.
        target: index of the class; None is the class that the model answers.
        segments: (h, w), integers from 0 to m - 1, over which a picture's values are summed; None is
            `masking.slic(input)`. A text's values are summed over `masking.words(input)`; words behind the
            last token that the network reads have 0.
        log_odds: differentiate ln(p / (1 - p)) instead of the probability p.
    Returns: Saliency; base_value is where the tangent plane ends with all features at zero, fidelity NaN.
        Costs a forward and a backward pass.
    Raises: ValueError.
    Source: Shrikumar et al. (2017).
    """
    place = _Place(classifier, input, segments)
    return _gradient_times_input(place, _derivative(classifier, place.encoded, target, log_odds), log_odds)


def integrated_gradients(
    classifier: Any,
    input: Any,
    *,
    target: int | None = None,
    segments: ArrayLike | None = None,
    baseline: Any = None,
    n_steps: int = 64,
    batch_size: int = 16,
    log_odds: bool = False,
) -> Saliency:
    """What each pixel or word adds on the straight way from a baseline to the input.

    Args:
        classifier, input, target, segments, log_odds: as in `gradient_times_input`.
        baseline: of a picture, what is seen where nothing is: a picture (h, w, 3), a colour (3,) or a number
            in its own range (0 is black); None is the mean colour of each segment. Of a text, one token
            such as "[MASK]" that stands for every word; None is the tokenizer's mask token. What is no word
            stays as it is, punctuation and marks.
        n_steps: points on the way (Gauss-Legendre); more of them bring fidelity nearer to 0.
        batch_size: points in one forward pass.
    Returns: Saliency; base_value is the answer to the baseline, fidelity the completeness error base_value +
        sum of values - prediction. Costs 2 n_steps + 2 passes.
    Raises: ValueError; also for a token whose embedding is all zeros, which would be read as padding.
    Source: Sundararajan, Taly & Yan (2017).
    """
    import torch
    from captum.attr import IntegratedGradients

    place = _Place(classifier, input, segments)
    n_steps = checks.count(n_steps, name="n_steps")
    batch_size = checks.count(batch_size, name="batch_size")
    start = place.baseline(classifier, baseline)
    with torch.no_grad():
        logits = classifier.logits_from(torch.cat([place.encoded, start]))
    target = _target(logits[0], target)
    prediction, base_value = _score(logits, target, log_odds).double().tolist()
    with asking.calls(n_steps, "integrated gradients") as bar:

        def answer(points):
            bar.update(len(points))
            return _score(classifier.logits_from(points), target, log_odds)

        found = IntegratedGradients(answer).attribute(
            place.encoded, baselines=start, n_steps=n_steps, internal_batch_size=batch_size
        )
    attributions = place.summed(found.detach().cpu().numpy())
    return place.saliency(
        attributions,
        prediction,
        target,
        base_value=base_value,
        fidelity=base_value + float(place.per_feature(attributions).sum()) - prediction,
        n_calls=2 * n_steps + 2,
        method="integrated gradients",
        unit=_unit(log_odds),
    )


def _unit(log_odds: bool) -> str:
    return "log odds" if log_odds else "probability"


class _Place:
    """What is explained: the input as the network reads it, and which feature each part of it belongs to."""

    def __init__(self, classifier: Any, input: Any, segments: ArrayLike | None):
        self.input = input
        if isinstance(input, str):
            if segments is not None:
                raise ValueError("expected segments for pictures only, got them with a text; leave them out")
            self.features = masking.words(input)
            if not self.features:
                raise ValueError(f"expected a text with one word or more, got {input!r}; nothing has a value")
            self.encoded = classifier.encode([input]).detach().cpu()  # (1, t, width)
            self.tokens = _tokens(classifier, input, self.encoded.shape[1])
            self.owners = _owners(input, self.features, self.tokens)
        else:
            picture = checks.picture(input)
            self.features = checks.segments(
                masking.slic(picture) if segments is None else segments, shape=picture.shape[:2]
            )
            self.encoded = classifier.encode([picture]).detach().cpu()  # (1, 3, size, size)
            self.tokens = None
            # A classifier may read the middle of a picture only, and then says which part that is.
            whole = (tuple(self.encoded.shape[2:]), 0, 0)
            self.window = classifier.window(picture.shape[:2]) if hasattr(classifier, "window") else whole

    def baseline(self, classifier: Any, baseline: Any) -> Any:
        """The encoded input where nothing is: of the shape of `encoded`."""
        if self.tokens is not None:
            start = self.encoded.clone()
            start[0, self.owners >= 0] = _embedding(classifier, baseline)
            return start
        nothing = np.zeros((1, self.features.max() + 1), dtype=bool)
        return classifier.encode(masking.image(self.input, self.features, baseline)(nothing)).detach().cpu()

    def summed(self, found: Floats) -> Floats:
        """Attributions of pixels (size, size) or tokens (t,), from those of channels or coordinates."""
        total = found[0].astype(np.float64).sum(axis=0 if self.tokens is None else -1)
        if self.tokens is not None:
            return total
        resized, top, left = self.window
        # What the network did not read of the picture has no part in its answer.
        return np.pad(
            total, [(at, n - at - m) for at, n, m in zip((top, left), resized, total.shape, strict=True)]
        )

    def per_feature(self, attributions: Floats) -> Floats:
        """Sums over segments or words: (m,)."""
        if self.tokens is not None:
            mine = self.owners >= 0
            return np.bincount(self.owners[mine], attributions[mine], minlength=len(self.features))
        height, width = self.features.shape
        # A pixel of the network covers several of the picture's, or part of one: its value is shared out.
        rows, columns = (
            _overlap(n, side) for n, side in zip(attributions.shape, (height, width), strict=True)
        )
        spread = rows.T @ attributions @ columns  # (h, w)
        return np.bincount(self.features.ravel(), spread.ravel())

    def saliency(self, attributions: Floats, prediction: float, target: int, **about: Any) -> Saliency:
        values = self.per_feature(attributions)
        return Saliency(
            values=values,
            prediction=prediction,
            target=target,
            features=self.features,
            standard_errors=np.zeros(len(values)),
            seed=0,
            input=self.input,
            attributions=attributions,
            tokens=self.tokens,
            **about,
        )


def _gradient(place: _Place, derivative: tuple[Any, float, int], log_odds: bool) -> Saliency:
    slope, prediction, target = derivative
    attributions = place.summed(slope) if place.tokens is None else np.linalg.norm(slope[0], axis=-1)
    return place.saliency(
        attributions,
        prediction,
        target,
        base_value=np.nan,
        fidelity=np.nan,
        n_calls=2,
        method="gradient",
        unit=_unit(log_odds),
    )


def _gradient_times_input(place: _Place, derivative: tuple[Any, float, int], log_odds: bool) -> Saliency:
    slope, prediction, target = derivative
    attributions = place.summed(slope * place.encoded.numpy())
    return place.saliency(
        attributions,
        prediction,
        target,
        base_value=prediction - float(place.per_feature(attributions).sum()),
        fidelity=np.nan,
        n_calls=2,
        method="gradient x input",
        unit=_unit(log_odds),
    )


def _derivative(classifier: Any, encoded: Any, target: int | None, log_odds: bool) -> tuple[Any, float, int]:
    """The derivative of the answer at the encoded input, of its shape, the answer, and the class."""
    import torch

    point = encoded.clone().requires_grad_()
    with torch.enable_grad():
        logits = classifier.logits_from(point)
        target = _target(logits[0], target)
        score = _score(logits, target, log_odds)[0]
        (slope,) = torch.autograd.grad(score, point)
    return slope.double().cpu().numpy(), score.item(), target


def _target(logits: Any, target: int | None) -> int:
    return int(logits.argmax()) if target is None else checks.target(target, n_classes=len(logits))


def _score(logits: Any, target: int, log_odds: bool) -> Any:
    """What is differentiated, (n,): the probability of the class, or ln(p / (1 - p))."""
    if not log_odds:
        return logits.softmax(dim=1)[:, target]
    others = [i for i in range(logits.shape[1]) if i != target]
    return logits[:, target] - logits[:, others].logsumexp(dim=1)


def _tokens(classifier: Any, text: str, length: int) -> tuple[Span, ...]:
    """The characters of each of the first `length` tokens; marks that the tokenizer adds have none."""
    tokenizer = classifier.tokenizer
    if not getattr(tokenizer, "is_fast", False):
        raise ValueError(
            f"expected a tokenizer that says where its tokens stand, got {type(tokenizer).__name__}; "
            "load its fast version, AutoTokenizer.from_pretrained(..., use_fast=True)"
        )
    read = tokenizer(text, truncation=True, max_length=length, return_offsets_mapping=True)
    return tuple(Span(*offsets) for offsets in read["offset_mapping"])


def _owners(text: str, words: tuple[Span, ...], tokens: tuple[Span, ...]) -> NDArray[np.int64]:
    """The word that each token is part of, (t,); -1 for marks and what stands between words."""
    word = np.full(len(text), -1)
    for i, (start, stop) in enumerate(words):
        word[start:stop] = i
    return np.array([word[start:stop].max(initial=-1) for start, stop in tokens])


def _embedding(classifier: Any, token: str | None) -> Any:
    """The embedding (width,) of one token. Zeros would be padding, which the network does not read."""
    tokenizer = classifier.tokenizer
    token = tokenizer.mask_token if token is None else token
    if not isinstance(token, str):
        raise ValueError(
            f"expected a token as baseline, got {token!r}; pass one that the tokenizer knows, such as "
            f"{tokenizer.pad_token or tokenizer.unk_token!r}"
        )
    encoded = classifier.encode([token])[0].detach().cpu()
    places = [i for i, (start, stop) in enumerate(_tokens(classifier, token, len(encoded))) if stop > start]
    if len(places) != 1:
        raise ValueError(f"expected one token as baseline, got {len(places)} in {token!r}; pass a single one")
    embedding = encoded[places[0]]
    if not embedding.any():
        raise ValueError(
            f"expected a baseline token with an embedding, got {token!r} with nothing but zeros, which "
            "would be read as padding; pass another token"
        )
    return embedding


def _overlap(n: int, m: int) -> Floats:
    """How much of each of n equal parts of a line lies in each of m equal parts: (n, m), rows sum to 1.

    >>> _overlap(2, 3).round(2)
    array([[0.67, 0.33, 0.  ],
           [0.  , 0.33, 0.67]])
    """
    ours, theirs = np.arange(n + 1) / n, np.arange(m + 1) / m
    stop = np.minimum(ours[1:, None], theirs[None, 1:])
    start = np.maximum(ours[:-1, None], theirs[None, :-1])
    return np.maximum(stop - start, 0) * n

"""Tangent steps from the clean input to the decision boundary."""

from typing import Any

import torch
from torch import Tensor

from trustlib import checks
from trustlib.minimal import boundary, perturbations, tangent
from trustlib.minimal.asked import Asked
from trustlib.minimal.perturbations import Perturbations

SEARCH = 7  # forward passes of the search for the boundary, at most
LEAP = 2.0  # how far a straight line through two margins may move the next point, as a factor
ENOUGH = 2  # gradients after the first, if the last was taken near the boundary
NEAR = 0.1  # the boundary, as a share of the clean margin
SETTLED = 1e-3  # a tangent that moves its point by less, as a share of the norm, has nothing left to tell


def deepfool(
    classifier: Any,
    inputs: Any,
    *,
    steps: int = 5,
    candidates: int = 20,
    clip: bool | None = None,
    batch_size: int = 32,
) -> Perturbations:
    """The smallest L2 perturbation that a few linearisations of the model find.

    At the clean input the model is taken for linear, and the nearest point of the nearest boundary is
    computed exactly, the box of valid pixels included. There the gradient is taken again, and so on. Each
    time the clean input is projected onto the boundary as it looks from there. The next point lies in the
    direction of the mean of all projections so far, since gradients of a network differ much from point to
    point, and what they share is the way to the boundary; how far it lies is read off the margin. A search
    along the line from the clean input ends just behind the boundary. For a linear model the first step is
    the answer.

    Args:
        classifier: with `classes`, `encode(inputs)` and `logits_from(encoded)`, such as an ImageClassifier.
        inputs: what `encode` takes, or a tensor that is encoded already.
        steps: gradients at most, after the first. Two do where the second was taken near the boundary.
        candidates: how many of the likeliest other classes the first step looks at, one backward pass each;
            the later ones look at the likeliest.
        clip: keep pixels in [0, 1]. None: for encoded pictures (n, c, h, w), not for anything else.
        batch_size: inputs at once; those that are finished leave the batch.
    Returns: Perturbations. At most steps + 11 forward passes an input, and steps + candidates backward. In
        embeddings (n, tokens, width) every token may move, also those that mark the ends; padding never.
    Raises: ValueError on bad input or options; ModelError when the classifier breaks its contract.
    Source: Moosavi-Dezfooli, Fawzi & Frossard (2016); Croce & Hein (2020), projecting the clean input
        within the box, and averaging.

    >>> class Linear:  # the answer is 1 where the pixel sum exceeds 2
    ...     classes = ("dark", "bright")
    ...     encode = staticmethod(torch.as_tensor)
    ...     def logits_from(self, x):
    ...         total = x.sum(1)
    ...         return torch.stack([2 - total, total - 2], 1)
    >>> found = deepfool(Linear(), torch.zeros(1, 4, dtype=torch.float64))  # to (½, ½, ½, ½)
    >>> f"{found.norm[0]:.3f}", found.answers, found.new_answers
    ('1.000', array([0]), array([1]))
    """
    steps = checks.count(steps, name="steps", least=0)
    candidates = checks.count(candidates, name="candidates")

    def attack(asked: Asked) -> Tensor:
        point = _approach(asked, steps, candidates)
        rows = point.any(1).nonzero()[:, 0]
        reach = boundary.along(asked, point[rows], rows, most=SEARCH)
        return torch.full_like(point, torch.nan).index_copy(0, rows, reach[:, None] * point[rows])

    return perturbations.found_by(
        attack,
        classifier,
        inputs,
        method="deepfool",
        most=steps + SEARCH + 4,
        clip=clip,
        batch_size=batch_size,
    )


def first_step(asked: Asked, candidates: int) -> Tensor:
    """The shortest step (m, d) to a boundary if the model were linear; zero where it has no gradient."""
    best = torch.zeros_like(asked.clean)
    length = torch.full_like(asked.clean[:, 0], torch.inf)
    for lag, gradient in asked.start(candidates):
        step, reached = tangent.shortest(gradient, lag + 2 * asked.slack, asked.low, asked.high)
        norm = step.norm(dim=1)
        # A step that the box stops short is better than none, and worse than any that arrives.
        norm = norm.masked_fill(~reached, torch.finfo(norm.dtype).max).masked_fill(norm == 0, torch.inf)
        best = torch.where((norm < length)[:, None], step, best)
        length = torch.minimum(norm, length)
    return best


def _approach(asked: Asked, steps: int, candidates: int) -> Tensor:
    """Points (m, d) near the boundary, in the direction of the mean projection."""
    mean = first_step(asked, candidates)
    point, scale = mean.clone(), torch.ones_like(mean[:, 0])
    rows = point.any(1).nonzero()[:, 0]
    for k in range(1, steps + 1):
        if not len(rows):
            break
        here, slack = point[rows], asked.slack[rows]
        margin, gradient = asked.gradient(here, rows)
        offset = margin + 2 * slack + (gradient * here).sum(1)
        low, high = (None, None) if asked.low is None else (asked.low[rows], asked.high[rows])
        # Where the tangent says that the clean input is across already, it only pulls inwards.
        step, _ = tangent.shortest(gradient, torch.maximum(offset, slack), low, high)
        told = (step - here).norm(dim=1) > SETTLED * here.norm(dim=1)
        rows, step, margin = rows[told], step[told], margin[told]
        clean = asked.margins(asked.logits[rows], rows)
        reach = (clean + 2 * asked.slack[rows]) / (clean - margin)  # if the margin falls evenly on the way
        scale[rows] *= torch.where(reach > 0, reach, LEAP).clamp(1 / LEAP, LEAP)
        mean[rows] += (step - mean[rows]) / (k + 1)
        point[rows] = asked.inside(scale[rows, None] * mean[rows], rows)
        if k >= ENOUGH:
            rows = rows[margin.abs() > NEAR * clean]
    return point

"""A model is asked about points near encoded inputs, and every pass is counted, sample by sample.

A perturbation is a row of a matrix: (m, d) with d the size of one encoded input. Pictures have a box, since a
pixel lies in [0, 1]; of embeddings (tokens, width), rows of zeros are padding and stay so.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trustlib import checks
from trustlib.errors import ModelError

CALM = 8  # multiples of machine precision by which two logits must differ before the answer counts as changed
TINIEST = 1e-30  # so that a model whose logits are all zero has a slack too
LEAST = 1e-20  # an embedding that is not zero, yet nothing beside any other number
SLIVER = 1e-4  # of the clean margin: how far behind the boundary a point must lie, so that it stays there


class Asked:
    """A batch of encoded inputs, the clean answers to them, and what was asked.

    clean: (m, d); low, high: (m, d), the least and largest perturbation of each value, or None without a box;
    real: (m, d) boolean, False where padding must stay, or None; logits: (m, k), of the clean inputs;
    answer: (m,), the clean answers; slack: (m,), what the margin must fall below zero to count as crossed;
    n_forward, n_backward: (m,), passes so far.
    """

    def __init__(self, classifier: Any, encoded: Tensor, *, clip: bool):
        self.classifier, self.shape = classifier, encoded.shape[1:]
        self.clean = encoded.flatten(1)
        self.low, self.high = (-self.clean, 1 - self.clean) if clip else (None, None)
        self.real = None
        if encoded.ndim == 3:
            self.real = (encoded != 0).any(-1, keepdim=True).expand_as(encoded).flatten(1)
        self.n_forward, self.n_backward = (np.zeros(len(encoded), dtype=np.int64) for _ in range(2))

    def start(self, candidates: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Ask about the clean inputs: each likely other class's lag (m,) and gradient (m, d).

        The classes come likeliest first, one at a time, since a thousand gradients need not fit into memory.
        A gradient is that of the other class's logit minus the answer's.
        """
        rows = torch.arange(len(self.clean), device=self.clean.device)
        points, logits = self._forward(torch.zeros_like(self.clean), rows, gradients=True)
        self.logits = logits.detach()
        if not torch.isfinite(self.logits).all():
            raise ModelError(
                "expected finite logits, got NaN or infinity from logits_from: look at the inputs and weights"
            )
        if self.logits.shape != (len(rows), len(self.classifier.classes)):
            raise ModelError(
                f"expected logits of shape ({len(rows)}, {len(self.classifier.classes)}), "
                f"got {tuple(self.logits.shape)} from logits_from: one row an input, one column a class"
            )
        self.answer = self.logits.argmax(1)
        precision = CALM * torch.finfo(self.clean.dtype).eps * self.logits.abs().amax(1)
        self.slack = torch.maximum(SLIVER * self.margins(self.logits, rows), precision.clamp_min(TINIEST))
        others = self._others(self.logits, rows).topk(min(candidates, logits.shape[1] - 1)).indices
        for j in range(others.shape[1]):
            yield self._backward(points, logits, rows, others[:, j], last=j == others.shape[1] - 1)

    def margins(self, logits: Tensor, rows: Tensor) -> Tensor:
        """By how much the clean answer's logit leads the best other one: (r,); below 0 the answer is new."""
        own = logits.gather(1, self.answer[rows, None])[:, 0]
        return own - self._others(logits, rows).amax(1)

    def ask(self, perturbations: Tensor, rows: Tensor) -> Tensor:
        """Margins (r,) at perturbations (r, d) of the inputs `rows`. One forward pass for each."""
        return self.margins(self._forward(perturbations, rows)[1], rows)

    def gradient(self, perturbations: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Margins (r,), and the gradients (r, d) along which the best other class gains on the answer."""
        points, logits = self._forward(perturbations, rows, gradients=True)
        others = self._others(logits.detach(), rows).argmax(1)
        return self._backward(points, logits, rows, others, last=True)

    def fresh(self, points: Tensor, rows: Tensor) -> Tensor:
        """Logits (r, k) of whole encoded points (r, ...), by a pass of their own."""
        self.n_forward[rows.cpu().numpy()] += 1
        with torch.no_grad():
            return self.classifier.logits_from(self._trimmed(points)).to(points.device)

    def inside(self, perturbations: Tensor, rows: Tensor) -> Tensor:
        """Perturbations (r, d) brought into the box, where there is one."""
        if self.low is None:
            return perturbations
        return torch.minimum(torch.maximum(perturbations, self.low[rows]), self.high[rows])

    def points(self, perturbations: Tensor, rows: Tensor) -> Tensor:
        """Perturbed inputs (r, ...) as the model sees them: inside the box, padding untouched."""
        points = self.clean[rows] + perturbations
        if self.low is not None:
            points = points.clamp(0, 1)
        points = points.view(-1, *self.shape)
        if self.real is None:
            return points
        real = self.real[rows].view(points.shape)
        # A real token whose embedding became all zeros would be taken for padding.
        lost = real & (points == 0).all(-1, keepdim=True)
        return torch.where(lost, LEAST, points) * real

    def _forward(
        self, perturbations: Tensor, rows: Tensor, *, gradients: bool = False
    ) -> tuple[Tensor, Tensor]:
        points = self.points(perturbations, rows).detach().requires_grad_(gradients)
        self.n_forward[rows.cpu().numpy()] += 1
        with torch.set_grad_enabled(gradients):
            return points, self.classifier.logits_from(self._trimmed(points)).to(points.device)

    def _backward(
        self, points: Tensor, logits: Tensor, rows: Tensor, others: Tensor, *, last: bool
    ) -> tuple[Tensor, Tensor]:
        both = logits.gather(1, torch.stack([self.answer[rows], others], 1))  # (r, 2)
        lead = both[:, 0] - both[:, 1]
        found = None
        if lead.requires_grad:  # else the model is constant
            self.n_backward[rows.cpu().numpy()] += 1
            # With regard to the input only: nothing is left on the parameters.
            (found,) = torch.autograd.grad(-lead.sum(), points, retain_graph=not last, allow_unused=True)
        gradients = torch.zeros_like(self.clean[rows]) if found is None else found.flatten(1)
        if self.real is not None:
            gradients = gradients * self.real[rows]
        return lead.detach().to(gradients.dtype), gradients

    def _others(self, logits: Tensor, rows: Tensor) -> Tensor:
        return logits.scatter(1, self.answer[rows, None], -torch.inf)

    def _trimmed(self, points: Tensor) -> Tensor:
        """Without the columns that are padding in every row: they cost time and change nothing."""
        if self.real is None or not len(points):
            return points
        longest = int((points != 0).any(-1).any(0).nonzero().max()) + 1
        return points[:, :longest]


def encoded(classifier: Any, inputs: Any, *, clip: bool | None) -> tuple[Tensor, bool]:
    """Inputs as the classifier encodes them, and whether they have a box: pictures (n, c, h, w) have one.

    Raises: ValueError without inputs; ModelError when the classifier lacks what gradients need, or its
        pixels leave [0, 1].
    """
    missing = [
        name for name in ("classes", "encode", "logits_from") if getattr(classifier, name, None) is None
    ]
    if missing:
        raise ModelError(
            f"expected a classifier with classes, encode and logits_from, got {type(classifier).__name__} "
            f"without {' and '.join(missing)}; gradients need all three"
        )
    checks.count(len(inputs), name="the number of inputs")
    model = getattr(classifier, "model", None)
    if isinstance(model, torch.nn.Module):
        model.eval()  # as predict_proba does: a batch in training mode would answer for each other
    points = inputs if isinstance(inputs, Tensor) else classifier.encode(inputs)
    points = points.detach().to(getattr(classifier, "device", points.device))
    if not torch.is_floating_point(points) or points.ndim < 2 or not torch.isfinite(points).all():
        raise ModelError(
            f"expected encode to give finite floats (n, ...), got {tuple(points.shape)} of {points.dtype}; "
            "look for NaN or infinity"
        )
    clip = points.ndim == 4 if clip is None else bool(clip)
    if clip and (points.min() < 0 or points.max() > 1):
        raise ModelError(
            f"expected encoded pixels in [0, 1], got {points.min():.4g} to {points.max():.4g}; "
            "normalise in logits_from, or pass clip=False"
        )
    return points, clip


def chunks(points: Tensor, batch_size: int) -> Iterator[Tensor]:
    """Rows of encoded inputs, at most `batch_size` at once."""
    yield from points.split(checks.count(batch_size, name="batch_size"))

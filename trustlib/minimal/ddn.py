"""The direction of a perturbation and its norm, followed apart from each other."""

import math
from typing import Any

import torch
from torch import Tensor

from trustlib import checks
from trustlib.minimal import boundary, perturbations
from trustlib.minimal.asked import Asked
from trustlib.minimal.deepfool import SEARCH, SETTLED, first_step
from trustlib.minimal.perturbations import Perturbations

FURTHER = 1.3  # the start radius in units of the first step: a network's boundary lies behind its tangent
LAST_STEP, LAST_GAMMA = 0.05, 0.005  # what the step, in units of the radius, and gamma fall to


def ddn(
    classifier: Any,
    inputs: Any,
    *,
    steps: int = 40,
    radius: float | None = None,
    gamma: float = 0.1,
    candidates: int = 20,
    clip: bool | None = None,
    batch_size: int = 32,
) -> Perturbations:
    """The smallest L2 perturbation found by walking on a sphere that shrinks and grows.

    Each step goes along the gradient and back to the sphere around the clean input. The sphere's radius is
    then multiplied by 1 - gamma if the answer was new, else by 1 + gamma. Steps and gamma fall along a half
    cosine: steps from one radius to a twentieth, gamma to 0.005. A search along the line from the clean
    input to the last point ends just behind the boundary.

    Two things differ from the paper. The gradient is that of the best other logit minus the answer's, since
    that of the cross-entropy is zero in float32 where a model is sure; and the walk starts with the first
    step of `deepfool`, so that it knows no unit.

    Args:
        classifier, inputs, candidates, clip, batch_size: as in `deepfool`.
        steps: gradients at most, after the first.
        radius: of the first sphere, where a pixel spans [0, 1]. None: 1.3 times the first step of `deepfool`.
        gamma: in (0, 1), how fast the radius changes at first.
    Returns: Perturbations. At most steps + 11 forward passes an input, and steps + candidates backward.
    Raises: ValueError on bad input or options; ModelError when the classifier breaks its contract.
    Source: Rony et al. (2019).

    >>> class Linear:  # the answer is 1 where the pixel sum exceeds 2
    ...     classes = ("dark", "bright")
    ...     encode = staticmethod(torch.as_tensor)
    ...     def logits_from(self, x):
    ...         total = x.sum(1)
    ...         return torch.stack([2 - total, total - 2], 1)
    >>> f"{ddn(Linear(), torch.zeros(1, 4, dtype=torch.float64)).norm[0]:.3f}"
    '1.000'
    """
    steps = checks.count(steps, name="steps", least=0)
    candidates = checks.count(candidates, name="candidates")
    gamma = checks.fraction(gamma, name="gamma")
    radius = None if radius is None else checks.positive(radius, name="radius")

    def attack(asked: Asked) -> Tensor:
        last, best = _walk(asked, steps, radius, gamma, candidates)
        rows = last.any(1).nonzero()[:, 0]
        reach = boundary.along(asked, last[rows], rows, most=SEARCH)
        ends = torch.full_like(last, torch.inf).index_copy(0, rows, reach[:, None] * last[rows])
        ends = torch.where(ends.isfinite().all(1, keepdim=True), ends, torch.inf)
        return torch.where((best.norm(dim=1) < ends.norm(dim=1))[:, None], best, ends)

    return perturbations.found_by(
        attack, classifier, inputs, method="ddn", most=steps + SEARCH + 4, clip=clip, batch_size=batch_size
    )


def _walk(
    asked: Asked, steps: int, radius: float | None, gamma: float, candidates: int
) -> tuple[Tensor, Tensor]:
    """The last points (m, d), and the smallest ones with a new answer, infinite where there was none."""
    point = first_step(asked, candidates)
    radii = point.norm(dim=1) * FURTHER if radius is None else torch.full_like(point[:, 0], radius)
    best = torch.full_like(point, torch.inf)
    rows = point.any(1).nonzero()[:, 0]
    point[rows] = _on_sphere(asked, point[rows], radii[rows], rows)
    for k in range(steps):
        if not len(rows):
            break
        here, was = point[rows], radii[rows]
        margin, gradient = asked.gradient(here, rows)
        across = margin < -asked.slack[rows]
        smaller = across & (here.norm(dim=1) < best[rows].norm(dim=1))
        best[rows] = torch.where(smaller[:, None], here, best[rows])
        fall = (1 + math.cos(math.pi * k / steps)) / 2
        change = LAST_GAMMA + (gamma - LAST_GAMMA) * fall
        radii[rows] = was * torch.where(across, 1 - change, 1 + change)
        length = (LAST_STEP + (1 - LAST_STEP) * fall) * was
        ahead = here + (length / gradient.norm(dim=1)).nan_to_num(0, 0, 0)[:, None] * gradient
        point[rows] = _on_sphere(asked, ahead, radii[rows], rows)
        turned = (_unit(point[rows]) - _unit(here)).norm(dim=1)
        rows = rows[(turned > SETTLED) | ~gradient.any(1)]
    return point, best


def _unit(points: Tensor) -> Tensor:
    return points / points.norm(dim=1, keepdim=True)


def _on_sphere(asked: Asked, points: Tensor, radii: Tensor, rows: Tensor) -> Tensor:
    """Points (r, d) brought to their radius, and then into the box."""
    return asked.inside(radii[:, None] * _unit(points), rows)

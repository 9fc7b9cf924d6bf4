"""The shortest step into a half-space, in a box or without: the linearised problem, exactly."""

import torch
from torch import Tensor

PIECES = 60  # Newton steps: each passes at least one bend of a function that rarely needs ten


def shortest(
    normals: Tensor, offsets: Tensor, low: Tensor | None, high: Tensor | None
) -> tuple[Tensor, Tensor]:
    """For each row the smallest step s with normal · s >= offset and low <= s <= high.

    The solution is clip(λ normal) for one number λ (Boyd & Vandenberghe 2004, section 5.5: the dual has one
    variable). How far such a step reaches, as a function of λ, is made of straight pieces, rises and is
    concave. So Newton's steps from the left never go too far, and the piece that holds the solution gives it
    exactly.

    Args:
        normals: (m, d). offsets: (m,), above 0. low, high: (m, d), at most and at least 0; None for no box.
    Returns: steps (m, d), and which of them reach their half-space (m,). A row whose box does not reach it
        goes as far as the box lets it.
    """
    squares = normals.square()
    if low is None:
        slope = squares.sum(1)
        scale = torch.where(slope > 0, offsets / slope, 0)
        return scale[:, None] * normals, (slope > 0) & torch.isfinite(scale)
    reached = torch.zeros_like(offsets)
    scale = torch.zeros_like(offsets)
    free = torch.where(normals > 0, high > 0, low < 0)  # what can move at all
    tiny = 16 * torch.finfo(normals.dtype).eps
    steps = torch.zeros_like(normals)
    for _ in range(PIECES):
        slope = (squares * free).sum(1)
        missing = offsets - reached
        moving = (missing > tiny * offsets) & (slope > 0)
        if not moving.any():
            break
        scale = torch.where(moving, scale + missing / torch.where(slope > 0, slope, 1), scale)
        wanted = scale[:, None] * normals
        steps = torch.minimum(torch.maximum(wanted, low), high)
        free = steps == wanted
        reached = (normals * steps).sum(1)
    # Sums of many float32 numbers agree to this much.
    return steps, reached >= offsets * (1 - 1e-4)

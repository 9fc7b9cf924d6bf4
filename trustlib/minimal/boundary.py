"""From a direction to the decision boundary along it, with few forward passes."""

import torch
from torch import Tensor

from trustlib.minimal.asked import Asked

CLOSE = 5e-3  # of the norm: the search ends when the boundary must be nearer than this
STRETCH = 1.3  # how much bolder each further step outwards is than the last
EDGE = 0.05  # of the interval that a guess keeps from both ends, so that each guess shortens it


def along(asked: Asked, directions: Tensor, rows: Tensor, *, most: int) -> Tensor:
    """The least known t at which clean + t direction has a new answer, to within about 0.5 % of t.

    False position (Illinois: Dowell & Jarratt 1971) between the clean input, or a point not yet across, and
    one that is across; before there is one, the same line is followed outwards, at most to twice as far.

    Args:
        directions: (r, d), one for each of the inputs `rows`; t = 1 is the first guess.
        most: forward passes for each at most.
    Returns: t (r,), infinite where the answer did not change.
    """
    clean = asked.margins(asked.logits[rows], rows).to(directions.dtype)
    slack = asked.slack[rows]
    inside, inside_margin, inside_weight = torch.zeros_like(clean), clean.clone(), clean.clone()
    outside = torch.full_like(clean, torch.inf)
    outside_margin, outside_weight = torch.full_like(clean, torch.nan), torch.full_like(clean, torch.nan)
    guess, crossed = torch.ones_like(clean), torch.zeros_like(rows, dtype=torch.bool)
    active = torch.arange(len(rows), device=rows.device)
    before, before_margin = inside.clone(), clean.clone()  # the point inside that came before the last
    for tries in range(most):
        t = guess[active]
        margin = asked.ask(t[:, None] * directions[active], rows[active]).to(t.dtype)
        across = margin < -slack[active]
        went, stayed = active[across], active[~across]
        # An end that is kept twice in a row counts half, which is what keeps false position moving.
        inside_weight[went[crossed[went]]] /= 2
        outside_weight[stayed[~crossed[stayed]]] /= 2
        outside[went], outside_margin[went], outside_weight[went] = t[across], margin[across], margin[across]
        before[stayed], before_margin[stayed] = inside[stayed], inside_margin[stayed]
        inside[stayed], inside_margin[stayed] = t[~across], margin[~across]
        inside_weight[stayed] = margin[~across]
        crossed[active] = across
        # How far behind the boundary it is, if the margin falls evenly between both ends.
        share = (-outside_margin / (inside_margin - outside_margin)).nan_to_num(1).clamp(0, 1)
        near = (outside - inside) * share <= CLOSE * outside
        active = torch.nonzero(~(torch.isfinite(outside) & near))[:, 0]
        if not len(active):
            break
        # The next guess: between both ends, or further out while none is across.
        aim = 2 * slack
        share = (inside_weight + aim) / (inside_weight - outside_weight)
        between = inside + share.nan_to_num(0.5).clamp(EDGE, 1 - EDGE) * (outside - inside)
        slope = (before_margin - inside_margin) / (inside - before)
        further = inside + 1.05 * STRETCH**tries * (inside_margin + aim) / slope
        further = torch.where(slope > 0, further, torch.inf).clamp(1.02 * inside, 2 * inside)
        guess = torch.where(torch.isfinite(outside), between, further)
    return outside

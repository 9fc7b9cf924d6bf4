"""What an attack found, checked by a fresh forward pass."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trustlib import progress
from trustlib.minimal.asked import Asked, chunks, encoded

PUSH = 1.01  # where the fresh pass disagrees with the search, the perturbation is made this much larger, once


@dataclass(frozen=True, eq=False)
class Perturbations:
    """The smallest perturbation that was found for each of n inputs.

    encoded, perturbed: (n, ...) as the model sees them, float32 if the model is, pixels in [0, 1]; norm:
    (n,), L2 of their difference, where a pixel spans [0, 1], infinite without success; success: (n,) boolean,
    whether a fresh forward pass on `perturbed` gave a new answer; survives_rounding: (n,) boolean, whether
    one still does after pixels are rounded to 256 levels, or None where there are no pixels; n_forward,
    n_backward: (n,), passes spent on each input, all checks included; probs, new_probs: (n, k), of `encoded`
    and of `perturbed`; answers, new_answers: (n,), the classes; classes: their names; method: such as "ddn".

    Without success `perturbed` is the clean input. That is so for a constant model, which has no gradient;
    where no valid picture turns the answer; and where the attack was too weak. An input on the boundary
    itself is a success with a norm near 0, if there is a gradient that leads away from it.
    """

    encoded: NDArray[np.floating]
    perturbed: NDArray[np.floating]
    norm: NDArray[np.float64]
    success: NDArray[np.bool_]
    survives_rounding: NDArray[np.bool_] | None
    n_forward: NDArray[np.int64]
    n_backward: NDArray[np.int64]
    probs: NDArray[np.float64]
    new_probs: NDArray[np.float64]
    answers: NDArray[np.int64]
    new_answers: NDArray[np.int64]
    classes: tuple[str, ...]
    method: str


def found_by(
    attack: Callable[[Asked], Tensor],
    classifier: Any,
    inputs: Any,
    *,
    method: str,
    most: int,
    clip: bool | None,
    batch_size: int,
) -> Perturbations:
    """Run an attack batch by batch and check what it found.

    Args:
        attack: gives a perturbation (m, d) for each input of a batch, not finite where it found none.
        most: forward passes for an input at most, for the bar.
    """
    points, clip = encoded(classifier, inputs, clip=clip)
    parts = []
    with progress.bar(
        total=len(points), description=f"{method}, at most {most} forward passes each", unit="input"
    ) as bar:
        for chunk in chunks(points, batch_size):
            asked = Asked(classifier, chunk, clip=clip)
            parts.append(_checked(asked, attack(asked)))
            bar.update(len(chunk))
    fields = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    if not clip:
        fields["survives_rounding"] = None
    return Perturbations(
        encoded=points.cpu().numpy(), **fields, classes=tuple(classifier.classes), method=method
    )


def _checked(asked: Asked, perturbations: Tensor) -> dict[str, NDArray]:
    rows = torch.nonzero(perturbations.isfinite().all(1))[:, 0]
    perturbed = asked.clean.view(-1, *asked.shape).clone()
    success = torch.zeros(len(perturbed), dtype=torch.bool, device=perturbed.device)
    rounded = success.clone()
    new_logits = asked.logits.clone()
    for push in (1.0, PUSH):
        points = asked.points(push * perturbations[rows], rows)
        logits = asked.fresh(points, rows)
        new = logits.argmax(1) != asked.answer[rows]
        changed = rows[new]
        perturbed[changed], new_logits[changed], success[changed] = points[new], logits[new], True
        rows = rows[~new]
        if not len(rows):
            break
    rows = torch.nonzero(success)[:, 0]
    if asked.low is not None and len(rows):
        logits = asked.fresh((perturbed[rows] * 255).round() / 255, rows)
        rounded[rows] = logits.argmax(1) != asked.answer[rows]
    norm = (perturbed.double().flatten(1) - asked.clean.double()).norm(dim=1)
    return {
        "perturbed": perturbed.cpu().numpy(),
        "norm": torch.where(success, norm, torch.inf).cpu().numpy(),
        "success": success.cpu().numpy(),
        "survives_rounding": rounded.cpu().numpy(),
        "n_forward": asked.n_forward,
        "n_backward": asked.n_backward,
        "probs": asked.logits.double().softmax(1).cpu().numpy(),
        "new_probs": new_logits.double().softmax(1).cpu().numpy(),
        "answers": asked.answer.cpu().numpy(),
        "new_answers": new_logits.argmax(1).cpu().numpy(),
    }

"""The state of a run in one safetensors file: weights, optimizer, schedule, and what was measured so far."""

import hashlib
import json
from pathlib import Path

import torch
from torch import Tensor

from trustlib import atomic, weights
from trustlib.errors import ModelError


def save(
    path: str | Path, model, optimizer, schedule, recipe: dict, record: dict, best: dict[str, Tensor] | None
) -> None:
    """Write everything that a run needs to go on. Never half written."""
    from safetensors.torch import save_file

    tensors = {f"model.{name}": t for name, t in model.state_dict().items()}
    tensors |= {f"best.{name}": t for name, t in (best or {}).items()}
    state = optimizer.state_dict()["state"]
    tensors |= {
        f"optimizer.{i}.{key}": t for i, slots in state.items() for key, t in slots.items() if t is not None
    }
    about = json.dumps({"recipe": recipe, "record": record, "step": schedule.last_epoch})
    with atomic.file(path) as temporary:
        save_file(
            weights.copies(tensors),
            temporary,
            metadata={"trustlib": about, "sha256": _digest(about, tensors)},
        )


def load(path: str | Path, model, optimizer, schedule, recipe: dict) -> tuple[dict, dict[str, Tensor] | None]:
    """Put a saved state back in place.

    Returns: the record, and the best epoch's weights or None.
    Raises: ModelError when the file is damaged or was written under another recipe.
    """
    about, tensors = _read(path)
    stored, wanted = about["recipe"], json.loads(json.dumps(recipe))
    nothing = object()
    differing = sorted(k for k in stored | wanted if stored.get(k, nothing) != wanted.get(k, nothing))
    if differing:
        raise ModelError(
            f"expected a checkpoint of the same recipe in {path}, got another "
            f"{', '.join(differing)}: delete it, or name another file"
        )
    model.load_state_dict(_below(tensors, "model."))
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    slots: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _below(tensors, "optimizer.").items():
        i, key = name.split(".", 1)
        slots.setdefault(int(i), {})[key] = _laid_out_as(parameters[int(i)], tensor)
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
    schedule.last_epoch = about["step"]
    for group, base, rule in zip(optimizer.param_groups, schedule.base_lrs, schedule.lr_lambdas, strict=True):
        group["lr"] = base * rule(schedule.last_epoch)
    best = _below(tensors, "best.")
    return about["record"], best or None


def _read(path: str | Path) -> tuple[dict, dict[str, Tensor]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as stored:
            about, digest = stored.metadata()["trustlib"], stored.metadata()["sha256"]
            # Copies: Windows would not let a file be replaced while tensors are still mapped to it.
            tensors = {name: stored.get_tensor(name).clone() for name in stored.keys()}
    except (SafetensorError, OSError, KeyError, TypeError) as error:
        raise ModelError(
            f"expected a checkpoint in {path}, got a file that is none ({error}): delete it"
        ) from error
    if _digest(about, tensors) != digest:
        raise ModelError(f"expected a checkpoint as it was written in {path}, got a damaged one: delete it")
    return json.loads(about), tensors


def _laid_out_as(parameter: Tensor, tensor: Tensor) -> Tensor:
    """The tensor in the parameter's memory layout: fused optimizers walk both in the order of memory.

    A convolution's weights are channels-last in memory; in a file everything is contiguous.
    """
    if tensor.shape != parameter.shape:
        return tensor
    return torch.empty_like(parameter, dtype=tensor.dtype).copy_(tensor)


def _digest(about: str, tensors: dict[str, Tensor]) -> str:
    return hashlib.sha256(f"{weights.digest_of(tensors)}\n{about}".encode()).hexdigest()


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) :]: t for name, t in tensors.items() if name.startswith(prefix)}

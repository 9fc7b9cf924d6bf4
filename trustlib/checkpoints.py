"""The state of a run in one safetensors file: weights, optimizer, schedule, and what was measured so far."""

import json
from pathlib import Path

from torch import Tensor

from trustlib import atomic
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
    about = {"recipe": recipe, "record": record, "step": schedule.last_epoch}
    with atomic.file(path) as temporary:
        save_file(
            {name: t.detach().cpu().contiguous() for name, t in tensors.items()},
            temporary,
            metadata={"trustlib": json.dumps(about)},
        )


def load(path: str | Path, model, optimizer, schedule, recipe: dict) -> tuple[dict, dict[str, Tensor] | None]:
    """Put a saved state back in place.

    Returns: the record, and the best epoch's weights or None.
    Raises: ModelError when the file is damaged or was written under another recipe.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as stored:
            about = json.loads(stored.metadata()["trustlib"])
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"expected a checkpoint in {path}, got a file that is none ({error}): delete it"
        ) from error
    wanted = json.loads(json.dumps(recipe))
    differing = sorted(key for key in wanted if about["recipe"].get(key) != wanted[key])
    if differing:
        raise ModelError(
            f"expected a checkpoint of the same recipe in {path}, got another "
            f"{', '.join(differing)}: delete it, or name another file"
        )
    model.load_state_dict(_below(tensors, "model."))
    slots: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _below(tensors, "optimizer.").items():
        i, key = name.split(".", 1)
        slots.setdefault(int(i), {})[key] = tensor
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
    schedule.last_epoch = about["step"]
    for group, base, rule in zip(optimizer.param_groups, schedule.base_lrs, schedule.lr_lambdas, strict=True):
        group["lr"] = base * rule(schedule.last_epoch)
    best = _below(tensors, "best.")
    return about["record"], best or None


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) :]: t for name, t in tensors.items() if name.startswith(prefix)}

"""Weights on disk: safetensors in and out, other people's pickles refused, and a digest of a state."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from trustlib import parts
from trustlib.errors import ModelError

PICKLES = (".pth", ".pt", ".bin", ".pkl", ".ckpt")


def write(model: nn.Module, path: str | Path) -> None:
    """Write every tensor of the model's state to a safetensors file."""
    from safetensors.torch import save_file

    save_file(copies(model.state_dict()), path)


def copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors as a file can hold them: on the CPU, contiguous, none sharing memory with another."""
    return {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }


def read(path: str | Path, *, published: bool = False) -> dict[str, Tensor]:
    """Tensors of a safetensors file; half precision becomes float32.

    Args:
        published: the file's digest was checked against the manifest, so torchvision's own .pth may be
            opened too, as tensors only.

    Raises: ModelError for a pickle, which may run code when it is opened, and for a damaged file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(path)
    if path.suffix == ".pth" and published:
        return torch.load(path, weights_only=True, map_location="cpu")
    if path.suffix in PICKLES:
        raise ModelError(
            f"expected a safetensors file, got {path.name}, a pickle that may run code: "
            "save it again with safetensors.torch.save_file"
        )
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"expected readable weights in {path.name}, got: {error}; fetch or save them again"
        ) from error
    half = (torch.float16, torch.bfloat16)
    return {name: tensor.float() if tensor.dtype in half else tensor for name, tensor in state.items()}


def load(model: nn.Module, state: dict[str, Tensor], *, source: str | Path) -> None:
    """Put a state into a model, which is first given as many classes, or a ResNet's stages, as the state has.

    Raises: ModelError when the names or shapes are those of another network; `source` is named in it.
    """
    there = parts.stages(model)
    stored_stages = [name for name in there if any(key.startswith(f"{name}.") for key in state)]
    if stored_stages and stored_stages == there[: len(stored_stages)]:
        parts.shorten(model, len(stored_stages))
    name, head = parts.head(model)
    stored = state.get(f"{name}.weight")
    if stored is not None and stored.ndim == 2 and len(stored) != head.out_features:
        parts.replace_head(model, len(stored))
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise ModelError(
            f"expected the weights of a {type(model).__name__} in {source}, got: {first[:200]}; "
            "choose the network that they were saved from"
        ) from error


def digest(model: nn.Module) -> str:
    """sha256 over every tensor of the state: two models with the same digest are the same model."""
    return digest_of(model.state_dict())


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """sha256 over names, types, shapes and values; neither order nor device nor memory layout matters."""
    total = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        values = tensor.detach().cpu().contiguous().reshape(-1)
        total.update(values.view(torch.uint8).numpy())  # NumPy has no bfloat16, but it has bytes
    return total.hexdigest()

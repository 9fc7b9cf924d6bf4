"""torchvision's networks for pictures, by name."""

import torch
from torch import nn

from trustlib.errors import ModelError


def build(name: str, *, size: int, n_classes: int | None = None, seed: int = 0) -> nn.Module:
    """An untrained network.

    Args:
        name: torchvision's, such as "resnet50" or "vit_b_16".
        size: pixels a side that it will see; a vision transformer is built for one size only.
        n_classes: by default those of its published weights.
        seed: of the weights.
    Raises: ModelError for a name that is no classifier of pictures.
    """
    from torchvision import models

    if name not in models.list_models(module=models):
        raise ModelError(
            f"expected a torchvision network for pictures, got {name!r}; pass one such as resnet50"
        )
    shape = {"image_size": size} if name.startswith("vit_") else {}
    if n_classes is not None:
        shape["num_classes"] = n_classes
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return models.get_model(name, weights=None, **shape)

"""Which part of a network is its head, which its last block, and how to freeze the rest.

The field names what fine-tuning trains by where it begins, counted from the input:

    head         what turns features into logits: the last linear layer of a picture network, and of a
                 language network all that follows the encoder (BERT's pooler included); the rest is a
                 fixed feature extractor
    last_block   the last stage (layer4 of a whole ResNet, BERT's last encoder layer) and all that follows it
    all          every weight

Torch registers layers in the order in which the data meets them (in every torchvision classifier and
every Hugging Face sequence classifier that we tried), so "from the last block on" is a suffix of
`named_parameters`, and one string names each choice.
"""

import torch
from torch import nn

from trustlib.errors import ModelError

CHOICES = ("head", "last_block", "all")


def head(model: nn.Module) -> tuple[str, nn.Linear]:
    """The layer that gives the logits: the linear layer registered last.

    Returns: its dotted name and the layer.
    Raises: ModelError when the network has no linear layer.
    """
    linear = [(name, layer) for name, layer in model.named_modules() if isinstance(layer, nn.Linear)]
    if not linear:
        raise ModelError(
            f"expected a network that ends in a linear layer, got {type(model).__name__} without one: "
            "add a torch.nn.Linear that gives one logit a class"
        )
    return linear[-1]


def replace_head(model: nn.Module, n_classes: int, *, seed: int = 0) -> None:
    """Put a fresh linear layer with `n_classes` logits where the old head was; same start for a seed."""
    name, old = head(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = nn.Linear(old.in_features, n_classes, bias=old.bias is not None)
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, fresh.to(old.weight.device, old.weight.dtype))


def stages(model: nn.Module) -> list[str]:
    """Names of the stages of a ResNet that are there, from the input on; none in other networks.

    >>> from torchvision.models import resnet18
    >>> stages(resnet18())
    ['layer1', 'layer2', 'layer3', 'layer4']
    """
    names = [f"layer{i}" for i in range(1, 5)]
    return [name for name in names if hasattr(model, name) and _weighs(getattr(model, name))]


def shorten(model: nn.Module, kept: int) -> None:
    """Keep the first stages of a ResNet only; a head of as many classes then reads the last one of these.

    Later features know more of the pictures of pretraining, earlier ones carry further (Yosinski et al.
    2014), and a shorter network is a faster one. The stages that go become the identity, so a state dict of
    the shorter network has torchvision's names. The head is only given its size: fill or replace it.

    Raises: ValueError when the network has no such stages.
    """
    there = stages(model)
    if not there or not 1 <= kept <= len(there):
        raise ValueError(
            f"expected 1 to {len(there)} stages for this {type(model).__name__}, got {kept}"
            if there
            else f"expected a ResNet, whose stages can be counted, got {type(model).__name__}; keep all of it"
        )
    if kept == len(there):
        return
    for name in there[kept:]:
        setattr(model, name, nn.Identity())
    matrices = [p for p in getattr(model, there[kept - 1])[-1].parameters() if p.ndim > 1]
    model.fc = nn.Linear(len(matrices[-1]), model.fc.out_features).to(matrices[-1].device)


def restart(layer: nn.Linear, *, std: float, seed: int = 0) -> None:
    """Forget what a linear layer has learned: normal weights of deviation `std`, zero biases."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        nn.init.normal_(layer.weight, std=std)
        nn.init.zeros_(layer.bias)


def start(model: nn.Module, train: str) -> str:
    """Dotted name of the first layer that `train` makes trainable ('' for all).

    Raises: ValueError for an unknown choice.
    """
    if train == "all":
        return ""
    if train == "head":
        return _after_the_encoder(model) or head(model)[0]
    if train == "last_block":
        return _last_block(model)
    raise ValueError(f"expected train to be one of {', '.join(CHOICES)}, got {train!r}")


def _after_the_encoder(model: nn.Module) -> str | None:
    """Where the head of a Hugging Face classifier begins; None for other networks."""
    encoder = getattr(model, "base_model_prefix", None)
    if not encoder or not hasattr(model, encoder):
        return None
    if getattr(getattr(model, encoder), "pooler", None) is not None:
        return f"{encoder}.pooler"
    children = [name for name, child in model.named_children() if any(True for _ in child.parameters())]
    return next(iter(children[children.index(encoder) + 1 :]), None)


def _last_block(model: nn.Module) -> str:
    if stages(model):  # the ResNet family calls a whole stage its last block
        return stages(model)[-1]
    head_name = start(model, "head")
    stacks = [
        (name, layer)
        for name, layer in model.named_modules()
        if isinstance(layer, (nn.Sequential, nn.ModuleList))
        and not f"{head_name}.".startswith(f"{name}.")
        and _weighs(layer)
        and not _inside_a_block(model, name)
    ]
    if not stacks:
        raise ModelError(
            f"expected a network built from stacked blocks, got {type(model).__name__} without any: "
            "choose train='head' or train='all'"
        )
    # The stack with the most weights is the body; smaller ones are the insides of its blocks.
    name, body = max(stacks, key=lambda item: sum(p.numel() for p in item[1].parameters()))
    last = [child for child, block in body.named_children() if _weighs(block)][-1]
    return f"{name}.{last}"


def _inside_a_block(model: nn.Module, name: str) -> bool:
    """Whether a stack is a branch of a block that the network repeats, as in Inception's modules."""
    parent = type(model.get_submodule(name.rpartition(".")[0]))
    alike = sum(type(layer) is parent for layer in model.modules())
    return parent not in (nn.Sequential, nn.ModuleList) and alike > 1


def _weighs(layer: nn.Module) -> bool:
    """Whether a layer holds a matrix; a norm at the end of a stack, as DenseNet has it, is no block."""
    return any(parameter.ndim > 1 for parameter in layer.parameters())


def trainable(model: nn.Module, train: str) -> list[str]:
    """Names of the parameters that `train` leaves trainable, in the order of the data's way."""
    names = [name for name, _ in model.named_parameters()]
    first = start(model, train)
    if not first:
        return names
    at = next(i for i, name in enumerate(names) if name.startswith(f"{first}."))
    return names[at:]


def freeze(model: nn.Module, train: str) -> list[nn.Parameter]:
    """Let gradients reach only what `train` names; return those parameters."""
    chosen = set(trainable(model, train))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in chosen)
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def train_mode(model: nn.Module, train: str) -> None:
    """Training mode for the trainable part, evaluation mode for the frozen one.

    A frozen layer must be frozen whole: in training mode its batch norm would still move its running
    statistics and its dropout would still drop, although no weight of it changes.
    """
    first = start(model, train)
    model.train(not first)
    if first:
        reached = False
        for name, layer in model.named_modules():
            reached = reached or name == first
            if reached:
                layer.train()

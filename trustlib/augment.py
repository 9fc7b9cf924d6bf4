"""Changes that keep the label: each takes one prepared picture (3, s, s) and a generator, and returns one."""

from trustlib.errors import missing_extra

try:
    import torch
    from torch import Generator, Tensor
except ImportError as error:
    raise missing_extra(error.name or "torch", "models") from error


def mirror(picture: Tensor, generator: Generator) -> Tensor:
    """Left and right swapped in half of the cases: for photographs of the everyday world."""
    return picture.flip(-1) if torch.rand((), generator=generator) < 0.5 else picture


def square(picture: Tensor, generator: Generator) -> Tensor:
    """One of the eight symmetries of the square: for pictures without an up, such as solar cells."""
    turns, swap = int(torch.randint(4, (), generator=generator)), torch.rand((), generator=generator) < 0.5
    turned = picture.rot90(turns, (-2, -1))
    return turned.flip(-1) if swap else turned

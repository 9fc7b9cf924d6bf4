"""One network trained by several processes, each on its part of every batch.

All processes hold the same weights. Each computes the gradient of its share of the batch's loss; the shares
add up to the whole, so the sum of the gradients is that of the whole batch, and all take the same step. The
same batches give one process and several the same weights up to rounding, where no dropout is drawn: its
masks are each process's own.

Sources: Li et al. (2020), data parallel training; Chan et al. (1983), variances from parts.
"""

import functools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from trustlib import processes


def part(chosen: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, float]:
    """This process's samples of a batch, and their share of its loss.

    Args:
        chosen: (batch,) indices, the same in every process.
        weights: (n,), of all samples, where the loss is a weighted mean.
    Returns: indices, dealt out in turn, and a share in [0, 1]; the shares of all processes sum to 1. Where
        there are fewer samples than processes, some get the first one with a share of 0.

    >>> part(np.array([4, 2, 7]))
    (array([4, 2, 7]), 1.0)
    """
    n = processes.count()
    if n == 1:
        return chosen, 1.0
    mine = chosen[processes.index() :: n]
    if not len(mine):
        return chosen[:1], 0.0
    if weights is None:
        return mine, len(mine) / len(chosen)
    return mine, float(weights[mine].sum() / weights[chosen].sum())


def add_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Put the sum over all processes into every parameter's gradient."""
    if processes.count() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    total = _sum(torch.cat([gradient.reshape(-1) for gradient in gradients]))
    for gradient, summed in zip(gradients, total.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(summed.view(gradient.shape))


@contextmanager
def whole_batch_norm(model: nn.Module) -> Iterator[None]:
    """Inside, batch norms in training mode take mean and variance over the batch of all processes.

    Torch's own layer for that knows GPUs only.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    if processes.count() == 1:
        layers = []
    for layer in layers:
        layer.forward = functools.partial(_normalised, layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward  # so that the class's own is seen again


def _normalised(layer: nn.modules.batchnorm._BatchNorm, x: Tensor) -> Tensor:
    """Batch norm of this process's x (b, channels, ...) by the statistics of all processes."""
    if not layer.training:
        return type(layer).forward(layer, x)
    axes = [0, *range(2, x.ndim)]
    n = x.numel() // x.shape[1]
    variance, mean = torch.var_mean(x.float(), axes, correction=0)  # (channels,)
    mean, variance = mean.double(), variance.double()  # vectors only: so that nothing cancels below
    own = torch.cat([n * mean, n * (variance + mean**2), mean.new_tensor([n])])
    first, second, total = _SumOfAll.apply(own).split([len(mean), len(mean), 1])
    mean = first / total
    variance = second / total - mean**2
    with torch.no_grad():
        _follow(layer, mean, variance * total / (total - 1))
    scale = (variance + layer.eps).rsqrt().float()
    shift = -mean.float() * scale
    if layer.affine:
        scale, shift = scale * layer.weight, shift * layer.weight + layer.bias
    shape = (1, -1, *[1] * (x.ndim - 2))
    return torch.addcmul(shift.view(shape), x.float(), scale.view(shape)).to(x.dtype)


def _follow(layer: nn.modules.batchnorm._BatchNorm, mean: Tensor, variance: Tensor) -> None:
    """Move the running statistics as the layer itself would."""
    if not layer.track_running_stats:
        return
    layer.num_batches_tracked += 1
    rate = 1 / float(layer.num_batches_tracked) if layer.momentum is None else layer.momentum
    layer.running_mean.lerp_(mean.to(layer.running_mean.dtype), rate)
    layer.running_var.lerp_(variance.to(layer.running_var.dtype), rate)


class _SumOfAll(torch.autograd.Function):
    """The sum of a tensor over all processes; every process's loss has its part in the gradient."""

    @staticmethod
    def forward(ctx, own: Tensor) -> Tensor:
        return _sum(own)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return _sum(gradient)


def _sum(tensor: Tensor) -> Tensor:
    from accelerate.utils import reduce

    return reduce(tensor.to(processes.device()), reduction="sum").to(tensor.device)

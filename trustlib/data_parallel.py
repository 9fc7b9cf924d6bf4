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
from trustlib.errors import ModelError


def part(chosen: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, float]:
    """This process's samples of a batch, and their share of its loss.

    Args:
        chosen: (batch,) indices, the same in every process.
        weights: (n,), of all samples, where the loss is a weighted mean.
    Returns: indices, dealt out in turn, and a share in [0, 1]; the shares of all processes sum to 1. Where
        there are fewer samples than processes, some get the first one with a share of 0: they compute with
        the others, who wait for them, and count for nothing.

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


def same_start(model: nn.Module) -> None:
    """Give all processes the main one's weights: layers that each built at random differ.

    Raises: ModelError when the processes have different networks.
    """
    if processes.count() == 1:
        return
    from accelerate.utils import broadcast

    state = model.state_dict()
    shapes = [(name, tuple(tensor.shape)) for name, tensor in state.items()]
    if any(other != shapes for other in processes.gather(shapes)):
        raise ModelError("expected one network in all processes, got several: build the same in each")
    for tensor in state.values():
        tensor.copy_(broadcast(tensor.to(processes.device())))


def add_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Put the sum over all processes into every parameter's gradient."""
    if processes.count() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    total = _sum(torch.cat([gradient.reshape(-1) for gradient in gradients]))
    for gradient, summed in zip(gradients, total.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(summed.view(gradient.shape))


class Norms:
    """`counts`: whether the samples of this process are part of the batch, for its batch norms."""

    counts = True


@contextmanager
def whole_batch_norm(model: nn.Module) -> Iterator[Norms]:
    """Inside, batch norms in training mode take mean and variance over the batch of all processes.

    Torch's own layer for that knows GPUs only.
    """
    norms = Norms()
    layers = [layer for layer in model.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    if processes.count() == 1:
        layers = []
    for layer in layers:
        layer.forward = functools.partial(_normalised, layer, norms)
    try:
        yield norms
    finally:
        for layer in layers:
            del layer.forward  # so that the class's own is seen again


def _normalised(layer: nn.modules.batchnorm._BatchNorm, norms: Norms, x: Tensor) -> Tensor:
    """Batch norm of this process's x (b, channels, ...) by the statistics of all processes."""
    if not layer.training:
        return type(layer).forward(layer, x)
    channels = x.shape[1]
    n = x.numel() // channels if norms.counts else 0
    with torch.no_grad():
        started = x.new_zeros(channels, dtype=torch.float32), x.new_ones(channels, dtype=torch.float32)
        own, spread = (each.double() for each in torch.batch_norm_update_stats(x, *started, 0.0))
        # Sums in float64: the mean of the squares less the square of the mean loses digits.
        sums = _sum(torch.cat([n * own, n * (spread + own**2), own.new_tensor([n])]))
        first, second, total = sums.split([channels, channels, 1])
        mean = first / total
        variance = (second / total - mean**2).clamp(min=0.0)
        _follow(layer, mean, variance * total / (total - 1))
    weight = torch.ones_like(started[1]) if layer.weight is None else layer.weight
    about = mean.float(), variance.float(), total.float(), layer.eps, norms.counts
    return _Normalise.apply(x, weight, layer.bias, *about)


class _Normalise(torch.autograd.Function):
    """Batch norm by given statistics, which all processes' samples made and all their losses depend on.

    The loops over samples are those of torch's batch norm in evaluation mode, forward and backward. What that
    leaves out, the way of the gradient through mean and variance, is an affine map of x, so batch norm again.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, mean, variance, total, eps, counts):
        ctx.save_for_backward(x, weight, mean, variance, total)
        ctx.eps, ctx.counts = eps, counts
        return nn.functional.batch_norm(x, mean, variance, weight, bias, False, 0.0, eps)

    @staticmethod
    def backward(ctx, gradient):
        x, weight, mean, variance, total = ctx.saved_tensors
        scale = (variance + ctx.eps).rsqrt()
        # Through the normalised x alone; the sums over this process's samples come with it.
        direct, by_weight, by_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, x, weight, mean, variance, mean, scale, False, ctx.eps, [True, True, True]
        )
        all_weight, all_bias = _sum(torch.cat([by_weight, by_bias]).double()).float().chunk(2)
        if ctx.counts:
            factor = -weight * scale / total
            affine = factor * all_weight, factor * all_bias
            direct.add_(nn.functional.batch_norm(x, mean, variance, *affine, False, 0.0, ctx.eps))
        return direct, by_weight, by_bias if ctx.needs_input_grad[2] else None, *[None] * 5


def _follow(layer: nn.modules.batchnorm._BatchNorm, mean: Tensor, variance: Tensor) -> None:
    """Move the running statistics as the layer itself would."""
    if not layer.track_running_stats:
        return
    layer.num_batches_tracked += 1
    rate = 1 / float(layer.num_batches_tracked) if layer.momentum is None else layer.momentum
    layer.running_mean.lerp_(mean.to(layer.running_mean.dtype), rate)
    layer.running_var.lerp_(variance.to(layer.running_var.dtype), rate)


def _sum(tensor: Tensor) -> Tensor:
    """The sum over all processes; the tensor handed over may be overwritten."""
    there = tensor.to(processes.device())
    torch.distributed.all_reduce(there)
    return there.to(tensor.device)

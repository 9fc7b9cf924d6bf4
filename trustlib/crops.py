"""Pictures as a network trains on them: one draw a picture, a whole batch in one pass, on its device.

Sources: Szegedy et al. (2015), random resized crops; Zhang et al. (2018), mixup; Yun et al. (2019), cutmix.
"""

import math

from trustlib import errors

try:
    import torch
    import torch.nn.functional as F
    from torch import Tensor
except ImportError as error:
    raise errors.missing_extra(error.name or "torch", "models") from error

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's


def augment(pixels: Tensor, *, size: int, smallest: float, generator: torch.Generator) -> Tensor:
    """Random resized crop, flip, brightness, contrast and saturation; one picture in ten is made grey.

    Args:
        pixels: (b, h, w, 3) uint8.
        size: side of the result, in pixels.
        smallest: share of the area that a crop keeps at least.
    Returns: (b, 3, size, size) float32 with ImageNet's mean and deviation, channels last in memory.
    """
    n, device = len(pixels), pixels.device
    u = torch.rand(9, n, generator=generator, device=device)
    area, ratio = smallest + (1 - smallest) * u[0], torch.exp((2 * u[1] - 1) * math.log(4 / 3))
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    theta = torch.zeros(n, 2, 3, device=device)  # from the result's square to the picture's
    theta[:, 0, 0], theta[:, 0, 2] = torch.where(u[2] < 0.5, width, -width), (2 * u[3] - 1) * (1 - width)
    theta[:, 1, 1], theta[:, 1, 2] = height, (2 * u[4] - 1) * (1 - height)
    grid = F.affine_grid(theta, [n, 3, size, size], align_corners=False)
    images = pixels.permute(0, 3, 1, 2).float() / 255
    images = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    brightness, contrast, saturation = ((0.7 + 0.6 * u[i]).view(n, 1, 1, 1) for i in (5, 6, 7))
    saturation = saturation * (u[8] > 0.1).view(n, 1, 1, 1)
    grey = images.mean(1, keepdim=True)
    images = (grey + (images - grey) * saturation) * brightness
    mean = images.mean((1, 2, 3), keepdim=True)
    return normalise(mean + (images - mean) * contrast)


def whole(pixels: Tensor) -> Tensor:
    """(b, h, w, 3) uint8 -> (b, 3, h, w) as `augment` returns it, with nothing changed by chance."""
    return normalise(pixels.permute(0, 3, 1, 2).float() / 255)


def normalise(images: Tensor) -> Tensor:
    """(b, 3, h, w) in [0, 1] -> ImageNet's mean and deviation, channels last in memory."""
    mean, deviation = (torch.tensor(v, device=images.device).view(1, 3, 1, 1) for v in (MEAN, DEVIATION))
    return ((images - mean) / deviation).contiguous(memory_format=torch.channels_last)


def mix(images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, float]:
    """Mixup or cutmix, half the time each.

    Returns: the images (b, 3, s, s), whom each was mixed with (b,), and the share that stayed its own.
    """
    device, size = images.device, images.shape[-1]
    partner = torch.randperm(len(images), generator=generator, device=device)
    u, own, down, right = torch.rand(4, generator=generator, device=device).tolist()
    if u < 0.5:
        return images * own + images[partner] * (1 - own), partner, own
    side = int(size * math.sqrt(1 - own))
    top, left = int(down * (size - side + 1)), int(right * (size - side + 1))
    images, patch = images.clone(), (..., slice(top, top + side), slice(left, left + side))
    images[patch] = images[partner][patch]
    return images, partner, 1 - side * side / size**2

"""Eighteen ways in which a picture goes bad, in four families and five severities.

Every corruption is a plain function `(picture, severity, rng) -> picture`:

    picture     (h, w, 3) of any size, uint8, or float in [0, 1]
    severity    1, 2, 3, 4 or 5; the harder, the farther from the original
    rng         a numpy.random.Generator; the same state gives the same picture, and at different severities
                the same fog, flakes or noise, only stronger
    returns     (h, w, 3) uint8

The paper publishes strengths for 224 pixels (ImageNet-C) and, milder, for 32 (CIFAR-10-C), since a small
picture has less to spare. Each function here takes both rows of five, and goes from one to the other
geometrically, by the logarithm of the shorter side. Below 32 and above 224 pixels the strengths stay, but for
lengths in pixels, which above 224 grow with the side. Where the paper's strength is a pair of numbers that
rise and fall against each other (defocus, glass, motion, elastic, snow, frost), or does not rise (saturate),
one rising number of like size stands for it. Fog, frost and snow are drawn, not pasted from photographs.
Noise is drawn for each channel by itself, so that on a grey picture it is coloured.

Source: Hendrycks & Dietterich (2019), and the strengths in the code that they published.
"""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from trustlib import checks
from trustlib.errors import missing_extra

try:
    import torch
    from torch import Tensor
    from torch.nn import functional
    from torchvision.transforms.v2 import functional as transforms
except ImportError as error:
    raise missing_extra(error.name or "torch", "models") from error

Floats = NDArray[np.float64]
Picture = NDArray[np.uint8]
Rng = np.random.Generator
Five = Sequence[float]

FAMILIES = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"),
    "blur": ("gaussian_blur", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    "weather": ("brightness", "fog", "frost", "snow"),
    "digital": ("contrast", "saturate", "pixelate", "jpeg", "elastic"),
}
NAMES = tuple(name for names in FAMILIES.values() for name in names)


def corrupt(picture: ArrayLike, name: str, severity: int, seed: int | Sequence[int]) -> Picture:
    """A picture with one of the corruptions.

    Args:
        picture: (h, w, 3), uint8 or float in [0, 1].
        name: one of NAMES, such as "fog".
        severity: 1 to 5.
        seed: a whole number, or several; the same seed gives the same picture.
    Returns: (h, w, 3) uint8.
    Raises: ValueError.

    >>> corrupt(np.full((2, 2, 3), 100, np.uint8), "contrast", 5, seed=0)[0, 0]
    array([100, 100, 100], dtype=uint8)
    """
    if name not in NAMES:
        raise ValueError(f"expected a corruption such as {', '.join(NAMES)}, got {name!r}; choose one")
    return globals()[name](picture, severity, np.random.default_rng(seed))


# Noise


def gaussian_noise(picture: ArrayLike, severity: int, rng: Rng) -> Picture:
    """Noise as of a sensor in low light: the same deviation everywhere."""
    x = _floats(picture)
    sigma = _strength(x, severity, (0.04, 0.06, 0.08, 0.09, 0.10), (0.08, 0.12, 0.18, 0.26, 0.38))
    return _uint8(x + sigma * rng.standard_normal(x.shape))


def shot_noise(picture: ArrayLike, severity: int, rng: Rng) -> Picture:
    """Few photons, counted: Poisson noise, whose deviation grows with the root of the brightness."""
    x = _floats(picture)
    photons = _strength(x, severity, (500, 250, 100, 75, 50), (60, 25, 12, 5, 3))
    return _uint8(rng.poisson(x * photons) / photons)


def impulse_noise(picture: ArrayLike, severity: int, rng: Rng) -> Picture:
    """Salt and pepper: a share of the values is lost to 0 or 1."""
    x = _floats(picture)
    lost = _strength(x, severity, (0.01, 0.02, 0.03, 0.05, 0.07), (0.03, 0.06, 0.09, 0.17, 0.27))
    chance, salt = rng.random((2, *x.shape))
    return _uint8(np.where(chance < lost, salt < 0.5, x))


def speckle_noise(picture: ArrayLike, severity: int, rng: Rng) -> Picture:
    """Noise in proportion to the brightness, as in radar and ultrasound."""
    x = _floats(picture)
    sigma = _strength(x, severity, (0.06, 0.10, 0.12, 0.16, 0.20), (0.15, 0.20, 0.35, 0.45, 0.60))
    return _uint8(x + x * sigma * rng.standard_normal(x.shape))


# Blur


def gaussian_blur(picture: ArrayLike, severity: int, rng: Rng) -> Picture:
    """Every pixel a Gaussian mean of its surroundings."""
    x = _floats(picture)
    return _uint8(_blurred(x, _length(x, severity, (0.4, 0.6, 0.7, 0.8, 1.0), (1, 2, 3, 4, 6))))


def defocus_blur(picture: ArrayLike, severity: int, rng: Rng) -> Picture:
    """A lens out of focus: every point becomes a disk."""
    x = _floats(picture)
    radius = _length(x, severity, (0.6, 0.8, 1.0, 1.25, 1.5), (3, 4, 6, 8, 10))
    reach = int(np.ceil(radius))
    fine = np.arange(-5 * reach - 2, 5 * reach + 3) / 5  # five by five points in each pixel
    disk = (fine[:, None] ** 2 + fine**2 <= radius**2).astype(float)
    kernel = disk.reshape(2 * reach + 1, 5, 2 * reach + 1, 5).sum(axis=(1, 3))
    return _uint8(_convolved(x, kernel))


def glass_blur(picture: ArrayLike, severity: int, rng: Rng) -> Picture:
    """Frosted glass: every pixel shows a spot near by, a little blurred."""
    x = _floats(picture)
    reach = _length(x, severity, (0.3, 0.45, 0.6, 0.8, 1.0), (0.8, 1.2, 1.8, 2.5, 3.3))
    moved = _resampled(x, reach * rng.standard_normal((*x.shape[:2], 2)))
    return _uint8(_blurred(moved, _length(x, severity, [0.25] * 5, [0.4] * 5)))


def motion_blur(picture: ArrayLike, severity: int, rng: Rng) -> Picture:
    """The camera moved along a line, up to 45 degrees from the horizontal."""
    x = _floats(picture)
    sigma = _length(x, severity, (1, 1.5, 2, 2.25, 2.5), (3, 5, 8, 12, 15))
    return _uint8(_dragged(x, sigma, rng.uniform(-np.pi / 4, np.pi / 4)))


def zoom_blur(picture: ArrayLike, severity: int, rng: Rng) -> Picture:
    """The lens zoomed in: a mean of the picture over growing enlargements of its middle."""
    x = _floats(picture)
    most = _strength(x, severity, (0.05, 0.10, 0.15, 0.20, 0.25), (0.10, 0.15, 0.20, 0.25, 0.30))
    h, w = x.shape[:2]
    rows, columns = np.mgrid[:h, :w] - np.array([h - 1, w - 1]).reshape(2, 1, 1) / 2
    steps = np.linspace(0, most, min(24, 2 + int(most * max(h, w) / 2)))  # a pixel a step, at the border
    inwards = np.stack([columns, rows], axis=-1)
    return _uint8(np.mean([_resampled(x, inwards * (1 / (1 + step) - 1)) for step in steps], axis=0))


# Weather


def brightness(picture: ArrayLike, severity: int, rng: Rng) -> Picture:
    """More light: the brightest channel rises by a constant, hue and saturation stay."""
    x = _floats(picture)
    more = _strength(x, severity, (0.05, 0.10, 0.15, 0.20, 0.30), (0.1, 0.2, 0.3, 0.4, 0.5))
    value = x.max(axis=2, keepdims=True)
    tint = np.divide(x, value, out=np.ones_like(x), where=value > 0)
    return _uint8(tint * np.minimum(value + more, 1))


def fog(picture: ArrayLike, severity: int, rng: Rng) -> Picture:
    """Clouds of grey over everything, drawn as fractal noise."""
    x = _floats(picture)
    thickness = _strength(x, severity, (0.2, 0.5, 0.75, 1.0, 1.5), (1.5, 2.0, 2.5, 2.75, 3.0))
    clouds = _clouds(x.shape[:2], rng, roughness=1.6)[..., None]
    return _uint8((x + thickness * clouds) * x.max() / (x.max() + thickness))


def frost(picture: ArrayLike, severity: int, rng: Rng) -> Picture:
    """Ice flowers on the pane: bluish veins, which are the ridges of fractal noise."""
    x = _floats(picture)
    cover = _strength(x, severity, (0.25, 0.35, 0.45, 0.55, 0.65), (0.40, 0.55, 0.65, 0.75, 0.85))
    shape = x.shape[:2]
    ridges = [1 - np.abs(2 * _clouds(shape, rng, roughness=rough) - 1) for rough in (1.7, 1.3)]
    ice = 0.35 * _clouds(shape, rng, roughness=1.5) + ridges[0] ** 8 + 0.7 * ridges[1] ** 6
    opacity = cover * ice.clip(0, 1)[..., None]
    return _uint8(x * (1 - opacity) + opacity * np.array([0.86, 0.93, 1.0]))


def snow(picture: ArrayLike, severity: int, rng: Rng) -> Picture:
    """Paler, and flakes that fall aslant: the more severe, the more of them."""
    x = _floats(picture)
    share = _strength(x, severity, (0.01, 0.02, 0.03, 0.045, 0.06), (0.02, 0.035, 0.05, 0.07, 0.09))
    side = min(x.shape[:2])
    flake = max(1.0, side / 100)  # pixels
    h, w = (int(np.ceil(length / flake)) for length in x.shape[:2])
    flakes = (rng.random((h, w)) < share).astype(float)
    flakes = _enlarged(flakes, x.shape[:2])[..., None]
    fallen = _dragged(flakes, flake * 1.5, rng.uniform(np.pi / 4, 3 * np.pi / 4))
    pale = np.maximum(x, x.mean(axis=2, keepdims=True) * 0.8 + 0.4)
    mix = min(1.0, 6 * share)
    return _uint8((1 - mix) * x + mix * pale + 2 * fallen)


# Digital


def contrast(picture: ArrayLike, severity: int, rng: Rng) -> Picture:
    """All values nearer to the mean of their channel."""
    x = _floats(picture)
    left = _strength(x, severity, (0.75, 0.5, 0.4, 0.3, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05))
    mean = x.mean(axis=(0, 1))
    return _uint8(mean + left * (x - mean))


def saturate(picture: ArrayLike, severity: int, rng: Rng) -> Picture:
    """Colours stronger than they were; a grey picture stays as it is."""
    x = _floats(picture)
    factor = _strength(x, severity, (1.3, 1.6, 2.0, 2.5, 3.0), (1.5, 2.0, 3.0, 6.0, 20.0))
    return _picture(transforms.adjust_saturation(_tensor(x), factor))


def pixelate(picture: ArrayLike, severity: int, rng: Rng) -> Picture:
    """Fewer and larger pixels."""
    x = _floats(picture)
    left = _strength(x, severity, (0.95, 0.9, 0.85, 0.75, 0.65), (0.6, 0.5, 0.4, 0.3, 0.25))
    for axis in (0, 1):
        starts = _block_starts(x.shape[axis], left)
        sizes = np.diff(starts, append=x.shape[axis])
        sums = np.add.reduceat(x, starts, axis=axis)
        means = sums / sizes.reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        x = np.repeat(means, sizes, axis=axis)
    return _uint8(x)


def jpeg(picture: ArrayLike, severity: int, rng: Rng) -> Picture:
    """Saved as a JPEG of low quality, and read again."""
    x = _floats(picture)
    quality = round(_strength(x, severity, (80, 65, 58, 50, 40), (25, 18, 15, 10, 7)))
    saved = io.BytesIO()
    Image.fromarray(_uint8(x)).save(saved, format="JPEG", quality=quality)
    return np.array(Image.open(saved))


def elastic(picture: ArrayLike, severity: int, rng: Rng) -> Picture:
    """Stretched and squeezed as on rubber, by smooth random shifts."""
    x = _floats(picture)
    shift = _length(x, severity, (0.5, 0.7, 0.9, 1.2, 1.5), (2, 3, 4.5, 6.5, 9))
    field = np.stack([_clouds(x.shape[:2], rng, roughness=2.0) for _ in range(2)], axis=-1)
    field -= field.mean(axis=(0, 1))  # or the whole picture would be moved
    return _uint8(_resampled(x, shift * field / max(field.std(), 1e-9)))


# What they are made of


def _strength(x: Floats, severity: int, at_32: Five, at_224: Five) -> float:
    """Between the paper's strengths at 32 and at 224 pixels, by the logarithm of the shorter side."""
    if checks.count(severity, name="severity") > 5:
        raise ValueError(f"expected severity from 1 to 5, got {severity}; 5 is the hardest")
    share = np.log(min(max(min(x.shape[:2]), 32), 224) / 32) / np.log(7)
    return float(at_32[severity - 1] ** (1 - share) * at_224[severity - 1] ** share)


def _length(x: Floats, severity: int, at_32: Five, at_224: Five) -> float:
    """A strength in pixels, which keeps its part of the side above 224 pixels."""
    return _strength(x, severity, at_32, at_224) * max(1.0, min(x.shape[:2]) / 224)


def _floats(picture: ArrayLike) -> Floats:
    array = checks.picture(picture)
    return array / 255 if array.dtype == np.uint8 else array.astype(np.float64)


def _uint8(x: NDArray) -> Picture:
    return np.round(x.clip(0, 1) * 255).astype(np.uint8)


def _tensor(x: Floats) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(x.transpose(2, 0, 1), dtype=np.float32))  # (c, h, w)


def _array(x: Tensor) -> Floats:
    return x.permute(1, 2, 0).numpy().astype(np.float64)


def _picture(x: Tensor) -> Picture:
    return _uint8(_array(x))


def _convolved(x: Floats, kernel: Floats) -> Floats:
    """Every channel with a kernel of odd sides that is made to sum to 1; the border is repeated outwards."""
    kh, kw = (side // 2 for side in kernel.shape)
    planes = functional.pad(_tensor(x)[:, None], (kw, kw, kh, kh), mode="replicate")[:, 0]
    weights = torch.from_numpy((kernel / kernel.sum()).astype(np.float32))
    shape = planes.shape[1:]  # kernels may be a hundred pixels wide: by the Fourier transform
    waves = torch.fft.rfft2(planes) * torch.fft.rfft2(weights, s=shape)
    return _array(torch.fft.irfft2(waves, s=shape)[:, 2 * kh :, 2 * kw :])


def _blurred(x: Floats, sigma: float) -> Floats:
    steps = np.arange(-np.ceil(4 * sigma), np.ceil(4 * sigma) + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    return _convolved(x, np.outer(weights, weights))


def _dragged(x: Floats, sigma: float, angle: float) -> Floats:
    """Blurred to one side along a line, with the weights of half a Gaussian."""
    reach = int(np.ceil(3 * sigma))
    kernel = np.zeros((2 * reach + 3, 2 * reach + 3))
    for t in np.arange(0, reach + 0.25, 0.25):  # each point of the line falls on the four pixels around it
        row, column = reach + 1 + t * np.sin(angle), reach + 1 + t * np.cos(angle)
        i, j = int(row), int(column)
        share = np.outer([i + 1 - row, row - i], [j + 1 - column, column - j])
        kernel[i : i + 2, j : j + 2] += share * np.exp(-(t**2) / (2 * sigma**2))
    return _convolved(x, kernel)


def _resampled(x: Floats, shift: Floats) -> Floats:
    """Every pixel read from where shift (h, w, 2), in pixels to the right and down, points; bilinear."""
    h, w = x.shape[:2]
    planes = torch.from_numpy((shift * 2 / np.array([w, h])).astype(np.float32))[None]
    rows, columns = torch.meshgrid(
        (2 * torch.arange(h) + 1) / h - 1, (2 * torch.arange(w) + 1) / w - 1, indexing="ij"
    )
    grid = torch.stack([columns, rows], dim=-1)[None] + planes
    read = functional.grid_sample(
        _tensor(x)[None], grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return _array(read[0])


def _block_starts(length: int, left: float) -> NDArray[np.int64]:
    """Where the blocks begin when only a share of the pixels along a side is left, evenly spread.

    In van der Corput's order of halves, quarters and so on, so that a coarser picture has its borders among
    those of a finer one: only then does coarser always mean farther from the original.
    """
    bits = (length - 1).bit_length()
    halves = (int(f"{i:0{bits}b}"[::-1], 2) * length >> bits for i in range(2**bits))
    return np.sort(list(dict.fromkeys(halves))[: max(1, int(length * left))])


def _enlarged(plane: Floats, shape: tuple[int, ...]) -> Floats:
    tensor = torch.from_numpy(plane.astype(np.float32))[None, None]
    enlarged = functional.interpolate(tensor, size=tuple(shape), mode="bilinear", align_corners=False)
    return enlarged[0, 0].numpy().astype(np.float64)


def _clouds(shape: Sequence[int], rng: Rng, *, roughness: float) -> Floats:
    """Fractal noise (h, w) from 0 to 1, whose amplitudes fall as frequency ** -roughness."""
    h, w = shape
    side = max(h, w, 2)
    frequency = np.hypot(np.fft.fftfreq(2 * side)[:, None], np.fft.rfftfreq(2 * side))
    frequency[0, 0] = np.inf
    waves = np.fft.rfft2(rng.standard_normal((2 * side, 2 * side))) / frequency**roughness
    field = np.fft.irfft2(waves, s=(2 * side, 2 * side))[:h, :w]  # half of it, which does not wrap around
    low, high = field.min(), field.max()
    return (field - low) / (high - low) if high > low else np.zeros_like(field)

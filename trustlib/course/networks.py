"""Networks that are small enough to train again and again in a lesson."""

from collections.abc import Sequence

import torch
from torch import nn

from trustlib import checks
from trustlib.classifiers import ImageClassifier
from trustlib.tasks.digits import SIDE


def small_cnn(n_classes: int = 10, *, seed: int = 0) -> nn.Sequential:
    """A convolutional network for pictures of 28 x 28 pixels, untrained: two convolutions, two linear layers.

    Args:
        n_classes: logits; at least 2.
        seed: of every weight.
    Returns: a network that takes (n, 3, 28, 28) and gives (n, n_classes); 106,922 weights for ten classes.
        Its `[-1]` is the head.
    Raises: ValueError.
    Source: the shape is that of LeCun et al. (1998), with today's rectifiers.
    """
    checks.count(n_classes, name="n_classes", least=2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(3, 16, kernel_size=5, padding=2),  # (n, 16, 28, 28)
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, kernel_size=3, padding=1),  # (n, 32, 14, 14)
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),  # (n, 32 x 7 x 7)
            nn.Linear(32 * (SIDE // 4) ** 2, 64),
            nn.ReLU(),
            nn.Linear(64, n_classes),
        )


def digit_reader(classes: Sequence[str], *, seed: int = 0) -> ImageClassifier:
    """`small_cnn` as an untrained classifier of `tasks.digits28`.

    Args:
        classes: names of the digits, `task.classes`.
        seed: of every weight.
    """
    return ImageClassifier(small_cnn(len(classes), seed=seed), classes, size=SIDE, seed=seed)

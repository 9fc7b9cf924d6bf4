"""Reference answers of the exercises that need more than a line; a lesson's checks call them."""

import numpy as np

from trustlib import estimates

# Lesson 00


def larger_class_share(labels: np.ndarray) -> float:
    """The accuracy of a guess that always names the larger class; labels (n,)."""
    return float(np.bincount(labels).max() / len(labels))


def share_below(agreement: np.ndarray, least: float) -> estimates.Estimate:
    """How many samples fewer people than `least` agree on; agreement (n,) in [0, 1]."""
    return estimates.proportion(int((agreement < least).sum()), len(agreement))


def cells_needed(share: float, width: float) -> int:
    """The smallest of 100, 200, 300, ... samples whose interval around `share` is no wider than `width`."""
    sizes = range(100, 1_000_000, 100)
    found = (estimates.proportion(round(share * n), n) for n in sizes)
    return next(e.n for e in found if e.high - e.low <= width)


# Lesson 01


def normalised(picture: np.ndarray) -> np.ndarray:
    """(h, w, 3) bytes to (3, h, w) floats as ImageNet-pretrained networks expect them."""
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    return np.moveaxis((picture / 255 - mean) / std, -1, 0)


def body_is_frozen(network) -> bool:
    """Whether no weight before the last layer takes gradients."""
    return not any(weight.requires_grad for layer in network[:-1] for weight in layer.parameters())


def head_learns(network) -> bool:
    """Whether every weight of the last layer takes gradients."""
    return all(weight.requires_grad for weight in network[-1].parameters())


def statistics_stand_still(network) -> bool:
    """Whether a forward pass leaves the running mean of the batch norm (the second layer) where it was."""
    picture = network[0].weight.new_ones(4, 3, 8, 8)
    before = network[1].running_mean.clone()
    network(picture)
    return bool((before == network[1].running_mean).all())


# Lesson 02


def epoch_loss(batch_losses: np.ndarray, batch_sizes: np.ndarray) -> float:
    """The mean loss over the texts of an epoch, from the mean loss (b,) and the size (b,) of each batch."""
    return float(np.average(batch_losses, weights=batch_sizes))


def attention_weights(scores: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Softmax of scores (tokens,) over the tokens whose mask (tokens,) is 1; padding gets 0."""
    open_scores = np.where(mask == 1, scores, -np.inf)
    large = np.exp(open_scores - open_scores.max())
    return large / large.sum()


def mean_pool(states: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """(texts, width): the mean of states (texts, tokens, width) over the tokens where masks is 1."""
    return np.stack([row[mask == 1].mean(axis=0) for row, mask in zip(states, masks, strict=True)])

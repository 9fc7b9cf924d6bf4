"""Reference answers of lesson 06; its checks call them."""

import numpy as np


def gap(train_right: np.ndarray, test_right: np.ndarray) -> float:
    """Share of wrong answers on test minus that in training; both (n,), True where the answer is right."""
    return float(np.mean(train_right) - np.mean(test_right))


def kept_epoch(losses: np.ndarray, patience: int) -> int:
    """The epoch, from 0, whose weights early stopping keeps, seeing the validation losses one by one."""
    best = 0
    for epoch, loss in enumerate(losses):
        if loss < losses[best]:
            best = epoch
        if epoch - best >= patience:
            break
    return best


def drop_from_shares(confusion: np.ndarray, shares: np.ndarray) -> float:
    """How far accuracy falls when only the class shares change.

    confusion: (k, k) counts at home, rows true, columns answered; shares: (k,), of the classes elsewhere.
    """
    recalls = np.diag(confusion) / confusion.sum(axis=1)
    return float(np.trace(confusion) / confusion.sum() - recalls @ shares)

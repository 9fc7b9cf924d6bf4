"""Reference answers of lesson 08's exercises; its checks call them."""

from collections.abc import Callable, Sequence

import numpy as np


def mean_sizes(values: np.ndarray) -> np.ndarray:
    """How much each column matters over many inputs: values (n, m) to (m,)."""
    return np.abs(values).mean(axis=0)


def over_orders(game: Callable, m: int, orders: Sequence[Sequence[int]]) -> np.ndarray:
    """What each of m players adds when they join, averaged over the given orders: (m,).

    game takes masks (b, m), returns (b,).
    """
    credit = np.zeros(m)
    for order in orders:
        inside = np.zeros((1, m), dtype=bool)
        before = game(inside)[0]
        for player in order:
            inside[0, player] = True
            after = game(inside)[0]
            credit[player] += (after - before) / len(orders)
            before = after
    return credit


def worth(predict: Callable, row: np.ndarray, background: np.ndarray, mask: np.ndarray) -> float:
    """Mean answer to the rows of a background (n, d) that have taken the columns in mask (d,) from row (d,).

    predict takes rows (n, d), returns (n,).
    """
    return float(predict(np.where(mask, row, background)).mean())

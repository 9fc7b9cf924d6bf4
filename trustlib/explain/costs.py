"""What an explanation will cost, measured on a few inputs before it is paid."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from trustlib import asking, checks


@dataclass(frozen=True)
class Cost:
    """n_calls: inputs that the model will answer; seconds: about how long; measured_on: inputs timed."""

    n_calls: int
    seconds: float
    measured_on: int

    def __str__(self) -> str:
        return f"{self.n_calls:,} calls, about {self.seconds:.3g} s (measured on {self.measured_on})"


def cost(
    predict_proba: Callable[[Any], Any],
    inputs: Sequence[Any],
    n_calls: int,
    *,
    batch_size: int = asking.BATCH,
) -> Cost:
    """How long so many calls take, from asking about a few inputs now.

    Args:
        inputs: one or more like those that will be asked: pictures (n, h, w, 3), texts or rows. Up to
            `batch_size` of them are asked, after one that warms the model up.
        n_calls: how many calls are planned, such as num_samples.
        batch_size: inputs that the model will be asked at a time.
    Returns: Cost. A batch is quicker an input than one alone, so hand over a whole batch if you can.
    Raises: ValueError; ModelError.

    >>> cost(lambda rows: [[0.5, 0.5]] * len(rows), [[1], [2]], 1000).n_calls
    1000
    """
    n_calls = checks.count(n_calls, name="n_calls")
    if isinstance(inputs, str) or not len(inputs):
        raise ValueError("expected one input or more in a sequence, got none; hand over [text] or pictures")
    asking.ask(predict_proba, [inputs[:1]])
    batch = next(asking.batches(inputs, batch_size))
    start = time.perf_counter()
    asking.ask(predict_proba, [batch])
    seconds = time.perf_counter() - start
    return Cost(n_calls, seconds / len(batch) * n_calls, len(batch))

"""LIME for a row of a table: which columns made the model answer so?

Sources: Ribeiro, Singh & Guestrin (2016); samples, distance and kernel as in the package lime 0.2, and the
rest of LIME in `trustlib.explain.lime`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import truncnorm

from trustlib import asking, checks
from trustlib.explain.explanation import Explanation
from trustlib.explain.lime import NUM_SAMPLES, answered
from trustlib.explain.surrogate import fit, kernel

Array = NDArray[np.float64]


def lime_table(
    predict_proba: Callable[[Any], Any],
    row: ArrayLike,
    *,
    background: ArrayLike,
    target: int | None = None,
    columns: Sequence[str] | None = None,
    categorical: Sequence[int] = (),
    discretize: bool = True,
    num_samples: int = 5 * NUM_SAMPLES,
    kernel_width: float | None = None,
    ridge: float = 1.0,
    seed: int = 0,
    batch_size: int = NUM_SAMPLES,
) -> Explanation:
    """Which columns of a row speak for a class, and which against it.

    Args:
        predict_proba: takes rows (b, d), returns (b, k).
        row: (d,). background: (n, d), rows such as the training data, which say what other rows are like.
        target: index of the class; by default the one that the model answers.
        columns: d names; by default "0", "1" and so on.
        categorical: indices of columns whose numbers are names. Their feature is "has the row's value".
        discretize: True cuts the other columns at the background's quartiles, and their feature is "lies
            in the row's quarter". False draws them from a normal distribution with the background's mean
            and deviation, and their feature is the number itself.
        num_samples: rows, the first the row itself.
        kernel_width: in Euclidean distance between features (deviations where they are numbers); by
            default 0.75 times the root of d.
        ridge, seed, batch_size: as in `lime_image`.
    Returns: Explanation, with base_value + the sum of values as the surrogate's answer to the row. The value
        of a number is its coefficient times (row - mean) / deviation, the share of the answer that is due
        to its not being the mean; lime gives the coefficient alone.
    Raises: ValueError; ModelError.
    Source: Ribeiro, Singh & Guestrin (2016).

    >>> background = np.random.default_rng(0).normal(0, 0.1, (100, 2))
    >>> line = lambda rows: np.stack([0.5 - rows[:, 1], 0.5 + rows[:, 1]], axis=1)
    >>> found = lime_table(line, [0.1, 0.2], background=background - background.mean(axis=0),
    ...                    target=1, discretize=False, ridge=0)
    >>> found.values.round(9).tolist()[1]
    0.2
    """
    row = checks.numbers(row, name="row")
    background = checks.table(background, name="background", columns=len(row), least=2)
    names = [str(i) for i in range(len(row))] if columns is None else [str(name) for name in columns]
    if len(names) != len(row):
        raise ValueError(f"expected {len(row)} columns, got {len(names)}; pass one name for each")
    categorical = {checks.target(i, n_classes=len(row)) for i in categorical}
    num_samples = checks.count(num_samples, name="num_samples", least=3)
    kernel_width = 0.75 * np.sqrt(len(row)) if kernel_width is None else kernel_width

    rng = np.random.default_rng(seed)
    rows = np.empty((num_samples, len(row)))
    for i, column in enumerate(background.T):
        if i in categorical:
            rows[:, i] = rng.choice(column, num_samples)
        elif discretize:
            rows[:, i] = _within_quarters(column, num_samples, rng)
        else:
            rows[:, i] = rng.normal(column.mean(), column.std(), num_samples)
    rows[0] = row

    design = np.empty_like(rows)
    for i, column in enumerate(background.T):
        if i in categorical:
            design[:, i] = rows[:, i] == row[i]
            names[i] = f"{names[i]}={row[i]:g}"
        elif discretize:
            edges = quartiles(column)
            mine = int(np.searchsorted(edges, row[i]))
            design[:, i] = np.searchsorted(edges, rows[:, i]) == mine
            names[i] = _quarter(names[i], edges, mine)
        else:
            design[:, i] = (rows[:, i] - column.mean()) / (column.std() or 1.0)
    weights = kernel(np.linalg.norm(design - design[0], axis=1), kernel_width)

    with asking.calls(num_samples, "LIME") as bar:
        probs = asking.ask(predict_proba, asking.batches(rows, batch_size), bar=bar)
    target = answered(probs) if target is None else checks.target(target, n_classes=probs.shape[1])
    found = fit(design, probs[:, target], weights, ridge=ridge)
    here = design[0]
    covariance = found.covariance * here[:, None] * here
    return Explanation(
        values=found.coefficients * here,
        base_value=found.intercept,
        prediction=float(probs[0, target]),
        target=target,
        features=tuple(names),
        standard_errors=np.sqrt(np.diag(covariance)),
        fidelity=found.r2,
        n_calls=num_samples,
        seed=seed,
        method="lime",
        input=row,
        covariance=covariance,
        n_samples=num_samples,
    )


def quartiles(column: Array) -> Array:
    """Where a column is cut into quarters: its quartiles, fewer than three where some are equal.

    >>> quartiles(np.array([0.0, 1, 2, 3, 4]))
    array([1., 2., 3.])
    """
    return np.unique(np.percentile(column, [25, 50, 75]))


def _within_quarters(column: Array, n: int, rng: np.random.Generator) -> Array:
    """Draws (n,): a quarter as often as the column has it, in it a normal cut off at its ends."""
    edges = quartiles(column)
    ends = np.concatenate([[column.min()], edges, [column.max()]])
    members = np.searchsorted(edges, column)
    quarters = rng.choice(members, n)
    drawn = np.empty(n)
    for quarter in np.unique(quarters):
        inside, here = column[members == quarter], quarters == quarter
        mean, deviation = inside.mean(), inside.std()
        if deviation == 0:
            drawn[here] = mean
            continue
        low, high = (ends[quarter : quarter + 2] - mean) / deviation
        drawn[here] = truncnorm.rvs(low, high, mean, deviation, size=here.sum(), random_state=rng)
    return drawn


def _quarter(name: str, edges: Array, quarter: int) -> str:
    """The quarter in words, as lime writes it."""
    low = f"{edges[quarter - 1]:.2f}" if quarter > 0 else ""
    high = f"{edges[quarter]:.2f}" if quarter < len(edges) else ""
    if not low:
        return f"{name} <= {high}"
    return f"{low} < {name} <= {high}" if high else f"{name} > {low}"

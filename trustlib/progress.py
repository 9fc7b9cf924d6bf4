"""Bars for whatever takes more than a moment; silent where TRUSTLIB_PROGRESS=0.

Of several processes only the main one shows them.
"""

import os
from collections.abc import Iterable

from tqdm.auto import tqdm

from trustlib import processes


def bar(
    items: Iterable | None = None,
    *,
    total: int | None = None,
    description: str,
    unit: str = "it",
    unit_scale: bool = False,
    show: bool = True,
) -> tqdm:
    """A tqdm bar that leaves no trace when it is done; `unit_scale` counts in thousands and millions."""
    return tqdm(
        items,
        total=total,
        desc=description,
        unit=unit,
        unit_scale=unit_scale,
        leave=False,
        disable=not show or os.environ.get("TRUSTLIB_PROGRESS") == "0" or not processes.is_main(),
    )

"""The cell inspector's task: is this solar cell defective? 2,624 electroluminescence photographs.

An expert gave each cell a probability of being defective: 0, 1/3, 2/3 or 1. Sources: Buerhop-Lutz et al.
(2018), Deitsch et al. (2019, 2021). Licence of the pictures: CC BY-NC-SA 4.0.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trustlib import assets
from trustlib.errors import DataError
from trustlib.tasks.task import PARTS, Pictures, Split, Task, parts

BLOCK = 60  # cells of one module; most of the 44 modules have as many
TEST_SHARE = 0.25
N_VALIDATION = N_CALIBRATION = 200
OTHER = {"mono": ("poly", "polycrystalline"), "poly": ("mono", "monocrystalline")}


def solar_cells(*, split: str = "random", seed: int = 0, cell_type: str | None = None) -> Task:
    """Is this solar cell defective? Label 1 where the expert's probability is at least 0.5.

    `human_probs` holds the expert's [1 - p, p]; `metadata` holds "probability" (p) and "cell_type" ("mono" or
    "poly"); `groups` holds the block: 60 consecutive files of one cell type. The published files do not say
    which module a cell comes from. Blocks are inferred from the order of the files, which follows the
    modules; a border may be off by a few cells.

    Args:
        split: "random" draws cells (75 % / 25 % after the paper's protocol, stratified by label and type;
            200 validation and 200 calibration cells out of the 75 %). Cells of one module then stand on both
            sides, which flatters. "blocks" draws whole blocks, so that no block stands on two sides; its
            parts are as near to these sizes and shares as whole blocks allow.
        seed: chooses among such splits; 0 is the one that the course uses.
        cell_type: None for all cells. "mono" or "poly" keeps this type in the four splits, and puts the
            other type's cells of the test side into `shifts` ("polycrystalline" or "monocrystalline").
    Raises: AssetError when the photographs are not installed; ValueError on another `split` or `cell_type`.
    """
    if split not in ("random", "blocks"):
        raise ValueError(f'expected split to be "random" or "blocks", got {split!r}; choose one')
    if cell_type is not None and cell_type not in OTHER:
        raise ValueError(f'expected cell_type to be None, "mono" or "poly", got {cell_type!r}; choose one')
    folder = assets.find("solar-cells")
    paths, probability, types = _read(folder / "labels.csv")
    blocks = _blocks(types)
    labels = (probability >= 0.5).astype(np.int64)
    strata = 2 * (types == "poly") + labels
    if split == "random":
        n_test = round(TEST_SHARE * len(labels))
        members = parts(strata, validation=N_VALIDATION, calibration=N_CALIBRATION, test=n_test, seed=seed)
    else:
        members = _block_parts(blocks, strata, seed=seed)
    everything = Split(
        "all",
        Pictures([folder / path for path in paths]),
        labels,
        [path.removeprefix("images/") for path in paths],
        human_probs=np.column_stack([1 - probability, probability]),
        groups=blocks,
        metadata={"cell_type": types, "probability": probability},
    )
    shifts = {}
    if cell_type is not None:
        other, shift = OTHER[cell_type]
        test = members[-1]
        shifts[shift] = _part(everything, shift, test[types[test] == other])
        members = tuple(rows[types[rows] == cell_type] for rows in members)
    splits = {name: _part(everything, name, rows) for name, rows in zip(PARTS, members, strict=True)}
    name = "-".join(["solar-cells", split] + ([cell_type] if cell_type else []))
    question = "Is this solar cell defective?"
    return Task(name, question, "image", ("functional", "defective"), **splits, shifts=shifts)


def _read(path: Path) -> tuple[list[str], NDArray[np.float64], NDArray[np.str_]]:
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if any(len(row) != 3 or row[2] not in OTHER for row in rows):
        raise DataError(
            f"expected lines of file, probability, mono or poly in {path}; install elpv-dataset again"
        )
    paths, probability, types = zip(*rows, strict=True)
    return list(paths), np.array(probability, dtype=np.float64), np.array(types)


def _blocks(types: NDArray[np.str_]) -> NDArray[np.str_]:
    """The inferred block of each cell: within a run of one type, 60 files each.

    A last block of fewer than 30 joins the one before it. This gives 18 mono and 26 poly blocks, as many as
    the paper counts modules.

    >>> np.unique(_blocks(np.array(["mono"] * 72 + ["poly"] * 110)), return_counts=True)[1].tolist()
    [72, 60, 50]
    """
    starts = np.flatnonzero(np.append(True, types[1:] != types[:-1]))
    names: list[str] = []
    number = 0
    for start, stop in zip(starts, np.append(starts[1:], len(types)), strict=True):
        n_blocks = max(1, round((stop - start) / BLOCK))
        within = np.minimum(np.arange(stop - start) // BLOCK, n_blocks - 1)
        names += [f"block{number + i:02d}" for i in within]
        number += n_blocks
    return np.array(names)


def _block_parts(
    blocks: NDArray[np.str_], strata: NDArray[np.int64], *, seed: int
) -> tuple[NDArray[np.int64], ...]:
    """Indices of train, validation, calibration and test; no block in two of them.

    A random assignment; then, as long as it helps, the swap of two blocks that helps most. What it lowers is
    the chi-squared distance of the counts per part and stratum from the wanted ones.
    """
    rng = np.random.default_rng(seed)
    names, codes = np.unique(blocks, return_inverse=True)
    counts = np.zeros((len(names), strata.max() + 1))  # cells of each block in each stratum
    np.add.at(counts, (codes, strata), 1)
    n_test = round(TEST_SHARE * len(strata))
    n_train = len(strata) - n_test - N_VALIDATION - N_CALIBRATION
    sizes = np.array([n_train, N_VALIDATION, N_CALIBRATION, n_test])
    goal = sizes[:, None] * counts.sum(axis=0) / len(strata)  # (parts, strata)

    def distance(part: NDArray[np.int64]) -> float:
        got = (part == np.arange(len(sizes))[:, None]) @ counts
        # Rounded, so that the last bit, which differs between machines, decides nothing.
        return round(float(((got - goal) ** 2 / goal).sum()), 9)

    order = rng.permutation(len(names))
    filled = counts.sum(axis=1)[order]
    part = np.empty(len(names), dtype=np.int64)
    part[order] = np.searchsorted(sizes.cumsum()[:-1], filled.cumsum() - filled / 2)
    pairs = list(combinations(range(len(names)), 2))
    while True:
        swapped = [_swap(part, i, j) for i, j in pairs if part[i] != part[j]]
        best = min(swapped, key=distance)
        if distance(best) >= distance(part):
            break
        part = best
    return tuple(rng.permutation(np.flatnonzero(part[codes] == p)) for p in range(len(sizes)))


def _swap(part: NDArray[np.int64], i: int, j: int) -> NDArray[np.int64]:
    swapped = part.copy()
    swapped[[i, j]] = part[[j, i]]
    return swapped


def _part(everything: Split, name: str, rows: NDArray[np.int64]) -> Split:
    return replace(everything.take(rows), name=name)

"""Rows of `make bench`: ours beside a peer's, measured in turn, kept in build/bench.json.

A bench calls `record(...)` once for each row. `python tests/bench_rows.py --write` puts the rows that are in
build/bench.json into data/measured/bench.md, where a reader finds them.
"""

import argparse
import json
import time
from importlib import metadata
from pathlib import Path

import numpy as np
from filelock import FileLock

from trustlib import atomic

ROOT = Path(__file__).parents[1]
STORED = ROOT / "build" / "bench.json"
PAGE = ROOT / "data" / "measured" / "bench.md"

HEAD = """# Ours beside others

Each row was measured in one run of its bench, ours and the peer's in turn, several times; the ratio is
ours / peer's, with the least and the largest of the repeats in brackets, or a 95 % interval where it says so.
What was held equal stands beside it. Less is better in every row. Each side had one of two cores of a server
without a GPU; on the second core other work ran, so seconds scatter more than on a quiet machine. Rows of
fine-tuning had both cores, with nothing else running.

"""
FOOT = "\nMade by `make bench` and then `python tests/bench_rows.py --write`.\n"


def in_turn(ours, peer, *, repeats=5):
    """Seconds (repeats,) of two functions, called in turn, the first turn a warm-up that does not count."""
    seconds = np.empty((repeats + 1, 2))
    for i in range(repeats + 1):
        for j, run in enumerate((ours, peer) if i % 2 else (peer, ours)):
            start = time.perf_counter()
            run()
            seconds[i, j if i % 2 else 1 - j] = time.perf_counter() - start
    return seconds[1:, 0], seconds[1:, 1]


class Recorder:
    """Answers as the model does, keeps the batches that it was asked, and the CPU seconds that it took."""

    def __init__(self, predict_proba):
        self.predict_proba, self.batches, self.seconds = predict_proba, [], 0.0

    def __call__(self, inputs):
        self.batches.append(inputs)
        start = time.process_time()
        answers = self.predict_proba(inputs)
        self.seconds += time.process_time() - start
        return answers

    @property
    def n_calls(self):
        return sum(map(len, self.batches))


def over_the_model(ours, predict_proba, *, repeats=3):
    """CPU seconds (repeats,) of a whole explanation, and those of them that the model took.

    Of one call both, so that no busy machine blurs the ratio, as it does that of two calls in turn.
    """
    whole, inside = np.empty((2, repeats))
    for i in range(repeats):
        model, start = Recorder(predict_proba), time.process_time()
        ours(model)
        whole[i], inside[i] = time.process_time() - start, model.seconds
    return whole, inside


def record(name, *, unit, ours, peer, ratio, low, high, held_equal, packages=(), spread="repeats"):
    """Keep one row, and return it.

    Args:
        name: what is compared, such as "LIME on pictures: seconds, ours / lime".
        unit: of ours and peer. ours, peer: the measured numbers (medians). ratio, low, high: ours / peer.
        held_equal: a sentence. packages: whose versions matter. spread: what low and high are.
    """
    row = {
        "name": name,
        "unit": unit,
        "ours": float(ours),
        "peer": float(peer),
        "ratio": float(ratio),
        "low": float(low),
        "high": float(high),
        "spread": spread,
        "held_equal": held_equal,
        "versions": {package: metadata.version(package) for package in ("torch", *packages)},
    }
    STORED.parent.mkdir(exist_ok=True)
    with FileLock(STORED.with_suffix(".lock")):
        rows = stored() | {name: row}
        with atomic.file(STORED) as temporary:
            temporary.write_text(json.dumps(list(rows.values()), indent=1) + "\n", encoding="utf-8")
    return row


def record_seconds(name, ours, peer, *, held_equal, packages=()):
    """Keep a row of seconds that `in_turn` measured: medians, and the spread of the ratios turn by turn."""
    ratios = np.asarray(ours) / np.asarray(peer)
    return record(
        name,
        unit="s",
        ours=np.median(ours),
        peer=np.median(peer),
        ratio=np.median(ratios),
        low=ratios.min(),
        high=ratios.max(),
        held_equal=held_equal,
        packages=packages,
    )


def stored():
    """Rows by name, in the order in which they were first measured."""
    rows = json.loads(STORED.read_text(encoding="utf-8")) if STORED.exists() else []
    return {row["name"]: row for row in rows}


def table(rows):
    """Lines of Markdown."""
    yield "| what | ours | peer | ratio | held equal | versions |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        versions = ", ".join(f"{name} {version}" for name, version in row["versions"].items())
        ratio = f"{row['ratio']:.4g} [{row['low']:.4g}, {row['high']:.4g}]"
        if row["spread"] != "repeats":
            ratio += f" ({row['spread']})"
        numbers = f"{row['ours']:.5g} {row['unit']} | {row['peer']:.5g} {row['unit']}"
        yield f"| {row['name']} | {numbers} | {ratio} | {row['held_equal']} | {versions} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the rows into data/measured/bench.md")
    options = parser.parse_args()
    lines = list(table(stored().values()))
    print("\n".join(lines))
    if options.write:
        with atomic.file(PAGE) as temporary:
            temporary.write_text(HEAD + "\n".join(lines) + "\n" + FOOT, encoding="utf-8")


if __name__ == "__main__":
    main()

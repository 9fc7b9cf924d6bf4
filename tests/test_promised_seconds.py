"""What the design promises in seconds. For a quiet machine: `make bench` runs these, `make test` does not."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def fastest(command, n=5):
    """The least of n wall times of a command, in seconds: what it costs when nothing else runs."""
    times = []
    for _ in range(n):
        start = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.mark.bench
def test_importing_trustlib_takes_less_than_50_ms():
    bare = fastest([sys.executable, "-c", ""])
    assert fastest([sys.executable, "-c", "import trustlib"]) - bare < 0.05


@pytest.mark.bench
def test_help_takes_less_than_half_a_second():
    assert fastest([sys.executable, "-m", "trustlib", "--help"]) < 0.5

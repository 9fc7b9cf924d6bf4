"""What is promised in seconds and bytes. For a quiet machine: `make bench` runs these, not `make test`."""

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


MILLION = """
import resource, sys, time
import numpy as np
from trustlib import {module}

rng = np.random.default_rng(0)
labels = rng.integers(0, 10, 1_000_000)
probs = rng.random((1_000_000, 10)) + np.eye(10)[labels]
probs /= probs.sum(axis=1, keepdims=True)
groups = {groups}
start = time.perf_counter()
result = {module}.evaluate(probs, labels, groups=groups)
used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(time.perf_counter() - start, used * (1 if sys.platform == "darwin" else 1024))
"""


@pytest.mark.bench
@pytest.mark.parametrize("groups", ["None", "np.arange(1_000_000) // 4"], ids=["alone", "groups"])
@pytest.mark.parametrize("module", ["accuracy", "calibration"])
def test_a_million_answers_in_ten_classes_take_less_than_ten_seconds_and_two_gigabytes(module, groups):
    program = MILLION.format(module=module, groups=groups)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )
    seconds, memory = map(float, done.stdout.split())
    assert seconds < 10
    assert memory < 2e9


@pytest.mark.bench
def test_the_embedded_resnet50_loads_in_less_than_a_second():
    """Its digest checked, its weights in a network with a fresh head; the imports are not counted."""
    program = (
        "import time; from trustlib.classifiers import ImageClassifier\n"
        "import torchvision, safetensors.torch\n"
        "for _ in range(3):\n"
        "    start = time.perf_counter()\n"
        "    ImageClassifier.resnet50(weights='tiny-imagenet', classes=('a', 'b'))\n"
        "    print(time.perf_counter() - start)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert min(map(float, done.stdout.split())) < 1

"""Peak memory does not grow with the number of pictures, as long as they are made when they are asked for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FEW, MANY = 1_000, 20_000
SIDE = 64
PICTURES_BYTES = MANY * SIDE * SIDE * 3  # what keeping them would take: 246 MB
ALLOWED_BYTES = 30e6  # a tenth of that; answers and sums of 20,000 inputs weigh a few megabytes

PROGRAM = """
import resource, sys
import numpy as np
from trustlib import explain, predictions, robustness
from trustlib.explain import masking
from trustlib.tasks import Split

what, n, side = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


class Made:
    # Pictures of noise, each made anew whenever it is asked for.
    def __init__(self, numbers):
        self.numbers = numbers

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, i):
        if isinstance(i, slice):
            return Made(self.numbers[i])
        return np.random.default_rng(self.numbers[i]).integers(0, 256, (side, side, 3), dtype=np.uint8)

    def __iter__(self):
        return (self[i] for i in range(len(self)))


def predict_proba(pictures):
    bright = np.array([picture[: side // 2].mean() / 255 for picture in pictures])
    return np.column_stack([1 - bright, bright])


def lime(predict_proba, picture, seed):
    return explain.lime_image(
        predict_proba, picture, segments=grid, target=1, num_samples=5, seed=seed, baseline=0
    )


pictures = Made(range(n))
grid = masking.grid(pictures[0], 16)  # 16 segments
if what == "predict":
    split = Split("many", pictures, np.arange(n) % 2, np.arange(n).astype(str))
    assert len(predictions.predict(predict_proba, split, classes=("dark", "bright"))) == n
elif what == "classifier":
    import tiny

    split = Split("many", pictures, np.arange(n) % 2, np.arange(n).astype(str))
    assert len(predictions.predict(tiny.image_classifier().predict_proba, split)) == n
elif what == "noise":
    found = robustness.noise(predict_proba, pictures, sigmas=[0.1], threshold=0.1, n_draws=1)
    assert found.n_calls == 2 * n
else:
    found = explain.global_importance(explain.each(lime, predict_proba, pictures))
    assert found.n == n and len(found.estimates) == 16
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
"""


def peak_bytes(what, n):
    """The largest resident memory of a process that does one thing with n pictures."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, what, str(n), str(SIDE)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
    )
    return int(ended.stdout)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not say how much memory a process had")
@pytest.mark.parametrize("what", ["predict", "classifier", "noise", "importance"])
def test_twenty_times_as_many_pictures_take_no_more_memory(what):
    few, many = peak_bytes(what, FEW), peak_bytes(what, MANY)
    assert ALLOWED_BYTES < PICTURES_BYTES / 8
    assert many - few < ALLOWED_BYTES, f"{few / 1e6:.0f} MB for {FEW:,}, {many / 1e6:.0f} MB for {MANY:,}"

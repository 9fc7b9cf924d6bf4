"""Accuracy under corruptions, and the mean corruption error by hand."""

import subprocess
import sys

import numpy as np
import pytest
from tiny import image_classifier, pictures

from trustlib import corruptions as transforms
from trustlib import estimates, robustness
from trustlib.robustness.corrupted import Corruptions


def two(p):
    p = np.asarray(p, dtype=float)
    return np.column_stack([1 - p, p])


def bright(batch):
    return two(np.asarray(batch).mean(axis=(1, 2, 3)) > 127)


def result(right, names=("fog", "snow"), groups=None, seed=0):
    """A Corruptions of right (c, s, n)."""
    right = np.asarray(right, dtype=bool)
    one = estimates.proportion(1, 2)
    accuracy = {name: (one,) * right.shape[1] for name in names}
    severities = tuple(range(1, right.shape[1] + 1))
    clean = np.ones(right.shape[2], bool)
    return Corruptions(
        accuracy, {"weather": names}, severities, one, one, right, clean, groups, None, 0, 0, seed
    )


def test_brightness_turns_dark_answers_over_one_after_the_other():
    # At 4 pixels the brightness rises by 0.05, 0.1, 0.15, 0.2, 0.3 of 255: by 13 to 76.
    images = np.array([np.full((4, 4, 3), value, np.uint8) for value in (120, 105, 95, 60)])
    found = robustness.corruptions(bright, images, [0, 0, 0, 0], names=["brightness", "jpeg"])
    values = [each.value for each in found.accuracy["brightness"]]
    assert values == [0.75, 0.5, 0.25, 0.25, 0.0 + 0.25 * (60 + 76.5 < 127)]
    assert [each.value for each in found.accuracy["jpeg"]] == [1.0] * 5
    assert found.clean.value == 1
    assert found.right.shape == (2, 5, 4)
    assert found.mean.value == pytest.approx(found.right.mean())
    assert found.families == {"weather": ("brightness",), "digital": ("jpeg",)}
    assert found.n_calls == 4 * (1 + 2 * 5)


def test_all_versions_of_a_picture_are_one_group_in_the_mean():
    # Half of the pictures are always right, half never: ten versions are worth one.
    images = np.array([np.full((4, 4, 3), 40 if i % 2 else 250, np.uint8) for i in range(20)])
    found = robustness.corruptions(bright, images, np.ones(20, int), names=["jpeg", "contrast"])
    one = found.accuracy["jpeg"][0]
    assert one == estimates.proportion(10, 20)
    assert found.mean.n == 200
    assert found.mean.high - found.mean.low > 0.95 * (one.high - one.low)
    grouped = robustness.corruptions(
        bright, images, np.ones(20, int), names=["jpeg"], groups=np.arange(20) % 4, severities=[2]
    )
    wide = grouped.accuracy["jpeg"][0]
    assert wide.high - wide.low > 1.3 * (one.high - one.low)


def test_the_model_sees_what_corrupt_makes_at_its_size():
    seen = []

    def keep(batch):
        seen.extend(batch)
        return two([0.25] * len(batch))

    images = [np.random.default_rng(i).integers(0, 256, (9, 11, 3), dtype=np.uint8) for i in range(2)]
    robustness.corruptions(keep, images, [0, 1], names=["fog"], severities=[2, 4], seed=5, batch_size=3)
    assert len(seen) == 6
    np.testing.assert_array_equal(seen[0], images[0])
    np.testing.assert_array_equal(seen[5], transforms.corrupt(images[1], "fog", 4, [5, 1]))
    robustness.corruptions(keep, images, [0, 1], names=["fog"], severities=[1], size=6)
    assert seen[-1].shape == (6, 6, 3)


def test_a_classifier_is_asked_at_its_own_size():
    model = image_classifier()
    images = pictures([0, 1, 0, 1])
    found = robustness.corruptions(model.predict_proba, images, [0, 1, 0, 1], severities=[5])
    assert found.size == model.size
    assert list(found.accuracy) == list(transforms.NAMES)
    assert found.right.shape == (18, 1, 4)


def test_the_mean_corruption_error_by_hand():
    # Errors over both severities: fog 1 of 4 against 2, snow 3 against 2: (1/2 + 3/2) / 2 = 1.
    ours = result([[[1, 1], [0, 1]], [[0, 0], [1, 0]]])
    theirs = result([[[0, 1], [0, 1]], [[1, 0], [1, 0]]])
    assert robustness.mce(ours, theirs).value == pytest.approx(1.0)
    # fog 1 against 1, snow 3 against 4: (1 + 3/4) / 2
    weak = result([[[1, 1], [0, 1]], [[0, 0], [0, 0]]])
    assert robustness.mce(ours, weak).value == pytest.approx(0.875)
    assert robustness.mce(ours, weak).n == 2


def test_the_baseline_itself_has_a_mean_corruption_error_of_one():
    right = np.random.default_rng(0).random((2, 3, 60)) < 0.7
    found = robustness.mce(result(right), result(right))
    assert (found.value, found.low, found.high) == (1, 1, 1)


def test_the_interval_is_paired_over_pictures():
    # One more error on each picture than the baseline: known almost exactly, though pictures differ much.
    rng = np.random.default_rng(0)
    hard = rng.random(80) < 0.5
    baseline = np.repeat(~hard[None, None], 2, axis=0).repeat(4, axis=1)
    worse = baseline.copy()
    worse[:, 0] = False
    found = robustness.mce(result(worse), result(baseline))
    separate = robustness.mce(result(rng.permuted(worse, axis=2)), result(baseline))
    assert found.value == pytest.approx(separate.value)
    assert found.low > 1
    assert found.high - found.low < separate.high - separate.low


LABELS = [0, 0]
IMAGES = np.zeros((2, 4, 4, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: robustness.corruptions(bright, IMAGES, LABELS, names=["rain"]), "different names out of"),
        (lambda: robustness.corruptions(bright, IMAGES, LABELS, names=["fog"] * 2), "different names out of"),
        (lambda: robustness.corruptions(bright, IMAGES, LABELS, names=[]), "different names out of"),
        (lambda: robustness.corruptions(bright, IMAGES, LABELS, severities=[6]), "severities out of 1, 2"),
        (lambda: robustness.corruptions(bright, IMAGES, LABELS, severities=[0]), "severity as a whole"),
        (
            lambda: robustness.corruptions(bright, IMAGES, [0, 0, 0], names=["fog"]),
            "expected 2 labels, got 3",
        ),
        (lambda: robustness.corruptions(bright, IMAGES, [0, 2], names=["fog"]), "labels from 0 to 1"),
        (lambda: robustness.corruptions(bright, IMAGES[:1], [0]), "number of images .* from 2"),
        (
            lambda: robustness.mce(result([[[0, 1]]] * 2), result([[[0, 1], [0, 1]]] * 2)),
            "measure both models",
        ),
        (lambda: robustness.mce(result([[[0, 1]]] * 2), result([[[0, 1]]] * 2, seed=1)), "seed 1"),
        (
            lambda: robustness.mce(result([[[0, 1]]] * 2), result([[[0, 1]], [[1, 1]]])),
            "errors under each corruption, got none under snow",
        ),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_importing_robustness_loads_no_network_code():
    program = "import sys, trustlib.robustness, trustlib.text_perturbations; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = {"torch", "torchvision", "transformers", "matplotlib", "sklearn", "lime", "shap"}
    assert not heavy & set(ended.stdout.split())

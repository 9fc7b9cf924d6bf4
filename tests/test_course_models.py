"""The course's models: made once, kept under a key of all that shaped them, shared by two kernels."""

import dataclasses
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from trustlib import assets, tasks
from trustlib.classifiers import ImageClassifier
from trustlib.course import models, profiles

QUICK = profiles.Recipe("head", epochs=1, learning_rate=1e-2)


@pytest.fixture
def small_case(monkeypatch, tmp_path):
    """Digits for cells and a ResNet-18 for the ResNet-50: the same ways, in a second."""
    monkeypatch.setenv("TRUSTLIB_CACHE", str(tmp_path))
    digits = tasks.digits28(digits=(0, 1))
    task = dataclasses.replace(
        digits, train=digits.train.take(range(24)), validation=digits.validation.take(range(8))
    )
    monkeypatch.setattr(tasks, "solar_cells", lambda split="random", seed=0: task)

    def resnet18(*, weights, classes, size, stages, seed):
        import torch
        from torchvision.models import resnet18

        torch.manual_seed(seed)
        return ImageClassifier(resnet18(), classes, size=32, architecture="resnet18", seed=seed)

    monkeypatch.setattr(ImageClassifier, "resnet50", resnet18)
    lite = dataclasses.replace(
        profiles.LITE, cells={"head": QUICK, "all": dataclasses.replace(QUICK, train="all")}
    )
    monkeypatch.setattr(profiles, "current", lambda: lite)
    return task


def folders():
    return sorted(path.name for path in (assets.cache_folder() / "models").iterdir() if path.is_dir())


def test_a_model_is_made_once_and_then_read(small_case, monkeypatch):
    made, history = models.cell_inspector("head")
    monkeypatch.setattr(models, "train", lambda *args, **options: pytest.fail("trained again"))
    read, same_history = models.cell_inspector("head")
    pictures = small_case.test.inputs[:5]
    np.testing.assert_array_equal(made.predict_proba(pictures), read.predict_proba(pictures))
    assert same_history.to_json() == history.to_json()
    assert len(folders()) == 1


def test_whatever_shapes_a_model_changes_its_key(small_case, monkeypatch):
    def key(**changes):
        values = {
            "task": small_case,
            "recipes": [QUICK],
            "weights": "random",
            "shape": (96, 4),
            "seed": 0,
        } | changes
        return models._key(**values)

    labels = 1 - small_case.train.labels
    other_labels = dataclasses.replace(small_case, train=dataclasses.replace(small_case.train, labels=labels))
    other_data = dataclasses.replace(small_case, train=small_case.train.take(range(10)))
    keys = [
        key(),
        key(recipes=[dataclasses.replace(QUICK, epochs=2)]),
        key(recipes=[QUICK, QUICK]),
        key(weights="tiny-imagenet"),
        key(shape=(64, 4)),
        key(shape=(96, 3)),
        key(seed=1),
        key(task=other_labels),
        key(task=other_data),
    ]
    monkeypatch.setattr(models, "_source_digest", lambda name: "changed code")
    keys.append(key())
    assert len(set(keys)) == len(keys)
    assert key() == key()


def test_a_model_that_is_not_kept_leaves_the_cache_alone(small_case):
    models.cell_inspector("head", keep=False)
    assert not (assets.cache_folder() / "models").exists()


def test_an_arm_goes_on_from_the_weights_of_another(small_case, monkeypatch):
    onwards = dataclasses.replace(QUICK, train="all", learning_rate=1e-9, after="head")
    lite = dataclasses.replace(profiles.LITE, cells={"head": QUICK, "all": onwards})
    monkeypatch.setattr(profiles, "current", lambda: lite)
    trained = []
    real = models.train
    monkeypatch.setattr(
        models, "train", lambda c, task, recipe, **o: trained.append(recipe) or real(c, task, recipe, **o)
    )
    after, history = models.cell_inspector("all")
    assert trained == [QUICK, onwards]
    assert history.recipe["train"] == "all"
    before, _ = models.cell_inspector("head")
    assert len(trained) == 2 and len(folders()) == 2
    at_end = after.model.fc.weight.detach().numpy()
    np.testing.assert_allclose(at_end, before.model.fc.weight.detach().numpy(), atol=1e-5)


def test_another_recipe_of_the_arm_before_makes_another_model(small_case, monkeypatch):
    onwards = dataclasses.replace(QUICK, train="all", after="head")
    for epochs in (1, 2):
        cells = {"head": dataclasses.replace(QUICK, epochs=epochs), "all": onwards}
        lite = dataclasses.replace(profiles.LITE, cells=cells)
        monkeypatch.setattr(profiles, "current", lambda lite=lite: lite)
        models.cell_inspector("all")
    assert len(folders()) == 4


def test_a_half_made_model_is_made_again(small_case):
    models.cell_inspector("head")
    (folder,) = (path for path in (assets.cache_folder() / "models").iterdir() if path.is_dir())
    (folder / "history.json").unlink()
    models.cell_inspector("head")
    assert (folder / "history.json").exists()


def test_two_that_want_the_same_model_at_once_make_it_once(small_case, monkeypatch):
    trained = []
    real = models.train

    def counted(*args, **options):
        trained.append(1)
        return real(*args, **options)

    monkeypatch.setattr(models, "train", counted)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: models.cell_inspector("all"), range(2)))
    pictures = small_case.test.inputs[:5]
    answers = [classifier.predict_proba(pictures) for classifier, _ in both]
    assert len(trained) == 1
    np.testing.assert_array_equal(*answers)


@pytest.mark.slow
def test_two_processes_share_one_model(tmp_path):
    """Real lock files between real processes: one trains, the other waits, both get it."""
    program = (
        "import dataclasses, time; from trustlib import tasks; from trustlib.course import models, profiles;"
        "from trustlib.classifiers import ImageClassifier as C; from torchvision.models import resnet18;"
        "d = tasks.digits28(digits=(0, 1)); tasks.solar_cells = lambda split, seed: d;"
        "C.resnet50 = lambda weights, classes, size, stages, seed: C(resnet18(), classes, size=32,"
        " architecture='resnet18');"
        "import torch; torch.manual_seed(0);"
        "print(models.cell_inspector('head')[1].seconds)"
    )
    environment = {"TRUSTLIB_CACHE": str(tmp_path), "TRUSTLIB_PROGRESS": "0", "OMP_NUM_THREADS": "1"}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=os.environ | environment
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said[0] == said[1] != ""  # the same run's seconds: the second read what the first had made


def test_an_unknown_arm_is_named(small_case):
    with pytest.raises(ValueError, match="expected arm to be one of head, all, got 'tail'"):
        models.cell_inspector("tail")

"""Trust on every axis over five seeds: what is kept can be read back, and what is missing is named."""

import dataclasses
import types

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from trustlib import errors, tasks
from trustlib.course import measure, profiles, trust

SEEDS = (0, 1)


class Model:
    """A logistic regression on few rows, which the seed draws."""

    def __init__(self, task, columns, seed):
        rows = np.random.default_rng(seed).choice(len(task.train), 40, replace=False)
        x, y = np.asarray(task.train.inputs)[rows][:, columns], task.train.labels[rows]
        self.fit, self.columns, self.classes = LogisticRegression().fit(x, y), columns, task.classes

    def predict_proba(self, rows):
        return self.fit.predict_proba(np.asarray(rows)[:, self.columns])


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A case of two ways of training on a small table, whose models take no time."""
    monkeypatch.setattr(trust, "_path", lambda case, profile: tmp_path / f"trust_{case}.npz")
    monkeypatch.setattr(measure, "SEEDS", SEEDS)
    monkeypatch.setattr(trust, "WAYS", {"few": ("head", True), "random": ("all", False)})
    monkeypatch.setattr(trust, "SIZES", {"n_robustness": 10, "n_explained": 3, "num_samples": 40})
    task = tasks.breast_cancer()
    asked = []

    def make(arm, *, weights, seed, keep):
        asked.append((arm, weights, seed, keep))
        return Model(task, slice(2) if arm == "head" else slice(4), seed), types.SimpleNamespace(seconds=1.0)

    return task, make, asked


def run(small):
    task, make, _ = small
    return list(trust._measure("cells", task, make))


def test_every_model_is_measured_once_and_on_the_same_samples(small):
    lines = run(small)
    assert len(lines) == 4 and run(small) == []
    assert {(arm, seed) for arm, _, seed, _ in small[2]} == {(a, s) for a in ("head", "all") for s in SEEDS}
    assert [weights for arm, weights, _, _ in small[2] if arm == "all"] == ["random", "random"]
    found = {primary.axis: primary for primary in trust.load("cells")}
    assert {"accuracy", "calibration", "generalization", "robustness", "faithfulness"} <= set(found)
    n = len(small[0].test)
    assert found["accuracy"].values["few"].shape == (len(SEEDS), n)
    own = [Model(small[0], slice(2), seed) for seed in SEEDS]
    right = [m.predict_proba(small[0].test.inputs).argmax(1) == small[0].test.labels for m in own]
    np.testing.assert_array_equal(found["accuracy"].values["few"], right)


def test_three_digits_of_a_loss_are_kept(small):
    run(small)
    brier = next(p for p in trust.load("cells") if p.axis == "calibration")
    task = small[0]
    probs = Model(task, slice(2), 0).predict_proba(task.test.inputs)
    exact = (probs[:, 1] - task.test.labels) ** 2
    np.testing.assert_allclose(brier.values["few"][0], exact, rtol=1e-3, atol=1e-6)


def test_a_way_that_was_not_measured_is_named(small, monkeypatch):
    with pytest.raises(errors.DataError, match="got no file: run trustlib measure trust"):
        trust.load("cells")
    run(small)
    monkeypatch.setattr(measure, "SEEDS", (0, 1, 2))
    with pytest.raises(errors.DataError, match="none for few, seed 2, random, seed 2"):
        trust.load("cells")


def test_another_recipe_is_measured_anew(small, monkeypatch):
    run(small)
    head = dataclasses.replace(profiles.LITE.cells["head"], epochs=1)
    other = dataclasses.replace(profiles.LITE, cells=profiles.LITE.cells | {"head": head})
    monkeypatch.setattr(profiles, "named", lambda name: other)
    monkeypatch.setattr(profiles, "current", lambda: other)
    with pytest.raises(
        errors.DataError, match="for few, seed 0, few, seed 1, random, seed 0, random, seed 1:"
    ):
        trust.load("cells")
    assert len(run(small)) == 4  # the random arm goes on from the head's recipe


def test_the_table_has_a_row_for_each_axis_and_no_row_of_what_was_not_measured(small):
    assert len(list(trust.table())) == 2
    run(small)
    rows = list(trust.table())
    assert len(rows) == 2 + len(trust.load("cells"))
    assert rows[2].startswith("| cells | accuracy | accuracy | 0.")


@pytest.mark.parametrize("case", ["cells", "reviews"])
def test_what_the_project_measured_is_complete_and_judged(case):
    found = trust.load(case)
    assert [p.axis for p in found][:3] == ["accuracy", "calibration", "generalization"]
    for primary in found:
        assert set(primary.values) == set(trust.WAYS)
        shape = {values.shape for values in primary.values.values()}
        assert len(shape) == 1 and shape.pop()[0] == 5

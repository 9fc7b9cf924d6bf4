"""A report that asks the models: what fits is measured on every axis, what does not is refused at once."""

import json
import re
from dataclasses import replace

import jsonschema
import numpy as np
import pytest
import tiny
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from trustlib import accuracy, calibration, errors, faithfulness, report, robustness, tasks
from trustlib.explain.explanation import Explanation
from trustlib.report import page, schema
from trustlib.tasks.task import Split

SMALL = {"n_robustness": 30, "n_explained": 4, "num_samples": 60}
AXES = [
    "accuracy",
    "calibration",
    "generalization",
    "shift",
    "robustness",
    "faithfulness",
    "stability",
    "cost",
]


@pytest.fixture(scope="module")
def task():
    return tasks.breast_cancer()


@pytest.fixture(scope="module")
def line(task):
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(task.train.inputs, task.train.labels)


@pytest.fixture(scope="module")
def made(task, line):
    """The line beside a model that says the same of everybody."""

    def nobody(rows):
        return np.tile([0.6, 0.4], (len(rows), 1))

    return report.trust_report({"line": line, "nobody": nobody}, task, **SMALL | {"num_samples": 300})


def numbers(found, axis, model="line"):
    return {finding.path: finding.estimate for finding in found[axis].findings[model]}


def test_every_axis_is_measured_or_named(made, task):
    assert [section.axis for section in made.sections] == AXES
    assert [section.axis for section in made.sections if not section.findings] == ["shift"]
    jsonschema.validate(json.loads(json.dumps(made.to_json(), allow_nan=False)), schema.SCHEMA)


def test_accuracy_and_calibration_are_those_of_the_whole_test_split(made, task, line):
    probs = line.predict_proba(task.test.inputs)
    assert numbers(made, "accuracy")["accuracy",] == accuracy.evaluate(probs, task.test.labels).accuracy
    assert numbers(made, "calibration")["brier",] == calibration.evaluate(probs, task.test.labels).brier


def test_the_flip_rate_is_robustness_noise_at_the_sigma_set_beforehand(made):
    found = made["robustness"].results["line"]["robustness"]
    level = next(level for level in found.levels if level.sigma == 0.05)
    assert numbers(made, "robustness")["flip_rate",] == level.flip_rate
    assert isinstance(found, robustness.Noise)
    assert numbers(made, "robustness", "nobody")["flip_rate",].value == 0
    (sentence, *_) = (f.sentence for f in made["robustness"].findings["nobody"])
    assert "Held against 5 %, which was set beforehand" in sentence


def test_the_deletion_gain_is_the_mean_area_of_random_orders_less_that_of_the_explanations(made):
    curves = made["faithfulness"].results["line"]["curves"]
    gains = [curve.area.controls.mean() - curve.area.score for curve in curves]
    found = numbers(made, "faithfulness")["deletion_gain",]
    assert found.value == pytest.approx(np.mean(gains))
    assert found.n == 4
    assert found.low > 0  # LIME is right about a straight line
    assert numbers(made, "faithfulness", "nobody")["deletion_gain",].value == pytest.approx(0)


def test_stability_is_the_mean_rank_agreement_over_seeds(made):
    results = made["stability"].results["line"]["stability"]
    scores = [found.over_seeds.spearman.score for found in results]
    assert numbers(made, "stability")["stability",].value == pytest.approx(np.mean(scores))
    assert isinstance(results[0], faithfulness.Stability)


def test_a_measure_that_is_not_defined_is_null_and_no_verdict(made):
    # A constant model has explanations of nothing but rounding, which rank nothing.
    assert made.to_json()["models"]["nobody"]["stability"]["value"] is None
    verdict = next(v for v in made.verdicts if v.axis == "stability")
    assert (verdict.verdict, verdict.adjusted) == ("not shown", 1.0)


def test_the_family_has_one_test_for_each_axis_that_compares(made):
    assert [verdict.axis for verdict in made.verdicts] == [
        axis for axis in AXES if axis not in ("shift", "cost")
    ]
    assert made.verdicts[0].verdict == "better"


def test_calls_are_planned_and_counted(made, task, line):
    planned = sum(report.planned_calls(task, **SMALL).values())
    asked = []

    def counted(rows):
        asked.append(len(rows))
        return line.predict_proba(rows)

    found = report.trust_report({"line": counted}, task, **SMALL)
    calls = found.to_json()["models"]["line"]["cost"]["calls"]["value"]
    assert calls == sum(asked) - 2  # two inputs were asked to see that the model fits
    assert 0.9 * planned <= calls <= planned


def test_smaller_sizes_ask_less_and_are_told(task, line):
    found = report.trust_report({"line": line}, task, n_test=50, n_train=40, **SMALL)
    assert found.n == 50
    assert found["generalization"].notes == ("Of the training data, a random part was asked.",)
    assert found.facts["inputs explained"] == "4"
    planned = report.planned_calls(task, n_test=50, n_train=40, **SMALL)
    assert (planned["test"], planned["training"]) == (50, 40)


def test_shifts_and_groups_of_the_task_are_used(task, line):
    kinds = np.where(np.arange(len(task.test)) % 3, "new", "old")
    there = replace(task.validation.take(np.arange(40)), name="elsewhere")
    there = Split("elsewhere", there.inputs, there.labels, [f"else-{i}" for i in range(40)])
    changed = replace(task, test=replace(task.test, metadata={"scanner": kinds}), shifts={"elsewhere": there})
    found = report.trust_report({"line": line}, changed, **SMALL)
    assert ("by", "scanner", "new") in numbers(found, "accuracy")
    assert numbers(found, "shift")["shift", "elsewhere", "accuracy"].n == 40


def test_an_explainer_of_ones_own_is_asked(task, line):
    asked = []

    def explain(predict_proba, row, seed):
        asked.append(seed)
        values = np.random.default_rng(seed).random(len(row))
        errors = np.zeros(len(row))
        return Explanation(values, 0.0, 0.5, 1, task.columns, errors, 0.0, 0, seed, "by lot", row)

    found = report.trust_report({"line": line}, task, explain=explain, **SMALL)
    assert asked == [0, 1, 2] * 4
    gain = numbers(found, "faithfulness")["deletion_gain",]
    assert gain.low < 0 < gain.high  # an explanation by lot is no better than chance


def test_the_same_seed_gives_the_same_report_but_for_seconds(task, line):
    def told(seed):
        document = report.trust_report({"line": line}, task, seed=seed, **SMALL).to_json()
        del document["models"]["line"]["cost"]
        return document["models"]

    assert told(1) == told(1) != told(2)


def never(rows):
    raise AssertionError("asked although another model does not fit")


@pytest.mark.parametrize(
    ("other", "error", "message"),
    [
        (
            lambda rows: np.full((len(rows), 3), 1 / 3),
            errors.ModelError,
            r"bad does not fit breast-cancer: .* 2 classes",
        ),
        (lambda rows: np.full((len(rows), 2), 3.0), errors.ModelError, r"bad does not fit .* in \[0, 1\]"),
        (lambda rows: [0.5] * len(rows), errors.ModelError, "expected answers of shape"),
        ("a name", ValueError, "expected bad as a classifier or a predict_proba, got str"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_before_any_is_asked_for_long(task, other, error, message):
    asked = []

    def good(rows):
        asked.append(len(rows))
        return np.full((len(rows), 2), 0.5)

    with pytest.raises(error, match=message):
        report.trust_report({"good": good, "bad": other}, task)
    assert sum(asked) == 2


def test_a_classifier_of_other_classes_is_refused():
    with pytest.raises(
        errors.ModelError, match="expected wrong with the classes dark, bright of tiny images"
    ):
        report.trust_report({"wrong": tiny.image_classifier(k=3)}, tiny.image_task())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_explained": 1}, "expected n_explained as a whole number from 2 up"),
        ({"n_train": 1}, "expected n_train as a whole number from 2 up"),
        ({"alpha": 0}, "expected alpha between 0 and 1"),
        ({"threshold": 2}, "expected threshold between 0 and 1"),
    ],
)
def test_sizes_are_checked_before_a_model_is_asked(task, options, message):
    with pytest.raises(ValueError, match=message):
        report.trust_report({"x": never}, task, **options)
    with pytest.raises(ValueError, match="expected models as {name: model}"):
        report.trust_report({}, task)


def larger(kind_task, inputs):
    """The same task with a test split of 40."""
    labels = np.arange(40) % 2
    return replace(kind_task, test=Split("test", inputs(labels, 9), labels, [f"t{i}" for i in range(40)]))


def test_pictures_get_a_report_too():
    task = larger(tiny.image_task(), tiny.pictures)
    found = report.trust_report({"tiny": tiny.image_classifier()}, task, **SMALL)
    assert all(found[axis].findings for axis in AXES if axis != "shift")
    assert found["robustness"].results["tiny"]["robustness"].size == tiny.SIDE


def test_pictures_of_one_colour_can_be_explained():
    task = larger(tiny.image_task(), lambda labels, seed: np.full((len(labels), 12, 12, 3), 90, np.uint8))
    found = report.trust_report({"tiny": tiny.image_classifier()}, task, **SMALL)
    assert found["faithfulness"].findings


def test_texts_get_a_report_too(tmp_path):
    task = larger(tiny.text_task(), tiny.texts)
    found = report.trust_report({"tiny": tiny.text_classifier(tmp_path)}, task, **SMALL)
    assert all(found[axis].findings for axis in AXES if axis != "shift")
    assert ("flips", "keyboard_typos") in numbers(found, "robustness", "tiny")


def test_texts_of_fewer_than_three_words_are_not_explained(tmp_path):
    short = larger(tiny.text_task(), lambda labels, seed: ["good", "bad film"] * (len(labels) // 2))
    with pytest.raises(ValueError, match="at least 2 test inputs that can be explained, got 0"):
        report.trust_report({"tiny": tiny.text_classifier(tmp_path)}, short, **SMALL)


def test_an_explained_text_is_shown_on_the_page_and_does_nothing():
    evil = "a <script>document.title='owned'</script> good \u202efilm $\\frac{ \U0001f600"
    task = larger(tiny.text_task(), lambda labels, seed: [f"{evil} {i}" for i in range(len(labels))])

    def good(texts):
        p = np.array([0.9 if "good" in text else 0.3 for text in texts])
        return np.column_stack([1 - p, p])

    text = page.html(report.trust_report({"<i>m</i>": good}, task, **SMALL))
    assert "<script" not in text and "<i>" not in text
    words = re.sub(r"<[^>]+>", "", text)
    assert "a &lt;script&gt;document.title=&#x27;owned&#x27;&lt;/script&gt; good" in words
    assert "for <bdi>positive</bdi>" in text

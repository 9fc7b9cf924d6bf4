"""A report from answers alone: its numbers are those of the measuring floor, and it says what it lacks."""

import json

import jsonschema
import numpy as np
import pytest
from report_answers import CLASSES, answers, people

from trustlib import accuracy, calibration, generalization, report
from trustlib.predictions import Predictions
from trustlib.report import schema


@pytest.fixture(scope="module")
def whole():
    """A report with all that answers alone can give."""
    return report.from_predictions(
        answers(seed=1, human_probs=people()),
        train=answers(400, seed=2),
        calibration=answers(150, seed=3),
        shifts={"tweets": answers(120, seed=4), "New York": answers(90, seed=5)},
        by={"cell type": ["mono"] * 60 + ["poly"] * 140},
        n_ratings=np.full(200, 12),
        task="cells",
        question="Is it defective?",
    )


def numbers(found, axis, model="head"):
    return {finding.path: finding for finding in found[axis].findings[model]}


def test_the_numbers_are_those_of_the_measuring_floor(whole):
    test, train = answers(seed=1, human_probs=people())["head"], answers(400, seed=2)["head"]
    scores = accuracy.evaluate(test.probs, test.labels)
    found = numbers(whole, "accuracy")
    assert found["accuracy",].estimate == scores.accuracy
    assert found["balanced_accuracy",].estimate == scores.balanced_accuracy
    groups = accuracy.by_group(test.probs, test.labels, ["mono"] * 60 + ["poly"] * 140)
    assert found["by", "cell type", "poly"].estimate == groups.groups["poly"]
    assert found["worst_group", "cell type"].estimate == groups.groups[groups.worst]
    found = numbers(whole, "calibration")
    trust = calibration.evaluate(test.probs, test.labels)
    assert found["brier",].estimate == trust.brier
    assert found["nll",].estimate == trust.nll
    split = answers(150, seed=3)["head"]
    rule = calibration.conformal(split.probs, split.labels)
    assert found["conformal_coverage",].estimate == rule.coverage(test.probs, test.labels)
    assert found["doubt_auroc",].estimate == calibration.doubt_auroc(test.probs, people())
    gap = generalization.gap(train, test)
    assert numbers(whole, "generalization")["gap_loss",].estimate == gap.loss
    away = answers(120, seed=4)["head"]
    shift = generalization.shift(test, away, calibration=split)
    assert numbers(whole, "shift")["shift", "tweets", "drop"].estimate == shift.accuracy


def test_each_axis_has_one_primary_measure_whose_mean_difference_is_the_verdicts(whole):
    measured = [section.axis for section in whole.sections if section.findings]
    assert measured == ["accuracy", "calibration", "generalization", "shift"]
    assert [verdict.axis for verdict in whole.verdicts] == measured
    first = {axis: whole[axis].findings["head"][0].estimate.value for axis in measured[:3]}
    second = {axis: whole[axis].findings["all"][0].estimate.value for axis in measured[:3]}
    for verdict in whole.verdicts[:3]:
        expected = first[verdict.axis] - second[verdict.axis]
        assert verdict.difference.value == pytest.approx(expected), verdict.axis
    places = [
        [
            numbers(whole, "shift", model)["shift", place, "accuracy"].estimate.value
            for place in ("tweets", "New York")
        ]
        for model in ("head", "all")
    ]
    expected = np.mean(places[0]) - np.mean(places[1])
    assert whole.verdicts[3].difference.value == pytest.approx(expected)


def test_the_worse_model_is_told_from_the_better_one(whole):
    by_axis = {verdict.axis: verdict.verdict for verdict in whole.verdicts}
    assert by_axis["accuracy"] == by_axis["calibration"] == "worse"  # of head against all
    assert any("all is better than head" in sentence for sentence in whole.summary)


def test_what_needs_the_model_is_named(whole):
    for axis in ("robustness", "faithfulness", "stability"):
        (sentence,) = whole[axis].missing
        assert "needs the model itself" in sentence
    assert "Not measured: Robustness" in whole.summary[-1]


def test_answers_alone_say_what_else_they_lack():
    found = report.from_predictions({"head": answers()["head"]})
    assert found.verdicts == ()
    assert "calibration split" in found["calibration"].missing[0]
    assert "what people said" in found["calibration"].missing[1]
    assert "training data" in found["generalization"].missing[0]
    assert "samples from elsewhere" in found["shift"].missing[0]


def test_a_sampled_training_set_counts_on_both_sides():
    test, train = answers(seed=1), answers(400, seed=2)
    found = report.from_predictions(test, train=train, train_is_sample=True)
    expected = generalization.gap(train["head"], test["head"], train_is_sample=True).loss
    assert numbers(found, "generalization")["gap_loss",].estimate == expected
    gaps = [found["generalization"].findings[model][0].estimate.value for model in ("head", "all")]
    verdict = next(v for v in found.verdicts if v.axis == "generalization")
    assert verdict.difference.value == pytest.approx(gaps[0] - gaps[1])
    assert verdict.difference.n == 600
    assert "random part" in found["generalization"].notes[0]


def test_two_models_with_one_gap_differ_by_nothing_although_one_is_better():
    # Model b loses a nat more than a on every sample, seen or not: the gap is the same.
    labels = np.zeros(40, dtype=int)
    rng = np.random.default_rng(0)

    def side(n, shift):
        p = np.exp(-(0.2 + shift + 0.1 * rng.random(n)))
        return Predictions(np.column_stack([p, 1 - p]), labels[:n], ("x", "y"))

    test, train = ({"a": side(n, 0.0), "b": side(n, 1.0)} for n in (40, 30))
    found = report.from_predictions(test, train=train, train_is_sample=True)
    verdict = next(v for v in found.verdicts if v.axis == "generalization")
    assert verdict.difference.value == pytest.approx(0, abs=0.02)
    assert verdict.p_value > 0.05


def test_groups_are_resampled_and_groups_of_one_are_not():
    groups = np.repeat(np.arange(20), 10)
    grouped = report.from_predictions(answers(groups=groups))
    alone = report.from_predictions(answers(groups=np.arange(200)))
    plain = report.from_predictions(answers())
    assert "20 groups" in grouped.facts["groups"]
    value = numbers(grouped, "accuracy")["accuracy",].estimate
    assert (
        value == accuracy.evaluate(answers()["head"].probs, answers()["head"].labels, groups=groups).accuracy
    )
    assert (
        numbers(alone, "accuracy")["accuracy",].estimate == numbers(plain, "accuracy")["accuracy",].estimate
    )


def test_five_seeds_make_a_claim_about_training():
    noise = {f"head {i}": 2.0 for i in range(5)} | {f"all {i}": 0.3 for i in range(5)}
    seeds = list(answers(noise=noise).values())
    found = report.from_predictions(
        {"head": seeds[:5], "all": seeds[5:]}, shifts={"away": {"head": seeds[:5], "all": seeds[5:]}}
    )
    verdict = found.verdicts[0]
    assert (verdict.verdict, verdict.seeds) == ("worse", 5)
    assert verdict.sentence.startswith("Over 5 training seeds each, training as in head is worse")
    mean = np.mean([(one.probs.argmax(axis=1) == one.labels).mean() for one in seeds[:5]])
    assert numbers(found, "accuracy")["accuracy",].estimate.value == pytest.approx(mean)
    assert "on average over 10 pairs of seeds" in found["accuracy"].notes[0]


def test_json_is_as_its_schema_says(whole):
    jsonschema.Draft202012Validator.check_schema(schema.SCHEMA)
    for found in (whole, report.from_predictions({"only": answers()["head"]})):
        document = json.loads(json.dumps(found.to_json(), allow_nan=False))
        jsonschema.validate(document, schema.SCHEMA)
    assert document["models"]["only"]["accuracy"]["low"] < document["models"]["only"]["accuracy"]["value"]
    assert document["schema"] == f"trustlib-report/{schema.VERSION}"


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("verdicts"),
        lambda d: d.update(schema="trustlib-report/0"),
        lambda d: d["models"]["head"]["accuracy"].pop("low"),
        lambda d: d["verdicts"][0].update(verdict="best"),
        lambda d: d.update(more=1),
    ],
)
def test_the_schema_refuses_another_document(whole, change):
    document = json.loads(json.dumps(whole.to_json()))
    change(document)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema.SCHEMA)


def test_nested_measures_stand_where_their_path_says(whole):
    measures = whole.to_json()["models"]["head"]
    assert measures["shift"]["New York"]["accuracy"]["n"] == 90
    assert measures["by"]["cell type"]["mono"]["n"] == 60


def test_the_same_seed_gives_the_same_report_and_order_of_models_changes_no_verdict(whole):
    once, twice = (report.from_predictions(answers(), seed=4).to_json() for _ in range(2))
    assert once == twice
    flipped = report.from_predictions(dict(reversed(answers().items())), seed=4)
    for a, b in zip(once["verdicts"], flipped.to_json()["verdicts"], strict=True):
        assert a["adjusted_p_value"] == pytest.approx(b["adjusted_p_value"])
        assert {a["verdict"], b["verdict"]} in ({"better", "worse"}, {"not shown"})


ONE, OTHER = answers()["head"], answers(seed=9)["head"]
THREE = Predictions(np.full((200, 3), 1 / 3), ONE.labels, ("a", "b", "c"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: report.from_predictions({}), "expected test as {model name: Predictions}"),
        (lambda: report.from_predictions(ONE), "expected test as {model name: Predictions}"),
        (lambda: report.from_predictions({"a": ONE.probs}), "got 'a': ndarray"),
        (lambda: report.from_predictions({"a": []}), "got 'a': list"),
        (lambda: report.from_predictions({" ": ONE}), "got ' ': Predictions"),
        (lambda: report.from_predictions({"a": ONE, "b": OTHER}), "the same samples in test of b as of a"),
        (
            lambda: report.from_predictions({"a": ONE, "b": THREE}),
            "expected the classes functional, defective",
        ),
        (
            lambda: report.from_predictions({"a": ONE}, train={"b": ONE}),
            "expected train of the models a, got b",
        ),
        (
            lambda: report.from_predictions({"a": ONE}, calibration={"a": THREE}),
            "calibration of a with the classes",
        ),
        (lambda: report.from_predictions({"a": ONE}, by={"x": [1, 2]}), r"by\['x'\] of shape \(200,\)"),
        (lambda: report.from_predictions({"a": ONE}, n_ratings=[1]), "expected n_ratings as 200"),
        (lambda: report.from_predictions({"a": ONE}, alpha=1.5), "expected alpha between 0 and 1"),
    ],
)
def test_answers_that_do_not_belong_together_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_report_loads_no_network_code_and_draws_nothing_until_it_is_saved():
    import subprocess
    import sys

    code = "import sys, trustlib.report; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"torch", "transformers", "matplotlib", "lime", "shap"} & set(loaded.split())
    assert CLASSES == ONE.classes

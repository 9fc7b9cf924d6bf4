"""Perturbed texts and tables of small tests, on models that read a single word."""

import numpy as np
import pytest
from tiny import text_classifier, texts

from trustlib import estimates, robustness, text_perturbations
from trustlib.robustness import Row

CLASSES = ("negative", "positive")


def two(p):
    p = np.asarray(p, dtype=float)
    return np.column_stack([1 - p, p])


def has_good(batch):
    """0.9 for a text with the word good, else 0.2."""
    return two([0.9 if "good" in text.split() else 0.2 for text in batch])


def drop_good(text, severity, rng):
    return text.replace("good", "").strip() if severity > 0.5 else text


def late(text, severity, rng):
    return text + " good" * (rng.random() < severity)


def test_flips_changes_and_accuracy_by_hand():
    found = robustness.texts(
        has_good, ["good film", "bad film"], [1, 0], perturbations=[drop_good], severities=[0, 1], n_draws=1
    )
    assert [rate.value for rate in found.flip_rate["drop_good"]] == [0, 0.5]
    assert found.change["drop_good"][1].value == pytest.approx(-0.35)  # 0.9 becomes 0.2, 0.8 stays
    assert found.absolute_change["drop_good"][1].value == pytest.approx(0.35)
    assert [rate.value for rate in found.accuracy["drop_good"]] == [1, 0.5]
    assert found.clean_accuracy == estimates.proportion(2, 2)
    np.testing.assert_array_equal(found.differs[:, 0, 0], [[False, True], [False, False]])
    assert found.flipped.shape == found.changes.shape == found.right.shape == (2, 1, 1, 2)
    assert found.n_calls == 2 + 2 * 2


def test_without_labels_there_is_no_accuracy():
    found = robustness.texts(has_good, ["good", "bad"], perturbations=[drop_good], severities=[1])
    assert found.accuracy is found.right is found.clean_accuracy is None


def test_a_flip_is_against_the_models_own_answer_and_severity_zero_changes_nothing():
    found = robustness.texts(
        has_good,
        ["good film", "a bad film"],
        [0, 1],  # all wrong
        perturbations=text_perturbations.ALL,
        severities=[0],
    )
    assert not found.flipped.any() and not found.changes.any() and not found.differs.any()
    assert found.clean_accuracy.value == 0


def test_the_same_draw_serves_every_severity():
    many = ["a film"] * 200
    found = robustness.texts(has_good, many, perturbations=[late], severities=[0.2, 0.6], n_draws=1)
    little, much = found.flipped[:, 0, 0].T
    assert not (little & ~much).any()
    assert abs(little.mean() - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 200)
    again = robustness.texts(has_good, many, perturbations=[drop_good, late], severities=[0.6], n_draws=1)
    np.testing.assert_array_equal(again.flipped[:, 0, 1, 0], much)
    other = robustness.texts(has_good, many, perturbations=[late], severities=[0.6], n_draws=1, seed=1)
    assert (other.flipped[:, 0, 0, 0] != much).any()


def test_draws_of_one_text_are_not_further_texts():
    both = ["good film", "bad film"] * 10
    few, many = (
        robustness.texts(has_good, both, perturbations=[drop_good], severities=[1], n_draws=n) for n in (1, 9)
    )
    one, nine = few.flip_rate["drop_good"][0], many.flip_rate["drop_good"][0]
    assert one.value == nine.value == 0.5
    assert (one.n, nine.n) == (20, 180)
    assert nine.high - nine.low > 0.95 * (one.high - one.low)
    groups = np.arange(20) % 4
    grouped = robustness.texts(
        has_good, both, perturbations=[drop_good], severities=[1], n_draws=1, groups=groups
    )
    wide = grouped.flip_rate["drop_good"][0]
    assert wide.high - wide.low > 1.3 * (one.high - one.low)


def test_a_network_is_asked(tmp_path):
    model = text_classifier(tmp_path)
    found = robustness.texts(
        model.predict_proba,
        texts([0, 1, 0, 1]),
        [0, 1, 0, 1],
        perturbations=text_perturbations.ALL,
        severities=[0.5],
        batch_size=7,
    )
    assert list(found.flip_rate) == [function.__name__ for function in text_perturbations.ALL]
    assert found.flip_rate["upper_case"][0].value == 0  # its tokenizer knows small letters only


TWO = ["good", "bad"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"perturbations": []}, "perturbations with different names"),
        ({"perturbations": [late, late]}, "perturbations with different names"),
        ({"severities": [1.5]}, "severities from 0 to 1, got 1.5"),
        ({"severities": []}, "severities of shape"),
        ({"n_draws": 0}, "n_draws as a whole number"),
        ({"labels": [0, 3]}, "labels from 0 to 1"),
        ({"labels": [0]}, "expected 2 labels, got 1"),
        ({"texts": ["alone"]}, "at least 2 of texts, got 1"),
        ({"texts": "a text"}, "a sequence of str, got one str"),
        ({"perturbations": [lambda text, severity, rng: None]}, "perturbed texts as str, got NoneType"),
    ],
)
def test_bad_input_is_refused(options, message):
    given = {"texts": TWO, "labels": None, "perturbations": [late], "severities": [0.5], **options}
    with pytest.raises(ValueError, match=message):
        robustness.texts(has_good, given.pop("texts"), given.pop("labels"), **given)


# Behaviour


ROWS = [
    Row("minimum functionality", "words", "a good film", expected="positive"),
    Row("minimum functionality", "words", "not good", expected="negative"),
    Row("invariance", "places", "good in Oslo", changed="good in Lagos"),
    Row("invariance", "places", "good in Oslo", changed="fine in Oslo"),
    Row("directional", "more", "a film", changed="a good film", expected="positive", direction="up"),
    Row("directional", "more", "a film", changed="a good film", expected="positive", direction="down"),
    Row("directional", "more", "a film", changed="the film", expected="positive", direction="up"),
    Row("directional", "more", "a good film", changed="a film", expected="negative", direction="up"),
]


def test_each_kind_of_row_passes_and_fails_as_it_should():
    found = robustness.behaviour(has_good, ROWS, classes=CLASSES)
    assert found.passed.tolist() == [True, False, True, False, True, False, True, True]
    assert found.failures == (ROWS[1], ROWS[3], ROWS[5])
    assert found.pass_rate == {
        "words": estimates.proportion(1, 2),
        "places": estimates.proportion(1, 2),
        "more": estimates.proportion(3, 4),
    }
    assert found.by_kind["directional"] == estimates.proportion(3, 4)
    assert found.n_calls == 14
    assert np.isnan(found.changed_probs[:2]).all()
    np.testing.assert_allclose(found.changed_probs[3], [0.8, 0.2])


def test_the_tolerance_lets_small_changes_pass():
    def close(batch):
        return two([0.55 if "good" in text else 0.45 for text in batch])

    rows = [ROWS[3], ROWS[5]]
    passed = [
        robustness.behaviour(close, rows, classes=CLASSES, tolerance=t).passed.all() for t in (0.09, 0.11)
    ]
    assert passed == [False, True]


def test_the_lines_say_what_passes_and_what_the_model_said():
    lines = robustness.behaviour_lines(robustness.behaviour(has_good, ROWS, classes=CLASSES))
    assert lines[0] == f"words   {estimates.proportion(1, 2):.0%} of 2 pass"
    assert "fails words (minimum functionality): 'not good' -> positive 0.90, expected negative" in lines
    at = lines.index("fails places (invariance): 'good in Oslo' -> positive 0.90")
    assert lines[at + 1] == "    changed: 'fine in Oslo' -> positive 0.20, expected no change"
    assert lines[-1] == "    changed: 'a good film' -> positive 0.90, expected down"
    assert len(lines) == 3 + 1 + 2 + 2


def test_the_starter_table_holds_every_kind_and_can_be_extended():
    rows = robustness.sentiment_rows()
    assert len(rows) >= 36 and len(set(rows)) == len(rows)
    assert {row.kind for row in rows} == {"minimum functionality", "invariance", "directional"}
    assert {row.expected for row in rows} == {None, *CLASSES}
    rows.append(ROWS[0])
    assert robustness.sentiment_rows() != rows
    always = robustness.behaviour(lambda batch: two([0.9] * len(batch)), rows, classes=CLASSES)
    assert always.by_kind["invariance"].value == always.by_kind["directional"].value == 1
    wanted = [row.expected == "positive" for row in rows if row.kind == "minimum functionality"]
    assert always.by_kind["minimum functionality"].value == pytest.approx(np.mean(wanted))
    assert 0.4 < np.mean(wanted) < 0.6  # one answer for everything gets half


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Row("invariant", "a", "b", changed="c"), "kind to be one of minimum functionality"),
        (lambda: Row("invariance", "a", "b"), "expected changed for a test of invariance, got neither"),
        (lambda: Row("invariance", "a", "b", "c", "positive"), "got changed and expected with 'b'"),
        (lambda: Row("directional", "a", "b", "c", "positive", "left"), "direction 'up' or 'down'"),
        (lambda: robustness.behaviour(has_good, [], classes=CLASSES), "at least one Row"),
        (lambda: robustness.behaviour(has_good, ["a"], classes=CLASSES), "at least one Row"),
        (
            lambda: robustness.behaviour(has_good, ROWS, classes=("bad", "good")),
            "rows about bad, good, got 'neg",
        ),
        (lambda: robustness.behaviour(has_good, ROWS, classes=CLASSES, tolerance=2), "tolerance from 0 to 1"),
    ],
)
def test_rows_that_make_no_sense_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()

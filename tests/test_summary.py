import numpy as np
import pytest

from trustlib import accuracy, calibration, summary
from trustlib.errors import DataError
from trustlib.predictions import Predictions


def answers(n=120, seed=0, groups=None, classes=("no", "yes")):
    rng = np.random.default_rng(seed)
    p = rng.random(n)
    return Predictions(np.column_stack([1 - p, p]), (rng.random(n) < p).astype(int), classes, groups=groups)


def test_the_table_holds_every_number_with_its_interval():
    given = answers()
    lines = list(summary.table(given))
    scores = accuracy.evaluate(given.probs, given.labels, classes=given.classes)
    trust = calibration.evaluate(given.probs, given.labels)
    assert lines[0] == "120 samples, 2 classes, taken for independent; 95 % intervals"
    for line in (
        f"accuracy             {scores.accuracy}",
        f"balanced accuracy    {scores.balanced_accuracy}",
        f"macro-F1             {scores.macro_f1}",
        f"Brier                {trust.brier}",
        f"NLL (nats)           {trust.nll}",
        f"ce2                  {trust.ce2:.4f}",
        f"ECE, 15 bins         {trust.ece:.3f}; if calibrated it would be {trust.ece_if_calibrated}",
    ):
        assert line in lines
    yes = scores.per_class["yes"]
    assert lines[-1].split() == ["yes", str(yes.n), *f"{yes.recall} {yes.precision} {yes.f1}".split()]
    heads = next(line for line in lines if line.startswith("class"))
    assert heads.index("F1") == lines[-1].rindex(str(yes.f1))  # columns stand below their heads


def test_groups_are_resampled_where_there_are_some_unless_told_otherwise():
    given = answers(groups=np.arange(120) // 10)
    by_default, told, not_told = (list(summary.table(given, grouped=g)) for g in (None, True, False))
    assert by_default == told != not_told
    assert "12 groups; 95 % intervals" in told[0]
    assert "taken for independent, although they are in 12 groups" in not_told[0]
    assert not_told[2:] == list(summary.table(answers()))[2:]


def test_a_calibration_split_adds_conformal_sets():
    given, split = answers(), answers(99, seed=1)
    lines = list(summary.table(given, calibration_split=split))
    rule = calibration.conformal(split.probs, split.labels)
    assert lines[-3] == "conformal sets at 90%, from 99 calibration samples:"
    assert str(rule.coverage(given.probs, given.labels)) in lines[-2]
    assert str(rule.promised(120)) in lines[-2]
    assert lines[-1].startswith("classes in a set")


def test_long_class_names_are_cut():
    lines = list(summary.table(answers(classes=("a" * 40, "b"))))
    assert any(line.startswith("a" * 21 + "…  ") for line in lines)


def test_what_does_not_fit_is_refused():
    with pytest.raises(DataError, match="expected groups in the file, got none"):
        list(summary.table(answers(), grouped=True))
    with pytest.raises(DataError, match="classes no, yes in the calibration file too, got yes, no"):
        list(summary.table(answers(), calibration_split=answers(classes=("yes", "no"))))

import pytest

from trustlib.report import gate

REPORT = {
    "n": 30,
    "models": {
        "a": {"accuracy": {"value": 0.7, "low": 0.6}, "shift": {"New York": {"drop": {"value": -0.1}}}},
        "cells:last_block": {"accuracy": {"value": 0.9, "low": 0.85}, "nothing": {"value": None}},
    },
    "verdicts": [{"p_value": 0.04, "verdict": "better"}],
}


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("accuracy.low < 0.8", ["a"]),
        ("accuracy.low<=.85", ["a", "cells:last_block"]),
        ("accuracy.value > 0.95", []),
        ("models.cells:last_block.accuracy.low < 0.9", [""]),
        ('models."cells:last_block".accuracy.low >= 8.5e-1', [""]),
        ("models.a.accuracy.low != 0.6", []),
        ("models.a.accuracy.low == 0.6", [""]),
        ('models.a.shift."New York".drop.value < -0.05', [""]),
        ("verdicts.0.p_value < 0.05", [""]),
        ("n < +100", [""]),
    ],
)
def test_a_condition_is_met_where_it_holds(text, places):
    found = gate.met(gate.parse(text), REPORT)
    assert len(found) == len(places)
    for sentence, place in zip(found, places, strict=True):
        assert sentence.startswith(text.strip())
        assert (f" for {place}:" in sentence) == bool(place)


def test_the_sentence_tells_the_number():
    assert gate.met(gate.parse(" accuracy.low < 0.8 "), REPORT) == ["accuracy.low < 0.8 for a: it is 0.6"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("acuracy.low < 0.8", "got 'acuracy.low', which is not there for a"),
        ("accuracy < 0.8", "expected a number at 'accuracy', got dict"),
        ("models.cells:last_block.nothing.value < 1", "got nothing that is defined"),
        ("verdicts.0.verdict == 1", "got str"),
        ("verdicts.7.p_value < 1", "which is not there"),
        ("nothing.value < 1", "which is not there for a"),
        ("models < 1", "got dict"),
        ("accuracy.low.more < 1", "which is not there"),
    ],
)
def test_a_path_without_a_number_never_passes(text, message):
    with pytest.raises(gate.GateError, match=message):
        gate.met(gate.parse(text), REPORT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "accuracy.low",
        "accuracy.low < ",
        "accuracy.low < high",
        "accuracy.low = 0.8",
        "0.8 > accuracy.low < 0.9",
        "__import__('os').system('true') < 1",
        "accuracy.low < 0.8; 1",
        "accuracy..low < 0.8",
        "accuracy.low < nan",
        "accuracy low < 0.8",
    ],
)
def test_anything_else_is_no_condition(text):
    with pytest.raises(ValueError, match="expected a path, a comparison and a number"):
        gate.parse(text)


def test_a_boolean_is_no_number():
    with pytest.raises(gate.GateError, match="got bool"):
        gate.met(gate.parse("flag < 1"), {"flag": True, "models": {}})

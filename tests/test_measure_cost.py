"""The page on cost: its slopes, what it makes of a million pictures, and that the measurement runs."""

import copy
import json

import measure_cost
import numpy as np
import pytest
from measure_cost import million, page, slope


@pytest.fixture(scope="module")
def found():
    """A measurement of next to nothing."""
    return json.loads(json.dumps(measure_cost.measure(measure_cost.SMALL)))


def test_the_slope_of_a_power_law_is_its_power():
    x = np.array([1.0, 2.0, 4.0, 8.0])
    assert slope(x, 3 * x**0.5) == pytest.approx(0.5)
    assert slope(x, 5 * x) == pytest.approx(1.0)
    assert 0 < slope(x, 5 + x) < 1  # a cost that is there from the start


MADE_UP = {
    "machine": {"name": "one", "gpu": False},
    "by_number": [{"pictures": 10, "seconds": 9.0}, {"pictures": 20, "seconds": 7.2}],
    "perturbed": [{"name": "noise", "seconds": 3.6, "answers": 7.0}],
    "explained": [
        {"name": "LIME", "samples": 100, "calls": 100, "seconds": 36.0},
        {"name": "SHAP", "samples": 100, "calls": 50, "seconds": 36.0},
    ],
    "tuned": [
        {"train": "head", "beforehand": 0.36, "epoch": 0.036, "bytes": 100},
        {"train": "last_block", "beforehand": 0.36, "epoch": 0.36, "bytes": 10**6},
        {"train": "all", "beforehand": 0.1, "epoch": 3.6, "bytes": None},
    ],
}


def test_a_million_pictures_cost_a_million_times_one():
    # 0.36 s a picture are 100 hours for a million. A terabyte of features is computed again in each epoch.
    assert {name: round(hours, 6) for name, hours in million(MADE_UP).items()} == {
        "answer once": 100.0,
        "noise (7 answers a picture)": 1000.0,
        "LIME, 1,000 samples": 100_000.0,
        "SHAP, 1,000 samples": 200_000.0,
        "finetune, head, 10 epochs": 200.0,
        "finetune, last_block, 10 epochs": 2000.0,
        "finetune, all, 10 epochs": 10_000.0,
    }


def test_the_measurement_runs_and_tells_what_was_not_measured(found):
    lines = list(page([found]))
    assert sum(line.endswith("| not measured |") for line in lines) == len(million(found)) == 8
    assert "Several processes: not measured on this machine." in lines
    text = "\n".join(lines)
    for word in ("resnet34", "| LIME, s |", "| noise, 3 sigmas | 13 |", "slope over GFLOP", "`lime_image`"):
        assert word in text
    assert "nan" not in text and "inf" not in text
    widths = {line.count("|") for line in lines if line.startswith("| finetune, ")}
    assert widths == {4}


def test_resnet18_has_as_many_operations_as_are_published(found):
    row = found["by_network"][0]
    # 1.81 G multiplications and additions at 224 px: two operations each, and 49 times fewer at 32 px.
    assert row["gflop"] == pytest.approx(2 * 1.81 / 49, rel=0.05) and row["weights"] == pytest.approx(
        11.2, 0.01
    )


def test_a_gpu_stands_beside_the_cpu(found):
    card = copy.deepcopy(found)
    card["machine"] |= {"name": "a card", "gpu": True}
    card["by_number"][-1]["seconds"] /= 10
    lines = list(page([found, card]))
    assert "## a card" in lines and not any("| not measured |" in line for line in lines)
    answers = next(line for line in lines if line.startswith("| answer once |")).split("|")
    assert float(answers[2]) == pytest.approx(10 * float(answers[3]), rel=0.01)


def test_small_numbers_are_not_written(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["measure_cost.py", "--small", "--write"])
    with pytest.raises(SystemExit):
        measure_cost.main()
    assert "leave --small out" in capsys.readouterr().err

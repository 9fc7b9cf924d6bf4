"""The fast version of data/measured/coverage.md; `python tests/interval_coverage.py` is the slow one."""

import re

import interval_coverage
import numpy as np
import pytest

PRIMARY = [
    name
    for measure in ("accuracy", "Brier", "NLL")
    for name in (measure, f"{measure}, paired difference", f"{measure}, independent difference")
]
N_SETS = 150


def test_truths_agree_with_a_large_sample():
    truth = interval_coverage.truths()
    rng = np.random.default_rng(0)
    y, _, a, b, c = interval_coverage.draw(400_000, False, rng)
    for name, losses in interval_coverage.losses(a[:, 1], y == 1).items():
        other = interval_coverage.losses(b[:, 1], y == 1)[name]
        assert losses.mean() == pytest.approx(truth[name], abs=0.004)
        assert losses.mean() - other.mean() == pytest.approx(truth[f"{name}, paired difference"], abs=0.003)
    gap = a.max(axis=1) - c[np.arange(len(y)), a.argmax(axis=1)]
    assert np.mean(gap**2) == pytest.approx(truth["ce2"], abs=1e-4)
    # In groups every sample alone is distributed as before.
    y, _, a, _, _ = interval_coverage.draw(400_000, True, rng)
    assert np.mean(a.argmax(axis=1) == y) == pytest.approx(truth["accuracy"], abs=0.004)


@pytest.mark.slow
@pytest.mark.parametrize("grouped", [False, True])
def test_intervals_hold_the_truth_about_as_often_as_promised(grouped):
    held = interval_coverage.coverage(200, grouped, n_sets=N_SETS, seed=1)
    for name in PRIMARY:  # 0.95 within three of its errors, 0.018 each
        assert 0.895 <= held[name] <= 1, name
    assert held["ce2"] >= 0.9
    assert held["ce2 of a calibrated model"] >= 0.9
    if not grouped:
        assert held["conformal coverage in its band"] >= 0.895


def test_the_measured_table_keeps_the_promise():
    lines = interval_coverage.OUT.read_text(encoding="utf-8").splitlines()
    rows = {}
    for line in lines:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and re.fullmatch(r"[\d.]+", cells[1]):
            rows[cells[0]] = [float(cell) for cell in cells[1:]]
    assert set(rows) == set(interval_coverage.truths()) | {"conformal coverage in its band"}
    low, high = interval_coverage.PROMISED
    for name in PRIMARY:
        assert all(low <= share <= high for share in rows[name]), name
    for name in ("ce2", "ce2 of a calibrated model"):
        assert min(rows[name]) >= low
    assert all(low <= share <= 98.5 for share in rows["conformal coverage in its band"][:2])

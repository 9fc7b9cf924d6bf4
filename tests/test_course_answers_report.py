"""Reference answers of lesson 10: small cases by hand, and the library's own numbers."""

import numpy as np
import pytest
from scipy.stats import ttest_rel

from trustlib import estimates, report
from trustlib.course import answers_report
from trustlib.predictions import Predictions
from trustlib.report import gate


def test_holm_stops_at_the_first_product_above_alpha():
    assert answers_report.n_verdicts(np.array([0.01, 0.04, 0.03]), 0.05) == 1  # 3 x 0.01, then 2 x 0.03
    assert answers_report.n_verdicts(np.array([0.2, 0.9]), 0.05) == 0
    assert answers_report.n_verdicts(np.array([0.001, 0.002]), 0.05) == 2
    rng = np.random.default_rng(0)
    for _ in range(50):
        p = rng.random(9) ** 4
        assert answers_report.n_verdicts(p, 0.05) == (estimates.holm(p) <= 0.05).sum()


def test_the_t_of_seeds_is_that_of_a_paired_t_test():
    rng = np.random.default_rng(1)
    a, b = rng.random((5, 40)) < 0.8, rng.random((5, 40)) < 0.7
    expected = ttest_rel(a.mean(axis=1), b.mean(axis=1)).statistic
    assert answers_report.t_of_seeds(a, b) == pytest.approx(expected)


def test_the_gate_says_what_the_commands_gate_says():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, 80)
    probs = np.clip(np.eye(2)[labels] + rng.normal(0, 0.5, (80, 2)), 0.01, 1)
    probs /= probs.sum(axis=1, keepdims=True)
    made = report.from_predictions({"a": Predictions(probs, labels, ("no", "yes"))}).to_json()
    for limit in (0.1, 0.999):
        met = gate.met(gate.parse(f"accuracy.low < {limit}"), made)
        assert bool(answers_report.fails(made, ("accuracy", "low"), limit)) == bool(met)


def test_a_missing_number_is_no_pass():
    with pytest.raises(KeyError):
        answers_report.fails({"models": {"a": {}}}, ("accuracy", "low"), 0.8)

"""The mean of an axis's measure for each model: one seed, several, groups, and what is not defined."""

import numpy as np
import pytest

from trustlib import estimates, report
from trustlib.report import Primary

NAN = float("nan")


def test_one_seed_is_a_bootstrap_over_samples_in_their_groups():
    rng = np.random.default_rng(0)
    values, groups = rng.random(60), np.repeat(np.arange(12), 5)
    found = report.means(Primary("x", "x", {"a": values}, groups, True), seed=3)["a"]
    assert found == estimates.bootstrap(np.mean, values, groups=groups, seed=3)


def test_several_seeds_widen_the_interval_by_what_they_differ():
    rng = np.random.default_rng(1)
    samples = rng.random(200)
    alike = np.tile(samples, (5, 1))
    apart = alike + np.linspace(-0.5, 0.5, 5)[:, None]
    found = {
        name: report.means(Primary("x", "x", {"a": values}, None, True))["a"]
        for name, values in {"alike": alike, "apart": apart}.items()
    }
    assert found["alike"].value == pytest.approx(samples.mean()) == found["apart"].value
    width = {name: one.high - one.low for name, one in found.items()}
    assert width["apart"] > 5 * width["alike"]


def test_samples_that_are_not_defined_count_for_nothing():
    found = report.means(
        Primary("x", "x", {"a": [1.0, NAN, 0.0, NAN], "b": [NAN, NAN, NAN, 1.0]}, None, True)
    )
    assert (found["a"].value, found["a"].n) == (0.5, 2)
    assert np.isnan(found["b"].value) and found["b"].n == 1
    several = np.array([[1.0, NAN, NAN], [0.0, NAN, 1.0]])
    assert report.means(Primary("x", "x", {"a": several}, None, True))["a"].value == pytest.approx(0.75)


def test_one_group_alone_has_no_interval():
    found = report.means(Primary("x", "x", {"a": [1.0, 0.0]}, np.array(["m", "m"]), True))["a"]
    assert np.isnan(found.low)

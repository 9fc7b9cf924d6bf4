"""Verdicts of a trust report; `python tests/measure_verdicts.py` is the slow simulation of them."""

import re

import measure_verdicts
import numpy as np
import pytest
from scipy.stats import binomtest, ttest_rel

from trustlib import accuracy, estimates
from trustlib.report import paired, verdicts
from trustlib.report.result import Primary


def primary(values, **options):
    options = {"groups": None, "higher_is_better": True} | options
    return Primary("axis", "measure", values, **options)


def rights(only_a, only_b, both=10):
    """Right or not of two models, with so many samples on which just one is right."""
    a = np.r_[np.ones(only_a), np.zeros(only_b), np.ones(both)]
    b = np.r_[np.zeros(only_a), np.ones(only_b), np.ones(both)]
    return {"a": a, "b": b}


def test_shares_have_the_exact_mcnemar_p_value_and_newcombes_interval():
    (found,) = verdicts.judge([primary(rights(9, 1), shares=True)])
    assert found.p_value == pytest.approx(binomtest(9, 10).pvalue)
    assert found.adjusted == found.p_value
    assert found.difference.value == pytest.approx(8 / 20)
    a, b = (np.column_stack([1 - right, right]) for right in rights(9, 1).values())
    assert found.difference == accuracy.compare(a, b, np.ones(20, int)).difference
    assert (found.verdict, found.a, found.b, found.seeds) == ("better", "a", "b", 1)


def test_means_have_the_p_value_of_swaps():
    rng = np.random.default_rng(0)
    values = {"a": rng.normal(0.3, 1, 80), "b": rng.normal(0, 1, 80)}
    (found,) = verdicts.judge([primary(values)], seed=3)
    assert found.p_value == estimates.permutation_p_value(np.mean, values["a"], values["b"], seed=3)
    assert found.p_value == pytest.approx(ttest_rel(values["a"], values["b"]).pvalue, abs=0.02)


@pytest.mark.parametrize(("higher_is_better", "verdict"), [(True, "better"), (False, "worse")])
def test_better_is_what_the_measure_calls_better(higher_is_better, verdict):
    values = {"a": np.arange(30) + 1.0, "b": np.arange(30) * 1.0}
    (found,) = verdicts.judge([primary(values, higher_is_better=higher_is_better)])
    assert found.verdict == verdict
    assert f"a is {verdict} than b by measure" in found.sentence


def test_the_family_is_every_axis_and_pair_adjusted_by_holm():
    rng = np.random.default_rng(1)
    first = primary({name: rng.normal(shift, 1, 60) for name, shift in zip("abc", (0, 0.5, 1), strict=True)})
    second = primary({name: rng.normal(0, 1, 60) for name in "abc"})
    found = verdicts.judge([first, second])
    assert [(v.a, v.b) for v in found] == [("a", "b"), ("a", "c"), ("b", "c")] * 2
    adjusted = estimates.holm([v.p_value for v in found])
    assert [v.adjusted for v in found] == pytest.approx(adjusted.tolist())
    assert all((v.verdict != "not shown") == (v.adjusted <= 0.05) for v in found)
    assert all("after Holm over 6 tests" in v.sentence for v in found)


def test_one_test_more_can_take_a_verdict_away():
    just = primary(rights(9, 1), shares=True)  # p is 0.021
    same = primary(rights(5, 5), shares=True)
    assert verdicts.judge([just])[0].verdict == "better"
    assert verdicts.judge([just, same, same])[0].verdict == "not shown"


def test_not_shown_says_what_could_have_been_found():
    rng = np.random.default_rng(2)
    values = {"a": (rng.random(656) < 0.8) * 1.0, "b": (rng.random(656) < 0.8) * 1.0}
    (found,) = verdicts.judge([primary(values, shares=True, percent=True)])
    assert found.verdict == "not shown"
    assert f"A true difference of {100 * found.detectable:.1f} points would have been found" in found.sentence


def test_so_few_inputs_that_nothing_could_be_shown_is_said():
    values = {"a": np.array([0.9, 0.8, 0.7]), "b": np.array([0.1, 0.2, 0.4])}
    (found,) = verdicts.judge([primary(values)])
    assert (found.verdict, found.detectable) == ("not shown", None)
    assert "So few inputs could not have shown any difference" in found.sentence


def test_samples_where_a_measure_is_not_defined_are_left_out_for_both():
    a, b = np.arange(20.0), np.arange(20.0) - 1
    whole = verdicts.judge([primary({"a": a, "b": b})])[0]
    holes = verdicts.judge([primary({"a": np.r_[a, np.nan, 5], "b": np.r_[b, 7, np.nan]})])[0]
    assert holes.difference == whole.difference
    nothing = verdicts.judge([primary({"a": np.full(4, np.nan), "b": np.ones(4)})])[0]
    assert (nothing.p_value, nothing.verdict) == (1.0, "not shown")
    assert "defined for too few inputs" in nothing.sentence


def test_groups_are_swapped_whole():
    a = np.repeat([1.0, 1.0, 1.0, 0.0], 10)
    values = {"a": a, "b": np.zeros(40)}
    alone = verdicts.judge([primary(values, shares=True)])[0]
    grouped = verdicts.judge([primary(values, shares=True, groups=np.repeat(list("wxyz"), 10))])[0]
    assert alone.p_value < 1e-8
    assert grouped.p_value == pytest.approx(2 / 8, abs=0.02)  # three groups that differ, of one sign
    each = verdicts.judge([primary(values, shares=True, groups=np.arange(40))])[0]
    assert each.p_value == alone.p_value  # groups of one sample are none


def test_fewer_than_five_seeds_speak_of_checkpoints_and_five_of_training():
    rng = np.random.default_rng(3)
    for seeds, words in (
        (1, "Of these checkpoints"),
        (4, "Of these checkpoints"),
        (5, "Over 5 training seeds"),
    ):
        values = {name: rng.normal(0, 1, (seeds, 50)) for name in "ab"}
        (found,) = verdicts.judge([primary(values)])
        assert found.seeds == seeds
        assert found.sentence.startswith(words)


def test_what_is_luck_of_the_seeds_is_no_finding_about_training():
    # Luck moves every sample of a seed: as checkpoints they differ, as ways of training they do not.
    rng = np.random.default_rng(4)
    luck = np.array([1.0, -0.6, 0.8, -0.5, 0.3])[:, None]
    values = {"a": luck + 0.1 * rng.normal(size=(5, 400)), "b": 0.1 * rng.normal(size=(5, 400))}
    one = {name: of[:1] for name, of in values.items()}
    assert verdicts.judge([primary(one)])[0].verdict == "better"
    assert verdicts.judge([primary(values)])[0].verdict == "not shown"


def test_the_crossed_p_value_is_that_of_a_t_test_over_seeds_where_samples_do_not_vary():
    seeds = np.array([0.3, 0.1, 0.25, 0.2, 0.4])
    values = {"a": np.repeat(seeds[:, None], 300, axis=1), "b": np.zeros((5, 300))}
    p = paired.p_value(paired.pair(primary(values), "a", "b"))
    assert p == pytest.approx(ttest_rel(seeds, np.zeros(5)).pvalue, rel=1e-6)


def test_equal_models_are_never_told_apart():
    same = np.random.default_rng(5).normal(size=50)
    (found,) = verdicts.judge([primary({"a": same, "b": same})])
    assert (found.verdict, found.p_value, found.difference.value) == ("not shown", 1.0, 0.0)


def test_one_model_has_no_verdicts():
    assert verdicts.judge([primary({"a": np.ones(5)})]) == ()


def test_models_of_other_samples_are_refused():
    with pytest.raises(ValueError, match="as many values of measure for a and b, got 3 and 4"):
        verdicts.judge([primary({"a": np.ones(3), "b": np.ones(4)})])


# By simulation


def test_the_simulated_models_are_equally_good():
    rng = np.random.default_rng(6)
    means = np.zeros((7, 2))
    for _ in range(60):
        found = measure_verdicts.equals(rng)
        means += [[np.mean(p.values["a"]), np.mean(p.values["b"])] for p in found]
    means /= 60
    assert np.abs(means[:, 0] - means[:, 1]).max() < 0.03
    assert 0.7 < means[0, 0] < 0.8  # and they are neither perfect nor at chance


@pytest.mark.slow
@pytest.mark.parametrize("name", measure_verdicts.EQUALS)
def test_false_verdicts_are_about_as_rare_as_promised(name):
    # 60 reports: of 5 %, 9 or more false ones come in 1 of 500 cases.
    make = measure_verdicts.EQUALS[name]
    assert measure_verdicts.any_false(make, n_reports=60, seed=8) <= 8 / 60


@pytest.mark.slow
def test_a_gap_of_five_points_is_found_in_a_family_of_twelve():
    assert measure_verdicts.found_gap(n_reports=100, seed=9) >= 0.8


@pytest.mark.slow
def test_what_is_said_to_be_detectable_is_found_in_four_of_five_cases():
    for name, size, share, told in measure_verdicts.detectable_rows(n_reports=60):
        assert 0.63 <= share <= 0.95, name  # 0.8 within three of its errors, 0.052 each
        assert told == pytest.approx(size, rel=0.2), name


def test_the_measured_tables_keep_the_promise():
    text = measure_verdicts.OUT.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?) \| ([\d.]+) % \|$", text, re.MULTILINE)
    found = {name: float(share) for name, share in rows}
    for name in measure_verdicts.EQUALS:
        assert found[name] <= measure_verdicts.PROMISED_FALSE, name
    assert found[str(measure_verdicts.N_TEST)] >= measure_verdicts.PROMISED_FOUND
    told = re.findall(r"\| ([\d.]+) \| ([\d.]+) % \| ([\d.]+) \|$", text, re.MULTILINE)
    assert len(told) == 8
    for size, share, said in told:
        assert 72 <= float(share) <= 90
        assert float(said) == pytest.approx(float(size), rel=0.15)

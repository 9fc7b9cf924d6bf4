import numpy as np
import pytest
from scipy.stats import binomtest, norm

from trustlib.report import power


def by_enumeration(n, discordant, difference, alpha):
    """The power of the exact McNemar test, from every pair of counts."""
    first, second = (discordant + difference) / 2, (discordant - difference) / 2
    total = 0.0
    for a in range(n + 1):
        for b in range(n + 1 - a):
            if a + b and binomtest(a, a + b).pvalue <= alpha:
                ways = np.prod([n - i for i in range(a + b)], dtype=float)
                for k in (*range(1, a + 1), *range(1, b + 1)):
                    ways /= k
                total += ways * first**a * second**b * (1 - discordant) ** (n - a - b)
    return total


@pytest.mark.parametrize(("discordant", "difference"), [(0.5, 0.3), (0.5, 0.5), (0.8, 0.0)])
def test_the_power_of_mcnemar_is_that_of_all_tables_enumerated(discordant, difference):
    found = power.mcnemar_power(14, discordant, difference, alpha=0.1)
    assert found == pytest.approx(by_enumeration(14, discordant, difference, 0.1), abs=1e-9)


def test_without_a_difference_mcnemar_finds_one_at_most_as_often_as_its_level():
    assert 0.03 < power.mcnemar_power(656, 0.1, 0.0, alpha=0.05) <= 0.05


def test_power_grows_with_samples_and_with_the_difference():
    by_n = [power.mcnemar_power(n, 0.1, 0.05) for n in (100, 300, 900)]
    by_difference = [power.mcnemar_power(300, 0.1, d) for d in (0.0, 0.05, 0.1)]
    assert by_n == sorted(by_n)
    assert by_difference == sorted(by_difference)


def test_the_detectable_accuracy_has_just_the_power_that_it_promises():
    level = 0.05 / 12
    found = power.detectable_accuracy(656, 0.1, alpha=level)
    assert power.mcnemar_power(656, 0.1, found, alpha=level) == pytest.approx(0.8, abs=0.001)
    # The normal approximation of Connor (1987) is near.
    z = norm.ppf(1 - level / 2) + norm.ppf(0.8)
    assert found == pytest.approx(z * np.sqrt(0.1 / 656), rel=0.1)


def test_a_difference_above_the_discordant_share_is_taken_to_have_enough_discordant_samples():
    found = power.detectable_accuracy(100, 0.0)
    assert 0.05 < found < 0.12
    assert power.mcnemar_power(100, found, found) == pytest.approx(0.8, abs=0.01)


def test_too_few_samples_detect_nothing():
    assert np.isnan(power.detectable_accuracy(5, 0.2))  # 2 / 2**5 is above 0.05
    assert np.isnan(power.detectable_mean([0.1, -0.1, 0.2, -0.2], alpha=0.05))
    assert np.isnan(power.detectable_mean([1.0] * 20))


def test_samples_for_is_where_power_is_reached():
    n = power.samples_for(0.05, 0.1, alpha=0.05 / 12)
    assert power.mcnemar_power(n, 0.1, 0.05, alpha=0.05 / 12) >= 0.8
    assert power.mcnemar_power(n - 1, 0.1, 0.05, alpha=0.05 / 12) < 0.8
    assert n < 656  # as the issue asks


def test_a_detectable_mean_is_a_multiple_of_its_standard_error():
    values = np.r_[np.full(500, 0.3), np.full(500, -0.3)]
    # Half the samples are worth a group of ten each, all alike: ten times the variance.
    alone = power.detectable_mean(values)
    grouped = power.detectable_mean(values, groups=np.repeat(np.arange(100), 10))
    assert alone == pytest.approx((1.9623 + 0.8420) * 0.3 / np.sqrt(999), rel=0.02)
    assert grouped / alone == pytest.approx(np.sqrt(10), rel=0.05)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: power.mcnemar_power(0, 0.1, 0.05), "expected n as a whole number from 1 up"),
        (lambda: power.mcnemar_power(10, 0.1, 0.2), "difference <= discordant, got 0.1 and 0.2"),
        (lambda: power.mcnemar_power(10, 0.0, 0.0), "0 < discordant"),
        (lambda: power.mcnemar_power(10, 1.5, 0.2), "expected discordant from 0 to 1"),
        (lambda: power.samples_for(1e-6, 0.1, most=1000), "expected a difference that 1,000 samples find"),
        (lambda: power.detectable_mean([1.0]), "expected differences of shape"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()

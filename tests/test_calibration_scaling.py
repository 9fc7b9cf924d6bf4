import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from trustlib import calibration


def sample(n=2000, k=4, temperature=2.5, seed=0):
    """Labels drawn from softmax(logits / temperature): dividing by it is right."""
    rng = np.random.default_rng(seed)
    logits = 3 * rng.normal(size=(n, k))
    shares = softmax(logits / temperature, axis=1)
    labels = (rng.random((n, 1)) > shares.cumsum(axis=1)).sum(axis=1)
    return logits, np.minimum(labels, k - 1)


def test_two_classes_by_hand():
    # Sure as 9 to 1 and right 3 times in 4, so as 3 to 1: the logarithm of 9 is twice that of 3.
    logits = [[np.log(9), 0.0]] * 3 + [[0.0, np.log(9)]]
    assert calibration.temperature(logits, [0, 0, 0, 0]) == pytest.approx(2)


@pytest.mark.parametrize("true", [0.4, 1.0, 2.5])
def test_the_temperature_of_the_world_is_found(true):
    assert calibration.temperature(*sample(20_000, temperature=true)) == pytest.approx(true, rel=0.05)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_has_less_nll(seed):
    logits, labels = sample(200, seed=seed)

    def nll(log_temperature):
        return -log_softmax(logits / np.exp(log_temperature), axis=1)[np.arange(200), labels].mean()

    expected = np.exp(minimize_scalar(nll, bounds=(-3, 3), method="bounded", options={"xatol": 1e-9}).x)
    assert calibration.temperature(logits, labels) == pytest.approx(expected, rel=1e-5)


def test_the_unit_and_the_level_of_logits_do_not_matter():
    logits, labels = sample(300)
    found = calibration.temperature(logits, labels)
    assert calibration.temperature(1000 * logits, labels) == pytest.approx(1000 * found)
    assert calibration.temperature(1e-6 * logits, labels) == pytest.approx(1e-6 * found)
    assert calibration.temperature(logits + 7, labels) == pytest.approx(found)
    order = np.random.default_rng(1).permutation(300)
    assert calibration.temperature(logits[order], labels[order]) == pytest.approx(found)


def test_logarithms_of_probabilities_do_as_well():
    logits, labels = sample(300)
    probs = softmax(logits, axis=1)
    assert calibration.temperature(np.log(probs), labels) == pytest.approx(
        calibration.temperature(logits, labels)
    )


def test_scaling_mends_an_overconfident_model_and_keeps_its_answers():
    logits, labels = sample(4000)
    chosen, judged = slice(0, 2000), slice(2000, None)
    temperature = calibration.temperature(logits[chosen], labels[chosen])
    before, after = softmax(logits[judged], axis=1), softmax(logits[judged] / temperature, axis=1)
    np.testing.assert_array_equal(before.argmax(axis=1), after.argmax(axis=1))
    first, second = (calibration.evaluate(p, labels[judged]) for p in (before, after))
    assert second.nll.high < first.nll.low
    assert second.ce2.low <= 0 < first.ce2.low


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: calibration.temperature([[2.0, 1.0]] * 3, [0] * 3),
            "smaller for the label .* of 3 samples, got none",
        ),
        (
            lambda: calibration.temperature([[1.0, 1.0]] * 3, [0] * 3),
            "expected logits that are smaller for the label",
        ),
        (lambda: calibration.temperature([[2.0, 1.0]] * 3, [1] * 3), "larger for the label on the average"),
        (lambda: calibration.temperature([[2.0, 1.0]] * 2, [0, 1]), "larger for the label on the average"),
        (lambda: calibration.temperature([[2.0, np.nan]] * 2, [0, 1]), "finite logits, got NaN or infinity"),
        (
            lambda: calibration.temperature([[0.0, -np.inf]] * 2, [0, 1]),
            "logarithms of probabilities above 0",
        ),
        (lambda: calibration.temperature([[2.0, 1.0]] * 2, [0, 2]), "labels from 0 to 1"),
        (lambda: calibration.temperature([[2.0, 1.0]] * 2, [0]), "expected 2 labels, got 1"),
        (lambda: calibration.temperature([[2.0, 1.0]], [0]), "logits of shape .* at least 2 rows"),
        (lambda: calibration.temperature([[2.0]] * 2, [0, 0]), r"2 classes, got \(2, 1\)"),
        (lambda: calibration.temperature(np.empty((0, 2)), []), r"got \(0, 2\)"),
        (lambda: calibration.temperature([["a", "b"]] * 2, [0, 1]), "logits as an array of numbers"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()

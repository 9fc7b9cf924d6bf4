import numpy as np
import pytest

from trustlib import calibration, generalization
from trustlib.estimates import proportion
from trustlib.predictions import Predictions

CLASSES = ("no", "yes")


def binary(p, labels, groups=None):
    p = np.asarray(p, dtype=float)
    return Predictions(np.column_stack([1 - p, p]), labels, CLASSES, groups=groups)


def coin(n, seed):
    return np.random.default_rng(seed).integers(2, size=n)


def test_the_gap_by_hand():
    # Training: -ln 0.9 twice. Test: -ln 0.8 and -ln 0.5; one of the two answers is wrong.
    train, test = binary([0.9, 0.1], [1, 0]), binary([0.8, 0.5], [1, 1])
    found = generalization.gap(train, test)
    assert found.train_loss.value == pytest.approx(-np.log(0.9))
    assert found.test_loss.value == pytest.approx(-(np.log(0.8) + np.log(0.5)) / 2)
    assert found.loss.value == pytest.approx(-(np.log(0.8) + np.log(0.5)) / 2 + np.log(0.9))
    assert (found.train_error.value, found.test_error.value, found.error.value) == (0.0, 0.5, 0.5)
    np.testing.assert_allclose(found.test_losses, [-np.log(0.8), -np.log(0.5)])


def test_a_model_that_learned_coins_by_heart_is_right_in_training_and_a_coin_elsewhere():
    labels, new = coin(400, 0), coin(1000, 1)
    train = binary(np.where(labels == 1, 0.99, 0.01), labels)
    test = binary(np.where(coin(1000, 2) == 1, 0.99, 0.01), new)
    found = generalization.gap(train, test)
    assert found.train_error.value == 0 and found.train_loss.value == pytest.approx(-np.log(0.99))
    assert found.error.low < 0.5 < found.error.high
    expected = -(np.log(0.99) + np.log(0.01)) / 2 + np.log(0.99)
    assert found.loss.low < expected < found.loss.high


def test_a_constant_model_has_the_gap_of_its_class_shares_and_no_other():
    # Always 0.25 for yes: the loss of a yes is -ln 0.25, of a no -ln 0.75; its answer is no.
    train, test = binary(np.full(8, 0.25), [1, 1] + [0] * 6), binary(np.full(10, 0.25), [1] * 5 + [0] * 5)
    found = generalization.gap(train, test)
    assert found.error.value == pytest.approx(0.5 - 0.25)
    assert found.loss.value == pytest.approx((0.5 - 0.25) * np.log(3))
    shrug = generalization.gap(binary(np.full(8, 0.5), coin(8, 0)), binary(np.full(9, 0.5), coin(9, 1)))
    assert (shrug.loss.value, shrug.loss.low, shrug.loss.high) == (0, 0, 0)


def test_a_model_asked_its_own_training_data_has_no_gap():
    train = binary(np.random.default_rng(0).random(50), coin(50, 1))
    found = generalization.gap(train, train)
    assert found.loss.value == 0 and found.error.value == 0
    assert found.loss.low < 0 < found.loss.high and found.error.low < 0 < found.error.high


def test_the_training_side_is_known_unless_it_is_a_sample():
    rng = np.random.default_rng(0)
    train, test = binary(rng.random(40), coin(40, 1)), binary(rng.random(200), coin(200, 2))
    known = generalization.gap(train, test)
    guessed = generalization.gap(train, test, train_is_sample=True)
    assert known.train_loss.low == known.train_loss.value == known.train_loss.high
    wrong = int((test.probs.argmax(1) != test.labels).sum())
    alone = proportion(wrong, 200)
    assert known.error.high - known.error.low == pytest.approx(alone.high - alone.low)
    for one, both in ((known.loss, guessed.loss), (known.error, guessed.error)):
        assert both.value == pytest.approx(one.value)
        assert both.high - both.low > 1.5 * (one.high - one.low)  # 40 samples know less than 200
    assert guessed.train_error.low < guessed.train_error.value < guessed.train_error.high


def test_the_loss_is_clipped_as_in_calibration():
    test = binary([1.0, 0.6, 0.3], [0, 1, 1])
    found = generalization.gap(binary([0.5, 0.5], [0, 1]), test)
    honest = calibration.evaluate(test.probs, test.labels)
    assert found.test_loss.value == honest.nll.value
    assert found.test_losses[0] == pytest.approx(-np.log(1e-6))


@pytest.mark.parametrize("train_is_sample", [False, True])
def test_where_every_answer_is_right_the_gap_may_still_be_larger(train_is_sample):
    train, test = binary([0.99] * 30, [1] * 30), binary([0.99] * 20, [1] * 20)
    found = generalization.gap(train, test, train_is_sample=train_is_sample)
    assert found.error.value == found.loss.value == 0
    assert found.error.high > 0.1 and found.loss.high > 0.3


def test_samples_that_hang_together_count_for_fewer():
    rng = np.random.default_rng(1)
    labels = np.repeat(coin(40, 0), 10)
    p = np.repeat(rng.uniform(0.2, 0.9, size=40), 10)
    train = binary([0.6, 0.4], [1, 0])
    alone = generalization.gap(train, binary(p, labels))
    groups = generalization.gap(train, binary(p, labels, groups=np.arange(400) // 10))
    for one, together in ((alone.loss, groups.loss), (alone.error, groups.error)):
        assert together.value == pytest.approx(one.value)
        assert together.high - together.low > 2.5 * (one.high - one.low)  # the square root of 10


@pytest.mark.parametrize(("n", "groups"), [(60, None), (300, np.arange(300) // 10)])
def test_the_interval_holds_the_gap_as_often_as_promised(n, groups):
    # The model says p, and is overconfident: the expected loss is known in closed form.
    rng = np.random.default_rng(2)
    levels, honest = np.array([0.6, 0.8, 0.97]), np.array([0.55, 0.7, 0.9])
    loss = float(np.mean(-honest * np.log(levels) - (1 - honest) * np.log(1 - levels)))
    error = float(np.mean(1 - honest))
    train = binary([0.9, 0.2], [1, 0])
    known = -(np.log(0.9) + np.log(0.8)) / 2
    held = []
    for draw in range(120):
        kinds = rng.integers(3, size=n if groups is None else groups.max() + 1)
        kinds = kinds if groups is None else kinds[groups]
        came = (rng.random(n) < honest[kinds]).astype(int)
        found = generalization.gap(train, binary(levels[kinds], came, groups=groups), seed=draw)
        held.append(
            (found.loss.low <= loss - known <= found.loss.high, found.error.low <= error <= found.error.high)
        )
    assert (np.mean(held, axis=0) > 0.89).all()  # 0.95 less three standard errors of 120 draws


def test_the_order_of_the_samples_changes_no_value():
    rng = np.random.default_rng(3)
    p, labels, order = rng.random(80), coin(80, 4), rng.permutation(80)
    train = binary([0.9, 0.2], [1, 0])
    one = generalization.gap(train, binary(p, labels))
    other = generalization.gap(train, binary(p[order], labels[order]))
    assert other.loss.value == pytest.approx(one.loss.value) and other.error == one.error


def test_other_classes_and_single_samples_are_refused():
    two = binary([0.9, 0.2], [1, 0])
    with pytest.raises(ValueError, match="train and test with the same classes"):
        generalization.gap(Predictions(two.probs, two.labels, ("yes", "no")), two)
    with pytest.raises(ValueError, match="at least 2 samples in test, got 1"):
        generalization.gap(two, binary([0.5], [1]))

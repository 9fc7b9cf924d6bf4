"""How much worse is the model on what it has not seen, compared with what it learned from?

Generalization error has two readings. Many reports call the mean loss on a test set so. In learning theory
it is a difference: the loss to expect on new samples minus the mean loss on the training samples. That is
the gap, and only the gap says what was learned by heart: a model may be poor and have none.

The model is given, and so is its training set: its mean loss there is a number that is known, not
estimated. What is not known is the loss on all the samples that might come, so only the test side is
resampled. Whoever asks a part of the training set only estimates both.

Sources: Vapnik (1998); Shalev-Shwartz & Ben-David (2014), chapter 2 (true and empirical risk); Zhang et al.
(2017) for what a gap can look like.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trustlib import calibration, checks, estimates
from trustlib.calibration import scores
from trustlib.estimates import Estimate, proportion
from trustlib.generalization import sides
from trustlib.intervals import grouped_share_limits
from trustlib.predictions import Predictions


@dataclass(frozen=True, eq=False)
class Gap:
    """How much worse one model is on test than on its training set; above 0 means worse.

    loss: mean NLL (probabilities below 1e-6 count as 1e-6), test minus train, in nats; error: share of wrong
    answers, test minus train; train_loss, test_loss, train_error, test_error: the two sides, those of a whole
    training set without an interval; train_losses (n,), test_losses (m,): sample by sample.
    """

    loss: Estimate
    error: Estimate
    train_loss: Estimate
    test_loss: Estimate
    train_error: Estimate
    test_error: Estimate
    train_losses: NDArray[np.float64]
    test_losses: NDArray[np.float64]


def gap(train: Predictions, test: Predictions, *, train_is_sample: bool = False, seed: int = 0) -> Gap:
    """How much worse is this model on new samples than on those that it was trained on?

    Args:
        train: its answers on the whole training set, as it was learned from; `Predictions.groups` there
            matter only where `train_is_sample`.
        test: its answers on samples that took no part in training or choosing; groups are resampled whole.
        train_is_sample: True when `train` is a random part of the training set; then its side is resampled
            too.
        seed: for the draws behind the intervals of the losses.
    Returns: Gap. Its intervals are about other test samples, not about another training of the model.
    Raises: ValueError when the classes differ, or with fewer than 2 samples on a side.
    Source: Shalev-Shwartz & Ben-David (2014), chapter 2.

    >>> sure = [[0.9, 0.1], [0.1, 0.9]] * 5
    >>> train = Predictions(sure, [0, 1] * 5, ("a", "b"))  # ten right answers
    >>> test = Predictions(sure, [0, 1] * 4 + [1, 1], ("a", "b"))  # and one of them wrong
    >>> found = gap(train, test)
    >>> print(found.error)
    0.100 [0.018, 0.404]
    >>> round(found.loss.value, 3)  # (ln 0.9 - ln 0.1) / 10
    0.22
    """
    sides.same_classes(train, test, names=("train", "test"))
    train_losses, test_losses = (scores.nll_losses(side.probs, side.labels) for side in (train, test))
    test_loss, test_error = _loss(test, seed), _error(test)
    if train_is_sample:
        train_loss, train_error = _loss(train, seed), _error(train)
        resampled = estimates.independent_difference(
            np.mean,
            (test_losses,),
            (train_losses,),
            groups_a=test.groups,
            groups_b=train.groups,
            seed=seed,
        )
        loss, error = _at_least(resampled, test_loss), sides.apart(test_error, train_error)
    else:
        train_loss = _known(float(train_losses.mean()), len(train))
        train_error = _known(float(_wrong(train).mean()), len(train))
        loss, error = _minus(test_loss, train_loss), _minus(test_error, train_error)
    return Gap(loss, error, train_loss, test_loss, train_error, test_error, train_losses, test_losses)


def _loss(side: Predictions, seed: int) -> Estimate:
    return calibration.evaluate(side.probs, side.labels, groups=side.groups, seed=seed).nll


def _wrong(side: Predictions) -> NDArray[np.bool_]:
    return side.probs.argmax(axis=1) != side.labels


def _error(side: Predictions) -> Estimate:
    wrong, n = _wrong(side), len(side)
    if side.groups is None:
        return proportion(int(wrong.sum()), n)
    codes = checks.groups(side.groups, n=n)
    return Estimate(float(wrong.mean()), *grouped_share_limits(wrong, codes), n)


def _known(value: float, n: int) -> Estimate:
    """A number that was counted, not estimated: its interval has no width."""
    return Estimate(value, value, value, n)


def _minus(test: Estimate, known: Estimate) -> Estimate:
    value, low, high = (number - known.value for number in (test.value, test.low, test.high))
    return replace(test, value=value, low=low, high=high)


def _at_least(difference: Estimate, test_loss: Estimate) -> Estimate:
    """A difference that reaches up as far as the test loss alone does, for errors that were not seen."""
    return replace(difference, high=max(difference.high, difference.value + test_loss.high - test_loss.value))

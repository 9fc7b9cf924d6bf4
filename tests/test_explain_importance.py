import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.inspection import permutation_importance as sklearn_importance
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from trustlib import estimates, explain
from trustlib.errors import ModelError


def reads(column):
    """A model that answers what stands in one column of 0 and 1, and looks at no other."""
    return lambda rows: np.eye(2)[rows[:, column].astype(int)]


def coins(n=400, d=3, seed=0):
    return np.random.default_rng(seed).integers(0, 2, (n, d)).astype(float)


def test_a_column_that_the_model_does_not_read_costs_nothing():
    rows = coins()
    found = explain.permutation_importance(reads(1), rows, rows[:, 1].astype(int))
    for name in ("0", "2"):
        for importance in (found.accuracy, found.nll):
            assert (importance.estimates[name].low, importance.estimates[name].high) == (0, 0)
    assert not found.accuracy.repeats[[0, 2]].any()
    assert list(found.accuracy.estimates)[0] == "1"


def test_a_shuffled_coin_is_right_half_of_the_time():
    # Shuffled among themselves, a share q of ones meets a one in q of the cases: q² + (1 - q)² stay right.
    rows = coins(n=2000, d=2)
    q = rows[:, 0].mean()
    found = explain.permutation_importance(reads(0), rows, rows[:, 0].astype(int), n_repeats=40)
    estimate = found.accuracy.estimates["0"]
    assert estimate.value == pytest.approx(2 * q * (1 - q), abs=0.01)
    assert estimate.value == pytest.approx(found.accuracy.repeats[0].mean())
    # Probabilities of 0 are clipped at 1e-6, so each wrong answer costs 13.8 nats.
    assert found.nll.estimates["0"].value == pytest.approx(-np.log(1e-6) * estimate.value)


def test_two_columns_that_say_the_same_stand_in_for_each_other():
    rows = coins(d=1)[:, [0, 0]]
    model = LogisticRegression(C=100).fit(rows, rows[:, 0])
    found = explain.permutation_importance(model.predict_proba, rows, rows[:, 0].astype(int))
    alone = explain.permutation_importance(reads(0), rows, rows[:, 0].astype(int))
    assert all(abs(estimate.value) < 0.51 for estimate in found.accuracy.estimates.values())
    assert alone.accuracy.estimates["1"].value == 0


def test_drops_in_accuracy_agree_with_scikit_learn():
    table = load_breast_cancer()
    rows, columns = table.data[:, :5], tuple(table.feature_names[:5].tolist())
    model = RandomForestClassifier(10, max_depth=4, random_state=0).fit(rows[::2], table.target[::2])
    rows, labels = rows[1::2], table.target[1::2]
    ours = explain.permutation_importance(
        model.predict_proba, rows, labels, columns=columns, n_repeats=30, seed=1
    )
    theirs = sklearn_importance(model, rows, labels, scoring="accuracy", n_repeats=30, random_state=0)
    error = np.hypot(ours.accuracy.repeats.std(axis=1), theirs.importances_std) / np.sqrt(30)
    apart = ours.accuracy.repeats.mean(axis=1) - theirs.importances_mean
    assert (np.abs(apart) <= 4 * error + 1e-12).all()
    assert theirs.importances_mean.max() > 0.05  # or there is nothing to agree on
    for j, name in enumerate(columns):
        assert ours.accuracy.estimates[name].value == pytest.approx(ours.accuracy.repeats[j].mean())


def test_the_interval_is_that_of_the_mean_loss_of_each_row():
    rows = coins(n=60, d=1)
    found = explain.permutation_importance(reads(0), rows, rows[:, 0].astype(int), n_repeats=1, seed=3)
    order = np.random.default_rng(3).permutation(60)
    lost = rows[:, 0] != rows[order, 0]
    expected = estimates.bootstrap(np.mean, lost.astype(float), seed=3)
    assert found.accuracy.estimates["0"] == expected


def test_groups_widen_the_interval():
    rows = np.repeat(coins(n=40, d=2), 10, axis=0)
    labels = rows[:, 0].astype(int)
    labels[:100] = 1 - labels[:100]
    groups = np.arange(400) // 10
    alone, grouped = (
        explain.permutation_importance(reads(0), rows, labels, groups=given).accuracy.estimates["0"]
        for given in (None, groups)
    )
    assert grouped.value == alone.value
    assert grouped.high - grouped.low > 1.3 * (alone.high - alone.low)


def test_calls_are_counted_and_the_inputs_left_alone():
    asked = []

    def model(rows):
        asked.append(len(rows))
        return reads(0)(rows)

    rows = coins(n=30)
    before = rows.copy()
    found = explain.permutation_importance(model, rows, rows[:, 0].astype(int), n_repeats=4, batch_size=7)
    assert found.n_calls == sum(asked) == 30 * (1 + 3 * 4)
    assert max(asked) == 7
    np.testing.assert_array_equal(rows, before)


def test_the_same_seed_gives_the_same_answer_whatever_the_batches():
    rows = coins(n=50)
    labels = rows[:, 0].astype(int)
    first, second = (
        explain.permutation_importance(reads(0), rows, labels, seed=5, batch_size=size) for size in (7, 1000)
    )
    assert first.nll.estimates == second.nll.estimates
    other = explain.permutation_importance(reads(0), rows, labels, seed=6)
    assert first.accuracy.repeats.tolist() != other.accuracy.repeats.tolist()


# Linear models


def test_weights_count_as_on_standardised_columns():
    table = load_breast_cancer()
    scaler = StandardScaler().fit(table.data)
    model = LogisticRegression(max_iter=1000).fit(scaler.transform(table.data), table.target)
    raw = model.coef_[0] / scaler.scale_
    np.testing.assert_allclose(explain.linear_importance(raw, table.data), np.abs(model.coef_[0]))


def test_units_do_not_matter():
    rows = np.random.default_rng(0).normal(size=(20, 2))
    metres = explain.linear_importance([3.0, 1.0], rows)
    millimetres = explain.linear_importance([0.003, 1.0], rows * [1000, 1])
    np.testing.assert_allclose(metres, millimetres)


def test_linear_attributions_add_up_to_the_difference_of_the_scores():
    rng = np.random.default_rng(0)
    weights, row, baseline = rng.normal(size=(3, 8))
    found = explain.linear_attributions(weights, row, baseline=baseline)
    assert found.sum() == pytest.approx(weights @ row - weights @ baseline)
    assert not explain.linear_attributions(weights, row, baseline=row).any()


ROWS, LABELS = coins(n=6), [0, 1, 0, 1, 0, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: explain.permutation_importance(reads(0), ROWS[0], LABELS), r"inputs of shape \(n, d\)"),
        (lambda: explain.permutation_importance(reads(0), ROWS, LABELS[:5]), "expected 6 labels, got 5"),
        (lambda: explain.permutation_importance(reads(0), ROWS, [0, 1, 2] * 2), "labels from 0 to 1"),
        (lambda: explain.permutation_importance(reads(0), ROWS, LABELS, n_repeats=0), "n_repeats"),
        (
            lambda: explain.permutation_importance(reads(0), ROWS, LABELS, columns=["a", "b"]),
            "3 different names of columns",
        ),
        (
            lambda: explain.permutation_importance(reads(0), ROWS, LABELS, columns=["a", "b", "a"]),
            "3 different names of columns",
        ),
        (lambda: explain.permutation_importance(reads(0), ROWS, LABELS, groups=[1] * 6), "at least 2 groups"),
        (lambda: explain.linear_importance([1, 2], ROWS), r"weights of shape \(3,\), got \(2,\)"),
        (lambda: explain.linear_attributions([1, 2], [1, 2], baseline=[1]), r"baseline of shape \(2,\)"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_model_that_answers_logits_is_refused():
    with pytest.raises(ModelError, match="apply softmax"):
        explain.permutation_importance(lambda rows: rows[:, :2] * 3 - 1, ROWS, LABELS)

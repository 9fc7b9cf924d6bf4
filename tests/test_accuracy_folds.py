import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from trustlib import accuracy, tasks
from trustlib.errors import ModelError


def constant(inputs, labels):
    """Always answers the class that was most frequent in training, as sure as it was frequent."""
    share = np.bincount(labels, minlength=2) / len(labels)
    return lambda inputs: np.tile(share, (len(inputs), 1))


def logistic(inputs, labels):
    return LogisticRegression(max_iter=500).fit(inputs, labels).predict_proba


def test_four_folds_of_eight_by_hand():
    # Six of class 0 and two of class 1, in two folds: 0 is always answered, 6 of 8 are right.
    result = accuracy.cross_validate(constant, np.zeros((8, 1)), [0] * 6 + [1] * 2, folds=2)
    assert result.pooled.accuracy.value == 6 / 8
    assert [fold.confusion.tolist() for fold in result.folds] == [[[3, 0], [1, 0]]] * 2
    np.testing.assert_array_equal(result.probs, [[0.75, 0.25]] * 8)
    assert sorted(result.fold.tolist()) == [0] * 4 + [1] * 4


def test_answers_agree_with_scikit_learn():
    iris = tasks.iris()
    inputs, labels = iris.train.inputs, iris.train.labels
    result = accuracy.cross_validate(logistic, inputs, labels, folds=4, seed=3)
    splitter = StratifiedKFold(4, shuffle=True, random_state=3)
    expected = cross_val_predict(
        LogisticRegression(max_iter=500), inputs, labels, cv=splitter, method="predict_proba"
    )
    np.testing.assert_allclose(result.probs, expected)
    pooled = np.concatenate([fold.confusion[None] for fold in result.folds]).sum(axis=0)
    np.testing.assert_array_equal(result.pooled.confusion, pooled)


def test_no_model_answers_what_it_was_fitted_on():
    seen = []

    def fit(inputs, labels):
        known = set(inputs)

        def predict_proba(inputs):
            seen.append(known & set(inputs))
            return np.tile([0.5, 0.5], (len(inputs), 1))

        return predict_proba

    texts = [f"text {i}" for i in range(20)]
    result = accuracy.cross_validate(fit, texts, [0, 1] * 10)
    assert seen == [set()] * 5
    assert len(result.folds) == 5


def test_every_fold_has_its_share_of_each_class():
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    result = accuracy.cross_validate(lambda x, y: lambda x: np.eye(3)[x], labels, labels, folds=5)
    for fold in range(5):
        assert np.bincount(labels[result.fold == fold]).tolist() == [12, 6, 2]
    assert result.pooled.accuracy.value == 1.0


def test_a_group_stays_in_one_fold_and_widens_the_interval():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 5)
    labels = rng.integers(0, 2, 40)[groups]
    inputs = (labels ^ (rng.random(40) < 0.2)[groups])[:, None]  # one in five groups is wrong as a whole

    def fit(inputs, labels):
        return lambda inputs: np.eye(2)[inputs[:, 0]]

    grouped = accuracy.cross_validate(fit, inputs, labels, groups=groups)
    pairs = np.unique(np.stack([groups, grouped.fold]), axis=1)
    assert pairs.shape == (2, 40)
    alone = accuracy.cross_validate(fit, inputs, labels)
    assert grouped.pooled.accuracy.value == alone.pooled.accuracy.value
    widths = [x.pooled.accuracy.high - x.pooled.accuracy.low for x in (grouped, alone)]
    assert widths[0] > 1.7 * widths[1]
    shares = [labels[grouped.fold == fold].mean() for fold in range(5)]
    assert max(shares) - min(shares) < 0.3  # grouped, and still about stratified


def test_a_leak_between_copies_is_closed_by_groups():
    # Labels are a coin's, and each input is there five times: a model that remembers is right by the copies.
    rng = np.random.default_rng(1)
    names = np.repeat([f"{i}" for i in range(60)], 5)
    labels = np.repeat(rng.integers(0, 2, 60), 5)

    def fit(inputs, labels):
        known = dict(zip(inputs, labels, strict=True))
        return lambda inputs: np.eye(2)[[known.get(name, 0) for name in inputs]]

    leaking = accuracy.cross_validate(fit, list(names), labels)
    closed = accuracy.cross_validate(fit, list(names), labels, groups=names)
    assert leaking.pooled.accuracy.low > 0.95
    assert closed.pooled.accuracy.low < 0.6


def test_one_seed_gives_one_cut_and_another_seed_another():
    labels = [0, 1] * 20
    cuts = [
        accuracy.cross_validate(constant, np.zeros(40), labels, seed=seed).fold.tolist() for seed in (1, 1, 2)
    ]
    assert cuts[0] == cuts[1] != cuts[2]


def test_tables_with_column_names_are_cut_by_rows():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"x": np.arange(20.0), "y": 1.0})
    seen = []

    def fit(inputs, labels):
        seen.append(list(inputs.columns))
        return lambda inputs: np.eye(2)[(inputs["x"].to_numpy() >= 10).astype(int)]

    result = accuracy.cross_validate(fit, table, [0] * 10 + [1] * 10)
    assert seen == [["x", "y"]] * 5
    assert result.pooled.accuracy.value == 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": [0] * 10}, "at least 5 samples of each of 2 or more classes.*got 0 of class 1"),
        ({"labels": [0] * 7 + [1] * 3}, "at least 5 samples of each.*got 3 of class 1; take fewer folds"),
        ({"labels": [0, 2] * 5}, "got 0 of class 1"),
        ({"labels": [0, 1]}, "expected 10 labels, got 2"),
        ({"labels": [-1, 1] * 5}, "expected labels from 0 to 1, got -1 to 1"),
        ({"labels": [0.0, 1.0] * 5}, "labels as integers, got float64"),
        ({"labels": []}, r"labels of shape \(n,\) with n >= 1"),
        ({"labels": [0, 1] * 5, "folds": 1}, "folds as a whole number from 2 up, got 1"),
        ({"labels": [0, 1] * 5, "folds": 2.0}, "folds as a whole number from 2 up, got 2.0"),
        ({"labels": [0, 1] * 5, "groups": np.arange(10) // 3}, "at least 5 groups, one for each fold, got 4"),
        ({"labels": [0, 1] * 5, "groups": np.arange(10) // 2}, "at least 2 groups in each fold"),
        (
            {"labels": [0] * 5 + [1] * 5, "groups": [0, 0, 1, 1, 2] + [3] * 5, "folds": 2},
            "every class in the others, got fold",
        ),
    ],
)
def test_bad_input_is_refused(options, message):
    options = dict(options)
    with pytest.raises(ValueError, match=message):
        accuracy.cross_validate(constant, np.zeros((10, 1)), options.pop("labels"), **options)


def test_answers_of_the_wrong_shape_are_the_models_fault():
    with pytest.raises(ModelError, match=r"expected answers of shape \(2, 2\)"):
        accuracy.cross_validate(lambda x, y: lambda x: np.ones(len(x)), np.zeros((10, 1)), [0, 1] * 5)
    with pytest.raises(ValueError, match="apply softmax"):
        accuracy.cross_validate(
            lambda x, y: lambda x: np.tile([3.0, -1.0], (len(x), 1)), np.zeros((10, 1)), [0, 1] * 5
        )

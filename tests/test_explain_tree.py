import numpy as np
import pytest
from sklearn.tree import DecisionTreeRegressor

from trustlib import estimates, explain


def points(n=400, d=3, seed=0):
    return np.random.default_rng(seed).random((n, d))


def steps(rows):
    """Answers by two questions: column 2 above a half, and then column 0 above a quarter."""
    p = np.where(rows[:, 2] > 0.5, np.where(rows[:, 0] > 0.25, 0.9, 0.2), 0.4)
    return np.column_stack([1 - p, p])


def wavy(rows):
    p = 0.5 + 0.45 * np.sin(9 * rows[:, 0]) * np.cos(7 * rows[:, 1])
    return np.column_stack([1 - p, p])


def test_a_model_that_is_a_tree_is_imitated_to_the_letter():
    rows = points().round(1)
    found = explain.surrogate_tree(steps, rows, columns=("age", "height", "dose"), max_depth=2)
    assert found.fidelity.value == 1
    assert found.r2.value == pytest.approx(1)
    assert found.fidelity == estimates.proportion(120, 120)
    assert "dose <= 0.550" in found.text
    assert "age <= 0.250" in found.text
    assert "height" not in str(found)


def test_fidelity_is_agreement_on_inputs_that_the_tree_has_not_seen():
    rows = points()
    found = explain.surrogate_tree(wavy, rows, seed=3)
    unseen, said = rows[found.held_out], wavy(rows[found.held_out])
    imitated = found.tree.predict_proba(unseen)
    assert len(unseen) == 120
    assert found.fidelity == estimates.proportion(
        int((imitated.argmax(1) == said.argmax(1)).sum()), len(unseen)
    )
    r2 = 1 - ((said - imitated) ** 2).sum() / ((said - said.mean(axis=0)) ** 2).sum()
    assert found.r2.value == pytest.approx(r2)
    assert found.fidelity.value < 0.95  # three questions do not follow a wave


def test_a_deep_tree_learns_noise_by_heart_and_is_found_out():
    noise = np.random.default_rng(1).random(400)

    def model(rows):  # answers by a number that no column tells
        p = noise[rows[:, 1].astype(int)]
        return np.column_stack([1 - p, p])

    rows = np.column_stack([points(d=1)[:, 0], np.arange(400)])
    found = explain.surrogate_tree(model, rows, max_depth=80)
    seen = np.setdiff1d(np.arange(400), found.held_out)
    agreed = found.tree.predict_proba(rows[seen]).argmax(1) == model(rows[seen]).argmax(1)
    assert agreed.mean() > 0.99
    assert found.fidelity.low < 0.5 < found.fidelity.high
    assert found.r2.value < 0.1


def test_the_tree_is_that_of_a_regression_on_the_probabilities():
    # Gini impurity of rows weighted with their probabilities is the variance of these, but for a constant.
    rows = points()
    found = explain.surrogate_tree(wavy, rows)
    seen = np.setdiff1d(np.arange(len(rows)), found.held_out)
    regression = DecisionTreeRegressor(max_depth=3, random_state=0).fit(rows[seen], wavy(rows[seen]))
    np.testing.assert_allclose(
        found.tree.predict_proba(rows[found.held_out]), regression.predict(rows[found.held_out])
    )


def test_the_one_usual_answer_is_held_against_the_tree():
    def nearly_always_no(rows):
        return np.eye(2)[(rows[:, 0] > 0.98).astype(int)]

    found = explain.surrogate_tree(nearly_always_no, points(), max_depth=1)
    answers = nearly_always_no(points()[found.held_out]).argmax(1)
    assert found.constant.value == pytest.approx((answers == 0).mean())
    assert found.constant.value > 0.9


def test_a_model_that_always_says_the_same_leaves_nothing_to_explain():
    found = explain.surrogate_tree(lambda rows: np.tile([0.3, 0.7], (len(rows), 1)), points())
    assert found.fidelity.value == found.constant.value == 1
    assert np.isnan(found.r2.value)
    assert found.text == "|--- class: 1"


def test_classes_that_are_never_answered_keep_their_column():
    found = explain.surrogate_tree(
        lambda rows: np.c_[steps(rows), np.zeros(len(rows))], points(), classes=tuple("abc")
    )
    assert found.tree.predict_proba(points(5)).shape == (5, 3)
    assert found.classes == ("a", "b", "c")
    assert "class: b" in found.text


def test_groups_are_held_out_as_a_whole():
    groups = np.repeat(np.arange(40), 10)
    found = explain.surrogate_tree(wavy, points(), groups=groups)
    hidden = np.zeros(400, dtype=bool)
    hidden[found.held_out] = True
    assert all(hidden[groups == g].all() or not hidden[groups == g].any() for g in range(40))
    assert len(np.unique(groups[hidden])) == 12
    assert found.fidelity.n == hidden.sum()


def test_the_same_seed_gives_the_same_tree_and_each_input_is_asked_once():
    asked = []

    def model(rows):
        asked.append(len(rows))
        return wavy(rows)

    first, second = (explain.surrogate_tree(model, points(), batch_size=150, seed=2) for _ in range(2))
    assert first.text == second.text
    assert (first.fidelity, first.r2) == (second.fidelity, second.r2)
    assert asked == [150, 150, 100] * 2
    assert first.n_calls == 400
    assert first.held_out.tolist() != explain.surrogate_tree(wavy, points(), seed=3).held_out.tolist()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: explain.surrogate_tree(wavy, points(3)), "inputs of shape .* n >= 4"),
        (lambda: explain.surrogate_tree(wavy, points(), columns=["a"]), "3 different names of columns"),
        (lambda: explain.surrogate_tree(wavy, points(), classes=["a"]), "2 different class names"),
        (lambda: explain.surrogate_tree(wavy, points(), max_depth=0), "max_depth as a whole number"),
        (lambda: explain.surrogate_tree(wavy, points(), held_out=1.0), "held_out between 0 and 1"),
        (lambda: explain.surrogate_tree(wavy, points(4), groups=[0, 0, 1, 2]), "at least 4 groups, got 3"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()

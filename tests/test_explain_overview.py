import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from trustlib import estimates, explain
from trustlib.explain import masking
from trustlib.explain.explanation import Explanation


def row(*values, columns="abc", **changes):
    return explained(values, tuple(columns), np.zeros(len(values)), **changes)


def review(text, *values, **changes):
    return explained(values, masking.words(text), text, **changes)


def picture(segments, *values, **changes):
    return explained(values, segments, np.zeros((*segments.shape, 3), np.uint8), **changes)


def explained(values, features, given, target=1, method="lime"):
    values = np.array(values, dtype=float)
    return Explanation(
        values, 0.0, 0.0, target, features, np.full(len(values), np.nan), np.nan, 10, 0, method, given
    )


# Global importance


def test_columns_have_the_mean_of_their_sizes_and_of_their_values():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 3)) * [1, 3, 2]
    found = explain.global_importance([row(*each) for each in values], seed=4)
    assert list(found.estimates) == ["b", "c", "a"]
    for j, name in enumerate("abc"):
        expected = estimates.bootstrap(np.mean, np.abs(values[:, j]), groups=np.arange(40), seed=4)
        assert found.estimates[name] == expected
        assert found.signed[name].value == pytest.approx(values[:, j].mean())
    assert (found.n, found.n_calls, found.counts, found.segments) == (40, 400, dict.fromkeys("bca", 40), None)
    assert (found.target, found.method) == (1, "lime")


def test_words_count_wherever_they_stand_and_however_they_are_written():
    reviews = [
        review("Good, good film", 0.4, 0.2, 0.1),
        review("GOOD plot", 0.3, -0.1),
        review("a film", 0, -0.3),
    ]
    found = explain.global_importance(reviews, least=2)
    assert found.counts == {"good": 2, "film": 2}  # twice in one review is one review; "plot" is too rare
    assert found.estimates["good"].value == pytest.approx(0.3)
    assert found.estimates["good"].n == 3
    assert found.estimates["film"].value == pytest.approx(0.2)
    assert found.signed["film"].value == pytest.approx(-0.1)


def test_places_of_a_word_that_is_hidden_everywhere_at_once_are_one_feature():
    text = "good, good film"
    first, second, film = masking.words(text)
    bow = [explained((value, 0.1), ((first, second), film), text) for value in (0.2, 0.4)]
    found = explain.global_importance(bow, least=2)
    assert found.estimates["good"].value == pytest.approx(0.3)
    assert found.estimates["good"].n == 2


def test_places_of_one_word_in_one_review_are_a_group():
    rng = np.random.default_rng(1)
    level = rng.random(30)
    reviews = [review(" ".join(["good"] * 8), *[value] * 8) for value in level]
    found = explain.global_importance(reviews).estimates["good"]
    alone = estimates.bootstrap(np.mean, level)
    assert found.n == 240
    assert found.high - found.low == pytest.approx(alone.high - alone.low, rel=0.1)


def test_the_interval_of_a_size_does_not_reach_below_zero():
    found = explain.global_importance([row(*[0.0] * 5 + [value], columns="abcdef") for value in (0, 0, 1)])
    assert found.estimates["f"].low == 0
    assert found.signed["f"].low < 0


def test_groups_of_inputs_widen_the_interval():
    values = np.repeat(np.random.default_rng(2).random(20), 5)
    rows = [row(value, columns="a") for value in values]
    alone = explain.global_importance(rows).estimates["a"]
    grouped = explain.global_importance(rows, groups=np.arange(100) // 5).estimates["a"]
    assert grouped.high - grouped.low > 1.5 * (alone.high - alone.low)


def quarters():
    """Rows as lime cuts them: two say "age > 40", one "age <= 40"."""
    names = (("age > 40", "dose"), ("age <= 40", "dose"), ("age > 40", "dose"))
    return [
        row(*values, columns=each)
        for values, each in zip([(0.3, 1), (-0.2, 2), (0.1, 3)], names, strict=True)
    ]


def test_columns_that_lime_cuts_into_quarters_count_by_quarter():
    found = explain.global_importance(quarters(), least=2)
    assert {name: e.value for name, e in found.estimates.items()} == pytest.approx(
        {"dose": 2, "age > 40": 0.2}
    )
    assert found.counts == {"dose": 3, "age > 40": 2}


def test_or_by_column_where_names_are_given():
    found = explain.global_importance(quarters(), columns=("age", "dose"))
    assert found.estimates["age"].value == pytest.approx(0.2)
    assert found.signed["age"].value == pytest.approx(0.2 / 3)
    assert set(explain.submodular_pick(quarters(), 1, columns=("age", "dose")).importance) == {"age", "dose"}
    with pytest.raises(ValueError, match="expected 2 different names of columns"):
        explain.global_importance(quarters(), columns=("age",))
    with pytest.raises(ValueError, match="columns for tables only, got them with a text"):
        explain.global_importance([review("good", 1)] * 2, columns=("age",))


def test_pictures_are_averaged_on_one_grid_only():
    grid = np.array([[0, 1], [2, 2]])
    found = explain.global_importance([picture(grid, 0.1, 0.2, 0.3), picture(grid, -0.3, 0.2, 0.5)])
    assert {name: e.value for name, e in found.estimates.items()} == pytest.approx(
        {"segment 2": 0.4, "segment 0": 0.2, "segment 1": 0.2}
    )
    np.testing.assert_array_equal(found.segments, grid)
    with pytest.raises(ValueError, match="one segment map for all pictures, got another at position 1.*grid"):
        explain.global_importance([picture(grid, 0.1, 0.2, 0.3), picture(grid.T, 0.1, 0.2, 0.3)])


def test_inputs_are_explained_one_by_one_and_not_kept():
    alive, most = [], 0

    class Counted(Explanation):
        def __del__(self):
            alive.pop()

    def make(predict_proba, given, seed):
        nonlocal most
        alive.append(seed)
        most = max(most, len(alive))
        value = np.array([predict_proba(given)])
        return Counted(value, 0, 0, 1, ("a",), np.zeros(1), np.nan, 2, seed, "own", np.zeros(1))

    lazy = explain.each(make, lambda given: given / 10, range(50), seed=3)
    assert not alive
    found = explain.global_importance(lazy)
    assert most <= 3  # the first one stays, to compare with, and the next is made before the last is let go
    assert found.n_calls == 100
    assert found.estimates["a"].value == pytest.approx(2.45)


def test_each_input_has_a_seed_of_its_own():
    seeds = list(explain.each(lambda predict_proba, given, seed: (given, seed), None, "ab", seed=7))
    assert seeds == [("a", 7), ("b", 8)]


@pytest.mark.parametrize(
    ("explanations", "message"),
    [
        ([], "at least 2 explanations, got 0"),
        ([row(1, 2, 3)], "at least 2 explanations, got 1"),
        ([row(1, 2, 3), row(1, 2, 3, target=0)], "one class, got 1 and at position 1 0"),
        ([row(1, 2, 3), row(1, 2, 3, method="shap")], "one method, got 'lime' and at position 1 'shap'"),
        ([row(1, 2, 3), review("good", 1)], "one kind, got 'table' and at position 1 'text'"),
        ([review("good", 1), review("bad", 1)], "a feature that is in at least 2 inputs, got none in 2"),
        ([row(1, columns="a"), row(1, columns="b")], "a feature that is in at least 2 inputs, got none in 2"),
    ],
)
def test_explanations_that_have_no_common_mean_are_refused(explanations, message):
    with pytest.raises(ValueError, match=message):
        explain.global_importance(explanations)


def test_a_word_of_one_input_alone_has_no_interval():
    with pytest.raises(ValueError, match="least as a whole number from 2 up"):
        explain.global_importance([review("good", 1), review("bad", 1)], least=1)


# Submodular pick


def covered(sizes, chosen):
    """Share of the importance sqrt(sum of |W|) of the features that some chosen row shows."""
    importance = np.sqrt(np.abs(sizes).sum(axis=0))
    return importance[(np.abs(sizes[list(chosen)]) > 0).any(axis=0)].sum() / importance.sum()


def sparse(seed, n=8, d=6):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) * (rng.random((n, d)) < 0.3)


@pytest.mark.parametrize("seed", range(20))
def test_the_pick_is_near_the_best_of_all_choices(seed):
    sizes = sparse(seed)
    found = explain.submodular_pick([row(*each, columns="abcdef") for each in sizes], 3)
    best = max(covered(sizes, chosen) for chosen in itertools.combinations(range(8), 3))
    assert found.coverage[-1] == pytest.approx(covered(sizes, found.chosen))
    assert best >= found.coverage[-1] >= (1 - 1 / np.e) * best
    # The first alone is the best single one, and each next adds most.
    for step in range(3):
        earlier = found.chosen[:step]
        gains = [covered(sizes, (*earlier, i)) for i in range(8)]
        assert found.coverage[step] == pytest.approx(max(gains))
    assert len(set(found.chosen)) == 3


def test_the_pick_covers_what_limes_own_covers():
    from lime.submodular_pick import SubmodularPick

    for seed in range(5):
        sizes = sparse(seed, n=10)
        explanations = [
            SimpleNamespace(
                mode="regression",
                as_list=lambda label, values=values: [(j, v) for j, v in enumerate(values) if v],
            )
            for values in sizes
        ]
        explainer = SimpleNamespace(explain_instance=lambda given, *_, found=explanations, **__: found[given])
        theirs = SubmodularPick(
            explainer, np.arange(10), None, method="full", num_exps_desired=4, num_features=6
        )
        ours = explain.submodular_pick([row(*each, columns="abcdef") for each in sizes], 4)
        # Ties are broken in another order, so what is compared is the coverage and not the rows.
        assert ours.coverage[0] == pytest.approx(covered(sizes, theirs.V[:1]))
        assert ours.coverage[-1] == pytest.approx(covered(sizes, theirs.V), abs=0.1)


def test_importance_is_the_root_of_summed_sizes_as_in_the_paper():
    found = explain.submodular_pick([row(4, 0, -1), row(-5, 0, 0)], 1)
    assert found.importance == pytest.approx({"a": 3.0, "c": 1.0})
    assert found.chosen == (0,)
    assert found.coverage.tolist() == [1.0]


def test_an_explanation_shows_its_largest_values_only():
    rows = [row(3, 2, 0.1), row(0.1, 0.1, 1)]
    assert explain.submodular_pick(rows, 2, most=None).chosen == (0, 1)
    assert explain.submodular_pick(rows, 1, most=None).coverage.tolist() == [1.0]
    assert explain.submodular_pick(rows, 2, most=2).coverage[0] < 1


def test_reviews_are_picked_by_their_words():
    reviews = [review("good film", 2, 0), review("good good", 1, 1), review("dull plot", -1, 0.5)]
    found = explain.submodular_pick(reviews, 2)
    assert found.chosen == (0, 2) or found.chosen == (2, 0)
    assert found.importance["good"] == pytest.approx(2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: explain.submodular_pick([row(1, 2, 3)], 2), "at least n = 2 explanations, got 1"),
        (lambda: explain.submodular_pick([row(1, 2, 3)], 0), "expected n as a whole number"),
        (lambda: explain.submodular_pick([row(1, 2, 3)], 1, most=0), "expected most as a whole number"),
        (
            lambda: explain.submodular_pick([row(1, 2, 3), row(1, 2, 3, target=0)], 1),
            "explanations of one class",
        ),
    ],
)
def test_bad_picks_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()

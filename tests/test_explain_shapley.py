"""Shapley values against definitions written again here, against the package shap, and against themselves."""

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trustlib import explain
from trustlib.errors import ModelError
from trustlib.explain import coalitions, interactions, masking, shapley


def binary(p):
    p = np.asarray(p, dtype=float)
    return np.stack([1 - p, p], axis=1)


def lookup(table):
    """The game whose value for a coalition stands in a table (2**m,), player i counting 2**i."""
    m = int(np.log2(len(table)))
    return lambda masks: np.asarray(table)[masks @ (1 << np.arange(m))]


def sigmoid_game(m, seed=0):
    """A game with interactions of every order: the sigmoid of a quadratic score."""
    rng = np.random.default_rng(seed)
    singles, pairs = rng.normal(size=m), rng.normal(size=(m, m)) / np.sqrt(m)
    return lambda masks: 1 / (1 + np.exp(1 - masks @ singles - ((masks @ pairs) * masks).sum(axis=1)))


def by_permutations(game, m):
    """What each player adds on arrival, averaged over all orders of arrival."""
    values = np.zeros(m)
    orders = list(permutations(range(m)))
    for order in orders:
        mask = np.zeros((1, m), dtype=bool)
        before = game(mask)[0]
        for player in order:
            mask[0, player] = True
            after = game(mask)[0]
            values[player] += (after - before) / len(orders)
            before = after
    return values


# Exact


def test_the_values_of_four_players_by_hand():
    # Three votes win; player 0 has two votes. He turns 2 of 4 places (second or third), others 1/6 each.
    found = shapley.exact(lambda masks: (masks @ [2, 1, 1, 1] >= 3).astype(float), 4)
    assert found.values == pytest.approx([1 / 2, 1 / 6, 1 / 6, 1 / 6])
    assert (found.base_value, found.prediction, found.n_samples) == (0, 1, 16)
    assert not found.standard_errors.any()


@pytest.mark.parametrize("m", [1, 2, 3, 4, 6])
def test_exact_is_the_mean_over_orders_of_arrival(m):
    table = np.random.default_rng(m).normal(size=2**m)
    np.testing.assert_allclose(shapley.exact(lookup(table), m).values, by_permutations(lookup(table), m))


def test_exact_refuses_what_it_could_not_list():
    with pytest.raises(ValueError, match=r"at most 20 players, got 21.*use shapley.values"):
        shapley.exact(lambda masks: masks[:, 0], 21)


@pytest.mark.parametrize(
    "answer", [lambda masks: masks, lambda masks: [0.0], lambda masks: np.full(len(masks), np.nan)]
)
def test_a_game_that_answers_wrongly_is_named(answer):
    with pytest.raises(ModelError, match="expected answers of the game as 8 finite numbers"):
        shapley.values(answer, 3)


# The axioms, exact and drawn

GAMES = st.integers(0, 2**32 - 1)


def random_game(seed, m):
    """Numbers drawn afresh for each coalition: nothing but the axioms can help."""
    mixed = np.random.default_rng(seed).integers(1, 2**61, size=m)

    def game(masks):
        codes = (masks * mixed).sum(axis=1) % 1_000_003
        return np.sin(codes * 0.37)

    return game


BUDGETS = pytest.mark.parametrize(("m", "num_samples"), [(5, 32), (7, 60), (14, 60), (14, 300), (40, 200)])


@BUDGETS
@given(seed=GAMES)
@settings(max_examples=15, deadline=None)
def test_values_add_up_to_what_is_shared(m, num_samples, seed):
    found = shapley.values(random_game(seed, m), m, num_samples=num_samples, seed=seed % 100)
    assert abs(found.base_value + found.values.sum() - found.prediction) < 1e-13


@given(seed=GAMES, m=st.integers(2, 8))
@settings(max_examples=25, deadline=None)
def test_a_player_who_adds_nothing_gets_nothing(seed, m):
    others = random_game(seed, m - 1)
    found = shapley.exact(lambda masks: others(masks[:, 1:]), m)
    assert abs(found.values[0]) < 1e-12
    np.testing.assert_allclose(found.values[1:], shapley.exact(others, m - 1).values, atol=1e-12)


@given(seed=GAMES, m=st.integers(2, 8))
@settings(max_examples=25, deadline=None)
def test_players_who_add_the_same_get_the_same(seed, m):
    game = random_game(seed, m)

    def symmetric(masks):
        swapped = masks.copy()
        swapped[:, [0, 1]] = masks[:, [1, 0]]
        return game(masks) + game(swapped)

    values = shapley.exact(symmetric, m).values
    assert values[0] == pytest.approx(values[1], abs=1e-12)


@given(seed=GAMES, m=st.integers(2, 8))
@settings(max_examples=25, deadline=None)
def test_the_values_of_a_sum_of_games_are_the_sums_of_values(seed, m):
    one, other = random_game(seed, m), random_game(seed + 1, m)
    both = shapley.exact(lambda masks: 2 * one(masks) + other(masks), m).values
    np.testing.assert_allclose(
        both, 2 * shapley.exact(one, m).values + shapley.exact(other, m).values, atol=1e-12
    )


# Drawn coalitions


@pytest.mark.parametrize("m", [1, 2, 5, 6, 8, 12, 40])
def test_an_additive_game_is_answered_exactly_whatever_the_budget(m):
    weights = np.random.default_rng(m).normal(size=m)
    for num_samples in {min(4 * m, 2**m), min(7 * m, 2**m), min(2**m, 2048)}:
        for seed in range(20):
            found = shapley.values(lambda masks: 3 + masks @ weights, m, num_samples=num_samples, seed=seed)
            np.testing.assert_allclose(found.values, weights, atol=1e-9)
            assert found.standard_errors.max() < 1e-9


def test_interactions_of_two_never_matter_to_pairs():
    rng = np.random.default_rng(0)
    pairs = rng.normal(size=(12, 12))
    found = shapley.values(lambda masks: ((masks @ pairs) * masks).sum(axis=1), 12, num_samples=60)
    np.testing.assert_allclose(found.values, (pairs + pairs.T).sum(axis=1) / 2, atol=1e-9)


def test_drawn_values_come_to_the_exact_ones():
    game = sigmoid_game(12)
    truth = shapley.exact(game, 12).values

    def error(n):
        found = (shapley.values(game, 12, num_samples=n, seed=seed).values for seed in range(8))
        return np.mean([((values - truth) ** 2).sum() for values in found])

    errors = [error(n) for n in (60, 240, 1000, 4000)]
    assert all(later < earlier / 3 for earlier, later in zip(errors, errors[1:], strict=False))
    everything = shapley.values(game, 12, num_samples=4096)
    np.testing.assert_array_equal(everything.values, truth)
    assert not everything.standard_errors.any()


def test_taking_interactions_off_makes_errors_smaller(monkeypatch):
    def errors(game):
        truth = shapley.exact(game, 12).values
        found = (shapley.values(game, 12, num_samples=120, seed=seed).values for seed in range(30))
        return np.mean([((values - truth) ** 2).sum() for values in found])

    games = [sigmoid_game(12, seed) for seed in range(3)]
    ours = [errors(game) for game in games]
    nothing = interactions.ThirdOrder(np.zeros(12), np.zeros(59), 0.0, np.zeros(59))
    monkeypatch.setattr(shapley, "third_order", lambda *_: nothing)
    without = [errors(game) for game in games]
    assert all(with_it < 0.85 * plain for with_it, plain in zip(ours, without, strict=True))


def test_a_game_in_which_one_coalition_matters_is_survived():
    found = shapley.values(lambda masks: (masks.sum(axis=1) == 1) & masks[:, 3], 12, num_samples=2048)
    assert np.isfinite(found.values).all()
    assert found.values.argmax() == 3


def test_a_game_of_triples_is_all_but_known_from_half_its_coalitions():
    # Three players share what only all three achieve; 220 triples, 1,023 pairs.
    rng = np.random.default_rng(0)
    triples = list(combinations(range(12), 3))
    worth = rng.normal(size=len(triples))

    def game(masks):
        return sum(w * masks[:, t].all(axis=1) for w, t in zip(worth, triples, strict=True))

    truth = [sum(w / 3 for w, t in zip(worth, triples, strict=True) if i in t) for i in range(12)]
    found = shapley.values(game, 12, num_samples=2048)
    np.testing.assert_allclose(found.values, truth, atol=0.01)
    np.testing.assert_allclose(shapley.exact(game, 12).values, truth, atol=1e-9)


@pytest.mark.parametrize("num_samples", [120, 300])
def test_standard_errors_are_as_large_as_errors_are(num_samples):
    game = sigmoid_game(12, seed=1)
    truth = shapley.exact(game, 12).values
    found = [shapley.values(game, 12, num_samples=num_samples, seed=seed) for seed in range(200)]
    errors = np.array([each.values - truth for each in found])
    reported = np.array([each.standard_errors for each in found]).mean(axis=0)
    deviations, missed = errors.std(axis=0, ddof=1), np.sqrt((errors**2).mean(axis=0))
    assert 0.9 < reported.mean() / deviations.mean() < 1.1
    assert 0.9 < reported.mean() / missed.mean() < 1.1  # so what bias there is, is small beside the errors


def test_the_covariance_of_values_adds_up_to_nothing():
    found = shapley.values(sigmoid_game(12), 12, num_samples=120)
    assert np.abs(found.covariance.sum(axis=0)).max() < 1e-12 * np.abs(found.covariance).max() * 1e3
    np.testing.assert_allclose(np.sqrt(np.diag(found.covariance)), found.standard_errors)


@pytest.mark.parametrize(("m", "num_samples"), [(12, 48), (12, 1001), (13, 401), (30, 300), (40, 3000)])
def test_pairs_are_different_and_as_many_of_each_size_as_said(m, num_samples):
    masks = shapley.plan(m, num_samples=num_samples, seed=1).masks
    assert len(masks) == num_samples - num_samples % 2
    assert len(np.unique(masks, axis=0)) == len(masks)
    sizes = np.bincount(masks.sum(axis=1), minlength=m + 1)
    np.testing.assert_array_equal(sizes, sizes[::-1])
    assert sizes[0] == 1
    again = shapley.plan(m, num_samples=num_samples, seed=2).masks
    np.testing.assert_array_equal(np.bincount(again.sum(axis=1), minlength=m + 1), sizes)
    assert (again != masks).any()


def test_small_sizes_are_taken_completely_and_the_rest_shared_evenly():
    # 12 players, 120 pairs: all 12 single ones, and 108 over 4 sizes and the halves, which count half.
    assert coalitions.per_size(12, 120) == [12, 24, 24, 24, 24, 12]


def test_every_coalition_of_a_size_is_drawn_as_often():
    drawn = [coalitions.draw(6, 12, np.random.default_rng(seed)) for seed in range(400)]
    counts = {
        members: sum((pairs.masks[:, members].all(1) & (pairs.masks.sum(1) == 2)).sum() for pairs in drawn)
        for members in combinations(range(6), 2)
    }
    n = coalitions.per_size(6, 12)[1]
    expected = 400 * n / 15
    assert max(abs(count - expected) for count in counts.values()) < 4 * np.sqrt(expected)


def test_the_same_seed_gives_the_same_values():
    first, second, other = (shapley.values(sigmoid_game(40), 40, seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.values, second.values)
    np.testing.assert_array_equal(first.covariance, second.covariance)
    assert (first.values != other.values).any()


@pytest.mark.parametrize(("m", "num_samples", "least"), [(12, 47, 48), (3, 7, 8), (40, 100, 160)])
def test_a_budget_too_small_is_refused_with_what_to_do(m, num_samples, least):
    with pytest.raises(ValueError, match=rf"at least {least} for {m} features, got {num_samples}; ask more"):
        shapley.values(sigmoid_game(m), m, num_samples=num_samples)


def test_a_budget_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="num_samples as a whole number"):
        shapley.values(sigmoid_game(3), 3, num_samples=8.0)


# Tables


def network_and_rows():
    """A small network's answers to rows of eight standardised columns of the breast cancer table."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.neural_network import MLPClassifier
    from sklearn.preprocessing import scale

    data, labels = load_breast_cancer(return_X_y=True)
    data = scale(data[:, :8])
    return MLPClassifier((16,), random_state=0, max_iter=500).fit(data[:300], labels[:300]), data


@pytest.mark.slow  # shap compiles its explainer first
def test_a_table_agrees_with_the_exact_explainer_of_shap():
    shap = pytest.importorskip("shap")
    network, data = network_and_rows()
    background, row = data[:5], data[400]
    reference = shap.ExactExplainer(network.predict_proba, shap.maskers.Independent(background))(row[None])
    found = explain.shap_table(network.predict_proba, row, background=background, target=1)
    np.testing.assert_allclose(found.values, reference.values[0, :, 1], atol=1e-9)
    assert found.base_value == pytest.approx(reference.base_values[0, 1])
    assert found.n_calls == 255 * 5 + 1


def test_a_table_with_several_rows_is_the_mean_over_tables_with_one():
    network, data = network_and_rows()
    row = data[401]
    several = explain.shap_table(network.predict_proba, row, background=data[:3], target=0, batch_size=7)
    single = [
        explain.shap_table(network.predict_proba, row, background=data[i : i + 1], target=0) for i in range(3)
    ]
    np.testing.assert_allclose(several.values, np.mean([one.values for one in single], axis=0), atol=1e-12)
    assert several.base_value == pytest.approx(network.predict_proba(data[:3])[:, 0].mean())


def test_a_product_of_two_columns_by_hand():
    # f = x y at (1, 1): over (0, 0) each gets 1/2; over (0, 1) x gets all; so on average 3/4 and 1/4.
    def product(rows):
        return binary(rows[:, 0] * rows[:, 1])

    found = explain.shap_table(product, [1, 1], background=[[0, 0], [0, 1]], columns=["x", "y"])
    assert found.values == pytest.approx([0.75, 0.25])
    assert (found.target, found.features, found.method) == (1, ("x", "y"), "shap")
    assert (found.base_value, found.prediction, found.n_calls) == (0, 1, 7)


@pytest.mark.parametrize("num_samples", [60, 200, 2048])
def test_a_linear_table_gives_each_column_its_share(num_samples):
    rng = np.random.default_rng(0)
    weights, row, background = rng.normal(size=15) / 60, rng.normal(size=15), rng.normal(size=(4, 15))
    found = explain.shap_table(
        lambda rows: binary(0.5 + rows @ weights),
        row,
        background=background,
        target=1,
        num_samples=num_samples,
    )
    np.testing.assert_allclose(found.values, weights * (row - background.mean(axis=0)), atol=1e-6)
    assert abs(found.fidelity) < 1e-12


def test_a_background_of_other_columns_is_refused():
    with pytest.raises(ValueError, match="background"):
        explain.shap_table(lambda rows: binary(rows[:, 0]), [1, 0], background=[[0, 0, 0]])
    with pytest.raises(ValueError, match="expected 2 columns, got 1"):
        explain.shap_table(lambda rows: binary(rows[:, 0]), [1, 0], background=[[0, 0]], columns=["x"])


# Pictures and texts


def brightness(pictures):
    return binary(np.asarray(pictures).mean(axis=(1, 2, 3)))


@pytest.mark.parametrize("num_samples", [64, 160, 2048])
def test_an_additive_picture_gives_each_segment_its_light(num_samples):
    picture = np.random.default_rng(0).random((8, 8, 3))
    segments = np.arange(64).reshape(8, 8) // 4
    found = explain.shap_image(
        brightness, picture, segments=segments, baseline=0.2, target=1, num_samples=num_samples
    )
    light = np.bincount(segments.ravel(), (picture - 0.2).mean(axis=2).ravel()) / 64
    np.testing.assert_allclose(found.values, light, atol=1e-6)
    assert found.base_value == pytest.approx(0.2)
    assert found.prediction == pytest.approx(picture.mean())
    assert found.n_calls == num_samples


def test_a_picture_of_one_segment_gives_it_all():
    picture = np.full((4, 4, 3), 255, np.uint8)
    found = explain.shap_image(
        lambda made: brightness(made / 255), picture, segments=np.zeros((4, 4), int), baseline=0
    )
    assert (found.values, found.base_value, found.target, found.n_calls) == ([1.0], 0, 1, 2)


def test_the_baseline_decides_what_the_values_say():
    picture = np.full((2, 2, 3), 0.5)
    segments = np.arange(4).reshape(2, 2)
    dark, light = (
        explain.shap_image(brightness, picture, segments=segments, baseline=b, target=1) for b in (0, 1)
    )
    assert dark.values == pytest.approx([1 / 8] * 4)
    assert light.values == pytest.approx([-1 / 8] * 4)


def test_a_constant_model_gives_zeros_and_no_doubt():
    text = " ".join(f"word{i}" for i in range(16))
    found = explain.shap_text(lambda texts: binary(np.full(len(texts), 0.3)), text, num_samples=160)
    assert not found.values.any()
    assert not found.standard_errors.any()
    assert (found.base_value, found.target) == (0.7, 0)


def test_words_that_stand_twice_are_told_apart():
    # Only a "not" in front of "good" turns it.
    def sign(texts):
        return binary([0.9 if "not good" in text else 0.1 for text in texts])

    found = explain.shap_text(sign, "not bad, not good", replacement="...")
    assert found.target == 1
    assert found.values == pytest.approx([0, 0, 0.4, 0.4])
    assert [("not bad, not good")[a:b] for a, b in found.features] == ["not", "bad", "not", "good"]


def test_the_replacement_stands_where_words_are_hidden():
    seen = set()

    def model(texts):
        seen.update(texts)
        return binary(np.full(len(texts), 0.5))

    explain.shap_text(model, "so good", replacement="[MASK]")
    assert seen == {"so good", "[MASK] good", "so [MASK]", "[MASK] [MASK]"}


def test_a_text_without_words_is_refused():
    with pytest.raises(ValueError, match="one word or more"):
        explain.shap_text(lambda texts: binary([0.5] * len(texts)), "?!")


def test_the_model_is_asked_as_often_as_is_said_beforehand(monkeypatch):
    told, asked = [], []

    def model(texts):
        asked.append(len(texts))
        return binary(np.random.default_rng(len(asked)).random(len(texts)))

    calls = explain.shap.asking.calls
    monkeypatch.setattr(
        explain.shap.asking, "calls", lambda total, what: told.append(total) or calls(total, what)
    )
    text = " ".join("abcdefghijklmnopqrst")
    found = explain.shap_text(model, text, num_samples=201, batch_size=32)
    assert told == [sum(asked)] == [found.n_calls] == [200]
    assert max(asked) == 32


def test_a_class_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="target from 0 to 1, got 2"):
        explain.shap_text(lambda texts: binary([0.5] * len(texts)), "a b", target=2)


def test_the_other_class_has_the_opposite_values():
    picture = np.random.default_rng(0).random((6, 6, 3))
    segments = masking.grid(picture, 4)
    ours, other = (explain.shap_image(brightness, picture, segments=segments, target=t) for t in (0, 1))
    np.testing.assert_allclose(ours.values, -other.values, atol=1e-15)

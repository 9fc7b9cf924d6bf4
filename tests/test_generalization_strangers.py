import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from trustlib import generalization


def rows(n, seed, k=3, sharp=1.0):
    return np.random.default_rng(seed).dirichlet(np.full(k, 1 / sharp), size=n)


def test_four_pairs_by_hand():
    # Confidence of its own: 0.9 and 0.6; of strangers: 0.6 and 0.5. Three pairs won, one tied.
    own, others = [[0.9, 0.1], [0.4, 0.6]], [[0.6, 0.4], [0.5, 0.5]]
    found = generalization.strangers(own, others)
    assert found.value == pytest.approx(3.5 / 4) and found.n == 4


@pytest.mark.parametrize("score", [generalization.confidence, generalization.certainty])
def test_it_agrees_with_scikit_learn(score):
    own, others = rows(120, 0, sharp=3), rows(90, 1)
    expected = roc_auc_score([1] * 120 + [0] * 90, np.concatenate([score(own), score(others)]))
    found = generalization.strangers(own, others, score=score)
    assert found.value == pytest.approx(expected)
    assert found.low < expected < found.high


def test_a_model_that_shrugs_at_strangers_knows_them_all_and_one_that_is_sure_of_them_none():
    own, shrug, bold = [[0.8, 0.2]] * 30, [[0.5, 0.5]] * 20, [[0.01, 0.99]] * 20
    assert generalization.strangers(own, shrug).value == 1
    assert generalization.strangers(own, bold).value == 0
    assert generalization.strangers(own, own).value == 0.5


def test_with_two_classes_entropy_tells_what_confidence_tells():
    own, others = rows(50, 2, k=2), rows(60, 3, k=2)
    by_entropy = generalization.strangers(own, others, score=generalization.certainty)
    assert by_entropy.value == pytest.approx(generalization.strangers(own, others).value)


def test_entropy_by_hand():
    found = generalization.certainty(np.array([[0.25, 0.25, 0.5], [0.0, 0.0, 1.0]]))
    np.testing.assert_allclose(found, [0.5 * np.log(0.25) + 0.5 * np.log(0.5), 0])


def test_documents_on_one_side_widen_the_interval():
    others = np.repeat(rows(12, 4), 10, axis=0)
    own = rows(200, 5, sharp=2)
    alone = generalization.strangers(own, others)
    grouped = generalization.strangers(own, others, groups_out=np.arange(120) // 10)
    both = generalization.strangers(own, others, groups_in=np.arange(200), groups_out=np.arange(120) // 10)
    assert grouped.value == alone.value == both.value
    assert grouped.high - grouped.low > 1.5 * (alone.high - alone.low)
    assert (grouped.low, grouped.high) == (both.low, both.high)


def test_the_order_of_the_rows_changes_nothing_but_the_draws():
    own, others = rows(40, 6, sharp=2), rows(30, 7)
    assert generalization.strangers(own[::-1], others[::-1]).value == pytest.approx(
        generalization.strangers(own, others).value
    )


def test_other_classes_and_other_shapes_are_refused():
    with pytest.raises(ValueError, match="of one model, got 2 and 3 classes"):
        generalization.strangers([[0.5, 0.5]], rows(3, 0))
    with pytest.raises(ValueError, match="expected probs_out in"):
        generalization.strangers([[0.5, 0.5]], [[2.0, -1.0]])
    with pytest.raises(ValueError, match="expected scores of shape"):
        generalization.strangers([[0.5, 0.5]], [[0.5, 0.5]], score=lambda probs: probs)
    with pytest.raises(ValueError, match="groups_out of shape"):
        generalization.strangers([[0.5, 0.5]], [[0.5, 0.5]], groups_out=[1, 2])

import numpy as np
import pytest

from trustlib.course import answers


def test_the_larger_class_is_the_larger_one_whichever_it_is():
    assert answers.larger_class_share(np.array([0, 0, 1, 0])) == 0.75
    assert answers.larger_class_share(np.array([1, 1, 1, 0])) == 0.75


def test_share_below_leaves_out_the_bound_itself():
    found = answers.share_below(np.array([0.5, 0.79, 0.8, 1.0]), 0.8)
    assert (found.value, found.n) == (0.5, 4)


@pytest.mark.parametrize(("share", "width"), [(0.9, 0.04), (0.9, 0.02), (0.5, 0.1)])
def test_cells_needed_agrees_with_wilsons_formula(share, width):
    z = 1.959963985

    def wide(n):
        return 2 * z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)

    n = answers.cells_needed(share, width)
    assert n % 100 == 0 and wide(n) <= width and (n == 100 or wide(n - 100) > width)


def test_an_epoch_loss_is_what_its_texts_say_one_by_one():
    texts = [np.array([0.2, 0.4, 0.9]), np.array([2.0])]
    means, sizes = np.array([text.mean() for text in texts]), np.array([3, 1])
    assert answers.epoch_loss(means, sizes) == pytest.approx(np.concatenate(texts).mean())


def test_attention_weights_are_the_softmax_of_the_text_alone_whatever_the_padding_scores():
    alone = np.exp([2.0, 0.5]) / np.exp([2.0, 0.5]).sum()
    for padding in (-3.0, 0.0, 800.0):
        found = answers.attention_weights(np.array([2.0, 0.5, padding]), np.array([1, 1, 0]))
        np.testing.assert_allclose(found, [*alone, 0])


def test_mean_pool_leaves_padding_out_of_sum_and_count():
    states = np.array([[[1.0, 2.0], [3.0, 4.0], [99.0, 99.0]]])
    np.testing.assert_allclose(answers.mean_pool(states, np.array([[1, 1, 0]])), [[2.0, 3.0]])
    np.testing.assert_allclose(answers.mean_pool(states, np.ones((1, 3))), states.mean(axis=1))

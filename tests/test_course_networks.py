import numpy as np
import pytest
import torch

from trustlib import parts
from trustlib.course import networks


def test_the_small_network_has_the_weights_that_its_docstring_counts():
    assert sum(weight.numel() for weight in networks.small_cnn().parameters()) == 106_922


def test_it_gives_a_logit_a_class_and_starts_the_same_for_a_seed():
    pixels = torch.zeros(2, 3, 28, 28)
    one, same, other = (networks.small_cnn(5, seed=seed) for seed in (1, 1, 2))
    assert one(pixels).shape == (2, 5)
    assert torch.equal(one(pixels), same(pixels)) and not torch.equal(one(pixels), other(pixels))


def test_building_it_leaves_the_global_generator_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    networks.small_cnn()
    assert torch.equal(torch.rand(1), expected)


def test_its_parts_are_found():
    network = networks.small_cnn()
    assert parts.head(network)[1] is network[-1]
    assert set(parts.trainable(network, "head")) == {"9.weight", "9.bias"}


def test_the_reader_answers_raw_digits():
    reader = networks.digit_reader(("3", "7"), seed=0)
    probs = reader.predict_proba(np.zeros((4, 28, 28, 3), np.uint8))
    assert probs.shape == (4, 2) and np.allclose(probs.sum(axis=1), 1)


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="expected n_classes as a whole number from 2 up"):
        networks.small_cnn(1)

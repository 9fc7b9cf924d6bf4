"""What the frozen part computes is kept only where the way over the cut gives the network's own logits."""

import numpy as np
import pytest
import tiny
import torch
import torchvision.models
from torch import nn

from trustlib import frozen, parts, pixels
from trustlib.classifiers import ImageClassifier

TEXTS = ["good", "a very bad film .", "the film a dull", "great plots ." * 3, "awful", "a fine film"]


def resnet18():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ImageClassifier(torchvision.models.resnet18(num_classes=2), tiny.CLASSES, size=32)


def classifier(name, folder):
    makers = {"bert": tiny.bert, "roberta": tiny.roberta, "distilbert": tiny.distilbert}
    if name in makers:
        return tiny.text_classifier(folder, makers[name]())
    if name == "short resnet18":
        short = resnet18()
        parts.shorten(short.model, 3)
        return short
    return resnet18() if name == "resnet18" else tiny.image_classifier()


def prepared(classifier):
    return classifier.prepare(tiny.pictures(np.arange(7) % 2) if hasattr(classifier, "size") else TEXTS)


# What reaches the cut of one sample; None where there is no cut.
KEPT = {
    ("small", "head"): (6,),
    ("small", "last_block"): None,  # not a network whose way from its blocks to its logits is known
    ("resnet18", "head"): (512,),
    ("resnet18", "last_block"): (256, 2, 2),
    ("short resnet18", "head"): (256,),
    ("short resnet18", "last_block"): (128, 4, 4),
    ("bert", "head"): (1, 32),
    ("bert", "last_block"): ("tokens", 32),
    ("roberta", "head"): (1, 32),
    ("roberta", "last_block"): None,
    ("distilbert", "head"): None,  # between its two linear layers stands a function that is no layer
    ("distilbert", "last_block"): None,
}


@pytest.mark.parametrize(("name", "train"), KEPT)
def test_a_cut_keeps_what_is_needed_and_gives_the_network_s_own_logits(name, train, tmp_path):
    c = classifier(name, tmp_path)
    samples = prepared(c)
    cut = frozen.find(c, samples, train)
    if KEPT[name, train] is None:
        assert cut is None
        return
    kept = frozen.features(c, samples, cut, batch_size=4)
    for sample, row in zip(samples, kept, strict=True):
        assert tuple(row.shape) == tuple(len(sample) if n == "tokens" else n for n in KEPT[name, train])
    with torch.no_grad():
        whole = c.forward(c.collate(list(samples)))
        rounding = 1e-4 * (whole.max(dim=0).values - whole.min(dim=0).values)
        assert ((cut.logits(kept) - whole).abs() < rounding).all()
        one_by_one = torch.cat([cut.logits([row]) for row in kept])
    assert ((one_by_one - whole).abs() < rounding).all()  # so padding changes nothing


def test_there_is_nothing_to_keep_when_everything_is_trained():
    c = tiny.image_classifier()
    assert frozen.find(c, prepared(c), "all") is None


class Scaled(tiny.Network):
    """Does something to the logits after its head."""

    def forward(self, images):
        return 3 * super().forward(images)


def test_a_network_that_goes_on_after_its_head_has_no_cut():
    c = ImageClassifier(Scaled(), tiny.CLASSES, size=tiny.SIDE)
    assert frozen.find(c, prepared(c), "head") is None


def test_a_head_that_says_the_same_of_every_sample_cannot_show_that_a_cut_is_right():
    c = ImageClassifier(Scaled(), tiny.CLASSES, size=tiny.SIDE)
    nn.init.zeros_(c.model.fc.weight)
    nn.init.zeros_(c.model.fc.bias)
    assert frozen.find(c, prepared(c), "head") is None
    nn.init.normal_(c.model.fc.weight, std=1e-6)
    assert frozen.find(c, prepared(c), "head") is None


class Twice(nn.Module):
    """Uses its head twice."""

    def __init__(self):
        super().__init__()
        self.flat, self.fc = nn.Flatten(), nn.Linear(3 * tiny.SIDE**2, 2)

    def forward(self, images):
        return self.fc(self.flat(images)) + self.fc(2 * self.flat(images))


def test_a_network_that_meets_its_head_twice_has_no_cut():
    c = ImageClassifier(Twice(), tiny.CLASSES, size=tiny.SIDE)
    assert frozen.find(c, prepared(c), "head") is None


@pytest.mark.parametrize(("name", "train"), KEPT)
def test_looking_for_a_cut_leaves_no_trace(name, train, tmp_path):
    c = classifier(name, tmp_path)
    before, chance = tiny.state(c.model), torch.get_rng_state()
    hooks = [len(layer._forward_pre_hooks) for layer in c.model.modules()]
    cut = frozen.find(c, prepared(c), train)
    if cut is not None:
        frozen.features(c, prepared(c), cut)
    assert [len(layer._forward_pre_hooks) for layer in c.model.modules()] == hooks
    assert tiny.changed(before, c.model) == set() and torch.equal(torch.get_rng_state(), chance)


def test_gradients_over_the_cut_are_those_of_the_whole_network(tmp_path):
    c = classifier("bert", tmp_path)
    samples = prepared(c)
    trained = parts.freeze(c.model, "last_block")
    cut = frozen.find(c, samples, "last_block")
    weight = torch.arange(12.0).view(6, 2)
    gradients = []
    for logits in (cut.logits(frozen.features(c, samples, cut)), c.forward(c.collate(samples))):
        c.model.zero_grad()
        (logits * weight).sum().backward()
        gradients.append([parameter.grad.clone() for parameter in trained])
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(*gradients, strict=True))
    assert any(gradient.abs().max() > 0.1 for gradient in gradients[0])


def test_lazy_pictures_are_decoded_once_each():
    c = tiny.image_classifier()
    images, asked = tiny.pictures(np.arange(9) % 2), []

    def decode(image, i):
        asked.append(i)
        return pixels.encode_one(image, c.size)

    cut = frozen.find(c, prepared(c), "head")
    kept = frozen.features(c, pixels.Lazy(images, decode), cut, batch_size=4)
    assert asked == list(range(9))
    eager = frozen.features(c, c.prepare(images), cut)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(kept, eager, strict=True))


def test_lengths_are_tokens_of_texts_and_ones_of_pictures(tmp_path):
    assert frozen.lengths(tiny.text_classifier(tmp_path).prepare(TEXTS)) == [3, 7, 6, 14, 3, 5]
    assert frozen.lengths(tiny.image_classifier().prepare(tiny.pictures([0, 1]))) == [1, 1]

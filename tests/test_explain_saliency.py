import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import tiny
import torch
from torch import nn

from trustlib import explain
from trustlib.explain import masking

PICTURE = tiny.pictures([0, 1])[1]
QUARTERS = np.kron([[0, 1], [2, 3]], np.ones((6, 6), dtype=np.int64))
TEXT = "The plots, very good!"
WORDS = ["The", "plots", "very", "good"]


class Linear:
    """softmax(W x) of a picture's pixels (3, 2, 2), in float64, so that gradients are known by hand."""

    classes = ("no", "yes")

    def __init__(self, weights):
        self.weights = torch.tensor(weights, dtype=torch.float64)  # (2, 12)
        self.asked = 0

    def encode(self, pictures):
        return torch.tensor(np.stack(pictures), dtype=torch.float64).permute(0, 3, 1, 2)

    def logits_from(self, encoded):
        self.asked += len(encoded)
        return encoded.flatten(1) @ self.weights.T


@pytest.fixture(scope="module")
def linear():
    return Linear(np.random.default_rng(0).normal(size=(2, 12)))


@pytest.fixture(scope="module")
def images():
    return tiny.image_classifier()


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    return tiny.text_classifier(tmp_path_factory.mktemp("tokenizer"))


X = np.random.default_rng(1).random((2, 2, 3))
PIXELS = np.arange(4).reshape(2, 2)


def by_hand(linear, baseline=0.0):
    """p, p (1 - p) (w1 - w0) and the pixels less the baseline, both (3, 2, 2)."""
    weights = (linear.weights[1] - linear.weights[0]).numpy().reshape(3, 2, 2)
    x = X.transpose(2, 0, 1)
    p = 1 / (1 + np.exp(-(weights * x).sum()))
    return p, p * (1 - p) * weights, x - baseline


# Pictures


def test_the_gradient_of_a_softmax_is_known_by_hand(linear):
    p, slope, _ = by_hand(linear)
    found = explain.gradient(linear, X, target=1, segments=PIXELS)
    np.testing.assert_allclose(found.attributions, slope.sum(axis=0))
    np.testing.assert_allclose(found.values, slope.sum(axis=0).ravel())
    assert found.prediction == pytest.approx(p)
    assert (found.kind, found.method, found.n_calls, found.target) == ("image", "gradient", 2, 1)
    assert np.isnan([found.base_value, found.fidelity]).all()


def test_gradient_times_input_is_known_by_hand_and_its_tangent_ends_at_the_base_value(linear):
    p, slope, x = by_hand(linear)
    found = explain.gradient_times_input(linear, X, target=1, segments=PIXELS)
    np.testing.assert_allclose(found.attributions, (slope * x).sum(axis=0))
    assert found.base_value == pytest.approx(p - (slope * x).sum())


def test_log_odds_of_two_classes_are_linear_so_all_gradients_agree(linear):
    weights = (linear.weights[1] - linear.weights[0]).numpy().reshape(3, 2, 2)
    options = {"target": 1, "segments": PIXELS, "log_odds": True}
    found = explain.gradients(linear, X, baseline=0, n_steps=2, **options)
    np.testing.assert_allclose(found.gradient.attributions, weights.sum(axis=0))
    expected = (weights * X.transpose(2, 0, 1)).sum(axis=0)
    np.testing.assert_allclose(found.gradient_times_input.attributions, expected)
    np.testing.assert_allclose(found.integrated_gradients.attributions, expected)
    assert found.integrated_gradients.base_value == pytest.approx(0)
    assert found.integrated_gradients.prediction == pytest.approx(expected.sum())


def test_integrated_gradients_of_a_softmax_share_the_difference_in_proportion_to_the_logits(linear):
    # Along the straight way the gradient keeps its direction, so each pixel has its share of the whole.
    _, slope, x = by_hand(linear, baseline=0.5)
    found = explain.integrated_gradients(linear, X, target=1, segments=PIXELS, baseline=0.5)
    share = (slope * x).sum(axis=0) / (slope * x).sum()
    np.testing.assert_allclose(found.attributions, share * (found.prediction - found.base_value), atol=1e-9)
    assert found.base_value == pytest.approx(linear_answer(linear, np.full((2, 2, 3), 0.5)))


def linear_answer(linear, picture):
    return linear.logits_from(linear.encode([picture])).softmax(1)[0, 1].item()


def test_passes_are_counted(linear):
    counted = Linear(linear.weights.tolist())
    found = explain.integrated_gradients(counted, X, segments=PIXELS, n_steps=10, batch_size=3)
    backward = 10
    assert found.n_calls == counted.asked + backward


def test_integrated_gradients_are_complete(images):
    found = explain.integrated_gradients(images, PICTURE, segments=QUARTERS, baseline=0, n_steps=200)
    black, seen = images.predict_proba([np.zeros_like(PICTURE), PICTURE])[:, found.target]
    assert found.values.sum() == pytest.approx(seen - black, abs=1e-5)
    assert (found.base_value, found.prediction) == pytest.approx((black, seen), abs=1e-6)
    assert abs(found.fidelity) < 1e-5
    assert found.fidelity == pytest.approx(found.base_value + found.values.sum() - found.prediction)


def test_few_steps_are_told_from_many_by_the_completeness_error(linear):
    steep = Linear((8 * linear.weights).tolist())
    few, many = (
        explain.integrated_gradients(steep, X, segments=PIXELS, baseline=0, n_steps=n).fidelity
        for n in (2, 64)
    )
    assert abs(few) > 0.05
    assert abs(many) < 1e-6


def test_both_gradients_of_pictures_agree_with_captum(images):
    from captum.attr import InputXGradient, Saliency

    def answer(pixels):
        return images.logits_from(pixels).softmax(1)

    pixels = images.encode([PICTURE]).requires_grad_()
    slope = Saliency(answer).attribute(pixels, target=1, abs=False)[0].sum(0)
    product = InputXGradient(answer).attribute(pixels, target=1)[0].sum(0)
    options = {"target": 1, "segments": QUARTERS}
    np.testing.assert_allclose(
        explain.gradient(images, PICTURE, **options).attributions, slope.detach(), atol=1e-9
    )
    np.testing.assert_allclose(
        explain.gradient_times_input(images, PICTURE, **options).attributions, product.detach(), atol=1e-9
    )


@pytest.mark.parametrize("side", [5, 12, 31])
def test_segments_of_a_picture_of_another_size_lose_nothing(images, side):
    picture = np.random.default_rng(2).random((side, side + 1, 3))
    segments = np.indices((side, side + 1)).sum(axis=0) % 3
    found = explain.gradient_times_input(images, picture, segments=segments)
    assert found.attributions.shape == (tiny.SIDE, tiny.SIDE)
    assert found.values.sum() == pytest.approx(found.attributions.sum())


def test_a_pixel_of_the_network_is_shared_out_among_the_segments_that_it_covers(images):
    picture = np.random.default_rng(2).random((24, 24, 3))  # four pixels to each one of the network
    segments = np.zeros((24, 24), dtype=int)
    segments[:, 1::2] = 1
    found = explain.gradient_times_input(images, picture, segments=segments)
    assert found.values[0] == pytest.approx(found.values[1])
    halves = np.repeat([0, 1], 12)[None].repeat(24, axis=0)
    found = explain.gradient_times_input(images, picture, segments=halves)
    assert found.values[0] == pytest.approx(found.attributions[:, :6].sum())


def test_without_segments_the_usual_ones_are_taken(images):
    found = explain.gradient(images, PICTURE)
    np.testing.assert_array_equal(found.features, masking.slic(PICTURE))
    assert found.target == images.predict_proba([PICTURE]).argmax()


def test_without_a_baseline_every_segment_has_its_mean_colour(images):
    flat = masking.image(PICTURE, QUARTERS)(np.zeros((1, 4), dtype=bool))[0]
    found, expected = (
        explain.integrated_gradients(images, PICTURE, segments=QUARTERS, baseline=baseline)
        for baseline in (None, flat)
    )
    np.testing.assert_array_equal(found.values, expected.values)


def test_nothing_of_the_network_is_left_changed(images):
    before = tiny.state(images.model)
    explain.gradients(images, PICTURE, segments=QUARTERS, n_steps=4)
    assert not tiny.changed(before, images.model)
    assert all(parameter.grad is None for parameter in images.model.parameters())


# Texts


def test_values_belong_to_the_words_that_the_other_explainers_hide(texts):
    found = explain.gradients(texts, TEXT, n_steps=4)
    for result in (found.gradient, found.gradient_times_input, found.integrated_gradients):
        assert result.kind == "text"
        assert [TEXT[start:stop] for start, stop in result.features] == WORDS
        pieces = [TEXT[start:stop] for start, stop in result.tokens]
        assert pieces == ["", "The", "plot", "s", ",", "very", "good", "!", ""]
        t = result.attributions
        np.testing.assert_allclose(result.values, [t[1], t[2] + t[3], t[5], t[6]])


def test_both_gradients_of_texts_agree_with_captum(texts):
    from captum.attr import InputXGradient, Saliency

    def answer(embeddings):
        return texts.logits_from(embeddings).softmax(1)

    embeddings = texts.encode([TEXT]).requires_grad_()
    slope = Saliency(answer).attribute(embeddings, target=1, abs=False)[0].norm(dim=1)
    product = InputXGradient(answer).attribute(embeddings, target=1)[0].sum(1)
    np.testing.assert_allclose(
        explain.gradient(texts, TEXT, target=1).attributions, slope.detach(), atol=1e-7
    )
    np.testing.assert_allclose(
        explain.gradient_times_input(texts, TEXT, target=1).attributions, product.detach(), atol=1e-7
    )


def test_integrated_gradients_of_a_text_lead_from_masked_words_to_the_text(texts):
    found = explain.integrated_gradients(texts, TEXT, n_steps=100)
    # The piece "##s" is masked too, so "plots" becomes two masks.
    masked, seen = texts.predict_proba(["[MASK] [MASK] [MASK], [MASK] [MASK]!", TEXT])[:, found.target]
    assert (found.base_value, found.prediction) == pytest.approx((masked, seen), abs=1e-6)
    assert abs(found.fidelity) < 1e-5
    assert found.values.sum() == pytest.approx(seen - masked, abs=1e-5)
    nothing = [i for i, (start, stop) in enumerate(found.tokens) if not TEXT[start:stop].isalpha()]
    assert not found.attributions[nothing].any()


def test_another_token_may_stand_for_every_word(texts):
    found = explain.integrated_gradients(texts, "good film", baseline="[PAD]", n_steps=100)
    # The embedding of [PAD] is no row of zeros here, so the network reads it, as it would in a text.
    (padded,) = texts.predict_proba(["[PAD] [PAD]"])
    assert found.base_value == pytest.approx(padded[found.target], abs=1e-6)
    assert abs(found.fidelity) < 1e-5


def test_a_baseline_of_zeros_would_be_padding_and_is_refused(tmp_path):
    texts = tiny.text_classifier(tmp_path)
    nn.init.zeros_(texts.model.get_input_embeddings().weight.data[0])  # [PAD], as in a fresh network
    with pytest.raises(ValueError, match=r"got '\[PAD\]' with nothing but zeros.*read as padding"):
        explain.integrated_gradients(texts, "good film", baseline="[PAD]")


def test_words_that_the_network_does_not_reach_have_no_value(tmp_path):
    texts = tiny.text_classifier(tmp_path, max_tokens=5)
    found = explain.integrated_gradients(texts, "a good dull film plot very bad", n_steps=4)
    assert found.values[:3].all()
    assert not found.values[3:].any()
    assert len(found.tokens) == 5


def test_a_class_that_is_never_in_doubt_has_flat_probabilities_and_steep_log_odds(tmp_path):
    texts = tiny.text_classifier(tmp_path)
    with torch.no_grad():
        texts.model.classifier.weight *= 60
    sure = explain.gradient(texts, TEXT)
    steep = explain.gradient(texts, TEXT, log_odds=True)
    assert texts.predict_proba([TEXT]).max() > 0.99
    assert steep.values.sum() > 50 * sure.values.sum()


def test_three_classes_have_log_odds_against_both_others():
    three = Linear(np.random.default_rng(3).normal(size=(3, 12)))
    found = explain.gradient(three, X, target=2, segments=PIXELS, log_odds=True)
    p = three.logits_from(three.encode([X])).softmax(1)[0, 2].item()
    assert found.prediction == pytest.approx(np.log(p / (1 - p)))


def test_all_three_are_what_each_is_alone(images):
    options = {"target": 0, "segments": QUARTERS}
    found = explain.gradients(images, PICTURE, n_steps=8, **options)
    alone = (
        explain.gradient(images, PICTURE, **options),
        explain.gradient_times_input(images, PICTURE, **options),
        explain.integrated_gradients(images, PICTURE, n_steps=8, **options),
    )
    fields = [field.name for field in dataclasses.fields(found)]
    assert fields == ["gradient", "gradient_times_input", "integrated_gradients"]
    for name, expected in zip(fields, alone, strict=True):
        np.testing.assert_array_equal(getattr(found, name).values, expected.values)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda images, texts: explain.gradient(images, PICTURE, target=2), "target"),
        (lambda images, texts: explain.gradient(images, PICTURE[..., 0]), r"picture of shape \(h, w, 3\)"),
        (lambda images, texts: explain.gradient(images, PICTURE, segments=QUARTERS[:3]), "segments"),
        (lambda images, texts: explain.gradient(texts, TEXT, segments=QUARTERS), "for pictures only"),
        (lambda images, texts: explain.gradient(texts, "..."), "a text with one word or more, got '...'"),
        (lambda images, texts: explain.integrated_gradients(images, PICTURE, n_steps=0), "n_steps"),
        (lambda images, texts: explain.integrated_gradients(images, PICTURE, baseline=300), "baseline"),
        (
            lambda images, texts: explain.integrated_gradients(texts, TEXT, baseline="good film"),
            "one token as baseline, got 2 in 'good film'",
        ),
        (
            lambda images, texts: explain.integrated_gradients(texts, TEXT, baseline=0),
            r"a token as baseline, got 0.*'\[PAD\]'",
        ),
    ],
)
def test_bad_input_is_refused(images, texts, call, message):
    with pytest.raises(ValueError, match=message):
        call(images, texts)


def test_a_tokenizer_that_does_not_say_where_its_tokens_stand_is_refused(texts):
    slow = SimpleNamespace(
        classes=texts.classes, encode=texts.encode, logits_from=texts.logits_from, tokenizer=object()
    )
    with pytest.raises(ValueError, match="expected a tokenizer that says where its tokens stand, got object"):
        explain.gradient(slow, TEXT)

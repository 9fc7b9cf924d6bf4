"""Randomising a network layer by layer: what depends on the model changes, and the model itself does not."""

import numpy as np
import pytest
import tiny
import torch
from explained import of_picture, of_text

from trustlib import faithfulness
from trustlib.errors import ModelError
from trustlib.explain import masking
from trustlib.faithfulness.randomisation import _layers

SEGMENTS = np.kron(np.arange(16).reshape(4, 4), np.ones((3, 3), dtype=int))
PICTURES = tiny.pictures(np.arange(24) % 2)


def occlusion(predict_proba, picture, seed):
    """What each segment adds to the log-odds; follows the model."""
    masks = np.vstack([np.ones((1, 16), bool), ~np.eye(16, dtype=bool)])
    probs = predict_proba(masking.image(picture, SEGMENTS)(masks))
    odds = np.log(probs[:, 1] / probs[:, 0])
    return of_picture(odds[0] - odds[1:], picture, SEGMENTS, n_calls=17)


def brightness(predict_proba, picture, seed):
    """How bright each segment is; never asks the model."""
    return of_picture(np.bincount(SEGMENTS.ravel(), picture[..., 0].ravel()), picture, SEGMENTS)


def check(explain, classifier, **options):
    return faithfulness.randomisation(
        explain, classifier, PICTURES[1], inputs=PICTURES, **{"repeats": 2, **options}
    )


@pytest.fixture(scope="module")
def trained():
    from trustlib import finetune

    classifier = tiny.image_classifier()
    task = tiny.image_task(train=60)
    finetune.finetune(classifier, task, train="all", epochs=5, learning_rate=1e-2, batch_size=16)
    return classifier


def test_an_explanation_of_the_picture_survives_and_one_of_the_model_does_not(trained):
    blind = check(brightness, trained)
    sees = check(occlusion, trained, repeats=6)
    assert [score.score for score in blind.spearman] == [1.0] * 4
    assert all(score.beats.value == 1 for score in blind.spearman)
    last = sees.spearman[-1]
    assert last.estimate.high < 0.8
    assert last.estimate.n == 6
    assert sees.spearmans.shape == sees.undefined.shape == (6, 4)
    assert last.score == pytest.approx(sees.spearmans[:, -1].mean())


def test_stages_go_from_the_answer_back_to_the_input_block_by_block(trained):
    assert check(brightness, trained).layers == ("fc", "blocks.1", "blocks.0", "stem")
    from torchvision.models import resnet18

    assert _layers(resnet18())[:3] == ["fc", "layer4.1", "layer4.0"]
    assert _layers(resnet18())[-2:] == ["bn1", "conv1"]


def test_a_whole_bert_is_randomised_too(tmp_path):
    classifier = tiny.text_classifier(tmp_path)
    texts = tiny.texts(np.arange(8) % 2)
    text = "a very good film ."

    def explain(predict_proba, given, seed):
        spans = masking.words(given)
        hidden = masking.text(given, spans)(~np.eye(len(spans), dtype=bool))
        return of_text(predict_proba([given])[0, 1] - predict_proba(hidden)[:, 1], given)

    layers = _layers(classifier.model)
    found = faithfulness.randomisation(
        explain, classifier, text, inputs=texts, layers=[layers[0], layers[3]], repeats=2
    )
    assert layers[:3] == ["classifier", "bert.pooler.dense", "bert.encoder.layer.1"]
    assert layers[-1] == "bert.embeddings.word_embeddings"
    assert found.layers == ("classifier", "bert.encoder.layer.0")
    assert not found.undefined.any()
    assert (found.spearmans < 1).all()


def test_the_classifier_and_the_global_generator_stay_as_they_were(trained):
    before, drawn = tiny.state(trained.model), torch.get_rng_state()
    modes = [module.training for module in trained.model.modules()]
    momenta = [m.momentum for m in trained.model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    check(occlusion, trained)
    assert not tiny.changed(before, trained.model)
    assert torch.equal(drawn, torch.get_rng_state())
    assert modes == [module.training for module in trained.model.modules()]
    assert momenta == [m.momentum for m in trained.model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert all(parameter.requires_grad for parameter in trained.model.parameters())


def networks(trained, **options):
    """The copies that the explainer was asked about, stage by stage, each copied as it was then."""
    import copy

    seen = []

    def explain(predict_proba, picture, seed):
        seen.append(copy.deepcopy(predict_proba.__self__.model))
        return brightness(predict_proba, picture, seed)

    check(explain, trained, **options)
    return seen


def test_each_stage_is_random_and_those_below_are_as_trained(trained):
    original, *stages = networks(trained)[:5]
    before = tiny.state(original)
    touched = [tiny.changed(before, stage) for stage in stages]
    weights = [
        {name for name in names if "running" not in name and "batches" not in name} for names in touched
    ]
    assert all(name.startswith("fc") for name in weights[0])
    assert weights[0] < weights[1] < weights[2] < weights[3]
    assert not any(name.startswith("stem") for name in weights[2])
    assert "stem.weight" in weights[3]
    # Batch norms below the first random weight keep what they had learned.
    assert not any(name.startswith("blocks") for name in touched[0])
    assert not any(name.startswith("blocks.0") for name in touched[1])


def test_random_weights_are_as_large_as_the_trained_ones(trained):
    original, *stages = networks(trained)[:5]
    for name, parameter in stages[-1].named_parameters():
        if parameter.ndim > 1:
            assert parameter.std().item() == pytest.approx(original.get_parameter(name).std().item(), rel=0.5)
            assert not torch.equal(parameter, original.get_parameter(name))
        else:
            assert set(parameter.tolist()) == ({0.0} if name.endswith("bias") else {1.0})


def test_batch_norms_know_the_random_network(trained):
    last = networks(trained)[4]
    classifier = tiny.image_classifier()
    classifier.model = last.eval()
    met = {}
    for name, module in last.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.register_forward_hook(lambda _, given, __, name=name: met.update({name: given[0]}))
    with torch.no_grad():
        classifier.logits_from(classifier.encode(PICTURES))
    assert len(met) == 2
    for name, given in met.items():
        norm = last.get_submodule(name)
        torch.testing.assert_close(norm.running_mean, given.mean((0, 2, 3)), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(norm.running_var, given.var((0, 2, 3)), atol=1e-4, rtol=1e-3)


def test_batches_of_any_size_estimate_the_same_means(trained):
    whole, parts = (networks(trained, batch_size=size)[4] for size in (24, 12))
    # The first norm behind the stem sees the same pictures; later ones see what earlier norms made of them.
    one, two = (net.blocks[0][1].running_mean for net in (whole, parts))
    torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-3)
    networks(trained, batch_size=23)  # a last batch of one has no variance


def test_a_constant_answer_is_undefined(trained):
    import copy

    dead = copy.copy(trained)
    dead.model = copy.deepcopy(trained.model)
    dead.model.fc.weight.data.zero_()  # drawn anew with the spread that it had: none
    found = check(brightness, dead)
    assert found.undefined.all()
    assert not any(score.defined for score in found.spearman + found.overlap)
    assert np.isnan(found.spearmans).all()
    assert found.spearman[0].estimate is None


def test_a_constant_explanation_is_undefined_where_it_is_constant(trained):
    asked = []

    def explain(predict_proba, picture, seed):
        asked.append(1)
        made = brightness(predict_proba, picture, seed)
        return of_picture(
            made.values * (len(asked) != 3), picture, SEGMENTS
        )  # the second stage, first repeat

    found = check(explain, trained)
    assert found.undefined.tolist() == [[False, True, False, False], [False] * 4]
    assert found.spearman[1].score == 1
    assert (found.spearman[1].estimate.n, found.spearman[1].estimate.low) == (1, -1)


def test_layers_can_be_chosen_and_calls_are_counted(trained):
    found = check(occlusion, trained, layers=("fc", "blocks"))
    assert found.layers == ("fc", "blocks")
    assert found.n_calls == 17 * (1 + 2 * 2) + 2 * 2 * 24
    assert len(found.explanations) == 2
    assert len(found.explanations[0]) == 2


def test_the_same_seed_gives_the_same_networks(trained):
    one, two = (check(occlusion, trained, seed=3).spearmans for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert (check(occlusion, trained, seed=4).spearmans != one).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": ["layer9"]}, "names of layers of Network, got layer9"),
        ({"layers": []}, "got none"),
        ({"repeats": 1}, "repeats as a whole number from 2"),
        ({"batch_size": 1}, "batch_size as a whole number from 2"),
        ({"k": 17}, "k up to the number of features"),
    ],
)
def test_bad_input_is_refused(trained, options, message):
    with pytest.raises(ValueError, match=message):
        check(brightness, trained, **options)


def test_what_cannot_be_randomised_is_refused(trained):
    with pytest.raises(ModelError, match="without model; wrap the network"):
        faithfulness.randomisation(brightness, object(), PICTURES[0], inputs=PICTURES)
    with pytest.raises(ValueError, match="at least 2 inputs, got 1"):
        faithfulness.randomisation(brightness, trained, PICTURES[0], inputs=PICTURES[:1])

"""Any torchvision classifier and any Hugging Face sequence classifier, through the same two classes.

Weights are random, so nothing here is about accuracy: each network learns for a step, answers, is perturbed,
turned and explained, and comes back from its folder. What the numbers must be is known without training.
"""

import numpy as np
import pytest
import tiny
import torch
import torchvision.models

from trustlib import explain, finetune, minimal, parts, predictions, robustness, text_perturbations
from trustlib.classifiers import ImageClassifier, TextClassifier
from trustlib.explain import masking

SIDE = 32  # the least that the strides of these networks leave anything of
PICTURES = ("vit_b_16", "mobilenet_v3_small", "efficientnet_b0")
TEXTS = ("distilbert", "roberta")
VIT = pytest.param("vit_b_16", marks=pytest.mark.slow)  # 86 million weights, several times over
each_network = pytest.mark.parametrize("name", [VIT, *PICTURES[1:], *TEXTS])
ROBERTA_MARKS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def untrained_pictures(name):
    options = {"image_size": SIDE} if name.startswith("vit") else {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        # A thousand classes, as published networks have: the classifier puts a fresh head of two there.
        model = torchvision.models.get_model(name, weights=None, **options)
        return settled(model, torch.randn(32, 3, 1, 1) + torch.randn(32, 3, SIDE, SIDE))


def settled(model, pixels):
    """The network with batch norms that know their inputs, as those of published ones do.

    Without, what fresh weights make of a picture fades from layer to layer, to nothing that a float can tell.
    """
    norms = [layer for layer in model.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 1.0
    with torch.no_grad():
        model.train()(pixels)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
    return model


def byte_pairs(folder):
    """RoBERTa's kind of tokenizer: byte pairs, learned here, the space before a word part of its token."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaTokenizerFast

    learned = ByteLevelBPETokenizer()
    sentences = tiny.texts(np.arange(60) % 2)
    learned.train_from_iterator(sentences, vocab_size=300, special_tokens=ROBERTA_MARKS, show_progress=False)
    learned.save_model(str(folder))
    return RobertaTokenizerFast.from_pretrained(str(folder))


def build(name, folder):
    """A classifier of two classes around an untrained network of that name."""
    if name in PICTURES:
        return ImageClassifier(untrained_pictures(name), tiny.CLASSES, size=SIDE, architecture=name)
    if name == "distilbert":
        from transformers import DistilBertTokenizerFast

        path = folder / "vocab.txt"
        path.write_text("\n".join(tiny.WORDS) + "\n")
        tokenizer, network = DistilBertTokenizerFast(str(path)), tiny.distilbert()
    else:
        from transformers import RobertaConfig

        tokenizer = byte_pairs(folder)
        marks = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
        network = tiny.untrained(RobertaConfig(**{**tiny.SIZES, "vocab_size": len(tokenizer), **marks}))
    return TextClassifier(network, tokenizer, tiny.FEELINGS, max_tokens=24)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A classifier by name, its head fine-tuned for one step; each is made once."""
    made = {}

    def of(name):
        if name not in made:
            made.clear()  # one ViT at a time is enough memory
            made[name] = build(name, tmp_path_factory.mktemp(name))
            finetune.finetune(made[name], task(name), train="head", epochs=1)
        return made[name]

    return of


def task(name):
    sizes = {"train": 8, "validation": 4}
    return tiny.image_task(**sizes) if name in PICTURES else tiny.text_task(**sizes)


def inputs(name, n=6):
    labels = np.arange(n) % 2
    return tiny.pictures(labels, seed=5) if name in PICTURES else tiny.texts(labels, seed=5)


@each_network
@pytest.mark.parametrize("train", parts.CHOICES)
def test_a_step_moves_the_named_part_and_nothing_else(name, train, tmp_path):
    c = build(name, tmp_path)
    before = tiny.state(c.model)
    history = finetune.finetune(c, task(name), train=train, epochs=1, learning_rate=1e-2, warmup=0)
    named = parts.trainable(c.model, train)
    moved = tiny.changed(before, c.model) & {weight for weight, _ in c.model.named_parameters()}
    assert history.n_trainable == sum(p.numel() for n, p in c.model.named_parameters() if n in named)
    assert moved <= set(named)
    # Decay alone moves every matrix, so both ends of the part that is trained must have moved.
    matrices = [n for n in named if before[n].ndim > 1]
    assert {matrices[0], matrices[-1]} <= moved


@each_network
def test_predicted_probabilities_do_not_depend_on_the_batch(name, classifier):
    c, split = classifier(name), task(name).test
    answers = predictions.predict(c.predict_proba, split, batch_size=3)
    alone = np.concatenate([c.predict_proba(split.inputs[i : i + 1]) for i in range(len(split))])
    assert answers.classes == c.classes
    assert np.allclose(answers.probs, alone, atol=1e-5) and np.ptp(alone) > 0


@pytest.mark.parametrize("name", [VIT, *PICTURES[1:]])
def test_noise_of_size_zero_moves_no_picture_s_answer(name, classifier):
    found = robustness.noise(
        classifier(name).predict_proba, inputs(name), sigmas=[0, 0.5], threshold=0.1, n_draws=1
    )
    still, noisy = found.levels
    assert found.size == SIDE and found.n_calls == 18
    assert still.flip_rate.value == 0 and np.abs(found.changes[..., 0]).max() < 1e-6
    assert noisy.absolute_change.value > 0


@pytest.mark.parametrize("name", TEXTS)
def test_typos_in_no_word_move_no_text_s_answer(name, classifier):
    found = robustness.texts(
        classifier(name).predict_proba,
        inputs(name),
        perturbations=[text_perturbations.delete_words],
        severities=[0, 0.5],
    )
    still, changed = found.flip_rate["delete_words"]
    assert still.value == 0 and np.abs(found.changes[..., 0]).max() < 1e-6 and found.n_calls == 30
    assert np.abs(found.changes[..., 1]).max() > 1e-6 and changed.n == 12


@each_network
def test_deepfool_turns_the_answer(name, classifier):
    c = classifier(name)
    found = minimal.deepfool(c, inputs(name, 3))
    assert found.success.all()
    with torch.no_grad():
        again = c.logits_from(torch.as_tensor(found.perturbed)).argmax(1).numpy()
    assert (again == found.new_answers).all() and (again != found.answers).all()
    clean = c.encode(inputs(name, 3)).numpy()
    assert np.allclose(np.linalg.norm((found.perturbed - clean).reshape(3, -1), axis=1), found.norm)


@each_network
def test_shapley_values_share_out_the_whole_answer(name, classifier):
    c, one = classifier(name), inputs(name, 1)[0]
    if name in PICTURES:
        found = explain.shap_image(
            c.predict_proba, one, segments=masking.grid(one, 3), baseline=0, num_samples=200
        )
        nothing = np.zeros_like(one)
    else:
        found = explain.shap_text(c.predict_proba, one, num_samples=200)
        nothing = masking.text(one, masking.words(one))(np.zeros((1, len(found.values)), bool))[0]
    with_all, with_none = (c.predict_proba([x])[0, found.target] for x in (one, nothing))
    assert abs(found.prediction - with_all) < 1e-3 and abs(found.base_value - with_none) < 1e-3
    assert abs(found.values.sum() - (with_all - with_none)) < 1e-3 and np.abs(found.values).max() > 1e-6


@each_network
def test_lime_is_the_same_for_a_seed_and_another_for_another(name, classifier):
    c, one = classifier(name), inputs(name, 1)[0]

    def lime(seed):
        if name in PICTURES:
            grid = masking.grid(one, 3)
            return explain.lime_image(c.predict_proba, one, segments=grid, num_samples=60, seed=seed)
        return explain.lime_text(c.predict_proba, one, num_samples=60, seed=seed)

    first, again, other = lime(0), lime(0), lime(1)
    assert np.array_equal(first.values, again.values) and not np.array_equal(first.values, other.values)
    assert first.prediction == pytest.approx(c.predict_proba([one])[0, first.target], abs=1e-5)


@each_network
def test_integrated_gradients_are_complete(name, classifier):
    c, one = classifier(name), inputs(name, 1)[0]
    where = {}
    if name in PICTURES:  # a short way, from the picture a little darker, since random networks are rugged
        where = {"segments": masking.grid(one, 3), "baseline": (one * 0.9).astype(np.uint8)}
    found = explain.gradients(c, one, n_steps=100, log_odds=True, **where)
    whole = found.integrated_gradients
    span = abs(whole.prediction - whole.base_value)
    assert span > 0 and abs(whole.fidelity) < 0.05 * span
    assert np.abs(found.gradient.values).max() > 0
    probs = c.predict_proba([one])[0]
    assert whole.prediction == pytest.approx(np.log(probs[whole.target] / probs[1 - whole.target]), abs=1e-4)


@each_network
def test_a_saved_network_comes_back_with_the_same_answers(name, classifier, tmp_path):
    c = classifier(name)
    c.save(tmp_path / "saved")
    loaded = type(c).load(tmp_path / "saved")
    assert type(loaded.model) is type(c.model) and loaded.settings == c.settings
    assert np.array_equal(loaded.predict_proba(inputs(name)), c.predict_proba(inputs(name)))


def test_a_network_of_one_size_only_must_be_given_that_size():
    with torch.device("meta"):
        model = torchvision.models.vit_b_16(weights=None, num_classes=2)
    with pytest.raises(ValueError, match="expected size 224 for this VisionTransformer, got 96: pass that"):
        ImageClassifier(model, tiny.CLASSES)


def test_a_text_as_long_as_roberta_reads_is_answered_and_a_longer_one_refused(tmp_path):
    c = build("roberta", tmp_path)
    read = tiny.SIZES["max_position_embeddings"] - 2  # positions count from behind the padding's number, 1
    longest = TextClassifier(c.model, c.tokenizer, c.classes, max_tokens=read)
    assert len(longest.prepare(["good film " * 50])[0]) == read
    assert longest.predict_proba(["good film " * 50]).shape == (1, 2)
    with pytest.raises(ValueError, match=f"expected max_tokens up to {read} for this network"):
        TextClassifier(c.model, c.tokenizer, c.classes, max_tokens=read + 1)

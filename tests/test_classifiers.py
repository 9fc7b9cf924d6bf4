"""Raw pictures and strings in, probabilities out; saved and loaded unchanged; gradients to the input."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tiny
import torch
import torchvision.models

from trustlib import assets, classifiers, devices, parts, predictions, weights
from trustlib.classifiers import ImageClassifier, TextClassifier
from trustlib.errors import AssetError, ModelError

LABELS = np.arange(9) % 2
TEXTS = tiny.texts(LABELS) + ["", "good", "an unknown wörd"]
KINDS = ("image", "text")


@pytest.fixture
def make(tmp_path):
    """A tiny classifier of a kind."""
    return lambda kind: tiny.image_classifier() if kind == "image" else tiny.text_classifier(tmp_path)


def inputs(kind):
    return list(tiny.pictures(LABELS)) if kind == "image" else TEXTS


# Both kinds


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_are_the_softmax_of_the_logits(kind, make):
    c = make(kind)
    probs, logits = c.predict_proba(inputs(kind)), c.logits(inputs(kind))
    assert probs.shape == (len(inputs(kind)), 2) and probs.dtype == np.float64
    assert np.abs(probs.sum(axis=1) - 1).max() < 1e-12
    assert np.allclose(np.log(probs[:, 1] / probs[:, 0]), logits[:, 1] - logits[:, 0])
    assert np.ptp(probs[:, 0]) > 1e-3  # the samples are told apart


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_depends_on_its_own_input_only(kind, make):
    c, these = make(kind), inputs(kind)
    logits = c.logits(these)
    alone = np.concatenate([c.logits([one]) for one in these])
    assert np.allclose(alone, logits, atol=1e-5)
    for batch_size in (1, 2, 5):
        assert np.allclose(c.logits(these, batch_size=batch_size), logits, atol=1e-5)
    order = np.random.default_rng(0).permutation(len(these))
    assert np.allclose(c.logits([these[i] for i in order]), logits[order], atol=1e-5)
    assert np.ptp(logits, axis=0).min() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_question_gets_the_same_answer_even_after_training_mode(kind, make):
    c = make(kind)
    before = tiny.state(c.model)
    first = c.predict_proba(inputs(kind))
    c.model.train()
    assert np.array_equal(c.predict_proba(inputs(kind)), first)
    assert tiny.changed(before, c.model) == set()


@pytest.mark.parametrize("kind", KINDS)
def test_logits_from_what_is_encoded_are_the_logits(kind, make):
    c = make(kind)
    with torch.no_grad():
        through = c.logits_from(c.encode(inputs(kind)))
    assert np.allclose(through.numpy(), c.logits(inputs(kind)), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("train", parts.CHOICES)
def test_gradients_flow_back_to_what_was_encoded_whatever_is_frozen(kind, train, make):
    c = make(kind)
    parts.freeze(c.model, train)
    encoded = c.encode(inputs(kind)).requires_grad_()
    c.logits_from(encoded)[:, 0].sum().backward()
    real = (encoded.detach() != 0).any(-1) if kind == "text" else ...
    assert encoded.grad.shape == encoded.shape
    assert (encoded.grad[real].flatten(1).abs().sum(1) > 0).all()
    if kind == "text":
        assert not encoded.grad[~real].any()  # padding has no say


@pytest.mark.parametrize("kind", KINDS)
def test_no_inputs_give_no_answers(kind, make):
    assert make(kind).predict_proba([]).shape == (0, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_classifier_is_asked_by_predict_with_its_own_class_names(kind, make):
    task = tiny.image_task() if kind == "image" else tiny.text_task()
    answered = predictions.predict(make(kind).predict_proba, task.test)
    assert answered.classes == task.classes and answered.probs.shape == (4, 2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("names", [(), ("one",), ("a", "a"), "ab"])
def test_class_names_must_be_two_or_more_and_different(kind, names, tmp_path):
    with pytest.raises(ValueError, match="expected two or more different class names, got"):
        if kind == "image":
            ImageClassifier(tiny.network(), names)
        else:
            TextClassifier(tiny.bert(), tiny.tokenizer(tmp_path), names)


@pytest.mark.parametrize("kind", KINDS)
def test_a_head_of_another_size_is_replaced_and_one_of_the_right_size_is_kept(kind, tmp_path):
    def build(model, seed=0):
        names = ("a", "b", "c")
        if kind == "image":
            return ImageClassifier(model, names, size=tiny.SIDE, seed=seed)
        return TextClassifier(model, tiny.tokenizer(tmp_path), names, max_tokens=16, seed=seed)

    network = tiny.network if kind == "image" else tiny.bert
    head = "fc" if kind == "image" else "classifier"
    kept = build(network(k=3))
    assert tiny.changed(tiny.state(network(k=3)), kept.model) == set()
    fresh, other = build(network(k=7)), build(network(k=7), seed=1)
    assert fresh.predict_proba(inputs(kind)).shape == (len(inputs(kind)), 3)
    differing = tiny.changed(tiny.state(fresh.model), other.model)
    assert differing == {f"{head}.weight", f"{head}.bias"}
    if kind == "text":
        assert fresh.model.config.num_labels == 3


# Saved and loaded


@pytest.mark.parametrize("kind", KINDS)
def test_a_loaded_classifier_answers_as_the_saved_one(kind, make, tmp_path):
    c = make(kind)
    c.save(tmp_path / "saved")
    chance = torch.get_rng_state()
    model = {"model": tiny.network(seed=9)} if kind == "image" else {}
    loaded = type(c).load(tmp_path / "saved", **model)
    assert torch.equal(torch.get_rng_state(), chance)
    assert np.array_equal(loaded.predict_proba(inputs(kind)), c.predict_proba(inputs(kind)))
    assert loaded.settings == c.settings and loaded.classes == c.classes
    assert weights.digest(loaded.model) == weights.digest(c.model)


def test_an_image_classifier_comes_back_with_its_size_and_normalisation(tmp_path):
    c = tiny.image_classifier(size=9, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    c.save(tmp_path / "saved")
    loaded = ImageClassifier.load(tmp_path / "saved", model=tiny.network(seed=1))
    assert (loaded.size, loaded.mean, loaded.std) == (9, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    images = tiny.pictures(LABELS)
    assert np.array_equal(loaded.predict_proba(images), c.predict_proba(images))
    assert not np.allclose(tiny.image_classifier().logits(images), c.logits(images), atol=1e-3)


def test_a_torchvision_network_is_rebuilt_from_its_name(tmp_path):
    model = torchvision.models.resnet18(num_classes=3)
    c = ImageClassifier(model, ("a", "b", "c"), size=32, architecture="resnet18")
    c.save(tmp_path / "saved")
    chance = torch.get_rng_state()
    loaded = ImageClassifier.load(tmp_path / "saved")
    assert torch.equal(torch.get_rng_state(), chance)
    assert np.array_equal(loaded.predict_proba(inputs("image")), c.predict_proba(inputs("image")))


def test_without_a_name_the_network_must_be_handed_over(tmp_path):
    tiny.image_classifier().save(tmp_path / "saved")
    with pytest.raises(
        ModelError, match=r"expected the name of a torchvision network .*load\(folder, model=…\)"
    ):
        ImageClassifier.load(tmp_path / "saved")


def test_another_network_than_the_saved_one_is_refused(tmp_path):
    tiny.image_classifier().save(tmp_path / "saved")
    with pytest.raises(ModelError, match="expected the weights of a ResNet in .*saved, got: Missing key"):
        ImageClassifier.load(tmp_path / "saved", model=torchvision.models.resnet18())


def load(kind, folder):
    return (
        ImageClassifier.load(folder, model=tiny.network()) if kind == "image" else TextClassifier.load(folder)
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", ["flipped", "truncated", "missing", "pickle", "vocabulary"])
def test_a_damaged_folder_is_refused(kind, damage, make, tmp_path):
    make(kind).save(tmp_path / "saved")
    path = tmp_path / "saved" / "model.safetensors"
    whole = path.read_bytes()
    if damage == "flipped":  # one bit of the last weight: safetensors itself would not notice
        path.write_bytes(whole[:-2] + bytes([whole[-2] ^ 1]) + whole[-1:])
    elif damage == "truncated":
        path.write_bytes(whole[:-8])
    elif damage == "missing":
        path.unlink()
    elif damage == "pickle":
        path.rename(path.with_name("pytorch_model.bin"))
    elif kind == "text":
        vocabulary = tmp_path / "saved" / "tokenizer.json"
        vocabulary.write_text(vocabulary.read_text().replace('"good"', '"nice"'))
    else:
        (tmp_path / "saved" / "classifier.json").unlink()
    with pytest.raises(ModelError, match="save the classifier again"):
        load(kind, tmp_path / "saved")


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_of_the_other_kind_or_none_is_refused(kind, make, tmp_path):
    make("text" if kind == "image" else "image").save(tmp_path / "saved")
    with pytest.raises(ModelError, match=f"expected a saved {kind} classifier in .*, got a saved"):
        load(kind, tmp_path / "saved")
    with pytest.raises(ModelError, match=f"expected a saved {kind} classifier in"):
        load(kind, tmp_path / "nowhere")


@pytest.mark.parametrize("kind", KINDS)
def test_saving_again_replaces_the_folder_and_a_failed_save_leaves_it(kind, make, tmp_path, monkeypatch):
    c = make(kind)
    c.save(tmp_path / "saved")
    (tmp_path / "saved" / "old").write_text("")
    c.save(tmp_path / "saved")
    assert not (tmp_path / "saved" / "old").exists()

    def broken(*_):
        raise OSError("no space left")

    monkeypatch.setattr(classifiers.saved, "seal", broken)
    with pytest.raises(OSError, match="no space left"):
        c.save(tmp_path / "saved")
    monkeypatch.undo()
    loaded = load(kind, tmp_path / "saved")
    assert np.array_equal(loaded.predict_proba(inputs(kind)), c.predict_proba(inputs(kind)))


def test_a_saved_text_classifier_is_a_hugging_face_folder(tmp_path):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    c = tiny.text_classifier(tmp_path)
    c.save(tmp_path / "saved")
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert model.config.id2label == {0: "negative", 1: "positive"}
    assert model.config.label2id == {"negative": 0, "positive": 1}
    batch = tokenizer(TEXTS, padding=True, truncation=True, max_length=16, return_tensors="pt")
    with torch.no_grad():
        logits = model(**batch).logits.numpy()
    assert np.allclose(logits, c.logits(TEXTS), atol=1e-5)


# Pictures


def test_pixels_are_normalised_with_mean_and_deviation():
    seen = []

    class Spy(tiny.Network):
        def forward(self, images):
            seen.append(images)
            return super().forward(images)

    c = ImageClassifier(Spy(), tiny.CLASSES, size=tiny.SIDE)
    c.logits(np.full((1, 30, 20, 3), 51, np.uint8))  # 51 / 255 = 0.2
    expected = [(0.2 - mean) / std for mean, std in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))]
    assert seen[0].shape == (1, 3, 12, 12)
    assert np.allclose(seen[0].mean((0, 2, 3)), expected, atol=1e-6)


def test_uint8_and_float_pictures_lists_and_arrays_get_equal_answers():
    c, images = tiny.image_classifier(), tiny.pictures(LABELS)
    probs = c.predict_proba(images)
    assert np.array_equal(c.predict_proba(list(images)), probs)
    assert np.array_equal(c.predict_proba(tuple(images.astype(np.float32) / 255)), probs)
    assert np.allclose(c.predict_proba(images / 255), probs, atol=1e-6)


def test_a_grey_picture_is_one_of_three_equal_channels():
    c = tiny.image_classifier()
    grey = tiny.pictures(LABELS)[..., :1]
    with pytest.raises(ValueError, match=r"got \(12, 12, 1\) at position 0: repeat a grey picture to three"):
        c.predict_proba(grey)
    three = np.repeat(grey, 3, axis=3)
    with torch.no_grad():
        by_hand = c.logits_from(torch.from_numpy(three).permute(0, 3, 1, 2) / 255)
    assert np.allclose(c.logits(three), by_hand, atol=1e-6)


def test_pictures_of_different_sizes_stand_in_one_batch():
    c = tiny.image_classifier()
    images = [np.full((h, w, 3), 90, np.uint8) for h, w in ((12, 12), (40, 7), (5, 60))]
    probs = c.predict_proba(images)
    assert np.allclose(probs, probs[0], atol=1e-6)  # an even picture stays even at any size


def test_a_bad_picture_is_refused_with_its_position_among_all():
    images = [*tiny.pictures(LABELS), np.full((5, 5, 3), 255.0)]
    with pytest.raises(
        ValueError, match=r"in \[0, 1\], got values from 255 to 255 at position 9: divide by 255"
    ):
        tiny.image_classifier().logits(images, batch_size=4)


def test_many_pictures_are_prepared_one_by_one(monkeypatch):
    c, images = tiny.image_classifier(), tiny.pictures(LABELS)
    kept = c.prepare(images)
    monkeypatch.setattr(classifiers, "PREPARED_BYTES", len(images) * 3 * tiny.SIDE**2 * 4 - 1)
    lazy = c.prepare(images)
    assert isinstance(kept, torch.Tensor) and not isinstance(lazy, torch.Tensor)
    assert len(lazy) == len(images) and all(torch.equal(kept[i], lazy[i]) for i in range(len(images)))
    with pytest.raises(ValueError, match="at position 1"):
        c.prepare([images[0], images[0][0]])[1]


@pytest.mark.parametrize(("option", "message"), [({"size": 0}, "size"), ({"size": 9.5}, "size")])
def test_a_size_that_is_no_whole_number_is_refused(option, message):
    with pytest.raises(ValueError, match=f"expected {message} as a whole number from 1 up"):
        tiny.image_classifier(**option)
    with pytest.raises(ValueError, match="expected batch_size as a whole number from 1 up, got 0"):
        tiny.image_classifier().logits(tiny.pictures(LABELS), batch_size=0)


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "efficientnet_b0", "squeezenet1_1", "googlenet"])
def test_torchvision_networks_answer(name):
    options = {"init_weights": True} if name == "googlenet" else {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = torchvision.models.get_model(name, weights=None, **options)
    if name == "squeezenet1_1":
        with pytest.raises(ModelError, match="got SqueezeNet without one"):
            ImageClassifier(model, tiny.CLASSES, size=32)
        return
    c = ImageClassifier(model, tiny.CLASSES, size=32)
    probs = c.predict_proba(tiny.pictures(LABELS))
    assert probs.shape == (9, 2) and np.ptp(probs) > 0
    c.model.train()
    assert c.forward(c.prepare(tiny.pictures(LABELS))).shape == (9, 2)  # GoogLeNet gives more in training


# Texts


def test_padding_changes_nothing_because_it_is_masked(tmp_path):
    c = tiny.text_classifier(tmp_path)
    short, long = c.prepare(["good film", "a very dull plot . " * 3])
    batch = c.collate([short, long])
    assert batch["attention_mask"].sum(1).tolist() == [4, 16]
    assert not batch["input_ids"][0, 4:].any()
    with torch.no_grad():
        alone, beside = c.forward(c.collate([short]))[0], c.forward(batch)[0]
        unmasked = c.forward({"input_ids": batch["input_ids"]})[0]
    assert torch.allclose(alone, beside, atol=1e-5)
    assert (unmasked - alone).abs().max() > 1e-3


@pytest.mark.parametrize("make", [tiny.roberta, tiny.distilbert], ids=lambda make: make.__name__)
def test_relatives_of_bert_answer_too(make, tmp_path):
    c = tiny.text_classifier(tmp_path, make())
    logits = c.logits(TEXTS)
    assert np.allclose(np.concatenate([c.logits([text]) for text in TEXTS]), logits, atol=1e-5)
    with torch.no_grad():
        assert np.allclose(c.logits_from(c.encode(TEXTS)).numpy(), logits, atol=1e-5)
    c.save(tmp_path / "saved")
    assert np.array_equal(TextClassifier.load(tmp_path / "saved").logits(TEXTS), logits)


def test_embeddings_are_those_of_the_words_and_zeros_on_the_padding(tmp_path):
    c = tiny.text_classifier(tmp_path)
    encoded = c.encode(["good film", "good"])
    table = c.model.get_input_embeddings().weight
    assert encoded.shape == (2, 4, 32) and not encoded.requires_grad
    assert torch.equal(encoded[0], table[[2, 5, 14, 3]]) and torch.equal(encoded[1, :3], table[[2, 5, 3]])
    assert not encoded[1, 3].any()


def test_long_texts_are_cut_at_max_tokens(tmp_path):
    c = tiny.text_classifier(tmp_path, max_tokens=6)
    assert [len(row) for row in c.prepare(["good " * 50, "bad"])] == [6, 3]
    assert np.array_equal(c.logits(["good " * 50]), c.logits(["good " * 4]))


@pytest.mark.parametrize(
    ("tokens", "message"), [(2, "from 3 up, got 2"), (41, "up to 40 .*, got 41"), (8.0, "8.0")]
)
def test_max_tokens_must_fit_the_marks_and_the_network(tokens, message, tmp_path):
    with pytest.raises(ValueError, match=f"expected max_tokens .*{message}"):
        tiny.text_classifier(tmp_path, max_tokens=tokens)


def test_texts_must_be_a_sequence_of_str(tmp_path):
    c = tiny.text_classifier(tmp_path)
    with pytest.raises(ValueError, match=r"expected a sequence of texts, got one str: hand over \[text\]"):
        c.predict_proba("good film")
    for bad, name in ((None, "NoneType"), (float("nan"), "float"), (b"good", "bytes"), (["good"], "list")):
        with pytest.raises(ValueError, match=f"expected texts as str, got {name} at position 2"):
            c.predict_proba(["good", "bad", bad])
    assert np.array_equal(c.predict_proba(np.array(TEXTS)), c.predict_proba(tuple(TEXTS)))


def test_a_shortened_resnet_comes_back_short(tmp_path):
    model = torchvision.models.resnet18(num_classes=3)
    parts.shorten(model, 3)
    c = ImageClassifier(model, ("a", "b", "c"), size=32, architecture="resnet18")
    c.save(tmp_path / "saved")
    loaded = ImageClassifier.load(tmp_path / "saved")
    assert parts.stages(loaded.model) == ["layer1", "layer2", "layer3"]
    assert np.array_equal(loaded.predict_proba(inputs("image")), c.predict_proba(inputs("image")))


# The course's own networks, with their real weights


def test_the_embedded_resnet50_loads_and_answers():
    c = ImageClassifier.resnet50(classes=("functional", "defective"), seed=3)
    images = np.random.default_rng(0).integers(0, 256, (2, 300, 300, 3), dtype=np.uint8)
    probs = c.predict_proba(images)
    assert probs.shape == (2, 2) and np.abs(probs.sum(1) - 1).max() < 1e-12
    assert c.settings["architecture"] == "resnet50" and c.model.fc.out_features == 2
    stored = weights.read(assets.find("resnet50-tinyimagenet"))
    body = {name: tensor for name, tensor in c.model.state_dict().items() if not name.startswith("fc.")}
    assert len(body) == len(stored) - 2
    assert all(torch.equal(tensor, stored[name]) for name, tensor in body.items())


def test_the_embedded_resnet50_can_be_cut_after_its_third_stage():
    whole = ImageClassifier.resnet50(classes=("functional", "defective"))
    short = ImageClassifier.resnet50(classes=("functional", "defective"), stages=3)
    assert short.model.fc.in_features == 1024
    body = {name: tensor for name, tensor in short.model.state_dict().items() if not name.startswith("fc.")}
    assert all(torch.equal(tensor, whole.model.state_dict()[name]) for name, tensor in body.items())
    again = ImageClassifier.resnet50(classes=("functional", "defective"), stages=3)
    assert torch.equal(short.model.fc.weight, again.model.fc.weight)


def test_a_random_resnet50_depends_on_its_seed():
    first, again, other = (
        ImageClassifier.resnet50(
            classes=tiny.CLASSES, weights="random", seed=seed, size=32
        ).model.conv1.weight
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_unknown_or_absent_weights_for_resnet50_are_refused(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="'tiny-imagenet', 'imagenet' or 'random', got 'best'"):
        ImageClassifier.resnet50(classes=tiny.CLASSES, weights="best")
    for name in ("TORCH_HOME", "TRUSTLIB_CACHE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.delenv("TRUSTLIB_ASSETS", raising=False)
    with pytest.raises(AssetError, match="resnet50-imagenet"):
        ImageClassifier.resnet50(classes=tiny.CLASSES, weights="imagenet")


def test_the_packaged_minilm_loads_with_a_fresh_head_and_answers():
    c = TextClassifier.bert(classes=tiny.FEELINGS, seed=1)
    texts = ["A wonderful film.", "Dull and far too long, and then it would not end.", "Fine."]
    assert np.abs(c.predict_proba(texts).sum(1) - 1).max() < 1e-12
    assert [len(row) for row in c.prepare(["word " * 300, "word"])] == [64, 3]
    stored = weights.read(assets.find("minilm") / "model.safetensors")
    state = c.model.bert.state_dict()
    differing = {
        name for name, tensor in state.items() if name in stored and not torch.equal(tensor, stored[name])
    }
    assert differing == {"pooler.dense.weight"}  # its published bias is zero, as that of a fresh one
    other = TextClassifier.bert(classes=tiny.FEELINGS, seed=2)
    assert tiny.changed(tiny.state(c.model), other.model) == {
        *("classifier.weight", "classifier.bias", "bert.pooler.dense.weight")
    }


def test_a_bert_from_a_folder_gets_a_fresh_head(tmp_path):
    tiny.text_classifier(tmp_path).save(tmp_path / "saved")
    c = TextClassifier.bert(classes=("a", "b", "c"), weights=tmp_path / "saved", max_tokens=16, seed=1)
    assert tiny.changed(tiny.state(tiny.bert()), c.model) == {"classifier.weight", "classifier.bias"}
    with pytest.raises(ModelError, match="got 'nobody/nothing'"):
        TextClassifier.bert(classes=("a", "b"), weights="nobody/nothing")


# Without torch


@pytest.mark.parametrize("module", ["classifiers", "finetune", "augment"])
def test_without_torch_one_sentence_names_the_command(module):
    blocked = f"import sys; sys.modules['torch'] = None; import trustlib.{module}"
    ended = subprocess.run([sys.executable, "-c", blocked], capture_output=True, text=True)
    last = ended.stderr.strip().splitlines()[-1]
    assert ended.returncode == 1
    assert last == (
        "trustlib.errors.MissingExtra: expected the package torch to be installed, got none; "
        "run: pip install 'trustlib[models]'"
    )


def test_bfloat16_is_used_only_where_the_device_has_it(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    assert devices.fast_bfloat16(torch.device("cpu")) == torch.backends.mkldnn.is_available()
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    assert not devices.fast_bfloat16(torch.device("cpu"))
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")  # torch 2.4 has none
    assert not devices.fast_bfloat16(torch.device("cpu"))
    assert not devices.fast_bfloat16(torch.device("mps"))


def test_settings_can_be_written_as_json(make):
    for kind in KINDS:
        assert json.loads(json.dumps(make(kind).settings))["kind"] == kind

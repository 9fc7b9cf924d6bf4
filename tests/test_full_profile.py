"""The profile `full` on stand-ins: true architectures, file names and places, weights drawn at random.

What is proven is the path: from the caches of torch and of the hub, digests checked, offline, to a classifier
with the file's numbers in it. What published weights are worth is measured by tests/measure_classic.py.
"""

import dataclasses
import json
import os
import subprocess
import sys

import measure_classic
import numpy as np
import published
import pytest
import torch

from trustlib import assets, tasks, weights
from trustlib.classifiers import ImageClassifier, TextClassifier
from trustlib.course import classic, models, profiles
from trustlib.errors import AssetError

SMALL = {"hidden_size": 24, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2}


@pytest.fixture
def full(monkeypatch):
    monkeypatch.setenv("TRUSTLIB_PROFILE", "full")


def test_full_is_the_published_setting():
    full = profiles.named("full")
    assert (full.image_weights, full.image_size, full.image_stages) == ("imagenet", 224, 4)
    recipe = full.reviews["all"]
    assert (full.text_weights, recipe.learning_rate, recipe.epochs) == ("bert-base-uncased", 2e-5, 3)
    assert recipe.head_learning_rate is None and recipe.train == "all"  # 2e-5 on every weight


def test_resnet50_comes_from_torch_s_cache_with_a_fresh_head(full, tmp_path, monkeypatch):
    path, original = published.resnet50(tmp_path)
    published.manifest(tmp_path, monkeypatch, resnet50_imagenet=path)
    c = models.fresh_inspector("head", ("no", "yes"), weights="imagenet", seed=0)
    assert isinstance(c, ImageClassifier) and (c.size, c.resize) == (224, 232)
    state, stored = c.model.state_dict(), original.state_dict()
    body = [name for name in stored if not name.startswith("fc.")]
    assert len(body) == len(state) - 2 and all(torch.equal(state[name], stored[name]) for name in body)
    assert c.model.fc.weight.shape == (2, 2048)
    probs = c.predict_proba(np.zeros((1, 30, 40, 3), np.uint8))
    assert probs.shape == (1, 2) and probs.sum() == pytest.approx(1)
    # torchvision itself finds the same file, and asks no network: the file is where torch keeps it.
    from torchvision.models import ResNet50_Weights

    theirs = ResNet50_Weights.IMAGENET1K_V2.get_state_dict(progress=False)
    assert all(torch.equal(theirs[name], stored[name]) for name in stored)


def test_weights_that_are_not_the_published_ones_are_refused(full, tmp_path, monkeypatch):
    path, _ = published.resnet50(tmp_path)  # right name, right place, other digest than the real manifest's
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    with pytest.raises(
        AssetError, match="expected resnet50-imagenet with sha256 11ad3fa6.*fetch resnet50-imagenet"
    ):
        models.fresh_inspector("head", ("no", "yes"), weights="imagenet", seed=0)


def test_weights_that_are_missing_name_the_one_command(full, tmp_path, monkeypatch):
    for name in ("TORCH_HOME", "HF_HUB_CACHE", "TRUSTLIB_CACHE"):
        monkeypatch.setenv(name, str(tmp_path))
    with pytest.raises(AssetError, match="found it nowhere; do: trustlib fetch resnet50-imagenet$"):
        models.fresh_inspector("head", ("no", "yes"), weights="imagenet", seed=0)
    with pytest.raises(AssetError, match="found it nowhere; do: trustlib fetch bert-base-uncased$"):
        models.fresh_reader(("no", "yes"), weights="bert-base-uncased", seed=0)


def test_the_stand_in_for_bert_has_the_published_settings():
    # Revision 86b5e093 of the manifest; the vocabulary and the tokenizer are checked below.
    config, tokenizer = (
        published.sha256(t.encode()) for t in (published.BERT_CONFIG, published.TOKENIZER_CONFIG)
    )
    assert config == "7160e1553ad2ca51d8c1cb066be533db31826e12d173824c1bb0cb1a4f187d20"
    assert tokenizer == "a025160ef0431f1a392f6f050c1310f4c5d9fb6f275932dbccba73c4d214bf10"


def check_reader(folder, state):
    reader = models.fresh_reader(("negative", "positive"), weights="bert-base-uncased", seed=0)
    assert isinstance(reader, TextClassifier) and reader.max_tokens == 128
    loaded = reader.model.state_dict()
    new = {"gamma": "weight", "beta": "bias"}
    body = {name: tensor for name, tensor in state.items() if name.startswith("bert.")}
    for name, tensor in body.items():
        stem, _, last = name.rpartition(".")
        assert torch.equal(loaded[f"{stem}.{new.get(last, last)}"], tensor), name
    assert len(loaded) == len(body) + 2  # and a fresh head; the heads of pretraining are left behind
    return reader


def test_bert_comes_from_the_hub_s_cache_with_its_published_names(full, tmp_path, monkeypatch):
    folder, state = published.bert(tmp_path, **SMALL)
    assert published.sha256((folder / "tokenizer.json").read_bytes()).startswith(
        "ce64fce797c24f68df90b40a3f74f579"
    )
    assert published.sha256((folder / "vocab.txt").read_bytes()).startswith(
        "07eced375cec144d27c900241f3e339478"
    )
    published.manifest(tmp_path, monkeypatch, bert_base_uncased=folder)
    reader = check_reader(folder, state)
    # The numbers of a sentence in the published vocabulary.
    assert reader.prepare(["A fine film."])[0].tolist() == [101, 1037, 2986, 2143, 1012, 102]


def sst2(root):
    folder = published.snapshot(root, "sst2")
    for part, n in {"train": 48, "dev": 16, "test": 16}.items():
        rows = [
            {"text": f"a {('dull', 'fine')[i % 2]} film , number {i} .", "label": i % 2} for i in range(n)
        ]
        (folder / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_bert_learns_sst2_by_the_classic_recipe(full, tmp_path, monkeypatch):
    folder, _ = published.bert(tmp_path, **SMALL)
    sst = sst2(tmp_path)
    published.manifest(tmp_path, monkeypatch, bert_base_uncased=folder, sst2=sst)
    task = tasks.sst2()
    reader = models.fresh_reader(task.classes, weights="bert-base-uncased", seed=0)
    before = weights.digest(reader.model)
    history = classic.adamw_on_bert(reader, task)
    assert len(history.train_loss) == 3 and history.n_trainable == history.n_parameters
    assert np.isfinite(history.train_loss).all() and weights.digest(reader.model) != before
    assert history.recipe["learning_rate"] == history.recipe["head_learning_rate"] == 2e-5


@pytest.mark.slow
def test_the_command_that_measures_the_classic_recipes_runs_through(full, tmp_path, monkeypatch):
    # On stand-ins, and on pictures of 32 pixels: its numbers mean nothing here, but every step is taken.
    weights_path, _ = published.resnet50(tmp_path)
    folder, _ = published.bert(tmp_path, **SMALL)
    sst = sst2(tmp_path)
    cifar = published.cifar10(tmp_path, monkeypatch, train=4, test=2)
    monkeypatch.undo()
    paths = {"resnet50_imagenet": weights_path, "bert_base_uncased": folder, "sst2": sst, "cifar10": cifar}
    published.manifest(tmp_path, monkeypatch, **paths)
    monkeypatch.setattr(measure_classic, "FULL", dataclasses.replace(profiles.named("full"), image_size=32))
    lines = list(measure_classic.measure(measure_classic.ROWS, small=16))
    assert [line.split(" | ")[:3] for line in lines[2:]] == [
        ["| sgd", "cifar10", "7"],
        ["| head", "cifar10", "10"],
        ["| regularised", "cifar10", "7"],
        ["| bert", "sst2", "3"],
    ]


@pytest.mark.slow
def test_a_bert_of_the_true_size_is_read_and_found_offline_by_its_name(full, tmp_path, monkeypatch):
    folder, state = published.bert(tmp_path)
    asset = assets.manifest()["bert-base-uncased"]
    assert (
        sum((folder / name).stat().st_size for name in asset.files) == asset.size
    )  # names and shapes, to a byte
    published.manifest(tmp_path, monkeypatch, bert_base_uncased=folder)
    check_reader(folder, state)
    # Transformers finds it by its name too. It reads where its cache is once, so in a new process.
    code = (
        "from trustlib import huggingface; from trustlib.classifiers import TextClassifier as T;"
        "c = T(*huggingface.load('bert-base-uncased', n_classes=2), ('no', 'yes'));"
        "print(c.model.config.num_hidden_layers, c.predict_proba(['fine', 'dull']).shape)"
    )
    environment = os.environ | {"HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "12 (2, 2)", done.stderr

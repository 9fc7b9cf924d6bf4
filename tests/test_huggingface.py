"""Networks in the Hugging Face layout are loaded whole, in float32, or refused."""

import pickle

import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from trustlib import huggingface
from trustlib.errors import ModelError


def folder(tmp_path, model=None):
    (model or tiny.bert()).save_pretrained(tmp_path / "bert")
    tiny.tokenizer(tmp_path).save_pretrained(tmp_path / "bert")
    return tmp_path / "bert"


def rewrite(folder, change):
    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path, metadata={"format": "pt"})


def test_weights_of_the_right_size_are_taken_as_they_are(tmp_path):
    model, tokenizer = huggingface.load(folder(tmp_path), n_classes=2)
    assert tiny.changed(tiny.state(tiny.bert()), model) == set()
    assert tokenizer("good film")["input_ids"] == [2, 5, 14, 3]


def test_a_head_for_other_classes_is_fresh_by_seed_and_all_else_is_kept(tmp_path):
    chance = torch.get_rng_state()
    models = [huggingface.load(folder(tmp_path), n_classes=3, seed=seed)[0] for seed in (1, 1, 2)]
    assert torch.equal(torch.get_rng_state(), chance)
    assert models[0].classifier.weight.shape == (3, 32)
    assert tiny.changed(tiny.state(models[0]), models[1]) == set()
    assert tiny.changed(tiny.state(models[0]), models[2]) == {"classifier.weight"}


def test_the_weights_of_an_encoder_alone_are_enough(tmp_path):
    # Published encoders come without a classifier, and often without their pooler.
    path = folder(tmp_path)
    rewrite(path, lambda state: {k[5:]: v for k, v in state.items() if k.startswith("bert.e")})
    model, _ = huggingface.load(path, n_classes=2)
    changed = tiny.changed(tiny.state(tiny.bert()), model)
    assert changed == {"bert.pooler.dense.weight", "classifier.weight"}  # fresh biases are zero, as before


def test_without_pretraining_only_the_shape_is_taken(tmp_path):
    path = folder(tmp_path)
    model, _ = huggingface.load(path, n_classes=5, pretrained=False, seed=1)
    again, _ = huggingface.load(path, n_classes=5, pretrained=False, seed=1)
    assert tiny.changed(tiny.state(model), again) == set()
    name = "bert.encoder.layer.0.output.dense.weight"
    assert name in {
        k for k, v in tiny.bert().state_dict().items() if not torch.equal(v, model.state_dict()[k])
    }


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_weights_published_in_half_precision_become_float32(half, tmp_path):
    model, _ = huggingface.load(folder(tmp_path, tiny.bert().to(half)), n_classes=2)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


GAPS = {
    "missing": lambda state: {k: v for k, v in state.items() if "layer.1.output" not in k},
    "under other names": lambda state: {k.replace("layer.1.", "layers.1."): v for k, v in state.items()},
    "of another shape": lambda state: {
        k: v[:9].clone() if "word_embeddings" in k else v for k, v in state.items()
    },
}


@pytest.mark.parametrize("gap", GAPS)
def test_a_network_whose_body_would_be_partly_random_is_refused(gap, tmp_path):
    path = folder(tmp_path)
    rewrite(path, GAPS[gap])
    with pytest.raises(
        ModelError, match="weights of a whole BertForSequenceClassification in .*, such as bert."
    ):
        huggingface.load(path, n_classes=2)


def test_a_pickle_is_refused_unopened(tmp_path):
    path = folder(tmp_path)
    (path / "model.safetensors").unlink()
    (path / "pytorch_model.bin").write_bytes(pickle.dumps({}))
    with pytest.raises(
        ModelError, match="expected a folder or a hub name with .* in safetensors, got .*bert"
    ):
        huggingface.load(path, n_classes=2)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_truncated_file_is_refused(name, tmp_path):
    path = folder(tmp_path)
    (path / name).write_bytes((path / name).read_bytes()[:-20])
    with pytest.raises(ModelError, match="expected a folder or a hub name"):
        huggingface.load(path, n_classes=2)


@pytest.mark.parametrize("source", ["nobody/has-this", "no such folder"])
def test_a_network_that_is_not_here_is_refused_in_one_sentence(source):
    with pytest.raises(ModelError, match=f"got '{source}'") as refused:
        huggingface.load(source, n_classes=2)
    assert "\n" not in str(refused.value)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="expected a folder or a hub name"):
        huggingface.load(tmp_path, n_classes=2)

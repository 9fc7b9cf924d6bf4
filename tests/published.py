"""Stand-ins for published files: their formats, names and places, from what this machine has.

The bytes differ from the published ones, so the digests do too: `manifest` writes a manifest in which each
stands with its own digest, and points the caches of torch, the hub and trustlib at a folder of the test.
"""

import hashlib
import io
import json
import pickle
import re
import tarfile
import zipfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trustlib import assets

SHARED = Path(__file__).parents[2] / "shared" / "data" / "cifar10"
CIFAR_CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()


def manifest(root, monkeypatch, **paths):
    """Entries of the real manifest for what lies at `paths` (asset name to path), with the digests there."""
    known, entries = assets.manifest(), []
    for name, path in paths.items():
        asset = known[name.replace("_", "-")]
        entry = asdict(asset)
        members = [path / file for file in asset.files] or [path]
        entry |= {"sha256": assets.digest(path, asset.files), "size": sum(m.stat().st_size for m in members)}
        entries.append(entry)
    (root / "data").mkdir(exist_ok=True)
    (root / "data" / "manifest.json").write_text(json.dumps({"assets": entries}))
    monkeypatch.setattr(assets, "data_folder", lambda: root / "data")
    monkeypatch.delenv("TRUSTLIB_ASSETS", raising=False)
    monkeypatch.setenv("TRUSTLIB_CACHE", str(root / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(root / "torch"))
    monkeypatch.setenv("HF_HUB_CACHE", str(root / "hub"))


def cifar_pictures(part, per_class):
    """Real CIFAR-10 pictures (n, 32, 32, 3) uint8 and labels, in random order as published."""
    if not SHARED.exists():
        pytest.skip(f"expected CIFAR-10 pictures in {SHARED}, which is not part of the project")
    pixels, labels, names = [], [], []
    with zipfile.ZipFile(SHARED / f"{part}.zip") as archive:
        for label, name in enumerate(CIFAR_CLASSES):
            for member in sorted(m for m in archive.namelist() if m.startswith(f"{name}/"))[:per_class]:
                with archive.open(member) as file:
                    pixels.append(np.asarray(Image.open(file).convert("RGB")))
                labels.append(label)
                names.append(member.replace("/", "_s_").replace(".jpg", ".png"))
    order = np.random.default_rng(0).permutation(len(labels))
    return np.stack(pixels)[order], np.array(labels)[order], np.array(names)[order]


def cifar_archive(path, train, test):
    """The published archive: five training batches, a test batch and the names, pickled as Python 2 did.

    `train` and `test` are (pixels, labels, names), as `cifar_pictures` gives them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:

        def put(name, content):
            data = _Python2.dumps(content)
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))

        names = [name.encode() for name in CIFAR_CLASSES]
        put("batches.meta", {b"num_cases_per_batch": 10000, b"label_names": names, b"num_vis": 3072})
        for i in range(1, 6):
            chosen = [column[(i - 1) * len(column) // 5 : i * len(column) // 5] for column in train]
            put(f"data_batch_{i}", cifar_batch(*chosen, label=f"training batch {i} of 5"))
        put("test_batch", cifar_batch(*test, label="testing batch 1 of 1"))
    return path


class _Python2(pickle._Pickler):
    """Writes strings and arrays as Python 2 and the NumPy of its day did, and as the published files are."""

    dispatch = pickle._Pickler.dispatch.copy()

    def save_string(self, value):
        data = value.encode() if isinstance(value, str) else value
        if len(data) < 256:
            self.write(pickle.SHORT_BINSTRING + bytes([len(data)]) + data)
        else:
            self.write(pickle.BINSTRING + len(data).to_bytes(4, "little") + data)
        self.memoize(value)

    def save_global(self, value, name=None):
        if getattr(value, "__name__", "") == "_reconstruct":
            self.write(pickle.GLOBAL + b"numpy.core.multiarray\n_reconstruct\n")
            self.memoize(value)
        else:
            super().save_global(value, name)

    dispatch[bytes] = dispatch[str] = save_string
    dispatch[type(len)] = save_global

    @classmethod
    def dumps(cls, value):
        file = io.BytesIO()
        cls(file, protocol=2).dump(value)
        return file.getvalue()


def cifar_batch(pixels, labels, names, label):
    return {
        b"batch_label": label.encode(),
        b"labels": labels.tolist(),
        b"data": pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1),
        b"filenames": [str(name).encode() for name in names],
    }


def cifar10(root, monkeypatch, *, train=40, test=20):
    """CIFAR-10 of so many pictures a class, where `trustlib fetch cifar10` would put it."""
    path = cifar_archive(
        root / "cache" / "assets" / "cifar-10-python.tar.gz",
        cifar_pictures("train", train),
        cifar_pictures("test", test),
    )
    manifest(root, monkeypatch, cifar10=path)
    return path


def snapshot(root, name):
    """The folder of the hub's cache for the snapshot that the real manifest names; empty, with its branch."""
    asset = assets.manifest()[name]
    folder = root / "hub" / asset.path
    folder.mkdir(parents=True)
    branch = folder.parents[1] / "refs" / "main"
    branch.parent.mkdir()
    branch.write_text(folder.name)
    return folder


BERT_CONFIG = """{
  "architectures": [
    "BertForMaskedLM"
  ],
  "attention_probs_dropout_prob": 0.1,
  "gradient_checkpointing": false,
  "hidden_act": "gelu",
  "hidden_dropout_prob": 0.1,
  "hidden_size": 768,
  "initializer_range": 0.02,
  "intermediate_size": 3072,
  "layer_norm_eps": 1e-12,
  "max_position_embeddings": 512,
  "model_type": "bert",
  "num_attention_heads": 12,
  "num_hidden_layers": 12,
  "pad_token_id": 0,
  "position_embedding_type": "absolute",
  "transformers_version": "4.6.0.dev0",
  "type_vocab_size": 2,
  "use_cache": true,
  "vocab_size": 30522
}
"""
TOKENIZER_CONFIG = '{"do_lower_case": true, "model_max_length": 512}'


def bert(root, **sizes):
    """A snapshot of bert-base-uncased in the hub's cache: published files, but for weights drawn at random.

    The weights have the published names: layer norms with gamma and beta, and the heads of pretraining.
    `sizes` replace those of the configuration, for a network that a test can carry.
    """
    from safetensors.torch import save_file

    folder = snapshot(root, "bert-base-uncased")
    config = BERT_CONFIG
    for name, value in sizes.items():
        config = re.sub(rf'("{name}": )\d+', rf"\g<1>{value}", config)
    (folder / "config.json").write_text(config)
    (folder / "tokenizer_config.json").write_text(TOKENIZER_CONFIG)
    minilm = Path(assets.find("minilm"))  # has BERT's vocabulary
    (folder / "vocab.txt").write_bytes((minilm / "vocab.txt").read_bytes())
    tokenizer = json.loads((minilm / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer |= {"truncation": None, "padding": None}
    del tokenizer["model"]["type"]
    text = json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":"))
    (folder / "tokenizer.json").write_text(text, encoding="utf-8")
    state = bert_state(folder)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    return folder, state


def bert_state(folder):
    """Tensors of BERT with its heads of pretraining, under their published names."""
    import torch
    from transformers import BertConfig, BertForPreTraining

    with torch.random.fork_rng():
        torch.manual_seed(3)
        state = BertForPreTraining(BertConfig.from_pretrained(folder)).state_dict()
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    return {
        re.sub("LayerNorm.(weight|bias)", lambda found: old[found[0]], name): tensor.clone()
        for name, tensor in state.items()
        if not name.startswith("cls.predictions.decoder")  # the same numbers as the word embeddings
    }


def resnet50(root):
    """torchvision's ResNet-50 of 1,000 classes, random weights, at the place of the published file."""
    import torch
    from torchvision.models import resnet50

    path = root / "torch" / "hub" / assets.manifest()["resnet50-imagenet"].path
    path.parent.mkdir(parents=True)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = resnet50()
    torch.save(model.state_dict(), path)
    return path, model


def sha256(data):
    return hashlib.sha256(data).hexdigest()

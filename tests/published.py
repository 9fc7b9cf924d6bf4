"""Stand-ins for published files: their formats, names and places, from what this machine has.

The bytes differ from the published ones, so the digests do too: `manifest` writes a manifest in which each
stands with its own digest, and points the caches of torch, the hub and trustlib at a folder of the test.
"""

import hashlib
import io
import json
import pickle
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
    """Entries of the real manifest for what lies at `paths` (asset name to path), with the digests found there."""
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
    """Writes strings and arrays as Python 2 and the NumPy of its day did; the published files are such pickles."""

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
    """The folder where the hub's cache keeps the snapshot that the real manifest names; empty, with its branch."""
    asset = assets.manifest()[name]
    folder = root / "hub" / asset.path
    folder.mkdir(parents=True)
    branch = folder.parents[1] / "refs" / "main"
    branch.parent.mkdir()
    branch.write_text(folder.name)
    return folder


def sha256(data):
    return hashlib.sha256(data).hexdigest()

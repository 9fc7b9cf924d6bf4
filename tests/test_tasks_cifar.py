"""CIFAR-10 in its published format: pictures in the right colours and rows, splits that follow the files."""

import io
import pickle
import tarfile

import numpy as np
import published
import pytest

from trustlib import assets, tasks
from trustlib.errors import AssetError, DataError
from trustlib.tasks import cifar

# The splits of the published 60,000 depend on their order alone, so their digests are known without them.
FROZEN = {
    "train": "c26d244c7f326b55",  # ids train-00000 to train-44999
    "validation": "2099dd9180c5cfa4",  # train-45000 to train-47499
    "calibration": "6a64d64d7321efa0",  # train-47500 to train-49999
    "test": "48b078fa0196a920",  # test-00000 to test-09999
}


def numbered(n):
    """Pictures whose every value says where it belongs: row r, column c, channel k of picture i."""
    i, r, c, k = np.ogrid[:n, :32, :32, :3]
    return ((7 * i + 3 * r + 5 * c + 101 * k) % 256).astype(np.uint8)


def columns(n, seed=0):
    labels = np.random.default_rng(seed).permutation(np.arange(n) % 10)
    return numbered(n), labels, np.array([f"picture_{seed}_{i:05d}.png" for i in range(n)])


@pytest.fixture
def small(tmp_path, monkeypatch):
    path = tmp_path / "cache" / "assets" / "cifar-10-python.tar.gz"
    published.cifar_archive(path, columns(200), columns(50, seed=1))
    published.manifest(tmp_path, monkeypatch, cifar10=path)
    return path


def test_every_value_stands_where_it_was_published(small):
    task = tasks.cifar10()
    pixels = np.concatenate([task.train.inputs, task.validation.inputs, task.calibration.inputs])
    assert pixels.dtype == np.uint8 and np.array_equal(pixels, numbered(200))
    assert np.array_equal(task.test.inputs, numbered(50))
    assert task.test.labels.tolist() == columns(50, seed=1)[1].tolist()
    assert task.test.metadata["filename"][3] == "picture_1_00003.png"
    assert task.classes == tuple(published.CIFAR_CLASSES) and task.kind == "image"


def test_the_splits_follow_the_published_order(small):
    task = tasks.cifar10()
    assert {name: len(split) for name, split in task.splits.items()} == {
        "train": 180,
        "validation": 10,
        "calibration": 10,
        "test": 50,
    }
    assert task.train.ids[[0, -1]].tolist() == ["train-00000", "train-00179"]
    assert task.validation.ids[[0, -1]].tolist() == ["train-00180", "train-00189"]
    assert task.calibration.ids[[0, -1]].tolist() == ["train-00190", "train-00199"]
    assert task.test.ids[[0, -1]].tolist() == ["test-00000", "test-00049"]
    again = tasks.cifar10()
    assert [s.digest for s in again.splits.values()] == [s.digest for s in task.splits.values()]


def test_the_splits_of_the_published_archive_are_frozen():
    # The published sizes without pictures: ids depend on the sizes alone.
    def blank(n):
        return [np.empty((n, 0)), np.arange(n) % 10, np.full(n, "")]

    task = cifar._task(tuple(published.CIFAR_CLASSES), blank(50_000), blank(10_000))
    assert {name: split.digest[:16] for name, split in task.splits.items()} == FROZEN


def test_real_pictures_come_back_as_they_went_in(tmp_path, monkeypatch):
    published.cifar10(tmp_path, monkeypatch, train=20, test=10)
    task = tasks.cifar10()
    pixels, labels, _ = published.cifar_pictures("test", 10)
    assert np.array_equal(task.test.inputs, pixels) and np.array_equal(task.test.labels, labels)
    assert task.test.inputs.std() > 40  # photographs, not blanks
    ships, frogs = (task.test.inputs[task.test.labels == label].mean((0, 1, 2)) for label in (8, 6))
    assert (
        ships[2] > ships[0] and frogs[2] < frogs[0]
    )  # the sea is blue, frogs are not: channels in their order


def test_the_same_pictures_as_torchvision_reads_from_the_same_archive(small, tmp_path, monkeypatch):
    from torchvision.datasets import CIFAR10

    with tarfile.open(small) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    monkeypatch.setattr(CIFAR10, "_check_integrity", lambda self: True)  # our bytes, not the published ones
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    theirs, ours = CIFAR10(tmp_path / "unpacked", train=False), tasks.cifar10()
    assert np.array_equal(theirs.data, ours.test.inputs) and theirs.targets == ours.test.labels.tolist()
    assert tuple(theirs.classes) == ours.classes
    assert CIFAR10.filename == assets.manifest()["cifar10"].path


def test_torchvision_names_the_digest_that_the_manifest_cites():
    from torchvision.datasets import CIFAR10

    asset = assets.manifest()["cifar10"]
    assert CIFAR10.tgz_md5 in asset.source and CIFAR10.url == asset.fetch


def test_an_archive_that_is_not_here_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("TRUSTLIB_CACHE", str(tmp_path))
    with pytest.raises(AssetError, match=r"\(cifar10\), found it nowhere; do: trustlib fetch cifar10"):
        tasks.cifar10()


def rewritten(path, tmp_path, monkeypatch, name, data):
    with tarfile.open(path) as archive:
        members = {m.name: archive.extractfile(m).read() for m in archive if m.isfile()}
    members[f"cifar-10-batches-py/{name}"] = data
    with tarfile.open(path, "w:gz") as archive:
        for member, content in members.items():
            if content is not None:
                info = tarfile.TarInfo(member)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    published.manifest(tmp_path, monkeypatch, cifar10=path)


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (self.path.write_text, ("opened",))


def test_a_pickle_that_would_run_code_is_refused(small, tmp_path, monkeypatch):
    rewritten(
        small, tmp_path, monkeypatch, "data_batch_3", pickle.dumps({b"data": Trap(tmp_path / "sprung")})
    )
    with pytest.raises(DataError, match="expected arrays in CIFAR-10, got a pickle that names"):
        tasks.cifar10()
    assert not (tmp_path / "sprung").exists()


def test_an_archive_without_a_batch_is_refused(small, tmp_path, monkeypatch):
    rewritten(small, tmp_path, monkeypatch, "data_batch_3", None)
    with pytest.raises(DataError, match="expected data_batch_3 in .*trustlib fetch cifar10"):
        tasks.cifar10()


def test_pictures_of_another_size_are_refused(small, tmp_path, monkeypatch):
    batch = {b"data": np.zeros((2, 12), np.uint8), b"labels": [0, 1], b"filenames": [b"a", b"b"]}
    rewritten(small, tmp_path, monkeypatch, "test_batch", pickle.dumps(batch))
    with pytest.raises(DataError, match=r"expected rows of 3072 bytes in .*, got uint8 \(2, 12\)"):
        tasks.cifar10()

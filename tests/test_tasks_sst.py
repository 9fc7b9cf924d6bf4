"""SST-2 in its published format: labels and texts line by line, splits that follow the files."""

import json

import published
import pytest

from trustlib import assets, tasks
from trustlib.errors import AssetError, DataError
from trustlib.tasks import sst

# The splits depend on nothing but the order of the published lines, so their digests are known without them.
SIZES = {"train": 6920, "dev": 872, "test": 1821}
FROZEN = {
    "train": "15bf0e4ee7acef9b",
    "validation": "21bc4f91a61e7fc7",  # even rows of dev
    "calibration": "8bdccaa03eb9b937",  # odd rows of dev
    "test": "c4b3e05cbf615eb2",
}


def lines(part, n):
    return [
        {
            "text": f"{part} {i} is a fine film , caf\u00e9 or not .",
            "label": i % 2,
            "label_text": ["negative", "positive"][i % 2],
        }
        for i in range(n)
    ]


def write(tmp_path, monkeypatch, sizes, change=None):
    folder = published.snapshot(tmp_path, "sst2")
    for part, n in sizes.items():
        rows = [json.dumps(row) for row in lines(part, n)]
        if change and part == "train":
            rows[3] = change
        (folder / f"{part}.jsonl").write_text("\n".join(rows) + "\n")
    published.manifest(tmp_path, monkeypatch, sst2=folder)


def test_texts_and_labels_are_those_of_the_files(tmp_path, monkeypatch):
    write(tmp_path, monkeypatch, {"train": 30, "dev": 10, "test": 12})
    task = tasks.sst2()
    assert task.classes == ("negative", "positive") and task.kind == "text"
    assert task.train.inputs[5] == "train 5 is a fine film , caf\u00e9 or not ." and task.train.labels[5] == 1
    assert task.validation.inputs[1].startswith("dev 2 ") and task.calibration.inputs[1].startswith("dev 3 ")
    assert task.test.ids[[0, -1]].tolist() == ["test-0000", "test-0011"]
    assert [len(split) for split in task.splits.values()] == [30, 5, 5, 12]


def test_the_splits_of_the_published_files_are_frozen(tmp_path, monkeypatch):
    write(tmp_path, monkeypatch, SIZES)
    assert {name: split.digest[:16] for name, split in tasks.sst2().splits.items()} == FROZEN


@pytest.mark.parametrize("line", ["{", '{"text": "no label"}', "[]"])
def test_a_line_that_is_no_sentence_is_named(tmp_path, monkeypatch, line):
    write(tmp_path, monkeypatch, {"train": 30, "dev": 10, "test": 12}, change=line)
    with pytest.raises(DataError, match="expected a text and a label in line 4 of .*train.jsonl.*fetch sst2"):
        tasks.sst2()


def test_files_that_are_not_here_name_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(AssetError, match=r"\(sst2\), found it nowhere; do: trustlib fetch sst2"):
        tasks.sst2()


def test_the_manifest_holds_one_size_and_one_digest_for_the_three_files():
    # sha256 of the three published files; see data/README.md for where each is from.
    digests = {
        "dev.jsonl": "573c3ed18d96aa0a79a6e5980a544b80543317a319f18bd4f1660c16b2f6b939",
        "test.jsonl": "08c1dbec23b2a6f5752158463da7e31b4376cb51997ef63a95abd75f0a29f67e",
        "train.jsonl": "7a4b1cfdd65be1dc48339404db86528bb2427e1d8772860ef838b76b8c38c4a8",
    }
    asset = assets.manifest()["sst2"]
    assert published.sha256("".join(f"{d}  {name}\n" for name, d in digests.items()).encode()) == asset.sha256
    assert sorted(digests) == list(asset.files) and asset.size == 1_071_431 + 136_292 + 281_037
    assert sst.CLASSES == ("negative", "positive")

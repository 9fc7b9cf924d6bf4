"""classifier.json: a folder is read back as it was written, or not at all."""

import json

import pytest

from trustlib import saved
from trustlib.errors import ModelError

SETTINGS = {"kind": "image", "classes": ("a", "b"), "size": 8}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(bytes(range(200)))
    (tmp_path / "vocab.txt").write_text("good\nbad\n")
    saved.seal(tmp_path, SETTINGS)
    return tmp_path


def test_settings_are_read_back(folder):
    about = saved.read(folder, "image")
    assert {name: about[name] for name in SETTINGS} == SETTINGS | {"classes": ["a", "b"]}
    assert about["files"] == ["model.safetensors", "vocab.txt"]


def test_a_file_that_came_later_does_no_harm(folder):
    (folder / "history.json").write_text("{}")
    assert saved.read(folder, "image")["size"] == 8


@pytest.mark.parametrize("name", ["model.safetensors", "vocab.txt"])
def test_any_flipped_bit_or_missing_byte_is_noticed(folder, name):
    whole = (folder / name).read_bytes()
    for at in range(0, len(whole), 7):
        (folder / name).write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(ModelError, match="as save wrote it, got a changed file"):
            saved.read(folder, "image")
    (folder / name).write_bytes(whole[:-1])
    with pytest.raises(ModelError, match="as save wrote it, got a changed file"):
        saved.read(folder, "image")
    (folder / name).write_bytes(whole)
    saved.read(folder, "image")


def test_a_changed_setting_is_noticed(folder):
    about = json.loads((folder / saved.NAME).read_text())
    (folder / saved.NAME).write_text(json.dumps(about | {"classes": ["b", "a"]}))
    with pytest.raises(ModelError, match="got a changed file or setting: save the classifier again"):
        saved.read(folder, "image")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", "{}", '{"sha256": "0"}', '{"sha256": 1, "kind": []}', "\xff"]
)
def test_another_json_file_is_no_saved_classifier(folder, text):
    (folder / saved.NAME).write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelError, match="expected a saved image classifier in .*classifier.json"):
        saved.read(folder, "image")


@pytest.mark.parametrize("name", ["model.safetensors", "classifier.json"])
def test_a_missing_file_is_noticed(folder, name):
    (folder / name).unlink()
    with pytest.raises(ModelError, match="expected a saved image classifier in .*got a folder without"):
        saved.read(folder, "image")


def test_a_folder_of_the_other_kind_is_refused(folder):
    with pytest.raises(
        ModelError, match="expected a saved text classifier in .*, got a saved image one: load"
    ):
        saved.read(folder, "text")

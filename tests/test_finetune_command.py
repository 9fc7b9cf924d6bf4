"""`python -m trustlib.finetune` trains on a folder or a file, in one process or several, and keeps all."""

import json

import numpy as np
import pytest
import tiny
import two_processes
from PIL import Image

from trustlib import finetune_command
from trustlib.classifiers import ImageClassifier, TextClassifier
from trustlib.finetune import History
from trustlib.predictions import Predictions

NETWORK = ["--architecture", "resnet18", "--weights", "random", "--size", "32"]
BRIEFLY = ["--epochs", "3", "--batch-size", "8", "--learning-rate", "0.01", "--precision", "float32"]


@pytest.fixture
def pictures(tmp_path):
    """A folder of two classes, with 15 pictures each."""
    labels = np.arange(30) % 2
    for i, (picture, label) in enumerate(zip(tiny.pictures(labels), labels, strict=True)):
        folder = tmp_path / "pictures" / tiny.CLASSES[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / f"{i}.png")
    return tmp_path / "pictures"


def told(out):
    history = History.from_json((out / "history.json").read_text())
    return history, Predictions.load(out / "test.npz"), Predictions.load(out / "calibration.npz")


def test_a_folder_of_pictures_is_learned_the_same_in_one_process_and_in_two(pictures, tmp_path, capsys):
    arguments = ["--task", str(pictures), "--train", "head", *NETWORK, *BRIEFLY]
    one, two = tmp_path / "one", tmp_path / "two"
    assert finetune_command.main([*arguments, "--out", str(one)]) == 0
    said = capsys.readouterr().out
    assert "one process takes every batch" in said and "test accuracy" in said
    printed = two_processes.launch("-m", "trustlib.finetune", *arguments, "--out", two)
    assert printed.count("2 processes share every batch") == printed.count("test accuracy") == 1
    (history, test, calibration), (of_two, test_of_two, _) = told(one), told(two)
    assert len(history.train_loss) == 3 and history.kept_features and history.recipe["train"] == "head"
    assert np.allclose(history.train_loss, of_two.train_loss, atol=1e-4)
    assert np.allclose(test.probs, test_of_two.probs, atol=1e-3) and len(test) == 6 and len(calibration) == 3
    assert test.classes == ("bright", "dark") and test.ids.tolist() == test_of_two.ids.tolist()
    loaded = ImageClassifier.load(one / "model")
    assert loaded.size == 32 and not (one / "checkpoint").exists()
    shown = [np.asarray(Image.open(pictures / name).convert("RGB")) for name in test.ids]
    assert np.allclose(loaded.predict_proba(shown), test.probs, atol=1e-5)


def test_a_trained_classifier_is_trained_further_with_all_options(pictures, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    arguments = ["--task", str(pictures), *BRIEFLY]
    assert finetune_command.main([*arguments, *NETWORK, "--out", str(first)]) == 0
    more = ["--weights", str(first / "model"), "--train", "all", "--augment", "square", "--views", "2"]
    more += ["--patience", "2", "--head-learning-rate", "0.02", "--seed", "3", "--out", str(second)]
    assert finetune_command.main([*arguments, *more]) == 0
    recipe = told(second)[0].recipe
    wanted = {"train": "all", "augment": "square", "views": 2, "patience": 2, "seed": 3}
    assert {name: recipe[name] for name in wanted} == wanted and recipe["head_learning_rate"] == 0.02
    assert recipe["start"] != told(first)[0].recipe["start"]


def test_a_saved_classifier_s_own_size_is_not_passed_over_in_silence(pictures, tmp_path, capsys):
    tiny.image_classifier().save(tmp_path / "start")
    arguments = ["--task", str(pictures), "--weights", str(tmp_path / "start"), "--size", "64"]
    assert finetune_command.main([*arguments, "--out", str(tmp_path / "out")]) == 1
    assert "expected no --size, since the classifier in" in capsys.readouterr().err


def test_a_csv_of_texts_is_learned(tmp_path):
    labels = np.arange(40) % 2
    rows = [f'"{text}",{tiny.FEELINGS[y]}' for text, y in zip(tiny.texts(labels), labels, strict=True)]
    (tmp_path / "own.csv").write_text("\n".join(["text,label", *rows]))
    start = tmp_path / "start"
    classifier = tiny.text_classifier(tmp_path)
    classifier.save(start)
    arguments = ["--task", str(tmp_path / "own.csv"), "--weights", str(start), *BRIEFLY]
    assert finetune_command.main([*arguments, "--out", str(tmp_path / "out")]) == 0
    loaded, (_, test, _) = TextClassifier.load(tmp_path / "out" / "model"), told(tmp_path / "out")
    assert loaded.max_tokens == 16 and test.classes == tiny.FEELINGS and len(test) == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "nothing"], "trustlib: expected a task: cells, cells:blocks, reviews,"),
        (["--task", "iris"], "trustlib: expected a task of pictures or texts, got the table iris"),
        (["--task", "PICTURES", "--architecture", "resnet7"], "expected a torchvision network for pictures"),
        (["--task", "PICTURES", "--architecture", "resnet18"], "expected --weights random or a .safetensors"),
        (["--task", "PICTURES", *NETWORK, "--epochs", "0"], "expected epochs as a whole number from 1 up"),
        (["--task", "PICTURES", "--weights", "random", "--max-tokens", "8"], "expected no --max-tokens,"),
        (["--task", "TEXTS", "--size", "32", "--augment", "mirror"], "expected no --size, --augment, since"),
        (["--task", "PICTURES", "--weights", "mine"], "expected weights 'tiny-imagenet', 'imagenet' or"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(arguments, message, pictures, tmp_path, capsys):
    texts = tmp_path / "own.csv"
    rows = [f'"{text}",{i % 2}' for i, text in enumerate(tiny.texts(np.arange(40) % 2))]
    texts.write_text("\n".join(["text,label", *rows]))
    own = {"PICTURES": str(pictures), "TEXTS": str(texts)}
    arguments = [own.get(word, word) for word in arguments]
    assert finetune_command.main([*arguments, "--out", str(tmp_path / "out")]) == 1
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1 and not (tmp_path / "out" / "model").exists()


def test_a_run_that_was_stopped_goes_on(pictures, tmp_path, monkeypatch):
    arguments = ["--task", str(pictures), *NETWORK, *BRIEFLY, "--train", "all"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert finetune_command.main([*arguments, "--out", str(whole)]) == 0

    def stopped(*_):
        raise two_processes.Stop

    with monkeypatch.context() as patch:
        patch.setattr(finetune_command.predictions, "predict", stopped)
        with pytest.raises(two_processes.Stop):
            finetune_command.main([*arguments, "--out", str(parts)])
    assert (parts / "checkpoint").exists() and not (parts / "model").exists()
    assert finetune_command.main([*arguments, "--out", str(parts)]) == 0
    assert np.array_equal(told(whole)[1].probs, told(parts)[1].probs)
    recipes = [json.loads((out / "history.json").read_text())["recipe"] for out in (whole, parts)]
    assert recipes[0] == recipes[1]

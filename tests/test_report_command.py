"""`trustlib report`: where models come from, what is written, and the statuses of a gate."""

import json
import sys

import numpy as np
import pytest
import tiny
from report_answers import answers

from trustlib import classifiers, cli, errors, tasks, weights
from trustlib.report import sources

IRIS = """
import numpy as np
from trustlib import tasks
from sklearn.linear_model import LogisticRegression

def make():
    task = tasks.iris()
    return LogisticRegression(max_iter=500).fit(task.train.inputs, task.train.labels).predict_proba

number = 3
"""


@pytest.fixture
def files(tmp_path):
    """Answers of two models, as files, and those of one to a calibration split."""
    for name, one in answers(150).items():
        one.save(tmp_path / f"{name}.csv")
    answers(80, seed=1)["head"].save(tmp_path / "calibration.npz")
    return tmp_path


def status(*words):
    try:
        return cli.main(["report", *map(str, words)])
    except SystemExit as stop:
        return stop.code


def test_answers_of_two_models_make_a_report(files, capsys):
    out = files / "out"
    assert status("--predictions", files / "head.csv", f"b={files / 'all.csv'}", "--out", out) == 0
    assert "head is worse than b" in json.loads((out / "report.json").read_text())["verdicts"][0]["sentence"]
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "report.json", "report.md"]
    assert "no difference" in capsys.readouterr().out or True


def test_the_calibration_split_of_a_single_model_needs_no_name(files):
    done = status(
        *("--predictions", files / "head.csv", "--calibration", files / "calibration.npz"),
        *("--out", files / "out", "--fail-if", "conformal_coverage.value < 0.5"),
    )
    assert done == 0


def test_a_condition_that_is_met_fails_with_status_1_and_is_told(files, capsys):
    words = ("--predictions", files / "head.csv", "--out", files / "out", "--fail-if")
    assert status(*words, "accuracy.low < 0.99", "--fail-if", "brier.high > 0.9") == 1
    told = capsys.readouterr().err
    assert "trustlib: failed, since accuracy.low < 0.99 for head: it is 0." in told
    assert "brier" not in told
    assert (files / "out" / "report.html").exists()  # the report is there to look at
    assert status(*words, "accuracy.low < 0.01") == 0


def test_an_unknown_path_has_status_2_even_beside_a_condition_that_is_met(files, capsys):
    words = ("--predictions", files / "head.csv", "--out", files / "out")
    assert status(*words, "--fail-if", "accuracy.low < 0.99", "--fail-if", "robustness.value < 1") == 2
    assert "expected a path that the report has, got 'robustness.value'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "arguments are required: --out"),
        (("--out", "x"), "one of the arguments --model --predictions is required"),
        (("--out", "x", "--model", "a"), "expected --task with --model"),
        (("--out", "x", "--model", "a", "--predictions", "b"), "not allowed with"),
        (("--out", "x", "--task", "iris", "--model", "a", "--train", "b"), "with --predictions only"),
        (("--out", "x", "--predictions", "a.csv", "--fail-if", "low"), "a path, a comparison and a number"),
        (
            ("--out", "x", "--predictions", "n=a.csv", "n=b.csv"),
            "expected a name for each model, got n twice",
        ),
        (("--out", "x", "--task", "iris", "--model", "a:b", "--explained", "1"), "from 2 up"),
    ],
)
def test_wrong_arguments_have_status_2(words, message, capsys, monkeypatch):
    monkeypatch.setattr(sources, "model", lambda *words, **options: None)
    assert status(*words) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--predictions", "nowhere.csv"), "expected to read nowhere.csv"),
        (("--predictions", "{files}/head.csv", "x={files}/other.csv"), "the same samples"),
        (("--predictions", "{files}/head.txt"), "ends in .npz or .csv"),
        (("--task", "nothing", "--model", "x"), "expected a task: cells"),
        (("--task", "iris", "--model", "nowhere:make"), "expected a module nowhere"),
        (("--task", "iris", "--model", "cells:head"), "expected a model for iris, got cells:head"),
        (("--task", "iris", "--model", "nowhere"), "which is none that is known here"),
    ],
)
def test_what_goes_wrong_is_one_sentence_and_status_1(files, words, message, capsys):
    answers(150, seed=7)["head"].save(files / "other.csv")
    (files / "head.txt").write_text("label")
    assert status("--out", files / "out", *(word.format(files=files) for word in words)) == 1
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1


def test_a_function_is_asked_for_a_model(tmp_path, monkeypatch, capsys):
    (tmp_path / "my_iris_model.py").write_text(IRIS)
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    words = ("--task", "iris", "--model", "mine=my_iris_model:make", "--explained", 2, "--out", "out")
    assert status(*words) == 0
    assert "1 model(s) will answer up to" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "report.json").read_text())["models"]["mine"]["accuracy"]["n"] == 30
    assert sys.path == before
    with pytest.raises(errors.ModelError, match="expected a function number in my_iris_model, got int"):
        sources.model("my_iris_model:number", tasks.iris())


# Where models come from


def test_a_saved_classifier_is_read_by_its_kind(tmp_path):
    tiny.text_classifier(tmp_path).save(tmp_path / "saved")
    found = sources.model(str(tmp_path / "saved"), tiny.text_task())
    assert isinstance(found, classifiers.TextClassifier)


def hugging_face(tmp_path, labels, model=None):
    """A folder in the layout of Hugging Face, with those names of classes."""
    network = model or tiny.bert()
    network.config.id2label = dict(enumerate(labels))
    network.config.label2id = {label: i for i, label in enumerate(labels)}
    folder = tmp_path / "network"
    network.save_pretrained(folder)
    tiny.tokenizer(tmp_path).save_pretrained(folder)
    return str(folder)


def test_a_hugging_face_folder_keeps_its_head(tmp_path):
    text = tiny.texts([0, 1, 1])
    expected = tiny.text_classifier(tmp_path, max_tokens=40).predict_proba(text)
    found = sources.model(hugging_face(tmp_path, ("Negative", "POSITIVE")), tiny.text_task())
    assert found.predict_proba(text) == pytest.approx(expected, abs=1e-6)


def test_a_network_with_its_classes_in_another_order_answers_in_the_tasks(tmp_path):
    text = tiny.texts([0, 1, 1])
    expected = tiny.text_classifier(tmp_path, max_tokens=40).predict_proba(text)
    found = sources.model(hugging_face(tmp_path, ("positive", "negative")), tiny.text_task())
    assert found(text) == pytest.approx(expected[:, ::-1], abs=1e-6)


@pytest.mark.parametrize(
    ("labels", "model", "message"),
    [
        (("happy", "sad"), None, "with the classes negative, positive, got happy, sad"),
        (("LABEL_0", "LABEL_1", "LABEL_2"), 3, "got LABEL_0, LABEL_1, LABEL_2"),
    ],
)
def test_a_network_of_other_classes_is_refused(tmp_path, labels, model, message):
    folder = hugging_face(tmp_path, labels, model and tiny.bert(k=model))
    with pytest.raises(errors.ModelError, match=message):
        sources.model(folder, tiny.text_task())


def test_a_network_without_a_trained_head_is_refused(tmp_path):
    folder = hugging_face(tmp_path, ("negative", "positive"))
    path = tmp_path / "network" / "config.json"
    path.write_text(path.read_text().replace("BertForSequenceClassification", "BertModel"))
    with pytest.raises(errors.ModelError, match="with a trained head for classes"):
        sources.model(folder, tiny.text_task())


def test_a_torchvision_state_needs_its_architecture_and_its_classes(tmp_path):
    from torchvision.models import resnet18

    path = tmp_path / "weights.safetensors"
    network = resnet18(num_classes=2)
    weights.write(network, path)
    task = tiny.image_task()
    found = sources.model(str(path), task, architecture="resnet18", size=32)
    pictures = tiny.pictures([0, 1])
    expected = classifiers.ImageClassifier(network, task.classes, size=32).predict_proba(pictures)
    assert found.predict_proba(pictures) == pytest.approx(expected, abs=1e-6)
    with pytest.raises(errors.ModelError, match="pass --architecture, such as resnet50"):
        sources.model(str(path), task)
    with pytest.raises(errors.ModelError, match="expected a torchvision network for pictures, got 'resnet1'"):
        sources.model(str(path), task, architecture="resnet1")
    weights.write(resnet18(num_classes=5), path)
    with pytest.raises(errors.ModelError, match=r"a head fc of 2 classes, got \(5, 512\)"):
        sources.model(str(path), task, architecture="resnet18")
    (tmp_path / "weights.pth").write_bytes(b"pickle")
    with pytest.raises(errors.ModelError, match="a pickle that may run code"):
        sources.model(str(tmp_path / "weights.pth"), task, architecture="resnet18")


def test_tasks_come_by_name_folder_or_file(tmp_path):
    assert sources.task("iris").name == "iris"
    rows = "".join(f"text {i},{'ab'[i % 2]}\n" for i in range(40))
    (tmp_path / "own.csv").write_text("text,label\n" + rows)
    assert sources.task(str(tmp_path / "own.csv")).classes == ("a", "b")
    with pytest.raises(errors.DataError, match="expected a task"):
        sources.task("nothing")


def test_the_courses_models_are_made_for_their_own_task_and_split(monkeypatch):
    from trustlib.course import models

    asked = []
    monkeypatch.setattr(models, "cell_inspector", lambda arm, split: (asked.append((arm, split)), None))
    monkeypatch.setattr(models, "review_reader", lambda arm: (asked.append((arm,)), None))
    task = tiny.image_task()
    for name, word in (
        ("solar-cells-random", "cells:head"),
        ("solar-cells-blocks", "cells:all"),
        ("movie-reviews", "reviews:last_block"),
    ):
        object.__setattr__(task, "name", name)
        sources.model(word, task)
    assert asked == [("head", "random"), ("all", "blocks"), ("last_block",)]
    assert np.array_equal(task.classes, tiny.CLASSES)

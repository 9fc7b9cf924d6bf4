"""The recipes: each runs alone when copied, and what it finds is checked; on CIFAR-10 where it is at hand."""

import importlib
import json
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from test_readme import commands, snippets, words_after

import trustlib
from trustlib import tasks
from trustlib.course import run
from trustlib.errors import AssetError
from trustlib.predictions import Predictions

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "notebooks" / "recipes.ipynb"
CIFAR10 = ROOT.parent / "shared" / "data" / "cifar10" / "train.zip"
ANIMALS = ("bird", "cat", "deer", "dog", "frog", "horse")
PER_CLASS = 30
MAX_LINES = 25
HOMES = {"TextClassifier": "classifiers.", "Predictions": "predictions.", "classic": "course."}


class Recipe(NamedTuple):
    """A heading, the text below it, and the snippet."""

    heading: str
    text: str
    code: str


def recipes():
    cells = run.read(NOTEBOOK).cells
    found = []
    for text, code in zip(cells, cells[1:], strict=False):
        heading = re.search(r"^## (.+)$", text.source, re.MULTILINE)
        if text.cell_type == "markdown" and code.cell_type == "code" and heading:
            found.append(Recipe(heading[1], text.source, code.source))
    return found


RECIPES = recipes()


def rows_of_the_index():
    """(functions, heading, anchor) of each row of the table at the top."""
    row = re.compile(r"^\| [^|*]+ \| (`[^|]+`) \| \[(.+)\]\(#(\S+)\) \|$", re.MULTILINE)
    opening = run.read(NOTEBOOK).cells[0].source
    return [(re.findall(r"`([^`]+)`", names), heading, to) for names, heading, to in row.findall(opening)]


# The notebook


def test_the_index_leads_to_every_recipe_in_its_order():
    rows = rows_of_the_index()
    assert [heading for _, heading, _ in rows] == [recipe.heading for recipe in RECIPES]
    assert [anchor for *_, anchor in rows] == [recipe.heading.replace(" ", "-") for recipe in RECIPES]
    assert max(Counter(recipe.heading for recipe in RECIPES).values()) == 1


@pytest.mark.parametrize("row", rows_of_the_index(), ids=lambda row: row[1])
def test_every_function_of_the_index_exists_and_is_used_in_its_recipe(row):
    names, heading, _ = row
    recipe = next(recipe for recipe in RECIPES if recipe.heading == heading)
    for name in names:
        if " " in name:  # a command
            assert name.split()[-1] in recipe.text and name.split()[-1] in recipe.code
            continue
        first, _, last = f"{HOMES.get(name.split('.')[0], '')}{name}".rpartition(".")
        owner = trustlib
        for part in (*first.split("."), last):
            owner = getattr(owner, part, None) or importlib.import_module(f"{owner.__name__}.{part}")
        assert callable(owner)
        assert re.search(rf"\b{last}\b", recipe.code)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.heading)
def test_a_recipe_is_short_and_says_where_the_reader_s_own_data_go(recipe):
    assert len([line for line in recipe.code.splitlines() if line.strip()]) <= MAX_LINES
    assert re.search(r"stand(s)? for|\bmine\b", recipe.code)
    assert not re.search(r"(?<![\w.])/(home|root|tmp|work|Users)/", recipe.code)


def test_every_cell_was_executed_and_said_nothing_on_stderr():
    cells = [cell for cell in run.read(NOTEBOOK).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        assert not any(o.output_type == "error" or o.get("name") == "stderr" for o in cell.outputs)
    assert all(cell.outputs for cell in cells[1:]) and NOTEBOOK.stat().st_size < 700_000


def test_commands_and_lessons_that_the_text_names_are_there():
    text = "\n".join(cell.source for cell in run.read(NOTEBOOK).cells if cell.cell_type == "markdown")
    assert words_after("trustlib", commands(text)) == {"report", "fetch"}
    lessons = set(re.findall(r"\]\((\d\d_\w+\.ipynb)\)", text))
    assert lessons and all((NOTEBOOK.parent / name).is_file() for name in lessons)
    named = re.findall(r"`((?:calibration|robustness|explain)\.\w+)`", text)
    for module, _, name in (each.partition(".") for each in named):
        assert hasattr(importlib.import_module(f"trustlib.{module}"), name)


# What each recipe finds: facts about the variables that it leaves (r), not about what it printed


def _adds_up(why):
    return abs(why.base_value + why.values.sum() - why.prediction) < 1e-6


def _scikit_learn(r):
    why = r["why"]
    asked = r["model"].predict_proba(r["task"].validation.inputs[:1])[0]
    assert why.prediction == pytest.approx(asked[why.target]) and asked.argmax() == why.target
    assert _adds_up(why) and why.names == r["task"].columns


def _torchvision(r):
    from trustlib.classifiers import ImageClassifier

    saved = ImageClassifier.load("my-classifier")
    assert np.array_equal(saved.predict_proba(r["task"].test.inputs), r["answers"].probs)
    assert r["history"].n_trainable == r["history"].n_parameters > 11e6


def _hugging_face(r):
    answers = r["answers"]
    assert len(answers) == round(0.2 * 300) and answers.classes == ("0", "1")
    assert np.ptp(answers.probs[:, 1]) > 0.05  # fresh heads say nearly the same of every text


def _service(r):
    lines = Path("answers.csv").read_text().splitlines()
    assert len(lines) == 1 + len(r["task"].validation) and "p_positive" in lines[0]
    right = r["answers"].probs.argmax(axis=1) == r["answers"].labels
    assert 0.5 < right.mean() < 0.8  # fourteen words are no model


def _arrays(r):
    task, found = r["task"], r["found"].accuracy
    patients = [set(split.groups.tolist()) for split in task.splits.values()]
    assert len(set.union(*patients)) == sum(map(len, patients)) == 100
    alone = r["accuracy"].evaluate(r["answers"].probs, r["answers"].labels).accuracy
    assert found.value == alone.value and found.high - found.low > 1.1 * (alone.high - alone.low)


def _classes(r):
    assert r["found"].macro_f1.value > 0.8 and len(r["found"].per_class) == 3
    assert r["why"].target == 2


def _by_the_book(r):
    found = r["found"]
    epochs = {name: len(history.train_loss) for name, history in found.items()}
    assert epochs == {"sgd": 2, "head": 10, "bert": 3, "penalty": 2, "again": 5}
    assert found["head"].n_trainable == len(r["low"].classes) * (2048 + 1) < found["sgd"].n_trainable
    assert found["penalty"].train_loss[0] > found["sgd"].train_loss[0]  # of the same steps, and λR
    assert found["head"].validation_accuracy[-1] > 1 / len(r["low"].classes)
    assert all(history.train_loss[-1] < history.train_loss[0] for history in found.values())
    assert Path("first.safetensors").is_file() and r["again"].classes == r["high"].classes


def _several(r):
    assert "2 processes share every batch" in r["done"].stdout
    right = r["answers"].probs.argmax(axis=1) == r["answers"].labels
    assert right.mean() > 1 / len(r["answers"].classes)
    assert r["answers"].classes == tasks.image_folder("pictures").classes
    assert {"model", "history.json", "test.npz"} <= {path.name for path in Path("runs/mine").iterdir()}


def _noise(r):
    still, *_, loud = r["found"].levels
    assert still.flip_rate.value <= loud.flip_rate.value and loud.verdict == "not robust"
    assert r["found"].n_calls == len(r["task"].validation) * (1 + 3 * 4)


def _corruptions(r):
    found = r["found"]
    answers = r["classifier"].predict_proba(r["some"].inputs).argmax(axis=1)
    assert abs(found.clean.value - (answers == r["some"].labels).mean()) < 0.1  # resized by another hand
    assert list(found.accuracy) == ["gaussian_noise", "defocus_blur", "contrast"]
    assert found.n_calls == len(r["some"]) * (1 + 3 * 2)


def _typos(r):
    for few, many in r["found"].flip_rate.values():
        assert 0 < few.value < many.value < 0.5


def _smallest(r):
    found, curve = r["found"], r["curve"]
    assert found.success.all() and (found.new_answers != found.answers).all()
    assert curve.accuracy[0].value == (found.answers == r["some"].labels).mean()
    assert curve.accuracy[-1].value <= curve.accuracy[0].value


def _calibration(r):
    # The difference of the logits is normal, 3 or -3 with variance 32: its log odds are 2 · 3 / 32 of it.
    assert r["temperature"] == pytest.approx(32 / 6, rel=0.1)
    assert r["found"].ece < 0.05


def _sets(r):
    assert r["rule"].coverage(r["new"].probs, r["new"].labels).high > 0.9
    assert 0 < r["curve"].coverage_at_risk.value <= 1


def _better(r):
    right = [each.probs.argmax(axis=1) == each.labels for each in (r["first"], r["second"])]
    assert r["found"].difference.value == pytest.approx(right[0].mean() - right[1].mean())


def _worst(r):
    values = {name: estimate.value for name, estimate in r["found"].groups.items()}
    assert set(values) == {"short", "middle", "long"} and r["found"].worst == min(values, key=values.get)


def _elsewhere(r):
    assert r["drop"].accuracy.low > 0 and len(r["elsewhere"]) == len(r["task"].shifts["tweets"]) > 1_000


def _strangers(r):
    found = r["generalization"].strangers(r["inside"], r["outside"])
    own = np.repeat([1, 0], [len(r["inside"]), len(r["outside"])])
    sure = np.concatenate([r["inside"].max(axis=1), r["outside"].max(axis=1)])
    assert found.value == pytest.approx(roc_auc_score(own, sure))


def _leaks(r):
    assert (40, 3, "exact") in {(pair.a, pair.b, pair.kind) for pair in r["found"].pairs}
    assert r["found"].recall.value > 0.9


def _folds(r):
    assert len(r["found"].folds) == 5 and r["found"].pooled.accuracy.value > 0.85


def _picture(r):
    why, picture = r["why"], r["picture"]
    assert why.prediction == pytest.approx(r["predict_proba"]([picture])[0, why.target])
    assert len(why.values) == r["grid"].max() + 1 and np.abs(why.values).max() > 0


def _text(r):
    why = r["why"]
    assert _adds_up(why) and r["task"].classes[why.target] == "positive"
    assert dict(why.as_list())["wonderful"] == max(why.values) > 0 > dict(why.as_list())["times"]
    assert "wonderful" in why._repr_html_()


def _gradients(r):
    whole = r["whole"]
    assert abs(whole.fidelity) < 0.05 and whole.attributions.shape == (28, 28)


def _whole_model(r):
    assert set(r["found"].estimates) == set(r["lost"].accuracy.estimates) == set(r["task"].columns)
    assert next(iter(r["found"].estimates)).startswith("petal")


def _true(r):
    assert r["area"].beats.value > 0.9


def _from_lime(r):
    # lime keeps the coefficient of each column, and the column as a standardised number.
    why, scaled = r["why"], r["mine"].domain_mapper.scaled_row
    mine = dict(r["mine"].local_exp[why.target])
    assert np.allclose(why.values, [mine.get(i, 0) * scaled[i] for i in range(30)])
    assert why.target == r["answer"] and np.array_equal(why.input, r["row"])


def _from_shap(r):
    why = r["why"]
    assert np.array_equal(why.values, r["mine"].values[0, :, why.target]) and abs(why.fidelity) < 1e-6
    assert r["back"].feature_names == list(r["task"].columns)


def _report(r):
    written = json.loads(Path("report", "report.json").read_text())
    assert Path("report", "report.html").stat().st_size > 10_000 and set(written["models"]) == {
        "tree",
        "line",
    }
    answers = r["tree"].predict(r["task"].test.inputs)
    accuracy = (answers == r["task"].test.labels).mean()
    assert written["models"]["tree"]["accuracy"]["value"] == pytest.approx(accuracy)


def _from_predictions(r):
    written = json.loads(Path("report", "report.json").read_text())
    right = r["answers"].probs.argmax(axis=1) == r["answers"].labels
    assert written["models"]["my model"]["accuracy"]["value"] == pytest.approx(right.mean())


def _gate(r):
    assert r["done"].returncode == 1 and "accuracy.low < 0.999" in r["done"].stderr


FACTS = {
    "Explain my scikit-learn model": _scikit_learn,
    "My torchvision model on an image folder": _torchvision,
    "My Hugging Face classifier on a CSV": _hugging_face,
    "Any other model, such as a web service": _service,
    "My own arrays as a task": _arrays,
    "More than two classes": _classes,
    "The classic recipes of fine-tuning": _by_the_book,
    "Several GPUs": _several,
    "Robustness only: noise on pictures": _noise,
    "Robustness only: blur, fog, pixels, compression": _corruptions,
    "Robustness only: typos and missing words": _typos,
    "The smallest change that turns the answer": _smallest,
    "Calibration only": _calibration,
    "Answer with a set, or not at all": _sets,
    "Which of two models is better?": _better,
    "Where is it worst?": _worst,
    "How much worse on data from elsewhere?": _elsewhere,
    "Does it know what it does not know?": _strangers,
    "Does my test split leak?": _leaks,
    "Cross-validate instead of one split": _folds,
    "Explain one picture": _picture,
    "Explain one text": _text,
    "Gradients of a network": _gradients,
    "Explain the whole model": _whole_model,
    "Is the explanation true?": _true,
    "LIME objects I already have": _from_lime,
    "SHAP objects I already have": _from_shap,
    "A trust report on my own model": _report,
    "A report from saved predictions": _from_predictions,
    "A report in CI that fails the build when trust falls": _gate,
}


def test_every_recipe_has_a_fact():
    assert list(FACTS) == [recipe.heading for recipe in RECIPES]


def run_alone(code, heading):
    """Runs a snippet as a reader's script would: nothing imported before, nothing left from another."""
    left = {"__name__": "recipe"}
    exec(compile(code, heading, "exec"), left)
    return left


@pytest.fixture
def alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # for those that start the command
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.heading)
def test_a_recipe_runs_alone_and_finds_what_it_should(recipe, alone, capsys):
    try:
        left = run_alone(recipe.code, recipe.heading)
    except AssetError as error:
        pytest.skip(str(error))  # the reviews come by `trustlib fetch`
    assert capsys.readouterr().out.strip()
    FACTS[recipe.heading](left)


@pytest.mark.slow
def test_the_step_of_a_build_passes_and_fails_as_its_text_says(alone):
    recipe = next(recipe for recipe in RECIPES if recipe.heading.startswith("A report in CI"))
    run_alone(recipe.code, recipe.heading)
    (step,) = [s.text for s in snippets(recipe.text) if s.language == "sh"]
    words = shlex.split(step)
    assert words[0] == "trustlib"
    statuses = []
    for _ in range(2):
        done = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True)
        statuses.append(done.returncode)
        header, *table = Path("answers.csv").read_text().splitlines()  # then trust falls: all is virginica
        turned = [re.sub("setosa|versicolor", "virginica", line) for line in table]
        Path("answers.csv").write_text("\n".join([header, *turned]) + "\n")
    assert statuses == [0, 1]


# The same snippets on photographs

SWAPS = {
    "tasks.digits28()": 'tasks.image_folder("cifar10")',
    "tasks.digits28(digits=(0, 1, 2, 3, 4))": 'tasks.image_folder("animals")',
    "tasks.digits28(digits=(5, 6, 7, 8, 9))": 'tasks.image_folder("vehicles")',
}
ON_PICTURES = [
    recipe for recipe in RECIPES if "digits28(" in recipe.code or 'image_folder("pictures")' in recipe.code
]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Folders of CIFAR-10 pictures, one folder a class: all ten, the animals, the vehicles."""
    if not CIFAR10.is_file():
        pytest.skip(f"no CIFAR-10 beside the repository ({CIFAR10.relative_to(ROOT.parent)})")
    folder = tmp_path_factory.mktemp("photographs")
    with zipfile.ZipFile(CIFAR10) as archive:
        taken = Counter()
        for name in sorted(archive.namelist()):
            kind = name.split("/")[0]
            if name.endswith(".jpg") and taken[kind] < PER_CLASS:
                taken[kind] += 1
                archive.extract(name, folder / "cifar10")
                archive.extract(name, folder / ("animals" if kind in ANIMALS else "vehicles"))
    assert len(taken) == 10
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ON_PICTURES, ids=lambda recipe: recipe.heading)
def test_a_recipe_for_pictures_runs_on_cifar10(recipe, alone, photographs):
    for name in ("cifar10", "animals", "vehicles"):
        (alone / name).symlink_to(photographs / name, target_is_directory=True)
    code = recipe.code
    if 'Path("pictures").exists()' in code:  # a reader's own folder is taken as it is
        shutil.copytree(photographs / "cifar10", alone / "pictures")
    else:
        for standing_in, own in SWAPS.items():
            code = code.replace(standing_in, own)
        assert code != recipe.code and "digits28" not in code
    left = run_alone(code, recipe.heading)
    told = [value.classes for value in left.values() if isinstance(value, (tasks.Task, Predictions))]
    assert any(set(classes) <= set(tasks.image_folder("cifar10").classes) for classes in told)
    FACTS[recipe.heading](left)

"""The command: fast help, one sentence for our errors, status 2 for wrong arguments, and what doctor says."""

import subprocess
import sys
import time
import types

import nbformat
import pytest
from lesson_fixture import good_lesson

import trustlib
from trustlib import assets, cli, doctor, errors
from trustlib.course import run


@pytest.fixture
def notebooks(tmp_path, monkeypatch):
    """A folder with one good lesson, which the command takes for the course's."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    nbformat.write(good_lesson(), folder / "01_small.ipynb")
    monkeypatch.setattr(run, "lessons_folder", lambda: folder)
    return folder


def status(*arguments):
    try:
        return cli.main(arguments)
    except SystemExit as stop:
        return stop.code


# The command itself


def test_help_is_fast_and_names_every_command():
    def seconds():
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "trustlib", "--help"], capture_output=True, text=True, check=True
        )
        assert all(command in done.stdout for command in ("doctor", "course", "fetch", "measure", "pretrain"))
        return time.perf_counter() - start

    assert min(seconds() for _ in range(5)) < 0.5


def test_the_command_imports_nothing_heavy():
    code = "import sys, trustlib.cli; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {"numpy", "torch", "transformers", "matplotlib", "nbformat", "scipy", "jinja2"}
    assert not heavy & set(loaded)


def test_version_is_the_package_version(capsys):
    assert status("--version") == 0
    assert capsys.readouterr().out.strip() == f"trustlib {trustlib.__version__}"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("dance",),
        ("doctor", "--loud"),
        ("course", "--profile", "tiny"),
        ("course", "--cell-timeout", "0"),
        ("course", "--cell-timeout", "soon"),
        ("course", "--list", "--lint"),
        ("course", "--only", "07"),
    ],
)
def test_wrong_arguments_end_with_status_2(arguments, notebooks, capsys):
    assert status(*arguments) == 2
    assert "usage: trustlib" in capsys.readouterr().err


def test_an_unknown_profile_in_the_environment_ends_with_status_2(notebooks, monkeypatch, capsys):
    monkeypatch.setenv("TRUSTLIB_PROFILE", "tiny")
    assert status("course", "--list") == 2
    assert "expected the profile 'lite' or 'full', got 'tiny'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "kind", [errors.AssetError, errors.DataError, errors.ModelError, errors.MissingExtra]
)
def test_our_errors_are_one_sentence_and_status_1(kind, monkeypatch, capsys):
    def fail(*_, **__):
        raise kind("expected a,\n got b")

    monkeypatch.setattr(assets, "fetch", fail)
    assert status("fetch") == 1
    assert capsys.readouterr().err == "trustlib: expected a, got b\n"


def test_other_errors_keep_their_traceback(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(assets, "fetch", fail)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        cli.main(["fetch"])


def test_a_missing_course_package_is_one_sentence(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "trustlib.course.run", None)
    monkeypatch.delattr("trustlib.course.run")
    real = __import__

    def without_nbclient(name, *arguments, **options):
        if name == "trustlib.course" and "run" in (arguments[2] or ()):
            raise ModuleNotFoundError("No module named 'nbclient'", name="nbclient")
        return real(name, *arguments, **options)

    monkeypatch.setattr("builtins.__import__", without_nbclient)
    assert status("course", "--list") == 1
    assert "expected the package nbclient to be installed" in capsys.readouterr().err


# Its commands


def test_course_lists_lessons_with_their_titles(notebooks, capsys):
    assert status("course", "--list") == 0
    assert capsys.readouterr().out.split(maxsplit=1) == ["01_small", "01 · A small lesson\n"]


def test_course_lint_tells_problems_and_fails(notebooks, capsys):
    assert status("course", "--lint") == 0
    assert capsys.readouterr().out == "1 lessons, 0 problems\n"
    (notebooks / "01_small.ipynb").rename(notebooks / "02_small.ipynb")
    assert status("course", "--lint") == 1
    assert "02_small, cell 0: expected the title `# 02" in capsys.readouterr().out


def test_course_runs_and_its_status_tells_of_a_failure(notebooks, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        run, "surroundings", lambda profile: {"profile": profile.name, "versions": {}, "device": "cpu"}
    )
    out = tmp_path / "pages"
    assert status("course", "--out", str(out), "--profile", "full") == 0
    said = capsys.readouterr().out
    assert "1 of 1 lessons passed" in said and str(out / "index.html") in said
    assert '"profile": "full"' in (out / "run.json").read_text(encoding="utf-8")
    broken = good_lesson()
    broken.cells[1].source = "1 / 0"
    nbformat.write(broken, notebooks / "02_small.ipynb")
    assert status("course", "--out", str(out), "--only", "2") == 1
    assert "02_small, cell [1] `1 / 0`: ZeroDivisionError: division by zero" in capsys.readouterr().out


def test_fetch_hands_over_names_and_tells_what_is_there(monkeypatch, tmp_path, capsys):
    asked = []

    def fetch(names=None):
        asked.append(names)
        return [assets.AssetStatus("reviews", tmp_path, True, 5, "ab" * 32, "")]

    monkeypatch.setattr(assets, "fetch", fetch)
    assert status("fetch") == 0 and status("fetch", "reviews", "minilm") == 0
    assert asked == [None, ["reviews", "minilm"]]
    assert capsys.readouterr().out.split()[:2] == ["ok", "reviews"]


def test_pretrain_takes_its_options_from_its_own_module(monkeypatch, capsys):
    seen = []
    module = types.ModuleType("trustlib.pretraining")
    module.add_arguments = lambda parser: parser.add_argument("--samples", type=int, default=3)
    module.run = seen.append
    monkeypatch.setitem(sys.modules, "trustlib.pretraining", module)
    monkeypatch.setattr(trustlib, "pretraining", module, raising=False)
    assert status("pretrain", "--samples", "7") == 0
    assert seen[0].samples == 7
    assert status("pretrain", "--sample") == 2
    assert status("pretrain", "--help") == 0
    assert "--samples" in capsys.readouterr().out


def test_measure_runs_the_cases_that_are_named(monkeypatch, capsys):
    measure, trust = (types.ModuleType(f"trustlib.course.{name}") for name in ("measure", "trust"))
    measure.cells, measure.reviews = lambda: iter(["a cell"]), lambda: iter(["a review", "another"])
    measure.picture, measure.table = lambda: None, lambda: iter(["| arms |"])
    trust.both, trust.table = lambda: iter(["an axis"]), lambda: iter(["| axes |"])
    for module in (measure, trust):
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(module.__name__, module, raising=False)
    assert status("measure", "reviews") == 0
    assert capsys.readouterr().out == "a review\nanother\n"
    assert status("measure") == 0
    assert capsys.readouterr().out == "a cell\na review\nanother\nan axis\n"
    assert status("measure", "--show") == 0
    assert capsys.readouterr().out == "| arms |\n\n| axes |\n\n"
    assert status("measure", "weather") == 2
    assert "expected cells, reviews or trust, or a file, got 'weather'" in capsys.readouterr().err


FILE = "label,p_no,p_yes,group\n" + "no,0.9,0.1,a\nyes,0.3,0.7,a\nyes,0.6,0.4,b\n" * 8


def test_measure_prints_the_table_of_a_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("answers.csv", "other.csv"):
        (tmp_path / name).write_text(FILE)
    assert status("measure", "answers.csv") == 0
    grouped = capsys.readouterr().out
    assert grouped.startswith("24 samples, 2 classes, 2 groups")
    assert "accuracy             0.667 [" in grouped
    assert status("measure", "--no-groups", "answers.csv", "--calibration", "other.csv") == 0
    alone = capsys.readouterr().out
    assert "taken for independent" in alone
    assert "conformal sets" in alone and "conformal sets" not in grouped


def test_the_courses_cases_go_before_files_of_their_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reviews").write_text("a file of another kind")
    module = types.ModuleType("trustlib.course.measure")
    module.cells = module.reviews = lambda: iter(["a review"])
    module.picture = lambda: None
    monkeypatch.setitem(sys.modules, "trustlib.course.measure", module)
    monkeypatch.setattr("trustlib.course.measure", module, raising=False)
    assert status("measure", "reviews") == 0
    assert capsys.readouterr().out == "a review\n"
    assert status("measure", "./reviews") == 1
    assert "ends in .npz or .csv, got reviews" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["missing.csv"], 1, "expected to read missing.csv, got: No such file or directory"),
        (["answers.csv", "--calibration", "missing.npz"], 1, "expected to read missing.npz"),
        (["broken.csv"], 1, "column p_no, line 2 of broken.csv, got 'x'"),
        (["single.csv"], 1, "at least 2 rows and 2 classes, got (1, 2)"),
        (["bare.csv", "--groups"], 1, "expected groups in the file, got none"),
        (["answers.csv", "cells"], 2, "expected answers.csv alone, got more"),
        (["answers.csv", "--show"], 2, "expected answers.csv alone, got more"),
        (["--groups"], 2, "expected a FILE with --calibration or --groups, got none"),
        (["cells", "--calibration", "answers.csv"], 2, "expected a FILE with --calibration"),
    ],
)
def test_measure_says_what_is_wrong_with_a_file(tmp_path, monkeypatch, capsys, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "answers.csv").write_text(FILE)
    (tmp_path / "broken.csv").write_text("label,p_no,p_yes\nno,x,0.1\n")
    (tmp_path / "single.csv").write_text("label,p_no,p_yes\nno,0.9,0.1\n")
    (tmp_path / "bare.csv").write_text("label,p_no,p_yes\n" + "no,0.9,0.1\n" * 9)
    assert status("measure", *arguments) == code
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.out == ""


# Doctor


def findings_with(monkeypatch, *statuses):
    monkeypatch.setattr(assets, "status", lambda: list(statuses))
    return {finding.name: finding for finding in doctor.examine()}


@pytest.fixture
def light_doctor(monkeypatch):
    """doctor without the seconds that torch and transformers take to import."""
    monkeypatch.setattr(doctor, "IMPORTED", ())
    monkeypatch.setattr(doctor, "machine", lambda: {"device": "cpu", "threads": 2})


def test_doctor_tells_each_file_with_its_digest_or_its_fix(light_doctor, monkeypatch, tmp_path, capsys):
    digest = "0123456789ab" + "0" * 52
    statuses = [
        assets.AssetStatus("minilm", tmp_path / "m", True, 5, digest, ""),
        assets.AssetStatus("reviews", None, False, 5, digest, "run: trustlib fetch reviews"),
        assets.AssetStatus("solar-cells", tmp_path / "s", False, 5, digest, "install it again"),
        assets.AssetStatus(
            "resnet50-imagenet", None, False, 5, digest, "run: trustlib fetch resnet50-imagenet"
        ),
    ]
    monkeypatch.setattr(assets, "status", lambda: statuses)
    assert status("doctor") == 1
    lines = capsys.readouterr().out.splitlines()
    said = {
        line.split()[1]: (line, after)
        for line, after in zip(lines, lines[1:], strict=False)
        if line[0] != " "
    }
    assert said["minilm"][0].startswith("ok ") and "sha256 0123456789ab…" in said["minilm"][0]
    assert (
        said["reviews"][0].startswith("missing") and "do: run: trustlib fetch reviews" in said["reviews"][1]
    )
    assert "other bytes than the published file's" in said["solar-cells"][0]
    assert said["resnet50-imagenet"][0].startswith("absent")
    assert "not needed for the lite course" in said["resnet50-imagenet"][1]
    assert lines[-1] == "2 to mend before the lite course runs"


def test_doctor_is_content_without_what_only_full_needs(light_doctor, monkeypatch):
    absent = assets.AssetStatus("bert-base-uncased", None, False, 5, "0" * 64, "fetch it")
    monkeypatch.setattr(assets, "status", lambda: [absent])
    assert status("doctor") == 0


def test_doctor_names_a_missing_package_and_one_that_does_not_import(light_doctor, monkeypatch):
    monkeypatch.setattr(doctor, "NEEDED_PACKAGES", ("numpy", "no-such-package"))
    found = findings_with(monkeypatch)
    assert found["numpy"].ok and not found["no-such-package"].ok
    assert found["no-such-package"].fix == "pip install 'trustlib[course]'"

    def refuse(name):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(doctor, "IMPORTED", ("numpy",))
    monkeypatch.setattr(doctor.importlib, "import_module", refuse)
    found = findings_with(monkeypatch)
    assert not found["numpy"].ok and "does not import: operator torchvision::nms" in found["numpy"].found


def test_doctor_says_when_disk_or_memory_is_short(light_doctor, monkeypatch):
    monkeypatch.setattr(doctor, "NEEDED_DISK", 1e18)
    monkeypatch.setattr(doctor, "NEEDED_MEMORY", 1e18)
    found = findings_with(monkeypatch)
    assert not found["disk"].ok and "TRUSTLIB_CACHE" in found["disk"].fix
    assert not found["memory"].ok and "GB free" in found["memory"].found


def test_doctor_survives_a_broken_list_of_assets(light_doctor, monkeypatch):
    def fail():
        raise errors.AssetError("expected the list of assets, got none")

    monkeypatch.setattr(assets, "status", fail)
    found = {finding.name: finding for finding in doctor.examine()}
    assert found["data and weights"].found == "expected the list of assets, got none"


def test_machine_names_device_and_threads():
    here = doctor.machine()
    assert here["device"] == "cpu" or here["device"].startswith("cuda (")
    assert here["threads"] >= 1

"""The Makefile keeps its promises: calm, repeatable, repaired after an interruption, one sentence an error.

It is run on a stand-in: a project of one module whose wheels are made here, so that no network is needed and
a whole set-up takes seconds.
"""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# These tests may run under `make test`, whose own variables and flags must not reach the makes they start.
ENV = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}

BACKEND = """
import os, time, zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    while os.path.exists("slow"):
        open("building", "w").close()
        time.sleep(0.1)
    name = "trustlib-1.0-py3-none-any.whl"
    info = "trustlib-1.0.dist-info/"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("trustlib.pth", os.getcwd())
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: trustlib\\nVersion: 1.0\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "entry_points.txt", "[console_scripts]\\ntrustlib = stand_in:main\\n")
        wheel.writestr(info + "RECORD", "")
    return name
"""
STAND_IN = """
import os, sys

def main():
    with open("calls", "a") as file:
        print(*sys.argv[1:], file=file)
    return int(os.path.exists("offline"))
"""


def stub_wheel(folder, name, version):
    """A wheel of one empty module; returns its sha256."""
    info = f"{name}-{version}.dist-info"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", "")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


class StandIn:
    """A project with this Makefile, in a folder whose name has a space."""

    def __init__(self, folder):
        self.folder = folder / "a project"
        wheels = self.folder / "wheels"
        wheels.mkdir(parents=True)
        pins = ["setuptools", "stub", "torch", "torchvision", "triton"]
        lines = [f"{name}==1.0 \\\n    --hash=sha256:{stub_wheel(wheels, name, '1.0')}\n" for name in pins]
        self.write("requirements.txt", "# made by\n#    make lock\n" + "".join(lines))
        self.write(
            "pyproject.toml", '[build-system]\nrequires = []\nbuild-backend = "b"\nbackend-path = ["."]\n'
        )
        self.write("b.py", BACKEND)
        self.write("stand_in.py", STAND_IN)
        shutil.copy(ROOT / "Makefile", self.folder)

    def write(self, name, text=""):
        (self.folder / name).write_text(text, encoding="utf-8")

    def command(self, *words):
        return ["make", "setup", f"PYTHON={sys._base_executable}", *words]

    def make(self, *words, wheels="WHEELS=wheels", **settings):
        command = self.command(wheels, *words)
        env = ENV | settings
        return subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, timeout=300)

    @property
    def ready(self):
        return sorted(p.name for p in (self.folder / ".venv").glob("ready-*"))

    @property
    def fetches(self):
        calls = self.folder / "calls"
        return calls.read_text().splitlines().count("fetch") if calls.exists() else 0

    def installed(self, name):
        found = list((self.folder / ".venv").glob(f"lib/python3*/site-packages/{name}-*.dist-info"))
        return found[0].name.split("-")[1].removesuffix(".dist") if found else None


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Set up once; each test that uses it leaves it set up."""
    stand_in = StandIn(tmp_path_factory.mktemp("setup"))
    stand_in.first = stand_in.make()
    return stand_in


@pytest.mark.slow
def test_set_up_prints_a_line_a_step_and_installs_the_pins(project):
    assert project.first.returncode == 0, project.first.stderr
    starts = [line.split()[0] for line in project.first.stdout.splitlines()]
    assert starts == ["1/4", "2/4", "3/4", "4/4", "Ready:"]
    assert project.first.stderr == ""
    assert project.installed("stub") == "1.0"
    assert len(project.ready) == 1


@pytest.mark.slow
def test_second_set_up_does_nothing(project):
    before = project.fetches
    done = project.make()
    assert done.stdout.splitlines() == ["Ready: make course runs the lessons, make lab opens them."]
    assert project.fetches == before


@pytest.mark.slow
def test_course_fetches_what_an_emptied_cache_lacks(project):
    assert project.make("course").returncode == 0
    calls = (project.folder / "calls").read_text().splitlines()
    assert calls[-2:] == ["fetch", "course"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["requirements.txt", "pyproject.toml"])
def test_a_change_of_either_file_sets_up_again_in_the_same_environment(project, name):
    before, witness = project.ready, project.folder / ".venv" / "witness"
    witness.touch()
    project.write(name, (project.folder / name).read_text() + "\n# changed\n")
    done = project.make()
    assert done.returncode == 0, done.stderr
    assert witness.exists()
    assert len(project.ready) == 1 and project.ready != before


@pytest.mark.slow
def test_set_up_that_stopped_before_it_changed_anything_goes_on(project):
    venv = project.folder / ".venv"
    (venv / "witness").touch()
    listing = "ls .venv/lib/python3*/site-packages | cksum > .venv/unfinished; rm .venv/ready-*"
    subprocess.run(["sh", "-c", listing], cwd=project.folder, check=True)
    assert project.make().returncode == 0
    assert (venv / "witness").exists() and not (venv / "unfinished").exists()


@pytest.mark.slow
def test_failed_fetch_is_tried_again_and_costs_no_reinstall(project):
    (project.folder / ".venv" / "witness").touch()
    project.write("offline")
    project.write("pyproject.toml", (project.folder / "pyproject.toml").read_text() + "# again\n")
    assert project.make().returncode != 0
    assert project.ready == []
    (project.folder / "offline").unlink()
    assert project.make().returncode == 0
    assert (project.folder / ".venv" / "witness").exists()


@pytest.mark.slow
def test_wrong_digest_stops_the_set_up_with_pips_words(project):
    good = (project.folder / "requirements.txt").read_text()
    (project.folder / "wheels" / "late-1.0-py3-none-any.whl").unlink(missing_ok=True)
    stub_wheel(project.folder / "wheels", "late", "1.0")
    project.write("requirements.txt", good + f"late==1.0 \\\n    --hash=sha256:{'0' * 64}\n")
    done = project.make()
    assert done.returncode != 0
    assert "HASHES" in done.stderr and "make setup tries again" in done.stderr
    assert project.installed("late") is None and project.ready == []
    project.write("requirements.txt", good)
    assert project.make().returncode == 0


@pytest.mark.slow
def test_killed_set_up_is_repaired_by_the_next(tmp_path):
    project = StandIn(tmp_path)
    project.write("slow")
    running = subprocess.Popen(
        project.command("WHEELS=wheels"),
        cwd=project.folder,
        env=ENV,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 120
        while not (project.folder / "building").exists():
            assert running.poll() is None and time.monotonic() < deadline, running.stdout.read().decode()
            time.sleep(0.1)
    finally:
        os.killpg(running.pid, signal.SIGKILL)  # make, its shell and pip at once
        running.communicate()
    assert project.ready == [] and project.installed("trustlib") is None
    (project.folder / "slow").unlink()
    done = project.make()
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("The last set-up stopped half-way: starting afresh.\n1/4 ")
    assert project.installed("trustlib") == "1.0" and len(project.ready) == 1


@pytest.mark.slow
def test_moved_folder_is_set_up_again(tmp_path):
    project = StandIn(tmp_path)
    assert project.make().returncode == 0
    project.folder = project.folder.rename(tmp_path / "elsewhere")
    done = project.make()
    assert done.returncode == 0, done.stderr
    assert "was moved" in done.stdout
    where = (project.folder / ".venv" / "bin" / "pip").read_text()
    assert "elsewhere" in where and "a project" not in where


@pytest.mark.slow
def test_cpu_set_up_takes_torch_from_elsewhere_and_is_remembered(tmp_path):
    project = StandIn(tmp_path)
    for name in ("torch", "torchvision"):  # an index of its own for the two
        folder = tmp_path / "index" / name
        folder.mkdir(parents=True)
        version = "1.0+cpu"
        digest = stub_wheel(folder, name, version)
        file = f"{name}-{version}-py3-none-any.whl"
        (folder / "index.html").write_text(f'<a href="{file}#sha256={digest}">{file}</a>')
    others = project.folder / "wheels"
    # pip's own settings stand in for the usual index, which has the other packages.
    usual = {"PIP_FIND_LINKS": others.as_uri(), "PIP_INDEX_URL": (tmp_path / "nothing").as_uri()}
    index = f"TORCH_INDEX={(tmp_path / 'index').as_uri()}"
    done = project.make("TORCH=cpu", index, wheels="WHEELS=", **usual)
    assert done.returncode == 0, done.stderr
    assert project.installed("torch") == project.installed("torchvision") == "1.0+cpu"
    assert project.installed("triton") is None and project.installed("stub") == "1.0"
    assert project.make(wheels="WHEELS=").stdout.startswith("Ready")
    done = project.make("TORCH=pinned", wheels="WHEELS=", **usual)
    assert done.stdout.startswith("Another build of torch is wanted")
    assert (project.installed("torch"), project.installed("triton")) == ("1.0", "1.0")


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["PYTHON=no-such-python"], "expected a program no-such-python, found none"),
        (["TORCH=cpu", "WHEELS="], "TORCH=cpu expects TORCH_INDEX=address or WHEELS=folder"),
        (["TORCH=gpu"], "expected TORCH=cpu or TORCH=pinned, got gpu"),
        (["WHEELS=nowhere"], "expected a folder of wheels at nowhere, found none"),
    ],
)
def test_wrong_setting_gets_one_sentence(tmp_path, words, sentence):
    project = StandIn(tmp_path)
    done = project.make(*words)
    assert done.returncode != 0
    assert done.stderr.splitlines()[0].startswith(sentence)
    assert not (project.folder / ".venv").exists()


@pytest.mark.parametrize("version, sentence", [((3, 9, 6), "is too old"), ((3, 99, 0), "is newer than")])
def test_unfit_python_gets_one_sentence(tmp_path, version, sentence):
    project = StandIn(tmp_path)
    fake = tmp_path / "python3"
    pretend = f"import sys; sys.version_info = {version}; exec(sys.argv[1])"
    fake.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{pretend}" "$2"\n')
    fake.chmod(0o755)
    done = project.make(f"PYTHON={fake}")
    assert done.returncode != 0
    dotted = ".".join(map(str, version))
    assert done.stderr.startswith(f"Python {dotted} {sentence}") and "make setup PYTHON=" in done.stderr
    assert not (project.folder / ".venv").exists()


def test_help_is_the_default_and_names_every_target():
    done = subprocess.run(["make"], cwd=ROOT, env=ENV, capture_output=True, text=True, check=True)
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    assert [target for target in phony if target != "help" and f"make {target} " not in done.stdout] == []

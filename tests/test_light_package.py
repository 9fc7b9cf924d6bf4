"""`pip install trustlib` alone, in a fresh environment: what it imports, and what it says without torch."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = re.findall(r"^[\w.-]+==[^\s;]+", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)

PROMISED = """
import importlib.util, sys
assert importlib.util.find_spec("torch") is None
import trustlib
from trustlib import accuracy, assets, calibration, estimates, plots, predictions, tasks
assert trustlib.__file__.startswith(sys.prefix), trustlib.__file__
task = tasks.iris()
probs = [[1.0, 0.0, 0.0]] * len(task.test)
print(accuracy.evaluate(probs, task.test.labels, classes=task.classes).accuracy)
assets.find("resnet50-tinyimagenet")
try:
    import trustlib.classifiers
except ImportError as error:
    print(type(error).__name__, error)
"""


def files(folder, base):
    """Every file below a folder, named from a base; compiled modules left out."""
    found = (p for p in folder.rglob("*") if p.is_file() and p.suffix != ".pyc")
    return {p.relative_to(base).as_posix() for p in found}


@pytest.mark.slow
def test_light_package_alone_imports_what_it_promises(tmp_path):
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)

    def pip(*words):
        command = [python, "-m", "pip", "-q", "--no-input", "--disable-pip-version-check", "install", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    reached = pip(
        "--retries",
        "1",
        "--timeout",
        "20",
        "--no-deps",
        next(pin for pin in PINS if pin.startswith("filelock==")),
    )
    if reached.returncode:
        pytest.skip(f"no package index can be reached: {reached.stderr.strip().splitlines()[-1]}")

    source = tmp_path / "source"  # a copy, because building leaves files in the folder
    source.mkdir()
    for name in ("pyproject.toml", PROJECT["readme"], *PROJECT["license-files"]):
        shutil.copy(ROOT / name, source)
    for name in ("trustlib", "data"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("\n".join(PINS))
    done = pip("-c", str(constraints), str(source))
    assert done.returncode == 0, done.stderr

    site = next((tmp_path / "venv").glob("lib/python3*/site-packages")) / "trustlib"
    assert files(site, site) == files(source / "trustlib", source / "trustlib") | files(
        source / "data", source
    )

    out = subprocess.run([python, "-I", "-c", PROMISED], cwd=tmp_path, capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    accuracy, sentence = out.stdout.splitlines()
    assert re.fullmatch(r"0\.3\d+ \[0\.\d+, 0\.\d+\]", accuracy)
    assert sentence.startswith("MissingExtra ") and "pip install 'trustlib[models]'" in sentence

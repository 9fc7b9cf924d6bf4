"""The files that set trustlib up agree with each other: dependencies, pins, conda, licence, citation."""

import hashlib
import importlib.metadata
import json
import os
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import trustlib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
DEPENDENCIES = PROJECT["dependencies"] + [line for extra in EXTRAS.values() for line in extra]


class Pin(NamedTuple):
    """One pinned package: its version, its marker (or ""), how many digests it has."""

    version: str
    marker: str
    digests: int


def pinned(text):
    """The pins of a requirements file by name; a name that is pinned twice is an error."""
    pins = {}
    pattern = r"^([\w.-]+)==([^\s;]+)(?: ; ([^\\\n]*))?((?:\s*\\\n +--hash=sha256:[0-9a-f]{64})*)$"
    for name, version, marker, digests in re.findall(pattern, text, re.MULTILINE):
        assert name not in pins, f"{name} is pinned twice"
        pins[name] = Pin(version, (marker or "").strip(), digests.count("sha256:"))
    return pins


# These tests may run under `make test`, whose own variables and flags must not reach the makes they start.
ENV = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
REQUIREMENTS = (ROOT / "requirements.txt").read_text(encoding="utf-8")
PINS = pinned(REQUIREMENTS)


def makefile_prints(expression, *settings):
    """What a shell line of the Makefile prints, without a target for it."""
    command = ["make", "-s", "-f", "Makefile", "-f", "-", "shown", *settings]
    line = f"shown:\n\t@{expression}\n"
    done = subprocess.run(command, cwd=ROOT, env=ENV, input=line, capture_output=True, text=True, check=True)
    return done.stdout


def test_every_line_of_requirements_is_a_pin_or_a_digest():
    digests = sum(pin.digests for pin in PINS.values())
    lines = [line for line in REQUIREMENTS.splitlines() if not line.startswith("#")]
    assert len(lines) == len(PINS) + digests
    assert min(pin.digests for pin in PINS.values()) >= 1


def test_requirements_name_no_index():
    assert "://" not in REQUIREMENTS
    assert "make lock" in REQUIREMENTS.splitlines()[1]


@pytest.mark.parametrize("line", [d for d in DEPENDENCIES if not d.startswith("trustlib[")])
def test_dependency_is_pinned_on_every_system_at_a_version_it_accepts(line):
    requirement = Requirement(line)
    pin = PINS[canonicalize_name(requirement.name)]
    assert pin.marker == ""
    assert requirement.specifier.contains(pin.version)


def test_extras_name_extras_that_exist():
    named = [extra for d in DEPENDENCIES if d.startswith("trustlib[") for extra in Requirement(d).extras]
    assert set(named) <= set(EXTRAS)
    assert set(EXTRAS) == {"models", "course", "dev"}


def test_each_dependency_says_why_it_is_here():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for line in DEPENDENCIES:
        if not line.startswith("trustlib["):
            assert re.search(re.escape(f'"{line}",') + r" +# \w.{8,}", text), f"no reason given for {line}"


def test_build_needs_only_what_is_pinned():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    for requirement in map(Requirement, build):
        assert requirement.specifier.contains(PINS[requirement.name].version)


def test_conda_gets_the_same_packages():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    python, pip, listed = environment["dependencies"]
    assert SpecifierSet(PROJECT["requires-python"]).contains(python.removeprefix("python="))
    assert (pip, listed) == ("pip", {"pip": ["-r requirements.txt"]})


def test_pythons_are_the_same_everywhere():
    versions = re.findall(r"Python :: (3\.\d+)", " ".join(PROJECT["classifiers"]))
    assert PROJECT["requires-python"] == f">={versions[0]}"
    assert f"Python {versions[0]} to {versions[-1]} and installs" in (ROOT / "Makefile").read_text()


def test_every_package_and_file_goes_into_a_wheel():
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {
        p.parent.relative_to(ROOT).as_posix().replace("/", ".") for p in (ROOT / "trustlib").rglob("*.py")
    }
    assert set(packages) == folders | {"trustlib.data"}


def test_cpu_set_up_leaves_out_cuda_and_nothing_that_others_need():
    kept = pinned(makefile_prints("$(chosen_pins)", "TORCH=cpu"))
    left_out = set(PINS) - set(kept)
    assert {"torch", "torchvision", "triton", "cuda-toolkit", "nvidia-cudnn-cu13"} <= left_out
    assert {"torch", "torchvision"} == {name for name in left_out if not PINS[name].marker}
    for name in kept:
        try:
            needs = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # pinned for another system
        needed = {
            canonicalize_name(r.name) for r in map(Requirement, needs) if not r.marker or r.marker.evaluate()
        }
        assert not needed & (left_out - {"torch", "torchvision"}), f"{name} needs what was left out"
    assert makefile_prints("$(torch_pins)").split() == [
        f"{name}=={PINS[name].version}" for name in ("torch", "torchvision")
    ]


def test_installed_packages_are_the_pinned_ones():
    for name in ("numpy", "torch", "torchvision", "transformers", "scikit-learn", "shap"):
        assert importlib.metadata.version(name).split("+")[0] == PINS[name].version


def test_licence_is_the_same_everywhere():
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    named = PROJECT["license"].split(" AND ")
    assert [spdx for spdx in named if f"SPDX: {spdx})" not in licence] == []
    assert citation["license"] == named[0] == "Apache-2.0"
    # The Apache License stands there whole, as it is published.
    text = licence[licence.index(" " * 33 + "Apache License\n") :].strip()
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "283ea6cc2997a1a7"


def test_citation_is_of_this_version_and_names_the_data():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == trustlib.__version__
    assert citation["authors"] == PROJECT["authors"] == [{"name": "The trustlib developers"}]
    manifest = json.loads((ROOT / "data" / "manifest.json").read_text(encoding="utf-8"))["assets"]
    cited = " ".join(" ".join(a["citation"]) for a in manifest if a["name"] in ("solar-cells", "reviews"))
    assert [r["doi"] for r in citation["references"] if r["doi"] not in cited] == []
    assert len(citation["references"]) == 4


def test_reaching_another_machine_fails():
    with pytest.raises(OSError, match="must not need a network"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)  # an address kept for documentation


def test_kernel_is_that_of_this_environment_whatever_the_user_has(tmp_path):
    other = tmp_path / "kernels" / "python3"
    other.mkdir(parents=True)
    (other / "kernel.json").write_text('{"argv": ["false"], "display_name": "other", "language": "python"}')
    ask = "from jupyter_client.kernelspec import get_kernel_spec as g; print(g('python3').resource_dir)"
    env = os.environ | {"JUPYTER_DATA_DIR": str(tmp_path)}
    found = subprocess.run([sys.executable, "-c", ask], env=env, capture_output=True, text=True, check=True)
    assert Path(found.stdout.strip()).is_relative_to(sys.prefix)

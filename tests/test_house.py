"""The four floors: imports go down only, and heavy packages stand only where they are needed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1] / "trustlib"
# From the ground up; a module may import from its own floor and below.
FLOORS = (
    {"trustlib", "errors", "checks", "atomic", "progress", "resampling", "intervals", "estimates", "ranking"}
    | {"processes", "predictions", "predictions_csv", "accuracy", "calibration", "generalization"},
    {"asking", "robustness", "corruptions", "text_perturbations", "minimal", "explain", "faithfulness"},
    {"assets", "downloads", "tasks", "tiny_imagenet", "parts", "weights", "checkpoints", "frozen", "augment"}
    | {"pixels", "huggingface", "saved", "classifiers", "samples", "finetune", "finetune_command"}
    | {"architectures", "data_parallel", "devices"}
    | {"crops", "student", "pretraining"},
    {"plots", "summary", "course", "report", "doctor", "cli", "__main__"},
)
NETWORKS = {
    "corruptions",
    "minimal",
    "explain",
    "parts",
    "weights",
    "checkpoints",
    "frozen",
    "augment",
    "pixels",
    "huggingface",
    "classifiers",
    "samples",
    "finetune",
    "finetune_command",
    "architectures",
    "data_parallel",
    "devices",
    "crops",
    "student",
    "pretraining",
    "doctor",
    "faithfulness",
    "course.networks",
    "report",
}
HEAVY = dict.fromkeys(("torch", "torchvision", "transformers", "safetensors"), NETWORKS) | {
    "matplotlib": {"plots"},
    "accelerate": {"processes", "data_parallel"},
}
FILES = sorted(HOUSE.rglob("*.py"))


def part(path):
    """The module or folder directly under trustlib that a file belongs to."""
    parts = path.relative_to(HOUSE).with_suffix("").parts
    return "trustlib" if parts == ("__init__",) else parts[0]


def may_be_heavy(path, allowed):
    """Whether a file, or the part of the house that it is in, is among the allowed ones."""
    dotted = ".".join(path.relative_to(HOUSE).with_suffix("").parts)
    return bool({part(path), dotted} & allowed)


def imports(path):
    """Dotted names of everything a file imports, at its top or inside its functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: expected whole module names, got a relative import"
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_imports_go_down_only(path):
    floor = {name: i for i, names in enumerate(FLOORS) for name in names}
    assert part(path) in floor, f"{part(path)} has no floor yet; name it in FLOORS"
    for name in imports(path):
        top, _, rest = name.partition(".")
        if top == "trustlib":
            target = rest.split(".")[0]
            target = target if target in floor else "trustlib"
            assert floor[target] <= floor[part(path)], f"{part(path)} reaches up to {target}"
        assert may_be_heavy(path, HEAVY.get(top, {part(path)})), f"{part(path)} may not import {top}"


def loaded_by(module):
    program = f"import sys; import {module}; print(*sorted(name.split('.')[0] for name in sys.modules))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(ended.stdout.split())


def test_importing_trustlib_loads_nothing_else():
    # 50 ms are kept by loading nothing, which a busy machine cannot blur as it does a clock.
    assert loaded_by("trustlib") - loaded_by("sys") == {"trustlib"}


@pytest.mark.parametrize(
    "module",
    ["trustlib.accuracy", "trustlib.calibration", "trustlib.predictions", "trustlib.tasks"]
    + ["trustlib.generalization", "trustlib.robustness", "trustlib.text_perturbations", "trustlib.explain"]
    + ["trustlib.faithfulness", "trustlib.summary", "trustlib.cli"],
)
def test_the_lower_floors_and_the_command_load_no_network_code(module):
    assert not loaded_by(module) & set(HEAVY)

"""Profiles: lite unless something else is named, and an unknown name is told both."""

import ast
import dataclasses
from pathlib import Path

import pytest

from trustlib.course import profiles


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, profiles.LITE), ("", profiles.LITE), ("lite", profiles.LITE), ("full", profiles.FULL)],
)
def test_the_environment_names_the_profile(value, expected, monkeypatch):
    monkeypatch.delenv("TRUSTLIB_PROFILE", raising=False)
    if value is not None:
        monkeypatch.setenv("TRUSTLIB_PROFILE", value)
    assert profiles.current() is expected


def test_an_unknown_profile_is_told_both(monkeypatch):
    monkeypatch.setenv("TRUSTLIB_PROFILE", "Lite")
    with pytest.raises(ValueError, match="expected the profile 'lite' or 'full', got 'Lite'"):
        profiles.current()


def test_a_profile_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        profiles.LITE.batch_size = 1


def test_full_is_nowhere_smaller_than_lite_and_both_start_from_the_same_seed():
    sizes = [f.name for f in dataclasses.fields(profiles.Profile) if f.type is int and f.name != "seed"]
    assert sizes
    assert all(getattr(profiles.FULL, name) >= getattr(profiles.LITE, name) for name in sizes)
    assert profiles.FULL.seed == profiles.LITE.seed


def test_only_the_course_and_the_command_read_profiles():
    package = Path(profiles.__file__).parents[1]
    readers = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            module = getattr(node, "module", "") or ""
            if "profiles" in names or module.endswith("profiles"):
                readers.add(path.relative_to(package).parts[0])
    assert readers <= {"course", "cli.py"}

"""A bar is silent where TRUSTLIB_PROGRESS=0, and gives its items either way."""

import pytest

from trustlib import progress


@pytest.mark.parametrize(("setting", "speaks"), [("0", False), ("1", True), (None, True)])
def test_a_bar_speaks_unless_progress_is_0(monkeypatch, capsys, setting, speaks):
    if setting is None:
        monkeypatch.delenv("TRUSTLIB_PROGRESS")
    else:
        monkeypatch.setenv("TRUSTLIB_PROGRESS", setting)
    assert list(progress.bar([1, 2, 3], description="counting", unit="number")) == [1, 2, 3]
    said = capsys.readouterr()
    assert said.out == "" and ("counting" in said.err) == speaks
    assert speaks or said.err == ""

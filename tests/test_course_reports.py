"""The course's trust reports: where they are written, what leads to them, that the index links them."""

import json

import jsonschema
import pytest
from chromium import dumped, needs_chromium
from report_answers import answers
from test_course_run import course, without_torch, write  # noqa: F401 (a fixture)

from trustlib import report
from trustlib.course import reports
from trustlib.report.schema import SCHEMA

EVIL = "<script>document.title='owned'</script>"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(reports.VARIABLE, str(tmp_path / "report"))
    return tmp_path / "report"


def two_cases():
    cells = report.from_predictions(answers(60), task="cells", question="Is it defective?")
    return {"cells": cells, "reviews": report.from_predictions(answers(60, seed=1), task=EVIL)}


def test_every_case_has_its_files_and_one_page_and_one_json_hold_them_all(folder):
    made = two_cases()
    page = reports.save(made)
    assert page == folder / "report.html"
    text = page.read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")
    joined = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert joined["schema"] == reports.SCHEMA
    for name, one in made.items():
        own = {file.name for file in (folder / name).iterdir()}
        assert own == {"report.html", "report.json", "report.md"}
        assert f'href="{name}/report.html"' in text
        jsonschema.validate(joined["reports"][name], SCHEMA)
        assert joined["reports"][name] == json.loads((folder / name / "report.json").read_text("utf-8"))
        assert one.summary[1] in text


def test_names_that_could_leave_the_folder_are_refused(folder):
    with pytest.raises(ValueError, match="expected letters, digits and _ .* got '../up'"):
        reports.save({"../up": report.from_predictions(answers(60))})
    assert not folder.exists()


@needs_chromium
def test_hostile_names_do_nothing_on_the_page_before_the_reports(folder):
    text = reports.save(two_cases()).read_text(encoding="utf-8")
    assert "<script" not in text
    assert "<title>Trust reports of the running cases</title>" in dumped(text, folder)


def test_without_the_variable_reports_go_beside_the_pages_of_the_checkout(monkeypatch):
    monkeypatch.delenv(reports.VARIABLE, raising=False)
    assert reports.folder().parts[-3:] == ("build", "course", "report")


def test_the_index_links_reports_that_a_lesson_made_and_none_of_an_earlier_run(tmp_path, without_torch):  # noqa: F811
    makes = write(
        tmp_path / "lessons",
        "01_a",
        "from trustlib.course import reports",
        "reports.folder().mkdir(parents=True)",
        "_ = (reports.folder() / 'report.html').write_text('made')",
    )
    quiet = write(tmp_path / "lessons", "02_b", "1 + 1")
    out = tmp_path / "out"
    course([makes], out)
    assert (out / "report" / "report.html").read_text() == "made"
    index = (out / "index.html").read_text()
    assert 'href="report/report.html"' in index and 'href="report/report.json"' in index
    course([quiet], out)
    assert not (out / "report").exists()
    assert 'href="report/' not in (out / "index.html").read_text()

"""Where the course's trust reports stand: each case in a folder of its own, and a page before them all.

reports.save({"cells": of_cells, "reviews": of_reviews})
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import trustlib
from trustlib import atomic
from trustlib.report import TrustReport

NAME = "report"  # of the folder beside the lessons' pages
VARIABLE = "TRUSTLIB_REPORTS"  # `trustlib course` tells a lesson's kernel with it where its pages will be
SCHEMA = "trustlib-reports/1"


def folder() -> Path:
    """The folder that `TRUSTLIB_REPORTS` names; build/course/report of the checkout when it is unset."""
    return Path(
        os.environ.get(VARIABLE) or Path(trustlib.__file__).resolve().parents[1] / "build" / "course" / NAME
    )


def save(reports: Mapping[str, TrustReport]) -> Path:
    """Write each report into `folder()`/its name, and report.html and report.json, which hold them all.

    Args:
        reports: {name: TrustReport}; a name is letters, digits and _, for it names a folder.
    Returns: the page that leads to all of them.
    Raises: ValueError.
    """
    from trustlib.course import pages

    for name in reports:
        if not name.isidentifier():
            raise ValueError(f"expected letters, digits and _ in the name of a report, got {name!r}")
    into = folder()
    for name, report in reports.items():
        report.save(into / name)
    joined = {"schema": SCHEMA, "reports": {name: report.to_json() for name, report in reports.items()}}
    files = {
        "report.html": pages.reports_page(reports),
        "report.json": json.dumps(joined, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
    }
    for file, text in files.items():
        with atomic.file(into / file) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    return into / "report.html"

"""The report as files: report.html for people, report.json for programs, report.md for a model card."""

import json
import math
from pathlib import Path
from typing import Any

from trustlib import atomic
from trustlib.estimates import Estimate
from trustlib.report import assembling, schema
from trustlib.report.result import Finding, TrustReport, Verdict


def of(report: TrustReport) -> dict[str, Any]:
    """The report as plain dicts, lists, strings and numbers; NaN and infinity become null."""
    return {
        "schema": f"trustlib-report/{schema.VERSION}",
        "task": report.task,
        "question": report.question,
        "classes": list(report.classes),
        "n": report.n,
        "models": {model: _measures(report, model) for model in report.models},
        "axes": [
            {
                "axis": section.axis,
                "title": section.title,
                "question": section.question,
                "measured": bool(section.findings),
                "limits": section.limits,
                "notes": list(section.notes),
                "missing": list(section.missing),
            }
            for section in report.sections
        ],
        "verdicts": [_verdict(verdict) for verdict in report.verdicts],
        "summary": list(report.summary),
        "cannot_say": list(assembling.CANNOT_SAY),
        "facts": dict(report.facts),
        "seed": report.seed,
    }


def save(report: TrustReport, folder: str | Path) -> Path:
    """Write the three files; each is whole or not there."""
    from trustlib.report import model_card, page

    folder = Path(folder)
    files = {
        "report.html": page.html(report),
        "report.json": json.dumps(of(report), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "report.md": model_card.markdown(report),
    }
    for name, text in files.items():
        with atomic.file(folder / name) as temporary:
            # A lone half of a surrogate pair, which a class name may hold, is no UTF-8.
            temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    return folder / "report.html"


def _measures(report: TrustReport, model: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for section in report.sections:
        for finding in section.findings.get(model, ()):
            place = found
            for name in finding.path[:-1]:
                place = place.setdefault(name, {})
            place[finding.path[-1]] = _measure(finding)
    return found


def _measure(finding: Finding) -> dict[str, Any]:
    return _estimate(finding.estimate) | {"label": finding.label, "sentence": finding.sentence}


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "axis": verdict.axis,
        "measure": verdict.measure,
        "a": verdict.a,
        "b": verdict.b,
        "verdict": verdict.verdict,
        "difference": _estimate(verdict.difference),
        "p_value": verdict.p_value,
        "adjusted_p_value": verdict.adjusted,
        "detectable": verdict.detectable,
        "seeds": verdict.seeds,
        "sentence": verdict.sentence,
    }


def _estimate(found: Estimate) -> dict[str, Any]:
    return {
        "value": _number(found.value),
        "low": _number(found.low),
        "high": _number(found.high),
        "n": int(found.n),
        "level": float(found.level),
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None

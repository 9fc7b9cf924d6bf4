"""Sections become a report: the declared family is judged, and the whole is said in a few sentences."""

import datetime
import platform
from collections.abc import Mapping, Sequence

import trustlib
from trustlib.report import verdicts, wording
from trustlib.report.answers import Answers, one_of
from trustlib.report.result import Section, TrustReport, Verdict

CANNOT_SAY = (
    "Whether the question is the right one, and whether a wrong answer would do harm.",
    "How the model does on samples that are unlike all that were asked.",
    "Whether the labels are right: a model is only held against them.",
    "Whether the test split was looked at before; then all numbers here flatter.",
    "Whether anyone who wants to fool the model can: only chance perturbs here, not an adversary.",
    "Why the model answers as it does: an explanation that passes the tests here may still mislead.",
)


def assembled(
    sections: Sequence[Section],
    answers: Answers,
    *,
    task: str,
    question: str,
    facts: Mapping[str, str],
    seed: int,
) -> TrustReport:
    """The report of these sections; the family of tests is every primary measure of theirs, pair by pair."""
    found = verdicts.judge([s.primary for s in sections if s.primary is not None], seed=seed)
    shared = one_of(answers)
    models = tuple(answers)
    facts = dict(facts) | {
        "seed": str(seed),
        "made": datetime.date.today().isoformat(),
        "with": f"trustlib {trustlib.__version__}, Python {platform.python_version()}",
    }
    summary = tuple(_summary(task, question, models, len(shared), sections, found))
    return TrustReport(
        task,
        question,
        shared.classes,
        models,
        len(shared),
        tuple(sections),
        found,
        summary,
        facts,
        seed,
    )


def _summary(task, question, models, n, sections, found: Sequence[Verdict]):
    names = wording.listed([wording.shown(model) for model in models])
    asked = f" ({wording.shown(question, longest=200)})" if question else ""
    yield f"{names} answered {n:,} test samples of {wording.shown(task)}{asked}."
    for model in models:
        first = [s.findings[model][0].sentence for s in sections if s.findings.get(model)]
        yield " ".join(first[:2])
    if found:
        yield (
            f"Models were compared in {len(found)} tests that were declared before anything was measured; "
            "the chance that any of their verdicts is false is 5 % at most."
        )
        for section in sections:
            rows = [v for v in found if v.axis == section.axis]
            if rows:
                yield f"{section.title}, by {rows[0].measure}: {_verdicts(rows)}."
    gaps = [section.title for section in sections if not section.findings]
    if gaps:
        yield f"Not measured: {wording.listed(gaps)}."


def _verdicts(rows: Sequence[Verdict]) -> str:
    parts, unknown = [], []
    if len(rows) > 1 and all(row.verdict == "not shown" for row in rows):
        return f"no difference was shown between any two of the models ({len(rows)} pairs)"
    for row in rows:
        a, b = wording.shown(row.a), wording.shown(row.b)
        if row.verdict == "not shown":
            unknown.append(f"{a} and {b}")
        else:
            better, worse = (a, b) if row.verdict == "better" else (b, a)
            parts.append(f"{better} is better than {worse}")
    if unknown:
        parts.append(f"no difference was shown between {wording.listed(unknown, last='or')}")
    return "; ".join(parts)

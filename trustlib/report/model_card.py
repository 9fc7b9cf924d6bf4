"""The report as a section of a model card, in Markdown: the summary, a table for each axis, the limits."""

from trustlib.report import assembling, wording
from trustlib.report.result import Section, TrustReport

safe = wording.markdown


def markdown(report: TrustReport) -> str:
    """A section that begins with a heading of level 2; strings from data are escaped."""
    lines = [f"## Trust report: {safe(wording.shown(report.task))}", ""]
    lines += [f"{safe(sentence)}\n" for sentence in report.summary]
    for section in report.sections:
        lines += [f"### {safe(section.title)}", "", safe(section.question), ""]
        lines += _table(section, report)
        lines += [f"{safe(sentence)}\n" for sentence in (*section.notes, *section.missing)]
        if section.findings:
            lines += [f"What this does not show: {safe(section.limits)}", ""]
    if report.verdicts:
        lines += ["### Verdicts", ""]
        lines += [f"- {safe(verdict.sentence)}" for verdict in report.verdicts]
        lines += ["", "Intervals are not adjusted for being several; the p-values are.", ""]
    lines += ["### What this report cannot say", ""]
    lines += [f"- {safe(sentence)}" for sentence in assembling.CANNOT_SAY]
    lines += [""] + [f"- {safe(name)}: {safe(value)}" for name, value in report.facts.items()]
    return "\n".join(lines) + "\n"


def _table(section: Section, report: TrustReport) -> list[str]:
    """A row for each measure, a column for each model."""
    rows = measures(section)
    if not rows:
        return []
    heads = [safe(wording.shown(model)) for model in report.models]
    lines = [f"| measure | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for label, by_model in rows.items():
        cells = [safe(by_model.get(model, "")) for model in report.models]
        lines.append(f"| {safe(label)} | {' | '.join(cells)} |")
    return [*lines, ""]


def measures(section: Section) -> dict[str, dict[str, str]]:
    """Each measure of a section by label, and what each model has, as text."""
    rows: dict[str, dict[str, str]] = {}
    for model, findings in section.findings.items():
        for finding in findings:
            text = cell(finding.estimate, percent=finding.percent)
            rows.setdefault(finding.label, {})[model] = text
    return rows


def cell(found, *, percent: bool) -> str:
    """Value and limits, short, for a table.

    >>> from trustlib.estimates import Estimate
    >>> cell(Estimate(0.5, 0.4, 0.6, 10), percent=True)
    '50.0 % [40.0, 60.0]'
    """
    if found.value != found.value:
        return "not defined"
    if percent:
        return f"{100 * found.value:.1f} % [{100 * found.low:.1f}, {100 * found.high:.1f}]"
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"

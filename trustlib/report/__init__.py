"""How far may this model be trusted? The answers of all axes in one report, with verdicts between models.

models             trust_report: a report that asks the models; planned_calls: how often
predictions_only   from_predictions: a report from answers alone
gate               parse, met: conditions on a report's JSON, for CI
result             TrustReport, Section, Finding, Verdict: what a report is made of
verdicts           judge: better, worse or not shown, with Holm over a declared family
answers            means: the mean of an axis's measure for each model
paired             two models on the same samples: p-value, difference, what could be found
power              which difference so many samples could have shown
schema             SCHEMA of report.json
on_*               the axes, one file each
document, page, model_card   report.json, report.html, report.md
"""

from trustlib.report.answers import means
from trustlib.report.models import planned_calls, trust_report
from trustlib.report.predictions_only import from_predictions
from trustlib.report.result import Figure, Finding, Primary, Section, TrustReport, Verdict
from trustlib.report.verdicts import judge

__all__ = [
    "Figure",
    "Finding",
    "Primary",
    "Section",
    "TrustReport",
    "Verdict",
    "from_predictions",
    "judge",
    "means",
    "planned_calls",
    "trust_report",
]

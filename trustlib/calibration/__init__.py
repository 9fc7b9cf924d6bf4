"""When the model says 90 %, is it right nine times in ten? And what to do with answers that are not sure.

scores        evaluate: Brier, NLL, debiased calibration error, ECE beside what chance makes of it
scaling       temperature: one number that sets overconfident logits right
abstention    risk_coverage: errors among the answers that are kept, when the unsure ones are not
sets          conformal: sets of classes that hold the right one as often as promised
people        doubt_auroc, error_from_raters: is the model unsure where people are?
"""

from trustlib.calibration.abstention import RiskCoverage, risk_coverage
from trustlib.calibration.people import doubt_auroc, error_from_raters
from trustlib.calibration.scaling import temperature
from trustlib.calibration.scores import Bins, Calibration, evaluate
from trustlib.calibration.sets import Conformal, conformal

__all__ = [
    "Bins",
    "Calibration",
    "Conformal",
    "RiskCoverage",
    "conformal",
    "doubt_auroc",
    "error_from_raters",
    "evaluate",
    "risk_coverage",
    "temperature",
]

"""Results as figures, in one quiet style: dots and lines, few colours, titles that say what is seen.

A function takes a result and an optional `ax`, and returns the Axes; `show` puts it into a notebook with
alternative text, `png` makes a small file of it.

training      history
answers       confusion
intervals     estimates, groups, repeated
calibration   reliability, if_calibrated, risk_coverage
gallery       images
people        human_doubt, texts
figure        show, png, and the style
"""

from trustlib.plots.answers import confusion
from trustlib.plots.calibration import if_calibrated, reliability, risk_coverage
from trustlib.plots.figure import png, show
from trustlib.plots.gallery import images
from trustlib.plots.intervals import estimates, groups, repeated
from trustlib.plots.people import Texts, human_doubt, texts
from trustlib.plots.training import history

__all__ = [
    "Texts",
    "confusion",
    "estimates",
    "groups",
    "history",
    "human_doubt",
    "if_calibrated",
    "images",
    "png",
    "reliability",
    "repeated",
    "risk_coverage",
    "show",
    "texts",
]

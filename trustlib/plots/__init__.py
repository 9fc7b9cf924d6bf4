"""Results as figures, in one quiet style: dots and lines, few colours, titles that say what is seen.

A function takes a result and an optional `ax`, and returns the Axes; `show` puts it into a notebook with
alternative text, `png` makes a small file of it.

training      history
answers       confusion
intervals     estimates, groups, repeated
calibration   reliability, if_calibrated, risk_coverage
explanations  explanation: picture, text or row; explanation_bars; segmentations
faithfulness  faithfulness_curve, randomisation, beside_control
gallery       images
generalization  curves, confidences
importance    importance, saliency, tree
minimal       robust_accuracy, perturbations
people        human_doubt, texts
robustness    noise, noise_changes, noise_strip; corruptions, and sheets of them; text_flips
trust         trust: every axis, a panel each
control       slider
figure        show, png, and the style
"""

from trustlib.plots.answers import confusion
from trustlib.plots.calibration import if_calibrated, reliability, risk_coverage
from trustlib.plots.control import slider
from trustlib.plots.explanations import Marked, explanation, explanation_bars, segmentations
from trustlib.plots.faithfulness import beside_control, faithfulness_curve, randomisation
from trustlib.plots.figure import png, show
from trustlib.plots.gallery import images
from trustlib.plots.generalization import confidences, curves
from trustlib.plots.importance import importance, saliency, tree
from trustlib.plots.intervals import estimates, groups, repeated
from trustlib.plots.minimal import perturbations, robust_accuracy
from trustlib.plots.people import Texts, human_doubt, texts
from trustlib.plots.robustness import (
    corruption_severities,
    corruption_sheet,
    corruptions,
    noise,
    noise_changes,
    noise_strip,
    text_flips,
)
from trustlib.plots.training import history
from trustlib.plots.trust import trust

__all__ = [
    "Marked",
    "Texts",
    "beside_control",
    "confidences",
    "confusion",
    "corruption_severities",
    "corruption_sheet",
    "corruptions",
    "curves",
    "estimates",
    "explanation",
    "explanation_bars",
    "faithfulness_curve",
    "groups",
    "history",
    "human_doubt",
    "if_calibrated",
    "images",
    "importance",
    "noise",
    "noise_changes",
    "noise_strip",
    "perturbations",
    "png",
    "randomisation",
    "reliability",
    "repeated",
    "risk_coverage",
    "robust_accuracy",
    "saliency",
    "segmentations",
    "show",
    "slider",
    "text_flips",
    "texts",
    "tree",
    "trust",
]

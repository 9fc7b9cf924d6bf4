"""Is the explanation true? Measures of one explanation, each beside what random attributions get.

control         Controlled: a score with its controls; across: many inputs at once
baselines       what stands in the place of a hidden feature; blurred
curves          deletion, insertion: does the answer move with what is said to matter?
agreement       agreement: do two explanations of one answer say the same?
truth           pointing, rank: does it find what is known to matter?
stability       stability: does it stay under other seeds and small noise?
randomisation   randomisation: does it depend on what the network has learned?

Explanations come in as data and explainers as functions; none is imported.
"""

from trustlib.faithfulness.agreement import Agreement, agreement
from trustlib.faithfulness.baselines import blurred
from trustlib.faithfulness.control import Across, Controlled, across
from trustlib.faithfulness.curves import Curve, deletion, insertion
from trustlib.faithfulness.randomisation import Randomisation, randomisation
from trustlib.faithfulness.stability import Repeats, Stability, stability
from trustlib.faithfulness.truth import Pointing, pointing, rank

__all__ = [
    "Across",
    "Agreement",
    "Controlled",
    "Curve",
    "Pointing",
    "Randomisation",
    "Repeats",
    "Stability",
    "across",
    "agreement",
    "blurred",
    "deletion",
    "insertion",
    "pointing",
    "randomisation",
    "rank",
    "stability",
]

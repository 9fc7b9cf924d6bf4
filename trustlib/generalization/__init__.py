"""How much worse is the model on what it has not seen, and elsewhere? Each answer with its interval.

gap        gap: what it loses from its training set to new samples
shift      shift: what it loses from one place to another, its promises included
strangers  strangers: is it less sure of what belongs to none of its classes?
leaks      leaks: inputs that stand in two splits at once; pictures and texts say what makes a copy
sides      two separate samples held against each other
"""

from trustlib.generalization.gap import Gap, gap
from trustlib.generalization.leaks import Leaks, Pair, leaks
from trustlib.generalization.shift import Shift, Side, shift
from trustlib.generalization.strangers import certainty, confidence, strangers

__all__ = [
    "Gap",
    "Leaks",
    "Pair",
    "Shift",
    "Side",
    "certainty",
    "confidence",
    "gap",
    "leaks",
    "shift",
    "strangers",
]

"""Why did the model say so? What each part of one input did to one answer, and how sure that is.

explanation   Explanation, Span: the one result of every method, modality and class
masking       what it means to hide a segment, a word or a column, and how a model is asked about it
saliency      gradient, gradient_times_input, integrated_gradients; gradients: all three beside each other
importance    permutation_importance: what a shuffled column costs; linear_importance, linear_attributions
overview      each: many inputs in turn; global_importance: mean sizes; submodular_pick: a telling few
tree          surrogate_tree: a small tree that imitates a model
"""

from trustlib.explain import masking
from trustlib.explain.explanation import Explanation, Span
from trustlib.explain.importance import (
    Importance,
    PermutationImportance,
    linear_attributions,
    linear_importance,
    permutation_importance,
)
from trustlib.explain.overview import (
    GlobalImportance,
    SubmodularPick,
    each,
    global_importance,
    submodular_pick,
)
from trustlib.explain.saliency import (
    Gradients,
    Saliency,
    gradient,
    gradient_times_input,
    gradients,
    integrated_gradients,
)
from trustlib.explain.tree import SurrogateTree, surrogate_tree

__all__ = [
    "Explanation",
    "GlobalImportance",
    "Gradients",
    "Importance",
    "PermutationImportance",
    "Saliency",
    "Span",
    "SubmodularPick",
    "SurrogateTree",
    "each",
    "global_importance",
    "gradient",
    "gradient_times_input",
    "gradients",
    "integrated_gradients",
    "linear_attributions",
    "linear_importance",
    "masking",
    "permutation_importance",
    "submodular_pick",
    "surrogate_tree",
]

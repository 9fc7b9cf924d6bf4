"""Why did the model say so? What each part of one input did to one answer, and how sure that is.

explanation   Explanation, Span: the one result of every method, modality and class
masking       what it means to hide a segment, a word or a column, and how a model is asked about it
convert       from_lime, from_shap, to_shap
lime          lime_image, lime_text; lime_table: lime_table
surrogate     fit: the weighted ridge regression under LIME, for masks and answers of one's own
sampling      samples_needed: how many samples make the largest features the same ones again
shap          shap_image, shap_text, shap_table: Shapley values, exact up to 11 features, else drawn
shapley       values, exact: Shapley values of any game of one's own
coalitions    which coalitions are asked; interactions: of three players, estimated and taken off
costs         cost: how many calls and about how long, measured on a few inputs
saliency      gradient, gradient_times_input, integrated_gradients; gradients: all three beside each other
importance    permutation_importance: what a shuffled column costs; linear_importance, linear_attributions
overview      each: many inputs in turn; global_importance: mean sizes; submodular_pick: a telling few
tree          surrogate_tree: a small tree that imitates a model
"""

from trustlib.explain import masking, shapley
from trustlib.explain.convert import from_lime, from_shap, to_shap
from trustlib.explain.costs import Cost, cost
from trustlib.explain.explanation import Explanation, Span
from trustlib.explain.importance import (
    Importance,
    PermutationImportance,
    linear_attributions,
    linear_importance,
    permutation_importance,
)
from trustlib.explain.lime import lime_image, lime_text
from trustlib.explain.lime_table import lime_table
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
from trustlib.explain.sampling import SamplesNeeded, samples_needed
from trustlib.explain.shap import shap_image, shap_table, shap_text
from trustlib.explain.tree import SurrogateTree, surrogate_tree

__all__ = [
    "Cost",
    "Explanation",
    "GlobalImportance",
    "Gradients",
    "Importance",
    "PermutationImportance",
    "Saliency",
    "SamplesNeeded",
    "Span",
    "SubmodularPick",
    "SurrogateTree",
    "cost",
    "each",
    "from_lime",
    "from_shap",
    "global_importance",
    "gradient",
    "gradient_times_input",
    "gradients",
    "integrated_gradients",
    "lime_image",
    "lime_table",
    "lime_text",
    "linear_attributions",
    "linear_importance",
    "masking",
    "permutation_importance",
    "samples_needed",
    "shap_image",
    "shap_table",
    "shap_text",
    "shapley",
    "submodular_pick",
    "surrogate_tree",
    "to_shap",
]

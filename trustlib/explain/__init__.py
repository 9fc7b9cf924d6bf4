"""Why did the model say so? What each part of one input did to one answer, and how sure that is.

explanation   Explanation, Span: the one result of every method, modality and class
masking       what it means to hide a segment, a word or a column, and how a model is asked about it
"""

from trustlib.explain import masking
from trustlib.explain.explanation import Explanation, Span

__all__ = [
    "Explanation",
    "Span",
    "masking",
]

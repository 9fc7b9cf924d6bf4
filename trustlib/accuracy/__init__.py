"""How often is the model right, for whom, and is another one better? Each answer with its interval.

scores        evaluate: accuracy, balanced accuracy, macro-F1, every class, confusion
subgroups     by_group: the accuracy of each group of samples, and the worst of them
comparisons   compare: two models on the same samples; churn: how often their answers differ
folds         cross_validate: a way of training, each sample answered by a model that has not seen it
"""

from trustlib.accuracy.comparisons import Comparison, churn, compare
from trustlib.accuracy.folds import CrossValidation, cross_validate
from trustlib.accuracy.scores import Accuracy, ClassScores, evaluate
from trustlib.accuracy.subgroups import ByGroup, by_group

__all__ = [
    "Accuracy",
    "ByGroup",
    "ClassScores",
    "Comparison",
    "CrossValidation",
    "by_group",
    "churn",
    "compare",
    "cross_validate",
    "evaluate",
]

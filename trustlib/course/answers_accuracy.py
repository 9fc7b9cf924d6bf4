"""Reference answers of lesson 03's exercises; its checks call them."""

import math

import numpy as np

from trustlib import accuracy


def f1(confusion: np.ndarray, label: int) -> float:
    """F1 of one class from counts (k, k), rows true, columns answered."""
    return float(2 * confusion[label, label] / (confusion[label].sum() + confusion[:, label].sum()))


def samples_needed(difference: float, churn: float) -> int:
    """The least n at which 1.96 standard errors of a paired difference are no more than the difference.

    A sample counts 1, -1 or 0. Its mean is the difference, and its mean square the share of samples on
    which just one model is right.
    """
    return math.ceil(1.96**2 * (churn - difference**2) / difference**2)


def accuracy_with_selection_inside(inputs: np.ndarray, labels: np.ndarray, *, columns: int = 20) -> float:
    """Cross-validated accuracy where each fold's model chooses its columns from its own training rows."""
    from sklearn import feature_selection, linear_model, pipeline

    def fit(inputs, labels):
        steps = feature_selection.SelectKBest(k=columns), linear_model.LogisticRegression()
        return pipeline.make_pipeline(*steps).fit(inputs, labels).predict_proba

    return accuracy.cross_validate(fit, inputs, labels).pooled.accuracy.value

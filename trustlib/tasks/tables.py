"""Two tables where a small exact example teaches better than a picture; both come with scikit-learn."""

from __future__ import annotations

import numpy as np

from trustlib.tasks.task import Split, Task, to_task


def iris() -> Task:
    """Which iris is this? 150 flowers, four lengths in centimetres, three species (Fisher, 1936).

    Splits of 90, 15, 15 and 30, stratified. Two flowers have the same four lengths, as published.
    """
    from sklearn.datasets import load_iris

    table = load_iris()
    everything = Split("all", table.data, table.target, [f"iris-{i:03d}" for i in range(len(table.data))])
    return to_task(
        everything,
        name="iris",
        question="Which iris is this?",
        kind="table",
        classes=tuple(table.target_names.tolist()),
        columns=tuple(table.feature_names),
    )


def breast_cancer() -> Task:
    """Is this breast tumour malignant? 569 tumours, 30 measures of their cell nuclei (Street et al., 1993).

    Label 1 is malignant, since the question asks for it; scikit-learn counts the other way round.
    Splits of 341, 57, 57 and 114, stratified.
    """
    from sklearn.datasets import load_breast_cancer

    table = load_breast_cancer()
    labels = (table.target == table.target_names.tolist().index("malignant")).astype(np.int64)
    everything = Split("all", table.data, labels, [f"tumour-{i:03d}" for i in range(len(table.data))])
    return to_task(
        everything,
        name="breast-cancer",
        question="Is this breast tumour malignant?",
        kind="table",
        classes=("benign", "malignant"),
        columns=tuple(table.feature_names.tolist()),
    )

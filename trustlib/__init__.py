"""trustlib: how far may a fine-tuned network be trusted, and did fine-tuning earn that trust?

The house has four floors. A module imports from its own floor and from floors below, never upwards.

telling     cli, doctor, course/ (run and check the lessons), plots/ (results as figures), summary
making      assets (weights and data), tasks/ (what is asked), classifiers, finetune, pretraining,
            and what these stand on: pixels, huggingface, parts, samples, frozen, augment, weights,
            saved, checkpoints, tiny_imagenet
probing     asks a model about itself; comes with later lessons
measuring   accuracy/, calibration/, predictions with predictions_csv, estimates (every number with its
            interval) with intervals, resampling and ranking, and at the very ground checks, errors,
            atomic (nothing half written), progress (bars)

The way of the data:
    tasks -> classifiers, fine-tuned -> predictions.predict -> Predictions -> accuracy, calibration

A model is a callable: whatever asks it a question takes ``predict_proba(inputs) -> (n, k)``.
Import the module that you need, and keep its name in sight: ``from trustlib import accuracy``.
This file imports nothing, so that ``import trustlib`` costs nothing.
"""

__version__ = "0.1.0"

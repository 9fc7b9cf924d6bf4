"""trustlib: how far may a fine-tuned network be trusted, and did fine-tuning earn that trust?

The house has four floors. A module imports from its own floor and from floors below, never upwards.

telling     cli, doctor, course/ (run and check the lessons), report/ (what is found, for a reader),
            plots/ (results as figures), summary
making      assets (weights and data), tasks/ (what is asked), classifiers, finetune with its command,
            pretraining, and what these stand on: pixels, huggingface, parts, samples, frozen, augment,
            weights, saved, checkpoints, data_parallel (a batch among processes), tiny_imagenet
probing     robustness/ with corruptions and text_perturbations, minimal/ (smallest perturbations),
            explain/ (LIME, SHAP, gradients, importance), faithfulness/, and asking, how each asks a model
measuring   accuracy/, calibration/, generalization/, predictions with predictions_csv, estimates (every
            number with its interval) with intervals, resampling and ranking, and at the very ground
            checks, errors, atomic (nothing half written), progress (bars), processes (several
            that share the work)

The way of the data:
    tasks -> classifiers, fine-tuned -> predictions.predict -> Predictions
        -> accuracy, calibration, generalization -> report
    beside it, predict_proba alone goes into robustness, explain and faithfulness

A model is a callable: whatever asks it a question takes ``predict_proba(inputs) -> (n, k)``.
Import the module that you need, and keep its name in sight: ``from trustlib import accuracy``.
This file imports nothing, so that ``import trustlib`` costs nothing.
"""

__version__ = "0.1.0"

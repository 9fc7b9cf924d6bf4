"""How little must an input change before the answer does? The smallest L2 perturbation that is found.

    found = minimal.deepfool(cells, pictures)
    found.norm                             # (n,), and found.perturbed holds the pictures that flip the answer

What an attack finds is an upper bound of the true distance to the decision boundary: a stronger one may find
less. It needs a classifier with gradients: `classes`, `encode` and `logits_from`.

deepfool       deepfool: tangent steps from the clean input, a few gradients; exact for linear models
ddn            ddn: decoupled direction and norm, more gradients and smaller norms on networks
curve          robust_accuracy: accuracy against the size of the perturbation, read off the norms
perturbations  the result, and how it is checked by a fresh forward pass
boundary       from a direction to the decision boundary along it
tangent        the nearest point of a half-space inside a box
asked          the points near inputs that a model is asked about, every pass counted
"""

from trustlib.errors import missing_extra

try:
    import torch  # noqa: F401
except ImportError as error:
    raise missing_extra(error.name or "torch", "models") from error

from trustlib.minimal.curve import RobustAccuracy, robust_accuracy
from trustlib.minimal.ddn import ddn
from trustlib.minimal.deepfool import deepfool
from trustlib.minimal.perturbations import Perturbations

__all__ = ["Perturbations", "RobustAccuracy", "ddn", "deepfool", "robust_accuracy"]

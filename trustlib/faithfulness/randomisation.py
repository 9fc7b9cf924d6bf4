"""Does the explanation depend on what the network has learned?

Weights are drawn anew, layer by layer from the answer back to the input. A network that has forgotten
everything must be explained otherwise; an explanation that stays explains the picture, not the model.
Source: Adebayo et al. (2018), cascading randomisation.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trustlib import checks, progress
from trustlib.errors import ModelError
from trustlib.explain.explanation import Explanation
from trustlib.faithfulness.agreement import agreements, same_question, top
from trustlib.faithfulness.control import Controlled, constant, values_of
from trustlib.faithfulness.stability import Explain, mean_beside

N_DRAWS = 200
FLAT = 1e-6  # probabilities that differ by less are one answer


@dataclass(frozen=True, eq=False)
class Randomisation:
    """Agreement with the explanation of the trained network, as its layers are randomised from the top.

    layers: s names; at stage i the layers 0 to i are random; spearman, overlap: s Controlled, means over the
    repeats with intervals, NaN at a stage where nothing is defined; spearmans, overlaps: (repeats, s), NaN
    where undefined; undefined: (repeats, s), True where the network answers every input alike or the
    explanation is constant; original: the explanation of the trained network; explanations: a row of s for
    each repeat; k: features on top; n_calls: inputs that were answered.
    """

    layers: tuple[str, ...]
    spearman: tuple[Controlled, ...]
    overlap: tuple[Controlled, ...]
    spearmans: NDArray[np.float64]
    overlaps: NDArray[np.float64]
    undefined: NDArray[np.bool_]
    original: Explanation
    explanations: tuple[tuple[Explanation, ...], ...]
    k: int
    n_calls: int


def randomisation(
    explain: Explain,
    classifier: Any,
    input: Any,
    *,
    inputs: Sequence[Any],
    layers: Sequence[str] | None = None,
    repeats: int = 3,
    k: int | None = None,
    n_draws: int = N_DRAWS,
    seed: int = 0,
    batch_size: int = 32,
) -> Randomisation:
    """Agreement of explanations with the trained network's, as its layers are randomised from the top.

    The classifier itself is not changed: copies are. A matrix is drawn anew from a normal distribution with
    the spread that it had, so that signals keep their size; biases become 0, the scales of norms 1. After
    each stage, the statistics of the batch norms behind the first random weight are estimated again on
    `inputs`; with those of the trained network, activations run away and the answer sticks at 0 or 1.

    Args:
        explain: `explain(predict_proba, input, seed) -> Explanation`, always over the same features and of
            the same class. It gets the copy's method `predict_proba`; one that needs gradients finds the
            copy in `predict_proba.__self__`.
        classifier: has `.model` (a torch network), `.predict_proba`, `.encode` and `.logits_from`.
        input: what is explained.
        inputs: two others or more of its kind, some 32 of them: to estimate batch norms on, and to see
            whether the random network still tells inputs apart.
        layers: names of modules in the order in which they are randomised, such as ("fc", "layer3"); by
            default all layers with weights from the top, where a block that a network repeats is one.
        repeats: fresh draws of all weights, two or more.
        k, n_draws: as in `agreement`.
        seed: of the weights, the permutations, and of `explain`.
        batch_size: inputs that go through the network at once.
    Returns: Randomisation. Agreement should fall to that of permuted values. Costs 1 + repeats x layers
        explanations.
    Raises: ValueError; ModelError for a classifier without what is needed.
    Source: Adebayo et al. (2018).
    """
    repeats = checks.count(repeats, name="repeats", least=2)
    n_draws = checks.count(n_draws, name="n_draws", least=1)
    batch_size = checks.count(batch_size, name="batch_size", least=2)
    if len(inputs) < 2:
        raise ValueError(f"expected at least 2 inputs, got {len(inputs)}; pass some 32 of the task's")
    for name in ("model", "predict_proba", "encode", "logits_from"):
        if not hasattr(classifier, name):
            raise ModelError(
                f"expected a classifier with .model, .predict_proba, .encode and .logits_from, got "
                f"{type(classifier).__name__} without {name}; "
                "wrap the network in ImageClassifier or TextClassifier"
            )
    layers = _layers(classifier.model) if layers is None else _checked(layers, classifier.model)
    original = explain(classifier.predict_proba, input, seed)
    k = top(len(values_of(original)), k)
    shape = (repeats, len(layers))
    scores, undefined = np.full((*shape, 3), np.nan), np.ones(shape, dtype=bool)
    controls = np.full((*shape, 3, n_draws), np.nan)
    made: list[list[Explanation]] = [[] for _ in range(repeats)]
    rng = np.random.default_rng(seed)
    with progress.bar(total=repeats * len(layers), description="randomise", unit="explanation") as bar:
        for repeat, draw in enumerate(rng.spawn(repeats)):
            forgetful = _copy(classifier)
            for stage, layer in enumerate(layers):
                _randomise(forgetful.model.get_submodule(layer), draw)
                _estimate_norms(forgetful, layers[: stage + 1], inputs, batch_size)
                explanation = explain(forgetful.predict_proba, input, seed)
                same_question(original, explanation)
                made[repeat].append(explanation)
                answers = np.asarray(forgetful.predict_proba(inputs), dtype=np.float64)
                flat = not np.isfinite(answers).all() or bool(np.ptp(answers, axis=0).max() < FLAT)
                if not flat and not constant(values_of(explanation)):
                    undefined[repeat, stage] = False
                    scores[repeat, stage], controls[repeat, stage] = agreements(
                        values_of(original), values_of(explanation), k, n_draws, rng
                    )
                bar.update()

    def beside_control(i: int, lowest: float) -> tuple[Controlled, ...]:
        return tuple(
            mean_beside(scores[:, stage, i], controls[:, stage, i], rng, lowest=lowest)
            for stage in range(len(layers))
        )

    n_calls = original.n_calls + sum(each.n_calls for row in made for each in row)
    return Randomisation(
        layers=tuple(layers),
        spearman=beside_control(0, -1.0),
        overlap=beside_control(1, 0.0),
        spearmans=scores[..., 0],
        overlaps=scores[..., 1],
        undefined=undefined,
        original=original,
        explanations=tuple(map(tuple, made)),
        k=k,
        n_calls=n_calls + repeats * len(layers) * len(inputs),
    )


def _layers(model) -> list[str]:
    """Layers with weights of their own from the answer back, names cut behind their first number.

    So `layer3.0.conv1` and `layer3.0.bn1` are one stage, the block `layer3.0`, as are all parts of one layer
    of an encoder. Networks register layers in the order in which data meets them.
    """
    names: list[str] = []
    for name, module in model.named_modules():
        if not any(True for _ in module.parameters(recurse=False)):
            continue
        parts = name.split(".")
        number = next((i for i, part in enumerate(parts) if part.isdigit()), len(parts) - 1)
        short = ".".join(parts[: number + 1])
        if short not in names:
            names.append(short)
    return names[::-1]


def _checked(layers: Sequence[str], model) -> list[str]:
    known = {name for name, _ in model.named_modules() if name}
    layers = [layers] if isinstance(layers, str) else list(layers)
    unknown = [name for name in layers if name not in known]
    if unknown or not layers:
        raise ValueError(
            f"expected names of layers of {type(model).__name__}, got {unknown[0] if unknown else 'none'}; "
            "choose from model.named_modules()"
        )
    return layers


def _copy(classifier: Any) -> Any:
    """The classifier with a network of its own, which keeps no gradients."""
    copied = copy.copy(classifier)
    copied.model = copy.deepcopy(classifier.model)
    return copied


def _randomise(layer, rng: np.random.Generator) -> None:
    """Forget what a layer has learned. NumPy draws, so that no global generator is touched."""
    for name, parameter in layer.named_parameters():
        if parameter.ndim > 1:
            spread = float(parameter.detach().std())
            drawn = rng.normal(0, spread, tuple(parameter.shape))
            parameter.data.copy_(parameter.detach().new_tensor(drawn))
        else:
            parameter.data.fill_(0.0 if name.endswith("bias") else 1.0)


def _estimate_norms(classifier: Any, random: Sequence[str], inputs: Sequence[Any], batch_size: int) -> None:
    """Batch norms behind the first random weight see `inputs`, and keep their mean and variance."""
    modules = list(classifier.model.named_modules())
    first = min(i for i, (name, _) in enumerate(modules) if name in random)
    norms = [m for _, m in modules[first:] if getattr(m, "running_mean", None) is not None]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    classifier.model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over batches
        norm.train()
    starts = list(range(0, len(inputs), batch_size))
    if len(inputs) - starts[-1] < 2 and len(starts) > 1:  # one input alone has no variance
        starts.pop()
    for start, stop in zip(starts, [*starts[1:], len(inputs)], strict=True):
        classifier.logits_from(classifier.encode(inputs[start:stop]))
    classifier.model.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum

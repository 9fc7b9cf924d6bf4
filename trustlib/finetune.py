"""Fine-tuning in one visible loop: go on training a pretrained network on your own task.

    history = finetune(classifier, task, train="last_block", epochs=3)

What is trained is said in the field's words (`head`, `last_block`, `all`; see parts.py). What the frozen
part computes is kept between epochs when that saves time (frozen.py). On a CPU the same seed gives the
same weights, also when the run was killed and taken up again from its checkpoint.

Sources: Loshchilov & Hutter (2019) for AdamW; Szegedy et al. (2016) for label smoothing.
"""

import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from trustlib import checkpoints, checks, frozen, parts, progress, weights
from trustlib.classifiers import fast_bfloat16

KEPT_BYTES = 3 * 2**30  # features of the frozen part are kept when they fit


@dataclass(frozen=True, eq=False)
class History:
    """What a fine-tuning run did. Arrays have one entry an epoch; losses are mean cross-entropies in nats.

    `best_epoch` counts from 0 and is the epoch with the lowest validation loss. With early stopping the
    weights are those of that epoch, else those of the last one. `recipe` holds all that shaped the run.
    """

    train_loss: np.ndarray
    validation_loss: np.ndarray
    validation_accuracy: np.ndarray
    best_epoch: int
    seconds: float
    n_trainable: int
    n_parameters: int
    kept_features: bool
    recipe: dict

    def to_json(self) -> str:
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return json.dumps(
            {n: v.tolist() if isinstance(v, np.ndarray) else v for n, v in fields.items()}, indent=1
        )

    @classmethod
    def from_json(cls, text: str) -> "History":
        fields = json.loads(text)
        return cls(**{n: np.array(v, dtype=float) if isinstance(v, list) else v for n, v in fields.items()})


def finetune(
    classifier,
    task,
    *,
    train: str = "head",
    epochs: int = 5,
    learning_rate: float = 1e-3,
    head_learning_rate: float | None = None,
    optimizer: str = "adamw",
    momentum: float = 0.9,
    weight_decay: float = 0.01,
    l2_penalty: float = 0.0,
    batch_size: int = 32,
    warmup: float = 0.1,
    label_smoothing: float = 0.0,
    class_weights: Sequence[float] | None = None,
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None,
    views: int | None = None,
    patience: int | None = None,
    keep_features: bool | None = None,
    precision: str = "auto",
    checkpoint: str | Path | None = None,
    seed: int = 0,
) -> History:
    """Train the classifier in place on the task's training split; watch its validation split.

    Args:
        classifier: an ImageClassifier or a TextClassifier.
        task: has `train` and `validation` splits. Its other splits are not looked at.
        train: "head", "last_block" or "all".
        epochs: how often every training sample is seen.
        learning_rate: at the end of the warm-up; it then falls along a cosine to zero.
        head_learning_rate: for the fresh head alone; by default the same.
        optimizer: "adamw", or "sgd" with `momentum` (Nesterov's).
        weight_decay: decoupled, on matrices only.
        l2_penalty: λ in the regularised loss L + λR with R = Σ w² over the trainable matrices.
        batch_size: samples a step. Texts of like length share a batch.
        warmup: the share of all steps in which the learning rate rises from zero.
        label_smoothing: in [0, 1).
        class_weights: one weight a class in the training loss; their mean should be 1.
        augment: changes one prepared sample (see augment.py). With it, `views` different versions of
            every sample take turns, epoch by epoch; by default there are as many as epochs.
        patience: stop when the validation loss has not fallen for so many epochs, and take the best
            epoch's weights. None: all epochs, the last one's weights.
        keep_features: keep what the frozen part computes. None: when it is possible, fits in 3 GB and
            saves time.
        precision: "float32", "bfloat16", or "auto": bfloat16 where the device computes it.
        checkpoint: a file, written after each epoch; a run with the same recipe that finds it goes on
            from there.
        seed: order of the samples, augmentation, dropout.
    Returns: History.
    Raises: ValueError for an option out of range or a task with other classes; ModelError when the
        checkpoint belongs to another recipe.
    """
    began = time.perf_counter()
    _check(
        classifier,
        task,
        epochs,
        learning_rate,
        batch_size,
        label_smoothing,
        class_weights,
        optimizer,
        precision,
        patience,
    )
    views = 1 if augment is None else views or epochs
    bf16 = precision == "bfloat16" or (precision == "auto" and fast_bfloat16(classifier.device))
    recipe = {
        "train": train,
        "epochs": epochs,
        "learning_rate": learning_rate,
        "head_learning_rate": head_learning_rate,
        "optimizer": optimizer,
        "momentum": momentum,
        "weight_decay": weight_decay,
        "l2_penalty": l2_penalty,
        "batch_size": batch_size,
        "warmup": warmup,
        "label_smoothing": label_smoothing,
        "class_weights": None if class_weights is None else list(class_weights),
        "augment": getattr(augment, "__name__", None),
        "views": views,
        "patience": patience,
        "precision": "bfloat16" if bf16 else "float32",
        "seed": seed,
        "classes": list(classifier.classes),
        "start": weights.digest(classifier.model),
        "data": task.train.digest,
        "labels": _digest(task.train.labels),
        "validation": task.validation.digest,
    }
    model, device = classifier.model, classifier.device
    parameters = parts.freeze(model, train)
    parts.train_mode(model, train)
    optimiser = _optimizer(model, optimizer, learning_rate, head_learning_rate, momentum, weight_decay)
    labels = torch.as_tensor(np.asarray(task.train.labels), device=device)
    loss_of = nn.CrossEntropyLoss(
        weight=None
        if class_weights is None
        else torch.tensor(class_weights, dtype=torch.float32, device=device),
        label_smoothing=label_smoothing,
    )

    samples = _Samples(classifier, task, train, augment, views, epochs, keep_features, bf16, seed)
    batches_an_epoch = len(_batches(samples.lengths, batch_size, np.random.default_rng(0)))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, _warm_cosine(warmup, epochs * batches_an_epoch))
    losses, validation_losses, accuracies, best = [], [], [], None
    first = 0
    if checkpoint is not None and Path(checkpoint).exists():
        record, best = checkpoints.load(checkpoint, model, optimiser, schedule, recipe)
        losses, validation_losses, accuracies = (
            record[k] for k in ("losses", "validation_losses", "accuracies")
        )
        first = len(losses)

    with (
        torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
        progress.bar(total=epochs * batches_an_epoch, description=f"fine-tune {train}", unit="batch") as bar,
    ):
        bar.update(first * batches_an_epoch)
        for epoch in range(first, epochs):
            if patience is not None and epoch - 1 - int(np.argmin(validation_losses or [0])) >= patience:
                break
            # Every epoch draws from a source of its own, so that a run taken up again draws the same.
            rng = np.random.default_rng([seed, epoch])
            torch.manual_seed(int(rng.integers(2**31)))
            parts.train_mode(model, train)
            total = 0.0
            for chosen in _batches(samples.lengths, batch_size, rng):
                with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
                    logits = samples.logits(chosen, epoch)  # (batch, k)
                loss = loss_of(logits.float(), labels[chosen])
                if l2_penalty:
                    loss = loss + l2_penalty * sum((p**2).sum() for p in parameters if p.ndim > 1)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(parameters, 1.0)
                optimiser.step()
                schedule.step()
                total += loss.item() * len(chosen)
                bar.update()
            model.eval()
            validation_loss, accuracy = samples.validate()
            losses.append(total / len(labels))
            validation_losses.append(validation_loss)
            accuracies.append(accuracy)
            bar.set_postfix(loss=f"{losses[-1]:.3f}", validation=f"{accuracy:.3f}")
            if patience is not None and validation_loss == min(validation_losses):
                best = {name: tensor.clone() for name, tensor in model.state_dict().items()}
            if checkpoint is not None:
                record = {"losses": losses, "validation_losses": validation_losses, "accuracies": accuracies}
                checkpoints.save(checkpoint, model, optimiser, schedule, recipe, record, best)
    if best is not None:
        model.load_state_dict(best)
    model.eval()
    return History(
        np.array(losses),
        np.array(validation_losses),
        np.array(accuracies),
        int(np.argmin(validation_losses)),
        time.perf_counter() - began,
        sum(p.numel() for p in parameters),
        sum(p.numel() for p in model.parameters()),
        samples.cut is not None,
        recipe,
    )


class _Samples:
    """Training and validation samples as the trainable part meets them: whole, or cut off at its start."""

    def __init__(self, classifier, task, train, augment, views, epochs, keep_features, bf16, seed):
        self.classifier, self.augment, self.views, self.seed = classifier, augment, views, seed
        self.prepared = classifier.prepare(task.train.inputs)
        self.lengths = (
            np.array([len(sample) for sample in self.prepared])
            if isinstance(self.prepared, list)
            else (np.ones(len(self.prepared), dtype=int))
        )
        self.validation = classifier.prepare(task.validation.inputs)
        self.validation_labels = torch.as_tensor(np.asarray(task.validation.labels))
        self.bf16 = bf16
        self.cut = None
        wanted = views < epochs or epochs == 1 if keep_features is None else keep_features
        if wanted and train != "all":
            was_training = {module: module.training for module in classifier.model.modules()}
            classifier.model.eval()
            self.cut = frozen.find(classifier, self.prepared, train)
            if self.cut is not None:
                self._keep(len(self.prepared) * views)
            for module, training in was_training.items():
                module.training = training

    def _keep(self, n: int) -> None:
        """Compute the features of every view, unless they would not fit."""
        one = frozen.features(self.classifier, [self.prepared[0]], self.cut)[0]
        if one.numel() * one.element_size() * n > KEPT_BYTES:
            self.cut = None
            return
        with torch.autocast(self.classifier.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            self.kept = [
                frozen.features(
                    self.classifier, [self.view(i, v) for i in range(len(self.prepared))], self.cut
                )
                for v in progress.bar(range(self.views), description="keep features", unit="view")
            ]
            self.kept_validation = frozen.features(self.classifier, self.validation, self.cut)

    def view(self, i: int, epoch: int) -> Tensor:
        """Sample i as epoch `epoch` sees it; its augmentation depends on nothing else."""
        if self.augment is None:
            return self.prepared[i]
        key = int(np.random.SeedSequence([self.seed, epoch % self.views, i]).generate_state(1)[0])
        return self.augment(self.prepared[i], torch.Generator().manual_seed(key))

    def logits(self, chosen: np.ndarray, epoch: int) -> Tensor:
        if self.cut is not None:
            kept = self.kept[epoch % self.views]
            return self.cut.logits([kept[i] for i in chosen])
        return self.classifier.forward(self.classifier.collate([self.view(i, epoch) for i in chosen]))

    def validate(self) -> tuple[float, float]:
        """Mean cross-entropy and accuracy on the validation split, in evaluation mode."""
        logits = []
        with (
            torch.no_grad(),
            torch.autocast(self.classifier.device.type, dtype=torch.bfloat16, enabled=self.bf16),
        ):
            for at in range(0, len(self.validation), 64):
                chosen = range(at, min(at + 64, len(self.validation)))
                logits.append(
                    self.cut.logits([self.kept_validation[i] for i in chosen])
                    if self.cut is not None
                    else self.classifier.forward(
                        self.classifier.collate([self.validation[i] for i in chosen])
                    )
                )
        answers = torch.cat(logits).float().cpu()
        loss = nn.functional.cross_entropy(answers, self.validation_labels).item()
        return loss, (answers.argmax(1) == self.validation_labels).double().mean().item()


def _batches(lengths: np.ndarray, batch_size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Every sample once, shuffled; samples of like length together, so that little is padding."""
    order = rng.permutation(len(lengths))
    pool = 50 * batch_size
    order = np.concatenate(
        [
            part[np.argsort(lengths[part], kind="stable")]
            for part in (order[at : at + pool] for at in range(0, len(order), pool))
        ]
    )
    batches = [order[at : at + batch_size] for at in range(0, len(order), batch_size)]
    if len(batches) > 1 and len(batches[-1]) == 1:  # batch norm cannot learn from a single sample
        batches[-2:] = [np.concatenate(batches[-2:])]
    return [batches[i] for i in rng.permutation(len(batches))]


def _optimizer(model, optimizer, learning_rate, head_learning_rate, momentum, weight_decay):
    """Matrices decay, vectors (biases, norms) do not; the head may have a learning rate of its own."""
    head = set(parts.trainable(model, "head"))
    groups = []
    for in_head in (False, True):
        rate = head_learning_rate if in_head and head_learning_rate is not None else learning_rate
        chosen = [p for name, p in model.named_parameters() if p.requires_grad and (name in head) == in_head]
        for matrices in (False, True):
            some = [p for p in chosen if (p.ndim > 1) == matrices]
            if some:
                groups.append({"params": some, "lr": rate, "weight_decay": weight_decay if matrices else 0.0})
    if optimizer == "sgd":
        return torch.optim.SGD(groups, lr=learning_rate, momentum=momentum, nesterov=momentum > 0, fused=True)
    return torch.optim.AdamW(groups, lr=learning_rate, fused=True)


def _warm_cosine(warmup: float, steps: int) -> Callable[[int], float]:
    rise = max(1, round(warmup * steps))
    return lambda step: (
        (step + 1) / rise
        if step < rise
        else (0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise))))
    )


def _check(
    classifier,
    task,
    epochs,
    learning_rate,
    batch_size,
    label_smoothing,
    class_weights,
    optimizer,
    precision,
    patience,
) -> None:
    checks.count(epochs, name="epochs")
    checks.count(batch_size, name="batch_size")
    checks.positive(learning_rate, name="learning_rate")
    if patience is not None:
        checks.count(patience, name="patience")
    if tuple(task.classes) != tuple(classifier.classes):
        raise ValueError(
            f"expected a classifier for {task.classes}, got one for {classifier.classes}: "
            "build it with classes=task.classes"
        )
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"expected label_smoothing in [0, 1), got {label_smoothing}")
    if class_weights is not None and len(class_weights) != len(task.classes):
        raise ValueError(f"expected {len(task.classes)} class_weights, got {len(class_weights)}: one a class")
    if optimizer not in ("adamw", "sgd"):
        raise ValueError(f"expected optimizer 'adamw' or 'sgd', got {optimizer!r}")
    if precision not in ("auto", "float32", "bfloat16"):
        raise ValueError(f"expected precision 'auto', 'float32' or 'bfloat16', got {precision!r}")


def _digest(labels: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(labels, dtype=np.int64).tobytes()).hexdigest()

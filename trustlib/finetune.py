"""Fine-tuning in one visible loop: go on training a pretrained network on your own task.

    history = finetune(classifier, task, train="last_block", epochs=3)

What is trained is said in the field's words (`head`, `last_block`, `all`; see parts.py). What the frozen
part computes is kept between epochs when that saves time (frozen.py). On a CPU the same seed gives the
same weights, also when the run was killed and taken up again from its checkpoint. Under `accelerate launch`
several processes, GPUs or nodes share each batch (data_parallel.py); as a command, see finetune_command.py.

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

from trustlib import checks, processes, progress
from trustlib.errors import ModelError, missing_extra

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise missing_extra(error.name or "torch", "models") from error

from trustlib import checkpoints, data_parallel, devices, parts, weights
from trustlib.samples import Samples, batches

CLIP = 1.0  # largest norm of the gradient


@dataclass(frozen=True, eq=False)
class History:
    """What a fine-tuning run did. Arrays have one entry an epoch; losses are means over samples, in nats.

    `train_loss` is what was minimised, smoothing, class weights and penalty included, while the weights
    moved; `validation_loss` is the plain cross-entropy after the epoch. `best_epoch` counts from 0 and is
    the first one with the lowest validation loss. With early stopping the weights are those of that epoch,
    else those of the last one. `seconds` are those since the run was last taken up. `recipe` holds all
    that shaped the run.
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
    nesterov: bool = True,
    weight_decay: float = 0.01,
    l2_penalty: float = 0.0,
    batch_size: int = 32,
    warmup: float = 0.1,
    schedule: str = "cosine",
    clip: float | None = CLIP,
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
        learning_rate: at the end of the warm-up; it then follows the `schedule`.
        head_learning_rate: for the fresh head alone; by default the same.
        optimizer: "adamw", "adam", or "sgd" with `momentum`.
        nesterov: momentum in Nesterov's form; False for the classic one, the heavy ball.
        weight_decay: on matrices only; decoupled in AdamW, part of the gradient in Adam and SGD.
        l2_penalty: λ in the regularised loss L + λR with R = Σ w² over the trainable matrices.
        batch_size: samples a step, of all processes together. Texts of like length share a batch.
        warmup: the share of all steps in which the learning rate rises from zero.
        schedule: how it goes on: "cosine" or "linear" down to zero, or "constant".
        clip: a longer gradient is cut to this length; None leaves it as it is.
        label_smoothing: in [0, 1).
        class_weights: one positive weight a class; the training loss is the mean weighted by them.
        augment: changes one prepared sample (see augment.py). With it, `views` different versions of
            every sample take turns, epoch by epoch; by default there are as many as epochs.
        patience: stop when the validation loss has not fallen for so many epochs, and take the best
            epoch's weights. None: all epochs, the last one's weights.
        keep_features: keep what the frozen part computes. None: when it is possible, fits in 3 GB and
            saves time.
        precision: "float32", "bfloat16", or "auto": bfloat16 where the device computes it.
        checkpoint: a file, written after each epoch; a run with the same recipe that finds it goes on
            from there, in as many processes as it now has. Every node must see the file.
        seed: order of the samples, augmentation, dropout.
    Returns: History.
    Raises: ValueError for an option out of range, an empty split or a task with other classes; ModelError
        when the loss is no number any more, when the checkpoint belongs to another recipe, or when
        processes that should train together have different recipes.
    """
    began = time.perf_counter()
    _check(classifier, task, label_smoothing, class_weights, optimizer, schedule, precision)
    views = 1 if augment is None else epochs if views is None else checks.count(views, name="views")
    bf16 = precision == "bfloat16" or (precision == "auto" and devices.fast_bfloat16(classifier.device))
    data_parallel.same_start(classifier.model)
    rate_of_head = learning_rate if head_learning_rate is None else head_learning_rate
    # All that shapes the weights: checked here, told in the History, and compared with a checkpoint's.
    recipe = {
        "train": train,
        "epochs": checks.count(epochs, name="epochs"),
        "learning_rate": checks.positive(learning_rate, name="learning_rate"),
        "head_learning_rate": checks.positive(rate_of_head, name="head_learning_rate"),
        "optimizer": optimizer,
        "momentum": checks.fraction(momentum, name="momentum", closed=True),
        "nesterov": bool(nesterov),
        "weight_decay": _not_negative(weight_decay, name="weight_decay"),
        "l2_penalty": _not_negative(l2_penalty, name="l2_penalty"),
        "batch_size": checks.count(batch_size, name="batch_size"),
        "warmup": checks.fraction(warmup, name="warmup", closed=True),
        "schedule": schedule,
        "clip": None if clip is None else checks.positive(clip, name="clip"),
        "label_smoothing": float(label_smoothing),
        "class_weights": None if class_weights is None else [float(weight) for weight in class_weights],
        "augment": None if augment is None else getattr(augment, "__name__", type(augment).__name__),
        "views": views,
        "patience": None if patience is None else checks.count(patience, name="patience"),
        "precision": "bfloat16" if bf16 else "float32",
        "seed": checks.count(seed, name="seed", least=0),
        "classifier": classifier.settings,
        "start": weights.digest(classifier.model),
        "data": task.train.digest,
        "inputs": task.train.content,
        "labels": _digest(task.train.labels),
        "validation": task.validation.digest,
        "validation_inputs": task.validation.content,
        "validation_labels": _digest(task.validation.labels),
    }
    _same_in_all_processes(recipe)
    model, device = classifier.model, classifier.device
    parameters = parts.freeze(model, train)
    samples = Samples(
        classifier,
        task,
        train=train,
        augment=augment,
        views=views,
        epochs=epochs,
        keep_features=keep_features,
        bf16=bf16,
        seed=seed,
    )
    recipe["kept_features"] = samples.cut is not None
    steps_an_epoch = len(batches(samples.lengths, batch_size, np.random.default_rng(0)))
    optimiser = _optimizer(model, optimizer, learning_rate, rate_of_head, momentum, nesterov, weight_decay)
    share_of_rate = _warm(schedule, warmup, epochs * steps_an_epoch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, share_of_rate)
    labels = torch.as_tensor(np.asarray(task.train.labels, dtype=np.int64), device=device)
    loss_of = nn.CrossEntropyLoss(
        weight=None if class_weights is None else torch.tensor(recipe["class_weights"], device=device),
        label_smoothing=label_smoothing,
    )
    in_loss = None if class_weights is None else np.array(recipe["class_weights"])[labels.cpu()]  # (n,)
    curves, best = {"train_loss": [], "validation_loss": [], "validation_accuracy": []}, None
    if checkpoint is not None and processes.from_main(Path(checkpoint).exists):
        curves, best = checkpoints.load(checkpoint, model, optimiser, schedule, recipe)
    first = len(curves["train_loss"])

    with (
        torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
        data_parallel.whole_batch_norm(model) as norms,
        progress.bar(total=epochs * steps_an_epoch, description=f"fine-tune {train}", unit="batch") as bar,
    ):
        bar.update(first * steps_an_epoch)
        for epoch in range(first, epochs):
            if patience is not None and _epochs_since_best(curves["validation_loss"]) >= patience:
                break
            # Every epoch draws from a source of its own, so that a run taken up again draws the same.
            rng = np.random.default_rng([seed, epoch])
            torch.manual_seed(int(rng.integers(2**31)) + processes.index())
            parts.train_mode(model, train)
            total = 0.0
            for chosen in batches(samples.lengths, batch_size, rng):
                mine, share = data_parallel.part(chosen, in_loss)  # in one process: all of it, and 1
                norms.counts = share > 0
                loss = loss_of(samples.logits(mine, epoch), labels[mine])  # logits (batch, k)
                if l2_penalty:
                    loss = loss + l2_penalty * sum((p**2).sum() for p in parameters if p.ndim > 1)
                optimiser.zero_grad()
                (share * loss).backward()
                data_parallel.add_gradients(parameters)
                if clip is not None:
                    nn.utils.clip_grad_norm_(parameters, clip)
                optimiser.step()
                schedule.step()
                total += share * loss.item() * len(chosen)
                bar.update()
            model.eval()
            total = sum(processes.gather(total))
            validation_loss, accuracy = samples.validate()
            if not math.isfinite(total + validation_loss):
                raise ModelError(
                    f"expected finite losses, got {total / len(labels)} in training and {validation_loss} in "
                    f"validation in epoch {epoch}: lower learning_rate, and build the classifier anew"
                )
            curves["train_loss"].append(total / len(labels))
            curves["validation_loss"].append(validation_loss)
            curves["validation_accuracy"].append(accuracy)
            bar.set_postfix(loss=f"{curves['train_loss'][-1]:.3f}", validation=f"{accuracy:.3f}")
            if patience is not None and _epochs_since_best(curves["validation_loss"]) == 0:
                best = {name: tensor.clone() for name, tensor in model.state_dict().items()}
            if checkpoint is not None and processes.index() == 0:
                checkpoints.save(checkpoint, model, optimiser, schedule, recipe, curves, best)
    if best is not None:
        model.load_state_dict(best)
    model.eval()
    return History(
        **{name: np.array(values) for name, values in curves.items()},
        best_epoch=int(np.argmin(curves["validation_loss"])),
        seconds=time.perf_counter() - began,
        n_trainable=sum(p.numel() for p in parameters),
        n_parameters=sum(p.numel() for p in model.parameters()),
        kept_features=samples.cut is not None,
        recipe=recipe,
    )


def _epochs_since_best(losses: list[float]) -> int:
    return len(losses) - 1 - int(np.argmin(losses)) if losses else 0


def _optimizer(model, optimizer, learning_rate, rate_of_head, momentum, nesterov, weight_decay):
    """Matrices decay, vectors (biases, norms) do not; the head may have a learning rate of its own."""
    head = set(parts.trainable(model, "head"))
    groups = []
    for in_head, rate in ((False, learning_rate), (True, rate_of_head)):
        chosen = [p for name, p in model.named_parameters() if p.requires_grad and (name in head) == in_head]
        for matrices, decay in ((False, 0.0), (True, weight_decay)):
            some = [p for p in chosen if (p.ndim > 1) == matrices]
            if some:
                groups.append({"params": some, "lr": rate, "weight_decay": decay})
    if optimizer == "sgd":
        nesterov = nesterov and momentum > 0
        return torch.optim.SGD(groups, lr=learning_rate, momentum=momentum, nesterov=nesterov, fused=True)
    if optimizer == "adam":
        return torch.optim.Adam(groups, lr=learning_rate, fused=True)
    return torch.optim.AdamW(groups, lr=learning_rate, fused=True)


def _warm_cosine(warmup: float, steps: int) -> Callable[[int], float]:
    """The share of the learning rate at each step: a line up to 1, then half a cosine down to 0."""
    rise = max(1, round(warmup * steps))
    return lambda step: (
        (step + 1) / rise
        if step < rise
        else (0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise))))
    )


def _warm(schedule: str, warmup: float, steps: int) -> Callable[[int], float]:
    """The share of the learning rate at each step: a line up to 1, and then as the schedule says."""
    if schedule == "cosine":
        return _warm_cosine(warmup, steps)
    rise, fall = max(1, round(warmup * steps)), 1.0 if schedule == "linear" else 0.0
    return lambda step: (
        (step + 1) / rise if step < rise else 1.0 - fall * (step - rise) / max(1, steps - rise)
    )


def _check(classifier, task, label_smoothing, class_weights, optimizer, schedule, precision) -> None:
    if tuple(task.classes) != tuple(classifier.classes):
        raise ValueError(
            f"expected a classifier for {task.classes}, got one for {classifier.classes}: "
            "build it with classes=task.classes"
        )
    for name, split in (("training", task.train), ("validation", task.validation)):
        if not len(split.labels):
            raise ValueError(f"expected samples in the {name} split, got none: put some there")
        checks.labels(split.labels, n_classes=len(task.classes), name=f"labels of the {name} split")
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"expected label_smoothing in [0, 1), got {label_smoothing}: choose 0.1, say")
    if class_weights is not None:
        if len(class_weights) != len(task.classes):
            raise ValueError(
                f"expected {len(task.classes)} class_weights, got {len(class_weights)}: one a class"
            )
        for weight in class_weights:
            checks.positive(float(weight), name="class_weights")
    if optimizer not in ("adamw", "adam", "sgd"):
        raise ValueError(f"expected optimizer 'adamw', 'adam' or 'sgd', got {optimizer!r}: choose one")
    if schedule not in ("cosine", "linear", "constant"):
        raise ValueError(f"expected schedule 'cosine', 'linear' or 'constant', got {schedule!r}: choose one")
    if precision not in ("auto", "float32", "bfloat16"):
        raise ValueError(f"expected precision 'auto', 'float32' or 'bfloat16', got {precision!r}: choose one")


def _same_in_all_processes(recipe: dict) -> None:
    for other in processes.gather(recipe):
        differing = sorted(name for name in recipe if other[name] != recipe[name])
        if differing:
            raise ModelError(
                f"expected the same recipe in all processes, got another {', '.join(differing)}: "
                "let no process choose for itself, or train inside processes.alone()"
            )


def _not_negative(value: float, *, name: str) -> float:
    return 0.0 if value == 0 else checks.positive(value, name=name)


def _digest(labels: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(labels, dtype=np.int64).tobytes()).hexdigest()


if __name__ == "__main__":
    from trustlib import finetune_command

    raise SystemExit(finetune_command.main())

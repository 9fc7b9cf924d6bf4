"""Fine-tuning trains what it names, as it says, and the same again, even when killed and taken up again."""

import dataclasses
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
import torchvision.models
from torch import nn

from trustlib import augment, finetune, parts, weights
from trustlib.classifiers import ImageClassifier
from trustlib.errors import ModelError
from trustlib.finetune import History
from trustlib.samples import batches

KINDS = ("image", "text")


@pytest.fixture
def make(tmp_path):
    """A tiny classifier of a kind, always the same one."""
    return lambda kind: tiny.image_classifier() if kind == "image" else tiny.text_classifier(tmp_path)


def task_of(kind, **sizes):
    return tiny.image_task(**sizes) if kind == "image" else tiny.text_task(**sizes)


def tune(classifier, task, **options):
    """`finetune` in float32, briefly."""
    return finetune.finetune(
        classifier, task, **{"epochs": 2, "batch_size": 8, "precision": "float32", **options}
    )


def distance(model, other):
    """Largest difference between two networks' weights."""
    pairs = zip(model.parameters(), other.parameters(), strict=True)
    return max((a - b).abs().max().item() for a, b in pairs)


# What is trained


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("train", parts.CHOICES)
def test_only_what_is_named_changes(kind, keep, train, make):
    c = make(kind)
    before = tiny.state(c.model)
    history = tune(c, task_of(kind), train=train, learning_rate=0.02, keep_features=keep)
    trained = set(parts.trainable(c.model, train))
    statistics = {"head": set(), "last_block": {"blocks.1.1"}, "all": {"blocks.0.1", "blocks.1.1"}}[train]
    moved = {f"{norm}.{name}" for norm in statistics for name in ("running_mean", "running_var")}
    moved |= {f"{norm}.num_batches_tracked" for norm in statistics}
    assert tiny.changed(before, c.model) == trained | (moved if kind == "image" else set())
    assert history.n_trainable == sum(before[name].numel() for name in trained)
    assert history.n_parameters == sum(p.numel() for p in c.model.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_learns_what_can_be_learned(kind, make):
    c, task = make(kind), task_of(kind, train=256, validation=40)
    rate = 0.02 if kind == "image" else 0.003
    history = tune(c, task, train="all", epochs=8, batch_size=16, learning_rate=rate)
    assert history.validation_accuracy[-1] > 0.9 and history.train_loss[-1] < 0.3 < history.train_loss[0]
    assert (c.predict_proba(task.validation.inputs).argmax(1) == task.validation.labels).mean() == (
        history.validation_accuracy[-1]
    )


def test_the_network_is_in_evaluation_mode_afterwards_and_chance_is_where_it_was(make):
    for kind in KINDS:
        c, task = make(kind), task_of(kind)
        torch.manual_seed(0)
        np.random.seed(0)
        chance = torch.get_rng_state(), np.random.get_state()[1].tolist()
        tune(c, task, train="all", augment=augment.square if kind == "image" else None)
        assert not any(layer.training for layer in c.model.modules())
        assert torch.equal(torch.get_rng_state(), chance[0])
        assert np.random.get_state()[1].tolist() == chance[1]


NETWORKS = ["resnet18", "mobilenet_v3_small", "efficientnet_b0", "googlenet"]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("train", parts.CHOICES)
def test_torchvision_networks_can_be_fine_tuned(name, train):
    options = {"init_weights": True} if name == "googlenet" else {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = torchvision.models.get_model(name, weights=None, **options)
    c = ImageClassifier(model, tiny.CLASSES, size=32)
    if (name, train) == ("googlenet", "last_block"):
        with pytest.raises(ModelError, match="choose train='head' or train='all'"):
            tune(c, tiny.image_task(), train=train)
        return
    before = tiny.state(model)
    tune(c, tiny.image_task(train=8, validation=2), train=train, epochs=1)
    trained = set(parts.trainable(model, train))
    changed, statistics = tiny.changed(before, model), {name for name, _ in model.named_buffers()}
    assert changed - statistics <= trained and f"{parts.head(model)[0]}.weight" in changed
    assert len(changed - statistics) >= 0.8 * len(trained)  # some gradients of an untrained network vanish
    assert train != "head" or changed == trained


@pytest.mark.parametrize("network", [tiny.roberta, tiny.distilbert], ids=lambda network: network.__name__)
@pytest.mark.parametrize("train", parts.CHOICES)
def test_relatives_of_bert_can_be_fine_tuned(network, train, tmp_path):
    c = tiny.text_classifier(tmp_path, network())
    before = tiny.state(c.model)
    history = tune(c, tiny.text_task(), train=train)
    assert tiny.changed(before, c.model) == set(parts.trainable(c.model, train))
    assert history.kept_features == (network is tiny.roberta and train == "head")


# Kept features


@pytest.mark.parametrize(
    ("kind", "train", "augmented"),
    [
        ("image", "head", False),
        ("image", "head", True),
        ("text", "head", False),
        ("text", "last_block", False),
    ],
)
def test_kept_features_lead_to_the_weights_of_recomputed_ones(kind, train, augmented, make):
    options = {"augment": augment.square, "views": 2} if augmented else {}
    trained = []
    for keep in (True, False):
        c = make(kind)
        # AdamW would blow up the rounding of gradients that are zero, such as those of BERT's key biases.
        options |= {"optimizer": "sgd", "learning_rate": 0.1, "keep_features": keep}
        history = tune(c, task_of(kind), train=train, epochs=4, **options)
        assert history.kept_features == keep == history.recipe["kept_features"]
        trained.append((c, history))
    (kept, a), (whole, b) = trained
    assert distance(kept.model, whole.model) < 1e-5 < 1e-2 < distance(kept.model, make(kind).model)
    assert np.allclose(a.train_loss, b.train_loss, atol=1e-4)
    assert np.allclose(a.validation_loss, b.validation_loss, atol=1e-4)


def test_kept_features_of_a_resnet_s_last_block_lead_to_the_weights_of_recomputed_ones():
    models = []
    for keep in (True, False):
        torch.manual_seed(0)
        c = ImageClassifier(torchvision.models.resnet18(num_classes=2), tiny.CLASSES, size=32)
        history = tune(c, tiny.image_task(train=12), train="last_block", keep_features=keep)
        assert history.kept_features == keep
        models.append(c.model)
    assert distance(*models) < 1e-3


def test_a_network_without_a_cut_is_trained_through_and_through(make):
    history = tune(make("image"), task_of("image"), train="last_block", keep_features=True)
    assert not history.kept_features


def test_augmentation_makes_a_difference_and_as_many_views_as_epochs_by_default(make):
    models = {}
    for views in (None, 1, 2):
        c = make("image")
        history = tune(c, task_of("image"), epochs=3, augment=augment.square, views=views)
        assert history.recipe["views"] == (views or 3) and history.recipe["augment"] == "square"
        models[views] = c.model
    assert min(distance(models[None], models[1]), distance(models[1], models[2])) > 1e-5
    assert tune(make("image"), task_of("image")).recipe["augment"] is None


# Chance


def test_each_epoch_has_its_own_order_and_its_own_dropout(make, monkeypatch):
    seen = []

    def noting(lengths, batch_size, rng):
        chosen = batches(lengths, batch_size, rng)
        seen.append([batch.tolist() for batch in chosen] + [torch.rand(1).item()])
        return chosen

    monkeypatch.setattr(finetune, "batches", noting)
    tune(make("image"), task_of("image"), epochs=2)
    _, first, second = seen  # the one before them only counts the batches
    assert first[:-1] != second[:-1] and first[-1] != second[-1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("train", ["head", "all"])
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(kind, train, make):
    digests, histories = [], []
    for seed in (3, 3, 4):
        c = make(kind)
        torch.manual_seed(len(digests))  # what was drawn before plays no part
        options = {"augment": augment.mirror} if kind == "image" else {}
        histories.append(tune(c, task_of(kind), train=train, seed=seed, **options))
        digests.append(weights.digest(c.model))
    assert digests[0] == digests[1] != digests[2]
    assert np.array_equal(histories[0].train_loss, histories[1].train_loss)
    assert not np.array_equal(histories[0].train_loss, histories[2].train_loss)


# Steps worked by hand


class Linear(nn.Module):
    """logits = W x + b for the mean colour x of a picture; starts at zero."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)
        nn.init.zeros_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)

    def forward(self, images):
        return self.fc(images.mean((2, 3)))


def linear():
    return ImageClassifier(Linear(), tiny.CLASSES, size=1, mean=(0, 0, 0), std=(1, 1, 1))


def colours(labels, seed=0):
    return np.random.default_rng(seed).uniform(0, 1, (len(labels), 1, 1, 3)).astype(np.float32)


BY_HAND = {"train": "all", "epochs": 1, "batch_size": 100, "warmup": 0.0, "optimizer": "sgd", "momentum": 0.0}
BY_HAND |= {"weight_decay": 0.0, "learning_rate": 0.5}


def one_step(start=None, rate=0.5, **options):
    """W and b after one step of plain SGD over ten colours, and what the step was computed from."""
    task, c = tiny.task("image", colours, train=10), linear()
    if start is not None:
        c.model.fc.weight.data = torch.tensor(start, dtype=torch.float32)
        c.model.fc.bias.data = torch.tensor(BIAS)
    history = tune(c, task, **BY_HAND | {"learning_rate": rate} | options)
    x = task.train.inputs.reshape(10, 3).astype(float)
    return c.model.fc, x, task.train.labels, history


def test_one_step_of_sgd_is_the_gradient_times_the_rate():
    fc, x, y, history = one_step()
    # At zero every probability is 1/2, so the gradient of the mean loss is the mean of (1/2 - [y = k]) x.
    residuals = 0.5 - np.eye(2)[y]
    assert np.allclose(fc.weight.detach().numpy(), -0.5 * residuals.T @ x / 10, atol=1e-6)
    assert np.allclose(fc.bias.detach().numpy(), -0.5 * residuals.mean(0), atol=1e-6)
    assert history.train_loss[0] == pytest.approx(math.log(2), abs=1e-6)


START, BIAS = [[0.3, -0.2, 0.1], [-0.1, 0.2, 0.4]], [0.1, -0.05]


def test_the_penalty_adds_twice_lambda_w_to_the_gradient_and_lambda_w_squared_to_the_loss():
    plain, *_, without = one_step(START)
    fc, *_, history = one_step(START, l2_penalty=0.03)
    start = np.array(START)
    expected = plain.weight.detach().numpy() - 0.5 * 2 * 0.03 * start
    assert np.allclose(fc.weight.detach().numpy(), expected, atol=1e-6)
    assert torch.equal(fc.bias, plain.bias)  # only matrices are in R
    assert history.train_loss[0] - without.train_loss[0] == pytest.approx(0.03 * (start**2).sum(), abs=1e-6)


def test_weight_decay_in_sgd_is_the_penalty_s_gradient_and_leaves_vectors_alone():
    decayed, *_ = one_step(START, weight_decay=0.06)
    penalised, *_ = one_step(START, l2_penalty=0.03)
    assert torch.allclose(decayed.weight, penalised.weight, atol=1e-6)
    assert torch.equal(decayed.bias, penalised.bias)


def test_weight_decay_in_adamw_is_decoupled():
    plain, *_ = one_step(START, optimizer="adamw", rate=0.01)
    decayed, *_ = one_step(START, optimizer="adamw", rate=0.01, weight_decay=0.5)
    assert torch.allclose(decayed.weight, plain.weight - 0.01 * 0.5 * torch.tensor(START), atol=1e-6)
    assert torch.equal(decayed.bias, plain.bias)


@pytest.mark.parametrize("options", [{"label_smoothing": 0.2}, {"class_weights": (0.25, 1.75)}])
def test_smoothing_and_class_weights_are_those_of_the_formula(options):
    fc, x, y, history = one_step(START, **options)
    logits = x @ np.array(START).T + BIAS
    log_probs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    if "class_weights" in options:  # the weighted mean of -log p[y]
        weight = np.array([0.25, 1.75])[y]
        targets, expected = np.eye(2)[y], -(weight * log_probs[np.arange(10), y]).sum() / weight.sum()
    else:  # the target is 0.9 for the label and 0.1 for the other class
        weight = np.ones(10)
        targets = np.where(np.eye(2)[y] == 1, 0.9, 0.1)
        expected = -(targets * log_probs).sum(1).mean()
    assert history.train_loss[0] == pytest.approx(expected, abs=1e-6)
    gradient = ((weight[:, None] * (np.exp(log_probs) - targets)).T @ x) / weight.sum()
    assert np.allclose(fc.weight.detach().numpy(), np.array(START) - 0.5 * gradient, atol=1e-6)


def test_a_gradient_longer_than_one_is_cut_to_one():
    start = np.array(START)
    fc, *_ = one_step(start * 100, l2_penalty=50.0)  # a gradient of 100 w, beside which the data's is nothing
    moved = start * 100 - fc.weight.detach().numpy()
    assert np.linalg.norm(moved) == pytest.approx(0.5, abs=1e-3)
    assert np.allclose(moved, 0.5 * start / np.linalg.norm(start), atol=1e-2)


def test_without_a_clip_a_gradient_keeps_its_length():
    start = np.array(START)
    fc, *_ = one_step(start * 100, l2_penalty=50.0, clip=None)
    moved = start * 100 - fc.weight.detach().numpy()
    assert np.allclose(moved, 0.5 * 100 * start * 100, rtol=1e-3)
    fc, *_ = one_step(start * 100, l2_penalty=50.0, clip=3.0)
    assert np.linalg.norm(start * 100 - fc.weight.detach().numpy()) == pytest.approx(1.5, abs=1e-3)


def test_adam_s_first_step_is_the_rate_and_its_decay_is_part_of_the_gradient():
    # The first step of Adam is rate * gradient / |gradient|, whatever the gradient's size.
    fc, x, y, _ = one_step(optimizer="adam", rate=0.01)
    gradient = (0.5 - np.eye(2)[y]).T @ x / 10
    assert np.allclose(fc.weight.detach().numpy(), -0.01 * np.sign(gradient), atol=1e-5)
    # A decay so strong that it alone gives the sign; decoupled, it would shrink the weights a hundred times.
    decayed, *_ = one_step(START, optimizer="adam", rate=0.01, weight_decay=1e4)
    assert np.allclose(decayed.weight.detach().numpy(), START - 0.01 * np.sign(START), atol=1e-5)


def reference(task, epochs, lr, momentum, warmup):
    """Nesterov's SGD, one full batch an epoch, written out in NumPy."""
    x, y = task.train.inputs.reshape(-1, 3).astype(float), np.eye(2)[task.train.labels]
    x = np.hstack([x, np.ones((len(x), 1))])
    w, velocity = np.zeros((2, 4)), np.zeros((2, 4))
    rise = max(1, round(warmup * epochs))
    for step in range(epochs):
        logits = x @ w.T
        probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        gradient = (probs - y).T @ x / len(x)
        velocity = momentum * velocity + gradient
        share = (
            (step + 1) / rise
            if step < rise
            else 0.5 * (1 + math.cos(math.pi * (step - rise) / (epochs - rise)))
        )
        w = w - lr * share * (gradient + momentum * velocity)
    return w


@pytest.mark.parametrize(("momentum", "warmup"), [(0.0, 0.0), (0.9, 0.0), (0.9, 0.4)])
def test_momentum_and_schedule_are_those_of_a_reference_in_numpy(momentum, warmup):
    task, c = tiny.task("image", colours, train=10), linear()
    tune(c, task, **BY_HAND | {"epochs": 10, "momentum": momentum, "warmup": warmup})
    w = reference(task, 10, 0.5, momentum, warmup)
    assert np.allclose(c.model.fc.weight.detach().numpy(), w[:, :3], atol=1e-5)
    assert np.allclose(c.model.fc.bias.detach().numpy(), w[:, 3], atol=1e-5)


def test_the_rate_rises_along_a_line_and_falls_along_a_cosine():
    share = finetune._warm_cosine(0.2, 20)
    assert [share(step) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert share(4) == 1.0 and share(12) == pytest.approx(0.5) and share(20) == pytest.approx(0.0)
    falling = [share(step) for step in range(4, 21)]
    assert falling == sorted(falling, reverse=True)
    assert finetune._warm_cosine(0.0, 5)(0) == 1.0  # without a warm-up the first step is a whole one
    assert [finetune._warm_cosine(1.0, 4)(step) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize("momentum", [0.5, 0.9])
def test_momentum_that_is_not_nesterov_s_is_the_heavy_ball(momentum):
    task, c = tiny.task("image", colours, train=10), linear()
    tune(c, task, **BY_HAND | {"epochs": 6, "momentum": momentum, "nesterov": False, "schedule": "constant"})
    x = np.hstack([task.train.inputs.reshape(10, 3).astype(float), np.ones((10, 1))])
    w, velocity = np.zeros((2, 4)), np.zeros((2, 4))
    for _ in range(6):
        logits = x @ w.T
        probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        velocity = momentum * velocity + (probs - np.eye(2)[task.train.labels]).T @ x / 10
        w = w - 0.5 * velocity
    assert np.allclose(c.model.fc.weight.detach().numpy(), w[:, :3], atol=1e-5)
    assert np.allclose(c.model.fc.bias.detach().numpy(), w[:, 3], atol=1e-5)


def test_the_rate_falls_along_a_line_or_stays():
    line, flat = finetune._warm("linear", 0.2, 20), finetune._warm("constant", 0.2, 20)
    assert [line(step) for step in (0, 3, 4, 8, 12, 20)] == [0.25, 1.0, 1.0, 0.75, 0.5, 0.0]
    assert [flat(step) for step in (0, 3, 4, 12, 20)] == [0.25, 1.0, 1.0, 1.0, 1.0]
    assert finetune._warm("constant", 0.0, 5)(0) == 1.0
    cosine = finetune._warm("cosine", 0.2, 20)
    assert [cosine(step) for step in range(21)] == [
        finetune._warm_cosine(0.2, 20)(step) for step in range(21)
    ]


def test_the_head_s_own_rate_moves_the_head_alone(make):
    c, slow = make("image"), make("image")
    options = {**BY_HAND, "batch_size": 100}
    tune(c, task_of("image"), **options | {"learning_rate": 0.1})
    tune(slow, task_of("image"), **options | {"learning_rate": 0.1, "head_learning_rate": 0.01})
    start = make("image").model
    for name, weight in start.named_parameters():
        fast_step, slow_step = (x.model.get_parameter(name) - weight for x in (c, slow))
        share = 0.1 if name.startswith("fc.") else 1.0
        assert torch.allclose(slow_step, share * fast_step, atol=1e-6)


# Early stopping


def worsening(kind):
    """A task whose validation labels are the wrong ones: the more is learned, the higher that loss."""
    task = task_of(kind, train=40)
    return dataclasses.replace(
        task, validation=dataclasses.replace(task.validation, labels=1 - task.validation.labels)
    )


@pytest.mark.parametrize("patience", [1, 2])
def test_early_stopping_takes_the_best_epoch_s_weights(patience, make):
    task = worsening("text")
    options = {"train": "all", "epochs": 9, "learning_rate": 3e-3, "warmup": 0.5}
    c = make("text")
    history = tune(c, task, patience=patience, **options)
    best = history.best_epoch
    assert len(history.validation_loss) == best + 1 + patience < 9  # it stopped, and at once
    assert history.validation_loss[best] == history.validation_loss.min()
    probs = c.predict_proba(task.validation.inputs)
    loss = -np.log(probs[np.arange(len(probs)), task.validation.labels]).mean()
    assert loss == pytest.approx(history.validation_loss[best], abs=1e-5)
    assert abs(loss - history.validation_loss[-1]) > 1e-3
    without = make("text")
    whole = tune(without, task, **options)
    assert len(whole.validation_loss) == 9
    assert np.array_equal(whole.validation_loss[: len(history.validation_loss)], history.validation_loss)
    probs = without.predict_proba(task.validation.inputs)
    loss = -np.log(probs[np.arange(len(probs)), task.validation.labels]).mean()
    assert loss == pytest.approx(whole.validation_loss[-1], abs=1e-5)  # the last one's weights


def test_of_equal_epochs_the_first_is_best_and_its_weights_are_kept(make, monkeypatch):
    losses = iter([(0.5, 0.5), (0.4, 0.5), (0.4, 0.5), (0.4, 0.5)])
    seen = []

    def validate(samples):
        seen.append(weights.digest(samples.classifier.model))
        return next(losses)

    monkeypatch.setattr(finetune.Samples, "validate", validate)
    c = make("image")
    history = tune(c, task_of("image"), epochs=4, patience=3)
    assert history.best_epoch == 1 and weights.digest(c.model) == seen[1] != seen[3]


# Checkpoints


class Stop(Exception):
    """Stands for a power cut."""


def stop_after(epochs, monkeypatch):
    save = finetune.checkpoints.save

    def saving(path, *args):
        save(path, *args)
        if len(args[4]["train_loss"]) == epochs:
            raise Stop

    monkeypatch.setattr(finetune.checkpoints, "save", saving)


@pytest.mark.parametrize("stopped_after", [1, 2, 3])
def test_a_run_with_patience_goes_on_to_the_same_end(stopped_after, make, monkeypatch, tmp_path):
    options = {"train": "all", "epochs": 9, "learning_rate": 3e-3, "warmup": 0.5, "patience": 2}
    task, uninterrupted = worsening("text"), make("text")
    history = tune(uninterrupted, task, **options)
    assert len(history.train_loss) == 3 and history.best_epoch == 0  # so that 3 is after its very end
    with monkeypatch.context() as patch:
        stop_after(stopped_after, patch)
        with pytest.raises(Stop):
            tune(make("text"), task, checkpoint=tmp_path / "a", **options)
    for _ in range(2):  # going on; and asking again for a run that is complete
        c = make("text")
        c.model.train()
        again = tune(c, task, checkpoint=tmp_path / "a", **options)
        assert not c.model.training
        assert weights.digest(c.model) == weights.digest(uninterrupted.model)
        for name in ("train_loss", "validation_loss", "validation_accuracy", "best_epoch"):
            assert np.array_equal(getattr(again, name), getattr(history, name))


def test_a_checkpoint_changes_nothing_by_itself(make, tmp_path):
    c, other = make("image"), make("image")
    tune(c, task_of("image"), train="all")
    tune(other, task_of("image"), train="all", checkpoint=tmp_path / "a")
    assert weights.digest(c.model) == weights.digest(other.model)


OTHER_RECIPES = {
    "learning_rate": {"learning_rate": 2e-3},
    "seed": {"seed": 1},
    "epochs": {"epochs": 3},
    "augment": {"augment": augment.mirror, "views": 1},
    "class_weights": {"class_weights": (1, 1)},
    "kept_features": {"keep_features": False},
}


@pytest.mark.parametrize("name", OTHER_RECIPES)
def test_a_checkpoint_of_another_recipe_is_refused(name, make, tmp_path):
    tune(make("image"), task_of("image"), checkpoint=tmp_path / "a")
    with pytest.raises(ModelError, match=f"same recipe in .*, got another .*{name}.*: delete it"):
        tune(make("image"), task_of("image"), checkpoint=tmp_path / "a", **OTHER_RECIPES[name])


def test_a_checkpoint_from_other_data_weights_or_preprocessing_is_refused(make, tmp_path):
    task = task_of("image")
    tune(make("image"), task, checkpoint=tmp_path / "a")
    relabelled = dataclasses.replace(task.train, labels=1 - task.train.labels)
    rejudged = dataclasses.replace(task.validation, labels=1 - task.validation.labels)
    brighter = dataclasses.replace(task.train, inputs=np.asarray(task.train.inputs) // 2 + 1)  # same ids
    others = {
        "data": (make("image"), dataclasses.replace(task, train=task.train.take(range(20)))),
        "inputs": (make("image"), dataclasses.replace(task, train=brighter)),
        "labels": (make("image"), dataclasses.replace(task, train=relabelled)),
        "validation": (make("image"), dataclasses.replace(task, validation=task.validation.take(range(8)))),
        "validation_labels": (make("image"), dataclasses.replace(task, validation=rejudged)),
        "start": (tiny.image_classifier(seed=1), task),
        "classifier": (tiny.image_classifier(size=10), task),
    }
    for name, (c, other) in others.items():
        with pytest.raises(ModelError, match=f"got another .*{name}"):
            tune(c, other, checkpoint=tmp_path / "a")


def test_a_damaged_checkpoint_is_refused(make, tmp_path):
    path = tmp_path / "a"
    tune(make("image"), task_of("image"), checkpoint=path)
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1]), b""):
        path.write_bytes(damaged)
        with pytest.raises(ModelError, match="expected a checkpoint .*delete it"):
            tune(make("image"), task_of("image"), checkpoint=path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the kills are dealt to forked processes")
def test_a_run_killed_at_any_point_goes_on_to_the_weights_of_an_uninterrupted_one(tmp_path):
    script = Path(__file__).with_name("killed_runs.py")
    paths = [str(Path(__file__).parents[1]), *sys.path]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    ended = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, env=environment
    )
    assert ended.returncode == 0, ended.stderr
    for case in json.loads(ended.stdout).values():
        for way, (statuses, digest) in case["ways"].items():
            # Random delays may all come too late on a busy machine; the moments above cannot.
            killed = {"whole again": 0, "at random": 0, "again and again": 3}.get(way, 1)
            assert statuses.count(-9) >= killed and statuses[-1] == 0, (way, statuses)
            assert set(statuses) <= {0, -9}, (way, statuses)
            assert digest == case["whole"], way


# History


def test_a_history_survives_json(make):
    history = tune(make("image"), task_of("image"), class_weights=np.float32([0.5, 1.5]), epochs=np.int64(2))
    again = History.from_json(history.to_json())
    for name in ("train_loss", "validation_loss", "validation_accuracy"):
        assert np.array_equal(getattr(again, name), getattr(history, name)) and len(getattr(again, name)) == 2
    assert again.recipe == json.loads(json.dumps(history.recipe))
    assert (again.best_epoch, again.seconds, again.kept_features) == (
        history.best_epoch,
        history.seconds,
        history.kept_features,
    )


def test_a_history_of_many_epochs_tells_training_loss_as_the_mean_over_samples(make, monkeypatch):
    c, task = tiny.ImageClassifier(Linear(), tiny.CLASSES, size=1), tiny.task("image", colours, train=10)
    history = tune(c, task, **BY_HAND | {"batch_size": 4, "learning_rate": 1e-9})
    # Batches of 4, 4 and 2, weights that do not move: the mean over samples, not over batches.
    assert history.train_loss[0] == pytest.approx(math.log(2), abs=1e-6)
    c.model.fc.bias.data = torch.tensor([0.0, 1.0])
    assert (task.train.labels == np.arange(10) % 2).all()
    history = tune(c, task, **BY_HAND | {"batch_size": 3, "learning_rate": 1e-9})
    expected = 0.5 * (math.log(1 + math.e) + math.log(1 + math.e) - 1)  # half the labels are 0, half 1
    assert history.train_loss[0] == pytest.approx(expected, abs=1e-5)


# What is refused


BAD = {
    "train": ({"train": "body"}, "expected train to be one of head, last_block, all, got 'body'"),
    "epochs": ({"epochs": 0}, "expected epochs as a whole number from 1 up, got 0"),
    "epochs of float": ({"epochs": 2.5}, "expected epochs as a whole number from 1 up, got 2.5"),
    "learning_rate": ({"learning_rate": 0}, "expected learning_rate above 0, got 0"),
    "learning_rate nan": ({"learning_rate": math.nan}, "expected learning_rate as a finite number, got nan"),
    "head_learning_rate": ({"head_learning_rate": -1.0}, "expected head_learning_rate above 0, got -1.0"),
    "optimizer": ({"optimizer": "lion"}, "expected optimizer 'adamw', 'adam' or 'sgd', got 'lion'"),
    "schedule": ({"schedule": "step"}, "expected schedule 'cosine', 'linear' or 'constant', got 'step'"),
    "clip": ({"clip": 0}, "expected clip above 0, got 0"),
    "momentum": ({"momentum": 1.5}, "expected momentum from 0 to 1, got 1.5"),
    "weight_decay": ({"weight_decay": -0.1}, "expected weight_decay above 0, got -0.1"),
    "l2_penalty": ({"l2_penalty": -1e-9}, "expected l2_penalty above 0, got -1e-09"),
    "batch_size": ({"batch_size": 0}, "expected batch_size as a whole number from 1 up, got 0"),
    "warmup": ({"warmup": 10}, "expected warmup from 0 to 1, got 10"),
    "label_smoothing": ({"label_smoothing": 1.0}, r"expected label_smoothing in \[0, 1\), got 1.0"),
    "class_weights": ({"class_weights": (1.0,)}, "expected 2 class_weights, got 1: one a class"),
    "class_weights 0": ({"class_weights": (0.0, 2.0)}, "expected class_weights above 0, got 0.0"),
    "views": ({"augment": augment.square, "views": 0}, "expected views as a whole number from 1 up, got 0"),
    "patience": ({"patience": 0}, "expected patience as a whole number from 1 up, got 0"),
    "precision": (
        {"precision": "float16"},
        "expected precision 'auto', 'float32' or 'bfloat16', got 'float16'",
    ),
    "seed": ({"seed": -1}, "expected seed as a whole number from 0 up, got -1"),
}


@pytest.mark.parametrize("name", BAD)
def test_an_option_out_of_range_is_refused_and_the_network_left_alone(name, make):
    options, message = BAD[name]
    c = make("image")
    before = tiny.state(c.model)
    with pytest.raises(ValueError, match=message):
        finetune.finetune(c, task_of("image"), **options)
    assert tiny.changed(before, c.model) == set()
    assert all(parameter.requires_grad for parameter in c.model.parameters())


@dataclasses.dataclass
class Plain:
    """A split or task without the checks that `Task` makes."""

    classes: tuple = tiny.CLASSES
    train: object = None
    validation: object = None
    inputs: object = ()
    labels: object = ()
    digest: str = ""
    content: str = ""


@pytest.mark.parametrize("empty", ["training", "validation"])
def test_an_empty_split_is_refused(empty, make):
    full = Plain(inputs=tiny.pictures([0, 1]), labels=np.array([0, 1]))
    task = (
        Plain(train=full, validation=Plain())
        if empty == "validation"
        else Plain(train=Plain(), validation=full)
    )
    with pytest.raises(ValueError, match=f"expected samples in the {empty} split, got none: put some there"):
        tune(make("image"), task)


@pytest.mark.parametrize("labels", [[0, 2], [-1, 0], [0.5, 1.0]])
def test_labels_that_are_no_classes_are_refused(labels, make):
    good = Plain(inputs=tiny.pictures([0, 1]), labels=np.array([0, 1]))
    bad = Plain(inputs=tiny.pictures([0, 1]), labels=np.array(labels))
    with pytest.raises(
        ValueError, match="expected labels of the training split (from 0 to 1|as integers), got"
    ):
        tune(make("image"), Plain(train=bad, validation=good))
    with pytest.raises(ValueError, match="expected labels of the validation split"):
        tune(make("image"), Plain(train=good, validation=bad))
    tune(make("image"), Plain(train=good, validation=good))


def test_a_task_with_other_classes_or_inputs_is_refused(make):
    with pytest.raises(
        ValueError, match=r"expected a classifier for \('dark', 'bright'\), got one for \('negative'"
    ):
        tune(make("text"), task_of("image"))
    c = make("text")
    with pytest.raises(ValueError, match="expected texts as str, got ndarray at position 0"):
        tune(c, dataclasses.replace(task_of("image"), classes=tiny.FEELINGS))


def test_a_loss_that_is_no_number_any_more_is_told(make):
    with pytest.raises(ModelError, match="expected finite losses, got .*in epoch 0: lower learning_rate"):
        tune(make("image"), task_of("image"), train="all", optimizer="sgd", learning_rate=1e38, momentum=0.0)


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_learns_nearly_the_same(kind, make):
    histories = []
    for precision in ("float32", "bfloat16"):
        history = tune(make(kind), task_of(kind), train="all", precision=precision)
        assert history.recipe["precision"] == precision
        histories.append(history)
    assert np.allclose(histories[0].train_loss, histories[1].train_loss, atol=0.05)
    assert not np.array_equal(histories[0].train_loss, histories[1].train_loss)

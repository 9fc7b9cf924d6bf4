"""The classic recipes are what they are called: compared with plain loops, and tried on real pictures."""

import numpy as np
import published
import pytest
import tiny
import torch
from torch import nn

from trustlib import tasks, weights
from trustlib.classifiers import ImageClassifier
from trustlib.course import classic, networks
from trustlib.errors import ModelError
from trustlib.finetune import finetune


@pytest.fixture(autouse=True)
def float32(monkeypatch):
    """The plain loops compute in float32, so the recipes do too, also where the machine has bfloat16."""
    monkeypatch.setattr("trustlib.devices.fast_bfloat16", lambda device: False)


N = 16  # one batch, so that the order of the samples plays no part


class Small(nn.Module):
    """A backbone with a batch norm, and a head; no dropout, so that nothing is left to chance."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.fc = nn.Linear(4, 2)

    def forward(self, images):
        return self.fc(self.stem(images).mean((2, 3)))


def small():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ImageClassifier(Small(), tiny.CLASSES, size=tiny.SIDE)


def plain_loop(optimizer_of, epochs, *, frozen=False, penalty=0.0, schedule_of=None):
    """The weights after a loop as every tutorial has it, a whole batch an epoch."""
    task, c = tiny.image_task(train=N), small()
    images, labels = c.encode(task.train.inputs), torch.as_tensor(task.train.labels)
    trained = c.model.fc if frozen else c.model
    optimizer = optimizer_of(trained.parameters())
    schedule = schedule_of(optimizer) if schedule_of else None
    for _ in range(epochs):
        c.model.train()
        if frozen:
            c.model.stem.eval()
        loss = nn.functional.cross_entropy(c.logits_from(images), labels)
        if penalty:
            loss = loss + penalty * sum((w**2).sum() for w in c.model.parameters() if w.ndim > 1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if schedule:
            schedule.step()
    return c.model.state_dict()


def same(model, state, atol=1e-6):
    return all(torch.allclose(tensor, state[name], atol=atol) for name, tensor in model.state_dict().items())


def test_sgd_on_all_weights_is_the_tutorial_s_loop():
    c = small()
    history = classic.sgd_on_all_weights(c, tiny.image_task(train=N))
    assert same(c.model, plain_loop(lambda w: torch.optim.SGD(w, lr=0.001, momentum=0.9), 7))
    assert not same(
        c.model, plain_loop(lambda w: torch.optim.SGD(w, lr=0.001, momentum=0.9, nesterov=True), 7)
    )
    assert history.n_trainable == history.n_parameters


def test_adam_on_the_head_is_a_plain_loop_over_frozen_features():
    c, before = small(), tiny.state(small().model)
    history = classic.adam_on_the_head(c, tiny.image_task(train=N))
    assert same(c.model, plain_loop(lambda w: torch.optim.Adam(w, lr=0.001), 10, frozen=True))
    assert tiny.changed(before, c.model) == {"fc.weight", "fc.bias"}  # not even the batch norm's statistics
    assert len(history.train_loss) == 10 and history.kept_features


def test_regularised_loss_adds_lambda_r_to_the_same_recipe():
    c = small()
    classic.regularised_loss(c, tiny.image_task(train=N), strength=0.5)
    sgd = lambda w: torch.optim.SGD(w, lr=0.001, momentum=0.9)  # noqa: E731
    assert same(c.model, plain_loop(sgd, 7, penalty=0.5))
    assert not same(c.model, plain_loop(sgd, 7))
    free = small()
    classic.regularised_loss(free, tiny.image_task(train=N), strength=0.0)
    assert same(free.model, plain_loop(sgd, 7))


def test_a_stronger_penalty_leaves_smaller_weights():
    def length(strength):
        c = small()
        classic.regularised_loss(c, tiny.image_task(train=N), strength=strength, epochs=20)
        return sum((w**2).sum() for w in c.model.parameters() if w.ndim > 1).item()

    assert length(5.0) < length(0.5) < length(0.0)


def test_adamw_on_bert_is_its_published_recipe(tmp_path):
    task, c = tiny.text_task(train=N), tiny.text_classifier(tmp_path)
    for layer in c.model.modules():  # chance in dropout would hide the comparison
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    reference = tiny.bert().train()
    for layer in reference.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    matrices = [w for w in reference.parameters() if w.ndim > 1]
    vectors = [w for w in reference.parameters() if w.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=2e-5)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / 3 if step else 1.0)
    # Three steps: the warm-up's tenth of them rounds to none; the rate is then 1, 1, 1/2 of its own.
    schedule.lr_lambdas[0] = schedule.lr_lambdas[1] = lambda step: [1.0, 1.0, 0.5, 0.0][step]
    batch = c.collate(c.prepare(task.train.inputs))
    for _ in range(3):
        loss = nn.functional.cross_entropy(reference(**batch).logits, torch.as_tensor(task.train.labels))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(reference.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    history = classic.adamw_on_bert(c, task)
    start = tiny.state(tiny.bert())
    for name, tensor in reference.state_dict().items():
        moved, expected = (each - start[name] for each in (c.model.state_dict()[name], tensor))
        # A constant in all keys leaves attention as it is: the gradient of that bias is rounding, which Adam
        # makes as long as any other step.
        if not name.endswith("key.bias"):
            assert torch.allclose(moved, expected, atol=2e-6), name
    assert len(history.train_loss) == 3 and history.recipe["schedule"] == "linear"


def test_a_small_network_goes_on_from_its_saved_state(tmp_path):
    low, high = tasks.digits28(digits=range(5)), tasks.digits28(digits=range(5, 10))
    first = networks.digit_reader(low.classes)
    finetune(first, low, train="all", epochs=2, learning_rate=2e-3)
    weights.write(first.model, tmp_path / "first.safetensors")
    again, history = classic.small_network_again(tmp_path / "first.safetensors", high, epochs=3)
    assert again.classes == ("5", "6", "7", "8", "9") and len(history.train_loss) == 3
    right = (again.predict_proba(high.test.inputs).argmax(1) == high.test.labels).mean()
    assert right > 0.9


def test_the_saved_state_is_the_start_and_the_head_is_fresh_even_for_as_many_classes(tmp_path, monkeypatch):
    saved = networks.small_cnn(5, seed=7)
    weights.write(saved, tmp_path / "saved.safetensors")
    seen = {}
    monkeypatch.setattr(classic, "finetune", lambda c, task, **options: seen.update(tiny.state(c.model)))
    for digits in (range(5, 10), range(3)):
        classic.small_network_again(tmp_path / "saved.safetensors", tasks.digits28(digits=digits))
        state = saved.state_dict()
        assert all(torch.equal(seen[name], state[name]) for name in state if not name.startswith("9."))
        assert seen["9.weight"].shape == (len(digits), 64)
        assert len(digits) != 5 or not torch.equal(seen["9.weight"], state["9.weight"])


def test_a_pickled_state_dict_or_another_network_s_is_refused(tmp_path):
    task = tasks.digits28(digits=(0, 1))
    torch.save(networks.small_cnn(5).state_dict(), tmp_path / "saved.pth")
    with pytest.raises(ModelError, match="expected a safetensors file, got saved.pth, a pickle"):
        classic.small_network_again(tmp_path / "saved.pth", task)
    weights.write(tiny.network(), tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="expected the weights of a Sequential in other.safetensors"):
        classic.small_network_again(tmp_path / "other.safetensors", task)


@pytest.mark.slow
def test_ten_epochs_of_real_cifar10_pictures_teach_a_head(tmp_path, monkeypatch):
    # The embedded weights stand in for ImageNet's; guessing is right in 10 %.
    published.cifar10(tmp_path, monkeypatch, train=30, test=20)
    task = tasks.cifar10()
    monkeypatch.undo()  # the embedded weights are in the real manifest
    c = ImageClassifier.resnet50(weights="tiny-imagenet", classes=task.classes, size=64)
    history = classic.adam_on_the_head(c, task)
    assert len(history.train_loss) == 10 and history.train_loss[-1] < 0.8 * history.train_loss[0]
    answers = c.predict_proba(task.test.inputs).argmax(1)
    assert np.mean(answers == task.test.labels) > 0.25

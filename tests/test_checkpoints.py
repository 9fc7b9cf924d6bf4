"""A run's state comes back bit for bit, or is refused: another recipe, a damaged file, no checkpoint."""

import os
import pickle

import numpy as np
import pytest
import tiny
import torch

from trustlib import checkpoints
from trustlib.errors import ModelError

RECIPE = {"train": "all", "epochs": 3, "classes": ("dark", "bright"), "rate": 1e-3, "weights": None}
RECORD = {
    "train_loss": [0.1 + 0.2, 1 / 3],
    "validation_loss": [0.7, 5e-324],
    "validation_accuracy": [0.5, 1.0],
}


class Run:
    """A network in channels-last memory, as pictures' networks are, and what trains it."""

    def __init__(self, optimizer="adamw", seed=0):
        self.model = tiny.network(seed=seed).to(memory_format=torch.channels_last)
        rule = torch.optim.AdamW if optimizer == "adamw" else torch.optim.SGD
        options = {} if optimizer == "adamw" else {"momentum": 0.9}
        self.optimizer = rule(self.model.parameters(), lr=0.1, fused=True, **options)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: 0.7**step)

    def step(self, seed):
        self.model.eval()  # no dropout: a step depends on the state alone
        images = torch.rand(4, 3, 12, 12, generator=torch.Generator().manual_seed(seed))
        self.optimizer.zero_grad()
        self.model(images)[:, seed % 2].sum().backward()
        self.optimizer.step()
        self.schedule.step()

    def save(self, path, recipe=RECIPE, best=None):
        checkpoints.save(path, self.model, self.optimizer, self.schedule, recipe, RECORD, best)

    def load(self, path, recipe=RECIPE):
        return checkpoints.load(path, self.model, self.optimizer, self.schedule, recipe)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_run_goes_on_from_a_checkpoint_to_the_very_same_weights(optimizer, tmp_path):
    run, other = Run(optimizer), Run(optimizer, seed=1)
    for i in range(3):
        run.step(i)
    run.save(tmp_path / "a")
    other.load(tmp_path / "a")
    assert tiny.changed(tiny.state(run.model), other.model) == set()
    for i in range(3, 6):
        run.step(i)
        other.step(i)
        assert run.optimizer.param_groups[0]["lr"] == other.optimizer.param_groups[0]["lr"]
    assert tiny.changed(tiny.state(run.model), other.model) == set()


def test_the_record_comes_back_exactly_and_without_best_weights_there_are_none(tmp_path):
    Run().save(tmp_path / "a")
    assert Run().load(tmp_path / "a") == (RECORD, None)


def test_the_best_epoch_s_weights_come_back_beside_the_last_one_s(tmp_path):
    best = tiny.state(Run(seed=5).model)
    Run().save(tmp_path / "a", best=best)
    run = Run(seed=1)
    _, stored = run.load(tmp_path / "a")
    assert stored.keys() == best.keys() and all(torch.equal(stored[name], best[name]) for name in best)
    assert tiny.changed(tiny.state(Run().model), run.model) == set()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"rate": 2e-3}, "rate"),
        ({"classes": ("bright", "dark"), "epochs": 4}, "classes, epochs"),
        ({"weights": [1.0, 1.0]}, "weights"),
        ({"new": None}, "new"),
    ],
)
def test_a_checkpoint_of_another_recipe_is_refused_and_the_difference_named(change, named, tmp_path):
    Run().save(tmp_path / "a")
    run = Run(seed=1)
    with pytest.raises(
        ModelError, match=f"same recipe in .*, got another {named}: delete it, or name another"
    ):
        run.load(tmp_path / "a", recipe=RECIPE | change)
    with pytest.raises(ModelError, match="got another rate"):
        run.load(tmp_path / "a", recipe={name: value for name, value in RECIPE.items() if name != "rate"})
    assert tiny.changed(tiny.state(Run(seed=1).model), run.model) == set()


def test_a_flipped_bit_anywhere_is_noticed(tmp_path):
    path = tmp_path / "a"
    run = Run()
    run.step(0)
    run.save(path, best=tiny.state(run.model))
    whole = path.read_bytes()
    for at in np.random.default_rng(0).choice(len(whole), 150, replace=False):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        with pytest.raises(ModelError, match="expected a checkpoint .*delete it"):
            Run().load(path)
    path.write_bytes(whole)
    Run().load(path)


@pytest.mark.parametrize("what", ["nothing", "half", "text", "pickle", "other safetensors", "a folder"])
def test_what_is_no_checkpoint_is_refused(what, tmp_path):
    path = tmp_path / "a"
    if what == "a folder":
        path.mkdir()
    elif what == "other safetensors":
        from safetensors.torch import save_file

        save_file({"a": torch.zeros(2)}, path)
    elif what == "half":
        Run().save(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        path.write_bytes({"nothing": b"", "text": b"{}", "pickle": pickle.dumps({"model.fc": 1})}[what])
    with pytest.raises(
        ModelError, match="expected a checkpoint in .*, got a file that is none .*: delete it"
    ):
        Run().load(path)


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    path = tmp_path / "a"
    Run().save(path)
    before = path.read_bytes()

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        Run(seed=2).save(path)
    assert path.read_bytes() == before and [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_a_missing_folder_is_made(tmp_path):
    Run().save(tmp_path / "runs" / "first" / "a")
    assert Run().load(tmp_path / "runs" / "first" / "a")[0] == RECORD

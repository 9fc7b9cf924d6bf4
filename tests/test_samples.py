"""Batches hold every sample once, samples of like length together; kept features are the frozen part's."""

import numpy as np
import pytest
import tiny
import torch

from trustlib import augment, samples
from trustlib.samples import Samples, batches


@pytest.mark.parametrize("batch_size", [1, 2, 7, 32, 1000])
@pytest.mark.parametrize("n", [1, 2, 31, 32, 33, 65, 400])
def test_every_sample_comes_exactly_once(n, batch_size):
    lengths = np.random.default_rng(n).integers(3, 60, n)
    chosen = batches(lengths, batch_size, np.random.default_rng(0))
    assert sorted(np.concatenate(chosen).tolist()) == list(range(n))
    assert all(len(batch) <= batch_size + 1 for batch in chosen)
    # Only where a single sample is all there is, or all that was asked for, does one stand alone.
    assert min(map(len, chosen)) > 1 or n == 1 or batch_size == 1


def test_a_last_batch_of_one_joins_its_neighbour():
    sizes = sorted(len(batch) for batch in batches(np.ones(33, int), 8, np.random.default_rng(0)))
    assert sizes == [8, 8, 8, 9]


def test_a_last_batch_of_two_stands_alone():
    sizes = sorted(len(batch) for batch in batches(np.ones(34, int), 8, np.random.default_rng(0)))
    assert sizes == [2, 8, 8, 8, 8]


def test_a_batch_holds_texts_of_like_length():
    lengths = np.random.default_rng(0).integers(3, 65, 1600)
    bucketed = batches(lengths, 32, np.random.default_rng(0))
    assert max(np.ptp(lengths[batch]) for batch in bucketed) <= 4  # of 62 without buckets
    means = [lengths[batch].mean() for batch in bucketed]
    assert means != sorted(means)  # but the batches themselves come in any order


def test_pictures_come_in_a_random_order_that_the_seed_decides():
    def order(seed):
        return np.concatenate(batches(np.ones(300, int), 8, np.random.default_rng(seed))).tolist()

    assert order(0) == order(0) != order(1)
    assert np.abs(np.corrcoef(order(0), range(300))[0, 1]) < 0.2


def make(classifier, task, **options):
    usual = {"train": "head", "augment": None, "views": 1, "epochs": 3, "keep_features": None}
    return Samples(classifier, task, **{**usual, "bf16": False, "seed": 0, **options})


@pytest.mark.parametrize("kind", ["image", "text"])
def test_validation_loss_and_accuracy_are_those_of_the_classifier_s_answers(kind, tmp_path):
    c = tiny.image_classifier() if kind == "image" else tiny.text_classifier(tmp_path)
    task = tiny.image_task() if kind == "image" else tiny.text_task()
    probs = c.predict_proba(task.validation.inputs)
    expected_loss = -np.log(probs[np.arange(len(probs)), task.validation.labels]).mean()
    for keep in (True, False):
        s = make(c, task, keep_features=keep)
        assert (s.cut is not None) == keep
        c.model.eval()
        loss, accuracy = s.validate(batch_size=4)
        assert loss == pytest.approx(expected_loss, abs=1e-5)
        assert accuracy == (probs.argmax(1) == task.validation.labels).mean()


def test_features_are_kept_when_epochs_repeat_views():
    task = tiny.image_task()
    c = tiny.image_classifier()
    assert make(c, task, views=1, epochs=2).cut is not None
    assert make(c, task, augment=augment.square, views=2, epochs=3).cut is not None
    assert make(c, task, augment=augment.square, views=3, epochs=3).cut is None  # nothing comes twice
    assert make(c, task, views=1, epochs=1).cut is None
    assert make(c, task, views=1, epochs=1, keep_features=True).cut is not None
    assert make(c, task, views=1, epochs=2, keep_features=False).cut is None
    assert make(c, task, train="all", keep_features=True).cut is None


def test_features_that_would_not_fit_are_not_kept(monkeypatch):
    task = tiny.image_task()  # 22 + 10 pictures, features of 6 floats: 768 bytes
    monkeypatch.setattr(samples, "KEPT_BYTES", 768)
    assert make(tiny.image_classifier(), task).cut is not None
    monkeypatch.setattr(samples, "KEPT_BYTES", 767)
    assert make(tiny.image_classifier(), task).cut is None


def test_whether_texts_fit_is_asked_of_the_longest_one(monkeypatch, tmp_path):
    c, task = tiny.text_classifier(tmp_path), tiny.text_task()
    longest = max(len(sample) for sample in c.prepare(task.train.inputs))
    monkeypatch.setattr(samples, "KEPT_BYTES", longest * 32 * 4 * 32 - 1)
    assert make(c, task, train="last_block").cut is None
    monkeypatch.setattr(samples, "KEPT_BYTES", longest * 32 * 4 * 32)
    assert make(c, task, train="last_block").cut is not None


def test_a_view_depends_on_seed_sample_and_view_only():
    c, task = tiny.image_classifier(), tiny.image_task()
    options = {"augment": augment.square, "views": 3, "epochs": 9}
    s, again, other = make(c, task, **options), make(c, task, **options), make(c, task, seed=1, **options)
    views = [
        torch.stack([x._view(i, epoch) for i in range(22)]) for x in (s, again, other) for epoch in (0, 3)
    ]
    assert all(torch.equal(views[0], view) for view in views[:4])  # view 0 comes again in epoch 3
    assert not torch.equal(views[0], views[4])
    assert not torch.equal(views[0], torch.stack([s._view(i, 1) for i in range(22)]))


@pytest.mark.parametrize("lazy", [False, True])
def test_kept_features_are_those_of_the_views(lazy, monkeypatch):
    if lazy:
        monkeypatch.setattr("trustlib.classifiers.PREPARED_BYTES", 0)
    c, task = tiny.image_classifier(), tiny.image_task()
    c.model.train()  # as somebody may have left it; what is kept must not be touched by dropout
    options = {"augment": augment.square, "views": 2, "epochs": 4}
    kept, through_all = (
        make(c, task, keep_features=True, **options),
        make(c, task, keep_features=False, **options),
    )
    c.model.eval()
    assert kept.cut is not None and through_all.cut is None
    chosen = np.array([3, 0, 21, 7])
    with torch.no_grad():
        logits = [[s.logits(chosen, epoch) for epoch in range(4)] for s in (kept, through_all)]
    assert torch.allclose(torch.stack(logits[0]), torch.stack(logits[1]), atol=1e-6)
    assert torch.equal(logits[0][0], logits[0][2]) and not torch.allclose(
        logits[0][0], logits[0][1], atol=1e-4
    )

"""Fine-tuning, ours beside the plain loop that computes the frozen part again in every epoch; two processes.

    python -m pytest -m bench tests/test_bench_finetune.py        about half an hour on two quiet cores

The arm is the course's `last_block`: its head is trained first, since a head that knows nothing yet would
spoil the features of the block (Kumar et al. 2022). `finetune` turns each picture in as many ways as the
recipe has views; the plain loop, as such loops do, turns it anew in every epoch.
"""

import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import plain_loop
import pytest
import tiny
from bench_rows import record, record_seconds
from two_processes import launch

from trustlib import accuracy, parts
from trustlib.classifiers import ImageClassifier
from trustlib.course import models, profiles

HERE = Path(__file__).parent


def arm(recipes):
    """The recipes of the arm `last_block`, the head's first."""
    return list(reversed(models.line("last_block", recipes)))


def by_finetune(classifier, task, recipes):
    """Seconds, and validation accuracy in the end; the classifier is trained in place."""
    started = time.perf_counter()
    for recipe in recipes:
        history = models.train(classifier, task, recipe)
    return time.perf_counter() - started, history.validation_accuracy[-1]


def held_out(classifier, task):
    """Answers to the validation and the calibration split, which taught neither loop; and the labels."""
    splits = (task.validation, task.calibration)
    probs = np.concatenate([classifier.predict_proba(split.inputs) for split in splits])
    return probs, np.concatenate([split.labels for split in splits])


def compared(task, recipes, fresh):
    """Rows as dictionaries: name, ours, peer (seconds), and what their accuracies were."""
    ours = fresh()
    seconds, reached = by_finetune(ours, task, recipes)
    probs, labels = held_out(ours, task)
    for name, careful, chosen, until in (
        ("plain loop", False, recipes, None),
        ("plain loop in bfloat16, channels-last, pictures in memory", True, recipes, None),
        ("plain loop without a trained head, until it is as accurate", False, _from_fresh(recipes), reached),
    ):
        peer = fresh()
        times, curve = plain_loop.train(peer, task, chosen, careful=careful, until=until)
        others, _ = held_out(peer, task)
        difference = accuracy.compare(probs, others, labels).difference
        first = np.flatnonzero(curve >= reached)
        yield {
            "name": name,
            "ours": seconds,
            "peer": times[-1],
            "accuracies": [accuracy.evaluate(p, labels).accuracy for p in (probs, others)],
            "difference": difference,
            "as accurate after": times[first[0]] if len(first) else None,
            "epochs": len(times),
        }


def _from_fresh(recipes, epochs=12):
    """The last block and the fresh head together, for longer, with a schedule over all of it."""
    return [dataclasses.replace(recipes[-1], epochs=epochs, head_learning_rate=1e-3)]


@pytest.mark.bench
def test_the_last_block_takes_a_fifth_of_the_plain_loop_s_seconds():
    from trustlib import tasks

    profile = profiles.current()
    task, recipes = tasks.solar_cells(), arm(profile.cells)
    name = "The arm last_block on the solar cells: seconds, finetune / "

    def fresh():
        return models.fresh_inspector("last_block", task.classes, weights=profile.image_weights, seed=0)

    steps = " and ".join(f"{r.epochs} epochs of {r.train} in {r.views} views" for r in recipes)
    rows, differences = [], []
    for found in compared(task, recipes, fresh):
        ours, peer = found["accuracies"]
        when = found["as accurate after"]
        text = "never" if when is None else f"first after {when:.0f} s"
        ratio = found["ours"] / found["peer"]
        rows.append(
            record(
                name + found["name"],
                unit="s",
                ours=found["ours"],
                peer=found["peer"],
                ratio=ratio,
                low=ratio,
                high=ratio,
                held_equal=f"weights, {len(task.train):,} pictures, both cores, optimizer, schedule; ours "
                f"{steps}, the plain loop {found['epochs']} epochs with fresh turns; one run each. Accuracy "
                f"on {ours.n} held-out cells: ours {ours}, plain {peer}, difference {found['difference']}. "
                f"On validation cells the plain loop was as accurate as ours {text}",
                packages=("torchvision",),
                spread="one run",
            )
        )
        differences.append(found["difference"])
    assert abs(differences[0].value) < 0.05 and differences[0].low <= 0 <= differences[0].high
    assert rows[0]["ratio"] <= 1 / 5


@pytest.mark.bench
def test_two_processes_on_two_cores_answer_in_less_time_than_one(tmp_path):
    one, two = shared_work(tmp_path)
    for name, seconds in one.items():
        efficiency = np.median(seconds) / (2 * np.median(two[name]))
        record_seconds(
            f"{name}: seconds, two processes / one",
            two[name],
            seconds,
            held_equal=f"ResNet-50 at 112 px, batches of 64, a thread a process; efficiency {efficiency:.0%}",
            packages=("accelerate",),
        )
        # Training is told and not held to it: each step exchanges the gradients of all trainable weights.
        assert efficiency > 0.5 or name.startswith("finetune")


def shared_work(folder, *options):
    """Seconds of each piece of work of shared_work.py, in one process and in two, one thread each."""
    script = HERE / "shared_work.py"
    subprocess.run([sys.executable, script, folder / "one.json", *options], check=True)
    launch(script, folder / "two.json", *options)
    return [json.loads((folder / f"{name}.json").read_text()) for name in ("one", "two")]


# The bench itself, small: both loops train what they should


def tiny_recipes():
    head = profiles.Recipe("head", epochs=6, learning_rate=0.05, batch_size=8, views=2)
    return [head, dataclasses.replace(head, train="last_block", epochs=3, views=3, learning_rate=0.02)]


@pytest.mark.parametrize("careful", [False, True])
def test_the_plain_loop_trains_the_part_that_is_named_and_learns(careful):
    task = tiny.image_task(train=64, validation=20)
    classifier = tiny.image_classifier()
    before = tiny.state(classifier.model)
    seconds, accuracies = plain_loop.train(classifier, task, tiny_recipes(), careful=careful)
    trained = set(parts.trainable(classifier.model, "last_block"))
    moved = {name for name in before if name.startswith("blocks.1.1.") and name not in trained}
    assert tiny.changed(before, classifier.model) == trained | moved
    assert accuracies[-1] > 0.8 and len(seconds) == 9 and (np.diff(seconds) > 0).all()
    few = plain_loop.train(tiny.image_classifier(), task, tiny_recipes(), careful=careful, until=0.0)
    assert len(few[0]) == 2  # one epoch of each recipe


def test_the_comparison_tells_seconds_and_accuracies_of_both_loops():
    from torchvision.models import resnet18

    task = tiny.image_task(train=16, validation=4)

    def fresh():
        return ImageClassifier(resnet18(num_classes=2), tiny.CLASSES, size=32)

    rows = list(compared(task, tiny_recipes(), fresh))
    assert [row["epochs"] for row in rows][:2] == [9, 9]
    assert all(row["ours"] > 0 and row["peer"] > 0 for row in rows)
    assert all(found.n == 8 for row in rows for found in row["accuracies"])

"""Run as a script: fine-tune tiny networks, kill the process at many points, go on, and tell what came out.

Prints one JSON object: for each case, the digest of an uninterrupted run, and for each way of killing the
signals that ended the processes and the digest in the end. Processes are forked from this one, which has
imported everything and computed nothing, so that each costs a fraction of a second.
"""

import hashlib
import json
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

import tiny
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer  # noqa: F401 (before forking)

from trustlib import augment, finetune, weights

CASES = {
    # Batch norm, dropout, augmented views, a network in channels-last memory, AdamW, a best epoch to keep.
    "pictures": (
        "image",
        {"train": "all", "patience": 2, "learning_rate": 0.02, "augment": augment.square, "views": 2},
    ),
    "texts": ("text", {"train": "last_block", "optimizer": "sgd", "learning_rate": 0.05}),
}


def train(case, folder):
    """Fine-tune from the start or from the folder's checkpoint; leave a digest of what came out."""
    kind, options = CASES[case]
    classifier = tiny.image_classifier() if kind == "image" else tiny.text_classifier(folder)
    task = tiny.image_task() if kind == "image" else tiny.text_task()
    history = finetune.finetune(
        classifier, task, epochs=3, batch_size=8, checkpoint=folder / "checkpoint", seed=1, **options
    )
    curves = (history.train_loss, history.validation_loss, history.validation_accuracy)
    told = [weights.digest(classifier.model), history.best_epoch, *(curve.tolist() for curve in curves)]
    (folder / "told").write_text(hashlib.sha256(json.dumps(told).encode()).hexdigest())


def die_at(moment):
    """Kill this process at its n-th moment: after a step, before a sync, before and after a rename."""
    passed = 0

    def tick(*_):
        nonlocal passed
        passed += 1
        if passed == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    register_optimizer_step_post_hook(tick)
    fsync, replace = os.fsync, os.replace

    def ticking_fsync(handle):
        tick()
        fsync(handle)

    def ticking_replace(*paths):
        tick()
        replace(*paths)
        tick()

    os.fsync, os.replace = ticking_fsync, ticking_replace


def run(case, folder, *, moment=None, seconds=None):
    """One process: killed at its n-th moment, or after so many seconds, or not at all. Returns its status."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            torch.set_num_threads(1)
            if moment is not None:
                die_at(moment)
            train(case, folder)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(folder):
    told = {}
    for case in CASES:

        def fresh(name, case=case):
            (folder / case / name).mkdir(parents=True)
            return folder / case / name

        def digest(path):
            return (path / "told").read_text() if (path / "told").exists() else None

        whole = fresh("whole")
        assert run(case, whole) == 0
        path, began, ways = fresh("whole again"), time.monotonic(), {}
        ways[path.name] = ([run(case, path)], digest(path))
        seconds = time.monotonic() - began
        # 3 epochs of 3 steps and of 4 moments around the checkpoint's file: 21 moments in all.
        for moment in (1, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 21) if case == "pictures" else (2, 8, 13):
            path = fresh(f"moment {moment}")
            statuses = [run(case, path, moment=moment), run(case, path)]
            ways[path.name] = (statuses, digest(path))
        path, statuses, moment = fresh("again and again"), [], 5
        while not statuses or statuses[-1] == -signal.SIGKILL:
            statuses.append(run(case, path, moment=moment))
            moment += 1  # so that each attempt comes a little further
        ways[path.name] = (statuses, digest(path))
        path, chance = fresh("at random"), random.Random(case)
        statuses = [run(case, path, seconds=chance.uniform(0.0, 0.7) * seconds) for _ in range(4)]
        ways[path.name] = ([*statuses, run(case, path)], digest(path))
        told[case] = {"whole": digest(whole), "ways": ways}
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""The command `python -m trustlib.finetune`: train on a named task or on your own data, answer, and keep all.

    python -m trustlib.finetune --task cells --train last_block --out runs/cells
    accelerate launch --multi_gpu --num_processes 4 -m trustlib.finetune --task pictures/ --out runs/mine

The second line is the same run on four GPUs: each batch is shared among them. What was stopped goes on when
the same command is given again, in as many processes as there are then. In the folder stand afterwards
model/, which trustlib loads; history.json; calibration.npz and test.npz, the answers that `trustlib report
--predictions` reads.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from trustlib import (
    accuracy,
    architectures,
    atomic,
    augment,
    errors,
    parts,
    predictions,
    processes,
    tasks,
    weights,
)
from trustlib.classifiers import ImageClassifier, TextClassifier
from trustlib.finetune import History, finetune

AUGMENTATIONS = {"none": None, "mirror": augment.mirror, "square": augment.square}
SIZE, TOKENS = 224, 64  # of pictures, pixels a side; of a text
OPTIONS = ("epochs", "learning_rate", "head_learning_rate", "batch_size", "views", "patience", "precision")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status: 0, or 1 for what went wrong."""
    options = _parser().parse_args(arguments)
    try:
        _run(options)
    except (errors.AssetError, errors.ModelError, errors.MissingExtra, ValueError) as error:
        print(f"trustlib: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trustlib.finetune",
        description="Fine-tune a pretrained network, alone or in the processes of accelerate launch.",
    )
    parser.add_argument(
        "--task",
        required=True,
        help=f"{', '.join(tasks.TASKS)}, a folder of pictures, a .csv or .tsv of texts",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of what is made")
    parser.add_argument("--train", choices=parts.CHOICES, default="head", help="default: head")
    parser.add_argument(
        "--weights",
        help="pictures: tiny-imagenet (default), imagenet, random, or a .safetensors file; texts: minilm "
        "(default), random, a folder, or a name on the hub; both: a classifier's folder, to train it further",
    )
    parser.add_argument(
        "--architecture", help="another network for pictures than resnet50, by torchvision's name"
    )
    parser.add_argument("--size", type=int, metavar="PIXELS", help="of pictures, a side; default: 224")
    parser.add_argument("--max-tokens", type=int, help="of a text; default: 64")
    parser.add_argument("--epochs", type=int, help="the options from here on are those of finetune")
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--head-learning-rate", type=float)
    parser.add_argument("--batch-size", type=int, help="of all processes together")
    parser.add_argument("--augment", choices=AUGMENTATIONS, default="none", help="of pictures")
    parser.add_argument("--views", type=int)
    parser.add_argument("--patience", type=int)
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"))
    parser.add_argument("--seed", type=int, default=0)
    return parser


def _run(options: argparse.Namespace) -> None:
    task = tasks.named(options.task)
    if task.kind == "table":
        raise errors.DataError(f"expected a task of pictures or texts, got the table {task.name}; choose one")
    _fits(options, task)
    start = _pictures if task.kind == "image" else _texts
    classifier = start(options, task.classes)
    several = f"{processes.count()} processes share" if processes.count() > 1 else "one process takes"
    _say(f"{task!r}; {several} every batch, on {classifier.device.type}")
    checkpoint = options.out / "checkpoint"
    given = {name: getattr(options, name) for name in OPTIONS if getattr(options, name) is not None}
    history = finetune(
        classifier,
        task,
        train=options.train,
        augment=AUGMENTATIONS[options.augment],
        checkpoint=checkpoint,
        seed=options.seed,
        **given,
    )
    answers = {
        name: predictions.predict(classifier.predict_proba, task.splits[name])
        for name in ("calibration", "test")
    }
    processes.from_main(lambda: _keep(options.out, classifier, history, answers))
    _say(f"{len(history.train_loss)} epochs in {history.seconds:.0f} s, {history.recipe['precision']}")
    test = answers["test"]
    _say(f"test accuracy {accuracy.evaluate(test.probs, test.labels, groups=test.groups).accuracy}")
    out = options.out
    _say(
        f"trustlib report --predictions {out / 'test.npz'} --calibration {out / 'calibration.npz'} --out ..."
    )


def _fits(options: argparse.Namespace, task: tasks.Task) -> None:
    """Raises: ValueError for an option that would play no part with this task or these weights."""
    of_pictures = {"--architecture": options.architecture, "--size": options.size}
    of_texts = {"--max-tokens": options.max_tokens}
    saved = (Path(options.weights or "") / "classifier.json").exists()
    without = of_texts if task.kind == "image" else of_pictures
    if saved:
        without = of_pictures | of_texts
    given = [name for name, value in without.items() if value is not None]
    if task.kind != "image" and AUGMENTATIONS[options.augment] is not None:
        given.append("--augment")
    if given:
        why = f"the classifier in {options.weights} has its own" if saved else f"{task.name} has {task.kind}s"
        raise ValueError(f"expected no {', '.join(given)}, since {why}, got it: leave it out")


def _pictures(options: argparse.Namespace, classes: tuple[str, ...]) -> ImageClassifier:
    source = options.weights or "tiny-imagenet"
    if (Path(source) / "classifier.json").exists():
        return ImageClassifier.load(source)
    name = options.architecture or "resnet50"
    if name == "resnet50" and not source.endswith(".safetensors"):
        return ImageClassifier.resnet50(
            classes=classes, weights=source, size=options.size or SIZE, seed=options.seed
        )
    return _torchvision(name, source, classes, options)


def _torchvision(
    name: str, source: str, classes: tuple[str, ...], options: argparse.Namespace
) -> ImageClassifier:
    size = options.size or SIZE
    network = architectures.build(name, size=size, seed=options.seed)
    if source != "random" and not source.endswith(".safetensors"):
        raise ValueError(
            f"expected --weights random or a .safetensors file for {name}, got {source!r}; save its weights "
            "with safetensors.torch.save_file, and name the file"
        )
    if source != "random":
        weights.load(network, weights.read(source), source=Path(source).name)
    return ImageClassifier(network, classes, size=size, architecture=name, seed=options.seed)


def _texts(options: argparse.Namespace, classes: tuple[str, ...]) -> TextClassifier:
    source = options.weights or "minilm"
    if (Path(source) / "classifier.json").exists():
        return TextClassifier.load(source)
    return TextClassifier.bert(
        classes=classes, weights=source, max_tokens=options.max_tokens or TOKENS, seed=options.seed
    )


def _keep(
    out: Path,
    classifier: ImageClassifier | TextClassifier,
    history: History,
    answers: dict[str, predictions.Predictions],
) -> None:
    classifier.save(out / "model")
    with atomic.file(out / "history.json") as temporary:
        temporary.write_text(history.to_json(), encoding="utf-8")
    for name, found in answers.items():
        found.save(out / f"{name}.npz")
    (out / "checkpoint").unlink(missing_ok=True)


def _say(line: str) -> None:
    if processes.is_main():
        print(line, flush=True)

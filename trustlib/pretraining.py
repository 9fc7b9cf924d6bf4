"""ResNet-50 from Tiny ImageNet: one command from the pictures to the embedded checkpoint.

    trustlib pretrain --data DIR --out data/checkpoints/resnet50-tinyimagenet.safetensors

One recipe for a GPU and a CPU, scaled by a budget in samples: SGD with a warm-up, a constant learning
rate and a linear decay; small pictures first, 64 px at the end; random resized crops; smoothed labels;
an exponential moving average of all state, which is what is kept. `--soft-targets` adds what a teacher
says of the training pictures: probabilities, features, or both; the network that is kept needs neither.

The run writes its state often and goes on from it after a kill at any point, to the same weights on a
CPU. Since the learning rate is constant until the decay, a run can be made longer at any time with a
larger `--samples`, or be finished at any time with `--finish`, which leaves the unfinished state alone.

Sources: He et al. (2016); Goyal et al. (2017), warm-up and zero-initialised last norms; Touvron et al.
(2019), test pictures larger than training pictures; Hinton et al. (2015), soft targets; Romero et al.
(2015), features as targets; Hu et al. (2024), warm-up, stable, decay.
"""

import argparse
import dataclasses
import functools
import json
import logging
import os
import sys
import time
from pathlib import Path

import numpy as np

from trustlib import crops, errors, student, tiny_imagenet
from trustlib.student import Run
from trustlib.tiny_imagenet import Pictures, SoftTargets

try:
    import torch
    import torch.nn.functional as F
    from torch import Tensor, nn
except ImportError as error:
    raise errors.missing_extra(error.name or "torch", "models") from error

log = logging.getLogger("trustlib.pretraining")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What shapes the weights. Shares of training are fractions of `samples`."""

    samples: int = 2_000_000
    batch: int = 128
    learning_rate: float = 0.5  # for a batch of 256; scaled in proportion to the batch
    warm_up: float = 0.01
    decay: float = 0.25
    sizes: tuple[tuple[int, float], ...] = ((48, 0.7), (64, 1.0))  # (pixels, until this share)
    weight_decay: float = 1e-4  # on matrices only
    label_smoothing: float = 0.1
    smallest_crop: float = 0.35  # of the area
    mix: float = 0.0  # share of batches with mixup or cutmix, half of them each
    teacher_share: float = 0.7  # of the teacher's probabilities in the target; labels have the rest
    feature_weight: float = 2.0  # of the cosine distance to the teacher's features
    averaging: float = 64_000  # samples over which the moving average forgets all but 1/e
    clip: float = 5.0  # norm of the gradient
    bf16: bool = True
    seed: int = 0

    def rate(self, seen: int) -> float:
        """The learning rate after `seen` samples: warm-up, constant, linear decay to zero.

        >>> recipe = Recipe(samples=100, batch=256, learning_rate=1.0, warm_up=0.1, decay=0.5)
        >>> [recipe.rate(seen) for seen in (0, 5, 30, 75, 100)]
        [0.0, 0.5, 1.0, 0.5, 0.0]
        """
        share = seen / self.samples
        factor = min(1.0, share / max(self.warm_up, 1e-9), (1 - share) / max(self.decay, 1e-9))
        return max(factor, 0.0) * self.learning_rate * self.batch / 256

    def size(self, seen: int) -> int:
        """Side of the training pictures, in pixels, after `seen` samples."""
        return next((size for size, until in self.sizes if seen < until * self.samples), self.sizes[-1][0])


@functools.lru_cache(maxsize=2)
def _order(epoch: int, n: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(n)


def batch_rows(seen: int, batch: int, n: int, seed: int) -> np.ndarray:
    """Rows of the next batch (batch,): each epoch in its own random order, and no state but `seen`."""
    return np.array([_order(at // n, n, seed)[at % n] for at in range(seen, seen + batch)])


def step(run: Run, recipe: Recipe, pixels: Tensor, labels: Tensor, soft: SoftTargets | None) -> Tensor:
    """One batch: takes the run one step further and returns the loss, without gradient.

    All chance comes from `recipe.seed` and `run.seen`, so a restart repeats it.
    """
    device = labels.device
    seed = np.random.SeedSequence([recipe.seed, run.seen]).generate_state(1)[0]
    generator = torch.Generator(device).manual_seed(int(seed))
    size, smallest = recipe.size(run.seen), recipe.smallest_crop
    images = crops.augment(pixels, size=size, smallest=smallest, generator=generator)
    targets, features, known = _targets(recipe, labels, soft, n_classes=run.average.fc.out_features)
    if float(torch.rand(1, generator=generator, device=device)) < recipe.mix:
        images, partner, own = crops.mix(images, generator)
        targets = own * targets + (1 - own) * targets[partner]
        features, known = own * features + (1 - own) * features[partner], known * known[partner]
    with torch.autocast(device.type, torch.bfloat16, enabled=recipe.bf16):
        logits, projected = run.student(images)
    loss = F.cross_entropy(logits.float(), targets)
    if projected is not None:
        distance = 1 - F.cosine_similarity(projected.float(), features)
        loss = loss + recipe.feature_weight * (distance * known).mean()
    loss.backward()
    nn.utils.clip_grad_norm_(run.student.parameters(), recipe.clip)
    for group in run.optimizer.param_groups:
        group["lr"] = recipe.rate(run.seen)
    run.optimizer.step()
    run.optimizer.zero_grad()
    run.seen += len(labels)
    student.follow(run, np.exp(-len(labels) / recipe.averaging), run.seen // len(labels))
    return loss.detach()


def _targets(recipe: Recipe, labels: Tensor, soft: SoftTargets | None, *, n_classes: int):
    """A distribution (b, k), the teacher's features (b, d), and 1 where the teacher knows the picture (b,).

    The distribution is the smoothed label, mixed with the teacher's probabilities; so mixup and cutmix
    need only mix the targets as they mix the pictures.
    """
    smoothing, device = recipe.label_smoothing, labels.device
    targets = F.one_hot(labels, n_classes) * (1 - smoothing) + smoothing / n_classes
    features = known = torch.zeros(len(labels), device=device)
    if soft is not None:
        known = torch.from_numpy(soft.known).to(device).float()
        if soft.probs is not None:
            share = recipe.teacher_share * known[:, None]
            targets = (1 - share) * targets + share * torch.from_numpy(soft.probs).to(device).float()
        if soft.features is not None:
            features = torch.from_numpy(soft.features).to(device).float()
    return targets, features, known


@torch.no_grad()
def evaluate(
    network: nn.Module, pictures: Pictures, *, limit: int | None = None, bf16: bool = True
) -> tuple[float, float]:
    """Top-1 and top-5, fractions in [0, 1], on whole 64 px pictures; `limit` takes a fixed random subset."""
    network.eval()
    device = next(network.parameters()).device
    rows = np.random.default_rng(0).permutation(len(pictures.labels))[:limit]
    first, five = 0, 0
    for part in np.array_split(np.sort(rows), -(-len(rows) // 250)):
        labels = torch.from_numpy(pictures.labels[part]).to(device)
        images = crops.whole(torch.from_numpy(pictures.pixels[part]).to(device))
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            logits = network(images)
        right = logits.topk(min(5, logits.shape[1])).indices == labels[:, None]
        first, five = first + right[:, 0].sum().item(), five + right.sum().item()
    return first / len(rows), five / len(rows)


def pretrain(
    data: str | Path,
    *,
    out: str | Path,
    work: str | Path,
    recipe: Recipe | None = None,
    init: str | Path | None = None,
    soft_targets: str | Path | None = None,
    finish: int | None = None,
    device: str | None = None,
    compiled: bool = False,
    evaluate_every: int = 20_000,
    save_every: int = 10_000,
) -> Run:
    """Train until `recipe.samples`, going on from the state in `work` if there is one.

    Args:
        data: Tiny ImageNet in one of its forms, see `tiny_imagenet.find_pictures`.
        out: the checkpoint, written anew at each evaluation.
        work: folder for the decoded pictures and the state.
        finish: let the learning rate fall over this many samples from the state in `work`, in a state
            of its own, so that the unfinished run can go on later.
    Raises: DataError; ModelError when the loss is not finite.
    """
    work, device = Path(work), torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    train, val = tiny_imagenet.load(data, work / "pictures")
    soft = None if soft_targets is None else tiny_imagenet.read_soft_targets(soft_targets, train)
    n_features = None if soft is None or soft.features is None else soft.features.shape[1]
    recipe, path, start = _plan(recipe or Recipe(), work, finish)
    chosen = {"weight_decay": recipe.weight_decay, "seed": recipe.seed}
    run = student.begin(len(train.classes), n_features, device=device, init=init, **chosen)
    if start.is_file():
        student.load_state(run, start)
    if compiled:
        run.student.compile(dynamic=False)  # in place: the names of the parameters stay
    plain = json.loads(json.dumps(dataclasses.asdict(recipe)))
    if not run.recipes or run.recipes[-1] != {"from": run.recipes[-1]["from"], **plain}:
        run.recipes.append({"from": run.seen, **plain})
    told = {"classes": train.classes, "init": init and Path(init).name, "teacher": soft and soft.made}
    told |= {"device": device.type, "mean": crops.MEAN, "deviation": crops.DEVIATION}

    def judge(limit: int | None) -> None:
        top1, top5 = evaluate(run.average, val, limit=limit, bf16=recipe.bf16)
        pictures = len(val.labels[:limit])
        run.history.append({"seen": run.seen, "top1": top1, "top5": top5, "pictures": pictures})
        log.info("%9d seen  top-1 %.4f  top-5 %.4f  of %d", run.seen, top1, top5, pictures)
        student.export(run, out, **told, validation=run.history[-1])

    _train(run, recipe, train, soft, path=path, judge=judge, every=(save_every, evaluate_every))
    judge(None)
    student.save_state(run, path)
    return run


def _plan(recipe: Recipe, work: Path, finish: int | None) -> tuple[Recipe, Path, Path]:
    """The recipe to follow, the state to write, and the state to begin from."""
    state, ending = work / "state.safetensors", work / "finish.safetensors"
    if finish is None:
        return recipe, state, state
    if not state.is_file():
        raise errors.DataError(f"expected a run to finish in {work}, got none; run without --finish first")
    origin = student.read_header(state)["seen"]
    share, last = finish / (origin + finish), ((recipe.sizes[-1][0], 1.0),)
    recipe = dataclasses.replace(recipe, samples=origin + finish, warm_up=0.0, decay=share, sizes=last)
    begun = student.read_header(ending)["recipes"] if ending.is_file() else []
    return recipe, ending, ending if any(recipe["from"] == origin for recipe in begun) else state


def _train(run, recipe, train, soft, *, path, judge, every) -> None:
    """The loop; at each multiple of `every` (samples) it saves, and judges, what it has."""
    device = run.average.fc.weight.device
    pixels, labels = torch.from_numpy(train.pixels), torch.from_numpy(train.labels)
    if device.type != "cpu":  # on a CPU the file stays mapped
        pixels, labels = pixels.to(device), labels.to(device)
    log.info("%d samples seen, %d to go, on %s", run.seen, recipe.samples - run.seen, device.type)
    losses, started = [], time.monotonic()
    while run.seen < recipe.samples:
        before, seen = time.monotonic(), run.seen
        rows = batch_rows(seen, recipe.batch, len(labels), recipe.seed)
        at = torch.from_numpy(rows).to(device)
        losses.append(step(run, recipe, pixels[at], labels[at], soft and soft.take(rows)))
        run.seconds += time.monotonic() - before
        save_now, judge_now = (run.seen // n > seen // n for n in every)
        if save_now or judge_now:
            loss, pace = float(torch.stack(losses).mean()), (len(losses) * recipe.batch)
            if not np.isfinite(loss):
                raise errors.ModelError(f"expected a finite loss, got {loss}; lower --learning-rate")
            pace /= time.monotonic() - started
            words = "%9d seen  %d px  rate %.4f  loss %.4f  %.1f samples/s"
            log.info(words, run.seen, recipe.size(seen), recipe.rate(seen), loss, pace)
            if judge_now:
                judge(2000)
            student.save_state(run, path)
            losses, started = [], time.monotonic()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `trustlib pretrain`; each field of `Recipe` is one of them."""
    out = "data/checkpoints/resnet50-tinyimagenet.safetensors"
    every = "samples; default %(default)s"
    add = parser.add_argument
    add("--data", required=True, help="Tiny ImageNet: its published folder or zip, or a folder of shards")
    add("--out", default=out, help="the checkpoint; default %(default)s")
    add("--work", default="build/pretrain", help="folder of the decoded pictures and the state")
    add("--init", metavar="FILE", help="safetensors to begin from, instead of random weights")
    add("--soft-targets", metavar="FILE", help=".npz of a teacher: names, probs, features, made")
    add("--finish", type=int, metavar="N", help="let the learning rate fall over the next N samples")
    add("--device", help="cuda or cpu; default: cuda where there is one")
    add("--threads", type=int, help="threads of a CPU; default: all cores")
    add("--compiled", action="store_true", help="with torch.compile: faster, but needs a C++ compiler")
    add("--evaluate-every", type=int, default=20_000, help=every)
    add("--save-every", type=int, default=10_000, help=every)
    for field in dataclasses.fields(Recipe):
        option, words = "--" + field.name.replace("_", "-"), field.name.replace("_", " ")
        if field.name == "sizes":
            words = "side of the training pictures, each until that share of the samples"
            add(option, nargs="+", metavar="PIXELS:SHARE", type=_size, default=field.default, help=words)
        elif field.type is bool:
            add(option, action=argparse.BooleanOptionalAction, default=field.default, help=words)
        else:
            add(option, type=field.type, default=field.default, help=f"{words}; default %(default)s")


def _size(text: str) -> tuple[int, float]:
    pixels, share = text.split(":")
    return int(pixels), float(share)


def run(args: argparse.Namespace) -> int:
    """`trustlib pretrain`: train, evaluate, write the checkpoint."""
    silent = os.environ.get("TRUSTLIB_PROGRESS") == "0"
    logging.basicConfig(level=logging.WARNING if silent else logging.INFO, format="%(asctime)s %(message)s")
    if args.threads:
        torch.set_num_threads(args.threads)
    names = {field.name for field in dataclasses.fields(Recipe)}
    chosen = {name: value for name, value in vars(args).items() if name in names}
    others = {name: value for name, value in vars(args).items() if name not in names | {"threads"}}
    pretrain(recipe=Recipe(**chosen | {"sizes": tuple(chosen["sizes"])}), **others)
    return 0


def main(argv: list[str] | None = None) -> int:
    """`python -m trustlib.pretraining`; see `trustlib pretrain --help`."""
    parser = argparse.ArgumentParser(prog="trustlib pretrain", description=__doc__.split("\n")[0])
    add_arguments(parser)
    return run(parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())

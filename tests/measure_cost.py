"""What it costs, and how the cost grows: with the network, the pictures, num_samples and the processes.

    python tests/measure_cost.py                       measure here, print (some minutes on two cores)
    python tests/measure_cost.py --write               and put it into data/measured/cost.md
    python tests/measure_cost.py --out gpu.json        keep the numbers, such as on a machine with a GPU
    python tests/measure_cost.py --read cpu.json gpu.json --write       the page of several machines

Pictures and weights are random: no time here depends on what is seen or learned.
"""

import argparse
import dataclasses
import json
import platform
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

import numpy as np
import shared_work
import torch
import torchvision.models
import two_processes
from torch.utils.flop_counter import FlopCounterMode

from trustlib import atomic, devices, explain, frozen, parts, robustness, samples
from trustlib.classifiers import ImageClassifier
from trustlib.finetune import finetune

OUT = Path(__file__).parents[1] / "data" / "measured" / "cost.md"
SCRIPT = Path(shared_work.__file__)
EPOCHS = {"head": 40, "last_block": 4, "all": 2}  # after the first one: so many that seconds can tell
MILLION, TUNED_EPOCHS, EXPLAINED = 1_000_000, 10, 1_000

HEAD = """# What it costs, and how the cost grows

A *slope* is that of the logarithms: 1 means that twice as much of the one thing costs twice as much of the
other, below 1 that some of the cost is there from the start. Pictures and weights are random. `predict_proba`
answers in float32; `finetune` trains in bfloat16 where the device computes it. Each number comes after a
warm-up; those of networks and picture sizes, and of the first table but its last row, are the fastest of
{repeats} turns, since a shared machine slows some of them. In the first table the rows take turns.

"""
FOOT = """
Made by `python tests/measure_cost.py --write`. On a machine with a GPU, `--out FILE` there and then
`--read FILES --write` adds its columns.
"""
REPEATS = 3


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much is measured; pictures have `side` pixels a side."""

    side: int = 224
    networks: tuple[str, ...] = ("resnet18", "resnet34", "resnet50", "resnet101")
    sides: tuple[int, ...] = (64, 112, 160, 224)
    batch: int = 16
    pictures: tuple[int, ...] = (16, 32, 64, 128)
    samples: tuple[int, ...] = (64, 128, 256, 512)
    tuned: int = 48
    perturbed: int = 4
    shared: int = 128  # pictures of shared_work.py, 0 to leave the processes out


CPU = Sizes()
GPU = Sizes(
    batch=256,
    pictures=(256, 512, 1024, 2048),
    samples=(250, 500, 1000, 2000),
    tuned=1024,
    perturbed=32,
    shared=0,  # one GPU is not shared
)
SMALL = Sizes(32, ("resnet18", "resnet34"), (32, 48), 4, (4, 8), (64, 96), 8, 2, 0)


def seconds(run, *, repeats=REPEATS):
    """Seconds of the fastest of several calls, after one warm-up."""
    return fastest({"it": run}, repeats=repeats)["it"]


def fastest(runs, *, repeats=REPEATS):
    """By name: the same of several functions, called in turn, so that no slow minute hits one alone."""
    times = {name: [] for name in runs}
    for _ in range(repeats + 1):
        for name, run in runs.items():
            _wait()
            start = time.perf_counter()
            run()
            _wait()
            times[name].append(time.perf_counter() - start)
    return {name: min(spent[1:]) for name, spent in times.items()}


def _wait():
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def pictures(n, side):
    return np.random.default_rng(0).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


# What is measured


def machine():
    """Name of the device, threads, versions."""
    gpu = torch.cuda.is_available()
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    return {
        "name": torch.cuda.get_device_name() if gpu else model,
        "gpu": gpu,
        "threads": torch.get_num_threads(),
        "versions": {name: metadata.version(name) for name in ("torch", "torchvision")},
    }


def _lines(path):
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def limits(classifier, sizes):
    """What the device can do, FLOP/s and pictures/s, and what of it is left in `predict_proba` and LIME.

    The device: a product of matrices, and ResNet-50 on pixels that lie there already.
    """
    device, side = classifier.device, 8192 if classifier.device.type == "cuda" else 2048
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    pixels, shown = _pixels(classifier, sizes), pictures(sizes.batch, sizes.side)
    segments = explain.masking.grid(shown[0], 16)
    asked = []

    def answer(dtype):
        with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            classifier.model.eval()(pixels)

    def lime():
        options = {"segments": segments, "num_samples": sizes.samples[0], "target": 1}
        options["batch_size"] = sizes.batch
        asked.append(explain.lime_image(classifier.predict_proba, shown[0], **options).n_calls)

    spent = fastest(
        {
            "matmul": lambda: a @ b,
            "float32": lambda: answer(torch.float32),
            "bfloat16": lambda: answer(torch.bfloat16),
            "predict_proba": lambda: classifier.predict_proba(shown),
            "lime_image": lime,
        }
    )
    # Last, since it moves the weights.
    spent["training"] = seconds(_step(classifier, pixels))
    work = dict.fromkeys(spent, sizes.batch) | {"matmul": 2 * side**3, "lime_image": asked[-1]}
    return {name: work[name] / spent[name] for name in spent}


def _pixels(classifier, sizes):
    pixels = torch.rand(sizes.batch, 3, classifier.size, classifier.size, device=classifier.device)
    return pixels.contiguous(memory_format=torch.channels_last)


def _step(classifier, pixels):
    """One step over all weights, as `finetune` takes it, on pixels that lie on the device."""
    labels = torch.arange(len(pixels), device=pixels.device) % 2
    model, bf16 = classifier.model, devices.fast_bfloat16(classifier.device)
    optimizer = torch.optim.AdamW(parts.freeze(model, "all"), lr=1e-6, fused=True)

    def step():
        model.train()
        with torch.autocast(pixels.device.type, torch.bfloat16, enabled=bf16):
            loss = torch.nn.functional.cross_entropy(model(pixels).float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        model.eval()

    return step


def by_network(sizes, device):
    """For each network: millions of weights, GFLOP a picture, seconds a picture of answering and training."""
    shown = pictures(sizes.batch, sizes.side)
    for name in sizes.networks:
        network = torchvision.models.get_model(name, weights=None, num_classes=2)
        classifier = ImageClassifier(network, shared_work.CLASSES, size=sizes.side, device=device)
        yield {
            "name": name,
            "weights": sum(p.numel() for p in network.parameters()) / 1e6,
            "gflop": _gflop(classifier, sizes.side),
            "answer": seconds(lambda c=classifier: c.predict_proba(shown)) / sizes.batch,
            "train": seconds(_step(classifier, _pixels(classifier, sizes))) / sizes.batch,
        }


def _gflop(classifier, side):
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        classifier.model(torch.rand(1, 3, side, side, device=classifier.device))
    return counted.get_total_flops() / 1e9


def by_side(sizes, device):
    """Seconds a picture of ResNet-50 for each size of picture."""
    for side in sizes.sides:
        classifier = shared_work.classifier(side, device)
        shown = pictures(sizes.batch, side)
        spent = seconds(lambda c=classifier, p=shown: c.predict_proba(p))
        yield {"side": side, "pixels": side**2, "answer": spent / sizes.batch}


def explained(ask, sizes):
    """Seconds of LIME and SHAP of one picture for each num_samples."""
    picture = pictures(1, sizes.side)[0]
    segments = explain.masking.grid(picture, 16)  # SHAP takes 64 samples at least for so many
    for name, explainer in (("LIME", explain.lime_image), ("SHAP", explain.shap_image)):
        for n in sizes.samples:
            start = time.perf_counter()
            found = explainer(ask, picture, segments=segments, num_samples=n, target=1)
            spent = time.perf_counter() - start
            yield {"name": name, "samples": n, "calls": found.n_calls, "seconds": spent}


def perturbed(ask, sizes):
    """Seconds and answers a picture of the two perturbations of pictures."""
    shown, n = pictures(sizes.perturbed, sizes.side), sizes.perturbed
    made = {
        "noise, 3 sigmas": lambda: robustness.noise(ask, shown, sigmas=[0.05, 0.1, 0.2], threshold=0.1),
        "corruptions, 1 severity": lambda: robustness.corruptions(
            ask, shown, np.arange(n) % 2, severities=[3]
        ),
    }
    for name, run in made.items():
        start = time.perf_counter()
        found = run()
        yield {"name": name, "seconds": (time.perf_counter() - start) / n, "answers": found.n_calls / n}


def tuned(sizes, device):
    """For each choice of `train`: seconds a picture beforehand and in each epoch, bytes of kept features."""
    task = shared_work.task(sizes.tuned, sizes.side)
    for train, more in EPOCHS.items():
        spent = []
        for epochs in (1, 1 + more):
            classifier = shared_work.classifier(sizes.side, device)
            start = time.perf_counter()
            options = {"train": train, "epochs": epochs, "batch_size": 16, "keep_features": True}
            history = finetune(classifier, task, **options)
            _wait()
            spent.append(time.perf_counter() - start)
        further = max(spent[1] - spent[0], 0.0) / more
        yield {
            "train": train,
            "beforehand": max(spent[0] - further, 0.0) / sizes.tuned,
            "epoch": further / sizes.tuned,
            "precision": history.recipe["precision"],
            "bytes": _feature_bytes(classifier, task, train) if history.kept_features else None,
        }


def _feature_bytes(classifier, task, train):
    """Bytes that are kept of one picture."""
    prepared = classifier.prepare(task.train.inputs[:4])
    one = frozen.features(classifier, prepared, frozen.find(classifier, prepared, train))[0]
    return one.numel() * one.element_size()


def shared(sizes):
    """Seconds of the same work in one process and in two, with one thread each."""
    options = ["--pictures", str(sizes.shared), "--repeats", "3"]
    with tempfile.TemporaryDirectory() as folder:
        one, two = (Path(folder) / f"{name}.json" for name in ("one", "two"))
        subprocess.run([sys.executable, SCRIPT, one, *options], check=True)
        two_processes.launch(SCRIPT, two, *options)
        found = [json.loads(path.read_text()) for path in (one, two)]
    for name in found[0]:
        yield {"name": name, "one": min(found[0][name]), "two": min(found[1][name])}


def measure(sizes):
    """Everything, as one dictionary that JSON can hold."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    classifier = shared_work.classifier(sizes.side, device)
    ask = classifier.predict_proba
    found = {"machine": machine(), "sizes": dataclasses.asdict(sizes), "limits": limits(classifier, sizes)}
    _say("limits")
    found["by_network"] = list(by_network(sizes, device))
    _say("networks")
    found["by_side"] = list(by_side(sizes, device))
    found["by_number"] = [
        {"pictures": len(shown), "seconds": seconds(lambda shown=shown: ask(shown), repeats=1)}
        for shown in (pictures(n, sizes.side) for n in sizes.pictures)
    ]
    _say("pictures")
    found["explained"] = list(explained(ask, sizes))
    found["perturbed"] = list(perturbed(ask, sizes))
    _say("explanations and perturbations")
    found["tuned"] = list(tuned(sizes, device))
    _say("fine-tuning")
    found["shared"] = list(shared(sizes)) if sizes.shared else []
    return found


def _say(what):
    print(f"{what}: done", file=sys.stderr, flush=True)


# What is told


def slope(x, y):
    """The exponent p of the power law y = c x^p through the points, by least squares of the logarithms."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def million(found):
    """Hours for a million pictures, by what is done with them; fine-tuning by what can be kept of so many."""
    each = found["by_number"][-1]
    per_picture = {"answer once": each["seconds"] / each["pictures"]}
    for row in found["perturbed"]:
        per_picture[f"{row['name']} ({row['answers']:.0f} answers a picture)"] = row["seconds"]
    for name in ("LIME", "SHAP"):
        row = [row for row in found["explained"] if row["name"] == name][-1]
        per_picture[f"{name}, {EXPLAINED:,} samples"] = EXPLAINED * row["seconds"] / row["calls"]
    for row in found["tuned"]:
        fits = row["bytes"] is not None and row["bytes"] * MILLION <= samples.KEPT_BYTES
        spent = TUNED_EPOCHS * row["epoch"]
        if row["bytes"] is not None:
            spent += row["beforehand"] * (1 if fits else TUNED_EPOCHS)
        per_picture[f"finetune, {row['train']}, {TUNED_EPOCHS} epochs"] = spent
    return {name: spent * MILLION / 3600 for name, spent in per_picture.items()}


def about(found):
    """Lines of Markdown about one machine."""
    here, side = found["machine"], found["sizes"]["side"]
    threads = "" if here["gpu"] else f", {here['threads']} threads"
    yield f"## {here['name']}{threads}"
    yield ""
    yield f"ResNet-50 at {side} px where nothing else is said; torch {here['versions']['torch']}."
    yield ""
    yield from _limits(found)
    yield from _sizes(found)
    yield from _numbers(found)
    yield from _tuning(found)
    yield from _processes(found)


def _limits(found):
    rate = found["limits"]
    train = 1 / next(row["epoch"] for row in found["tuned"] if row["train"] == "all")
    yield "| what | measured | of the bare network's |"
    yield "|---|---|---|"
    yield f"| product of two bfloat16 matrices | {rate['matmul'] / 1e12:.3g} TFLOP/s | |"
    yield f"| bare network answering, float32 | {rate['float32']:.3g} pictures/s | |"
    yield f"| bare network answering, bfloat16 | {rate['bfloat16']:.3g} pictures/s | |"
    yield f"| bare network training, all weights | {rate['training']:.3g} pictures/s | |"
    batch = found["sizes"]["batch"]
    for name in ("predict_proba", "lime_image"):
        share = rate[name] / rate["float32"]
        yield f"| `{name}`, batches of {batch} | {rate[name]:.3g} pictures/s | {share:.0%} |"
    yield f"| `finetune`, all weights | {train:.3g} pictures/s | {train / rate['training']:.0%} |"
    yield ""


def _sizes(found):
    rows = found["by_network"]
    yield "| network | million weights | GFLOP a picture | answering, ms a picture | training, ms a picture |"
    yield "|---|---|---|---|---|"
    for row in rows:
        times = f"{1e3 * row['answer']:.3g} | {1e3 * row['train']:.3g}"
        yield f"| {row['name']} | {row['weights']:.1f} | {row['gflop']:.1f} | {times} |"
    flop = [row["gflop"] for row in rows]
    answer, train = (slope(flop, [row[name] for row in rows]) for name in ("answer", "train"))
    yield f"| slope over GFLOP | | | {answer:.2f} | {train:.2f} |"
    yield ""
    rows = found["by_side"]
    yield "| pixels a side | " + " | ".join(str(row["side"]) for row in rows) + " | slope over pixels |"
    yield "|---" * (len(rows) + 2) + "|"
    times = " | ".join(f"{1e3 * row['answer']:.3g}" for row in rows)
    grows = slope([row["pixels"] for row in rows], [row["answer"] for row in rows])
    yield f"| answering, ms a picture | {times} | {grows:.2f} |"
    yield ""


def _numbers(found):
    rows = found["by_number"]
    yield "| pictures | " + " | ".join(str(row["pictures"]) for row in rows) + " | slope |"
    yield "|---" * (len(rows) + 2) + "|"
    grows = slope([row["pictures"] for row in rows], [row["seconds"] for row in rows])
    yield f"| answering, s | {_cells(rows)} | {grows:.2f} |"
    yield ""
    counts = list(dict.fromkeys(row["samples"] for row in found["explained"]))
    yield "| num_samples | " + " | ".join(map(str, counts)) + " | slope |"
    yield "|---" * (len(counts) + 2) + "|"
    for name in ("LIME", "SHAP"):
        rows = [row for row in found["explained"] if row["name"] == name]
        grows = slope([row["samples"] for row in rows], [row["seconds"] for row in rows])
        yield f"| {name}, s | {_cells(rows)} | {grows:.2f} |"
    yield ""
    each = found["by_number"][-1]
    answer = each["seconds"] / each["pictures"]
    yield "| perturbation | answers a picture | s a picture | of which answering |"
    yield "|---|---|---|---|"
    for row in found["perturbed"]:
        share = min(1.0, answer * row["answers"] / row["seconds"])
        yield f"| {row['name']} | {row['answers']:.0f} | {row['seconds']:.3g} | {share:.0%} |"
    yield ""


def _cells(rows):
    return " | ".join(f"{row['seconds']:.3g}" for row in rows)


def _tuning(found):
    yield "| `finetune` | beforehand, ms a picture | each epoch, ms | kept, MB a picture | fit in 3 GB |"
    yield "|---|---|---|---|---|"
    for row in found["tuned"]:
        kept = "nothing | |"
        if row["bytes"] is not None:
            kept = f"{row['bytes'] / 1e6:.3g} | {samples.KEPT_BYTES // row['bytes']:,} pictures |"
        times = f"{1e3 * row['beforehand']:.3g} | {1e3 * row['epoch']:.3g}"
        yield f"| {row['train']}, {row['precision']} | {times} | {kept}"
    yield ""


def _processes(found):
    if not found["shared"]:
        yield "Several processes: not measured on this machine."
        yield ""
        return
    yield "| work, one thread a process | one process, s | two, s | slope over processes | of the ideal |"
    yield "|---|---|---|---|---|"
    for row in found["shared"]:
        grows, share = slope([1, 2], [row["one"], row["two"]]), row["one"] / (2 * row["two"])
        yield f"| {row['name']} | {row['one']:.3g} | {row['two']:.3g} | {grows:.2f} | {share:.0%} |"
    yield ""


def page(machines):
    """Lines of Markdown about all machines, and what a million pictures would cost on each."""
    yield from HEAD.format(repeats=REPEATS).splitlines()
    for found in machines:
        yield from about(found)
    names = [found["machine"]["name"] for found in machines]
    hours = [million(found) for found in machines]
    unknown = [] if any(found["machine"]["gpu"] for found in machines) else ["a GPU"]
    yield f"## What {MILLION:,} pictures would cost, in hours"
    yield ""
    yield "Extended from the rows above, not run. Where the features of so many pictures are more than"
    yield "`finetune` keeps, every epoch computes them again. Each further process takes its part of the"
    yield "hours as far as the rows of the processes hold; more than two were not measured."
    yield ""
    yield "| what | " + " | ".join([*names, *unknown]) + " |"
    yield "|---" * (1 + len(names) + len(unknown)) + "|"
    for what in hours[0]:
        cells = [f"{one[what]:,.3g}" if one[what] < 1000 else f"{one[what]:,.0f}" for one in hours]
        yield f"| {what} | " + " | ".join(cells + ["not measured"] * len(unknown)) + " |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, metavar="FILE", help="keep what was measured here")
    parser.add_argument("--read", type=Path, nargs="+", default=[], metavar="FILE", help="measure nothing")
    parser.add_argument("--write", action="store_true", help="put the page into data/measured/cost.md")
    parser.add_argument("--small", action="store_true", help="see that it works; the numbers mean nothing")
    options = parser.parse_args()
    if options.small and options.write:
        parser.error("expected a whole measurement to write, got a small one; leave --small out")
    machines = [json.loads(path.read_text()) for path in options.read]
    if not machines:
        machines = [measure(SMALL if options.small else GPU if torch.cuda.is_available() else CPU)]
    if options.out:
        options.out.write_text(json.dumps(machines[0], indent=1))
    lines = [*page(machines), *FOOT.splitlines()]
    print("\n".join(lines))
    if options.write:
        with atomic.file(OUT) as temporary:
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

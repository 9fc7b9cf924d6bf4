"""The network that `pretraining` trains, its moving average, and how both are kept on disk.

Everything is safetensors: a state holds no code, and a header says in JSON what run it belongs to.

Sources: He et al. (2016), ResNet-50; Goyal et al. (2017), zero-initialised last norms; Romero et al.
(2015), features as targets.
"""

import dataclasses
import json
from pathlib import Path

from trustlib import atomic, errors

try:
    import torch
    import torchvision
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file
    from torch import Tensor, nn
except ImportError as error:
    raise errors.missing_extra(error.name or "torch", "models") from error


class Student(nn.Module):
    """The network that is kept, and a linear map to the teacher's features that is not."""

    def __init__(self, n_classes: int, n_features: int | None) -> None:
        super().__init__()
        self.network = torchvision.models.resnet50(weights=None, num_classes=n_classes)
        for block in self.network.modules():
            if isinstance(block, torchvision.models.resnet.Bottleneck):
                nn.init.zeros_(block.bn3.weight)  # each block starts as the identity
        self.projection = None if n_features is None else nn.Linear(2048, n_features)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """(b, 3, s, s) -> logits (b, k), projected features (b, d) or None."""
        net = self.network
        x = net.maxpool(net.relu(net.bn1(net.conv1(images))))
        x = net.layer4(net.layer3(net.layer2(net.layer1(x))))  # (b, 2048, s / 32, s / 32)
        pooled = net.avgpool(x).flatten(1)
        return net.fc(pooled), None if self.projection is None else self.projection(pooled)


@dataclasses.dataclass(eq=False)
class Run:
    """A training run between two steps: all that a restart needs."""

    student: Student
    average: nn.Module
    optimizer: torch.optim.Optimizer
    seen: int = 0
    seconds: float = 0.0
    recipes: list = dataclasses.field(default_factory=list)  # {"from": samples, **recipe}, one a change
    history: list = dataclasses.field(default_factory=list)


def begin(
    n_classes: int,
    n_features: int | None,
    *,
    device: torch.device,
    weight_decay: float = 1e-4,
    seed: int = 0,
    init: str | Path | None = None,
) -> Run:
    """A run before its first step: random weights, or those of the safetensors file `init`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        student = Student(n_classes, n_features)
    if init is not None:
        tensors = load_file(init)
        if tensors["fc.bias"].shape != (n_classes,):  # other classes: keep the body
            tensors |= {f"fc.{name}": value for name, value in student.network.fc.state_dict().items()}
        student.network.load_state_dict(tensors)
    student.to(device, memory_format=torch.channels_last).train()
    average = torchvision.models.resnet50(weights=None, num_classes=n_classes)
    average.load_state_dict(student.network.state_dict())
    average.to(device, memory_format=torch.channels_last).requires_grad_(False).eval()
    matrices = [p for p in student.parameters() if p.ndim > 1]
    vectors = [p for p in student.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors}]
    return Run(student, average, torch.optim.SGD(groups, lr=0.0, momentum=0.9, nesterov=True))


@torch.no_grad()
def follow(run: Run, keep: float, steps: int) -> None:
    """Move the average one step: it keeps `keep` of itself, less while it is young."""
    weight = 1 - min(keep, (1 + steps) / (10 + steps))
    states = (module.state_dict().values() for module in (run.average, run.student.network))
    pairs = list(zip(*states, strict=True))
    floats = [pair for pair in pairs if pair[0].is_floating_point()]
    torch._foreach_lerp_(*map(list, zip(*floats, strict=True)), weight)
    for mean, now in pairs:
        if not mean.is_floating_point():  # a count of batches
            mean.copy_(now)


def save_state(run: Run, path: Path) -> None:
    """The whole run in one safetensors file, written beside it and renamed."""
    tensors = {f"student.{k}": v for k, v in run.student.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in run.average.state_dict().items()}
    for name, parameter in run.student.named_parameters():
        if "momentum_buffer" in run.optimizer.state[parameter]:
            tensors[f"momentum.{name}"] = run.optimizer.state[parameter]["momentum_buffer"]
    kept = {"seen": run.seen, "seconds": run.seconds, "recipes": run.recipes, "history": run.history}
    with atomic.file(path) as temporary:
        save_file({k: v.contiguous() for k, v in tensors.items()}, temporary, {"run": json.dumps(kept)})


def load_state(run: Run, path: Path) -> None:
    """Put a saved state into a fresh `run` of the same shapes."""
    tensors = load_file(path)
    for prefix, module in (("student.", run.student), ("average.", run.average)):
        module.load_state_dict({name: tensors[prefix + name] for name in module.state_dict()})
    for name, parameter in run.student.named_parameters():
        if f"momentum.{name}" in tensors:
            buffer = torch.empty_like(parameter).copy_(tensors[f"momentum.{name}"])  # keeps channels last
            run.optimizer.state[parameter]["momentum_buffer"] = buffer.detach()
    vars(run).update(read_header(path))


def read_header(path: Path) -> dict:
    """What a state file says of its run: seen, seconds, recipes, history."""
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["run"])


def export(run: Run, path: str | Path, **told: object) -> None:
    """The averaged network as float16 safetensors, torchvision's names, how it was made in its header."""
    tensors = {k: v.half() if v.is_floating_point() else v for k, v in run.average.state_dict().items()}
    header = {"samples": run.seen, "seconds": round(run.seconds), "recipes": run.recipes, **told}
    header = {"format": "pt"} | {key: json.dumps(value) for key, value in header.items()}
    with atomic.file(path) as temporary:
        save_file({k: v.cpu().contiguous() for k, v in tensors.items()}, temporary, header)

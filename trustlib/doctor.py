"""What this machine has of what the course needs: packages, device, memory, disk, data and weights."""

import importlib
import importlib.metadata
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

import trustlib
from trustlib import assets
from trustlib.errors import AssetError

NEEDED_PACKAGES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "scikit-image",
    "matplotlib",
    "pandas",
    "torch",
    "torchvision",
    "transformers",
    "safetensors",
    "nbclient",
    "nbconvert",
    "jupyterlab",
)
IMPORTED = ("torch", "torchvision", "transformers")  # installed is not enough: the builds must fit together
NEEDED_ASSETS = ("solar-cells", "reviews", "minilm", "resnet50-tinyimagenet")
NEEDED_MEMORY = 3e9
NEEDED_DISK = 2e9


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `fix` says what to do if not `ok`; `needed` means by the lite course."""

    name: str
    ok: bool
    needed: bool
    found: str
    fix: str = ""


def examine() -> list[Finding]:
    """Look at everything; raises nothing for what is missing, that is what it reports."""
    return [*_system(), *(_package(name) for name in NEEDED_PACKAGES), *_assets()]


def machine() -> dict:
    """The device that a model runs on here and the threads it may use; `device` is "cpu" without torch."""
    try:
        import torch
    except ImportError:
        return {"device": "cpu", "threads": os.cpu_count()}
    device = f"cuda ({torch.cuda.get_device_name(0)})" if torch.cuda.is_available() else "cpu"
    return {"device": device, "threads": torch.get_num_threads()}


def report(findings: list[Finding]) -> str:
    """The findings as text: a line each, and under each failure the one thing to do."""
    lines = []
    for finding in findings:
        state = "ok" if finding.ok else "missing" if finding.needed else "absent"
        lines.append(f"{state:<8} {finding.name:<22} {finding.found}")
        if not finding.ok:
            only_full = "" if finding.needed else " (not needed for the lite course)"
            lines.append(f"{'':<8} {'':<22} do: {finding.fix}{only_full}")
    failed = sum(finding.needed and not finding.ok for finding in findings)
    lines.append(f"{failed} to mend before the lite course runs" if failed else "the lite course can run")
    return "\n".join(lines)


def _system() -> list[Finding]:
    here = machine()
    return [
        Finding("trustlib", True, True, f"{trustlib.__version__} on Python {platform.python_version()}"),
        Finding("device", True, True, f"{here['device']}, {here['threads']} threads"),
        _memory(),
        _disk(),
    ]


def _memory() -> Finding:
    try:
        import psutil
    except ImportError:
        return Finding("memory", True, False, "unknown: psutil is not installed")
    free = psutil.virtual_memory().available
    found = f"{free / 1e9:.1f} GB free"
    return Finding(
        "memory", free >= NEEDED_MEMORY, True, found, "close other programs: a lesson takes up to 3 GB"
    )


def _disk() -> Finding:
    folder = assets.cache_folder()
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(existing).free
    fix = "free 2 GB, or set TRUSTLIB_CACHE to a folder on a larger disk"
    return Finding("disk", free >= NEEDED_DISK, True, f"{free / 1e9:.1f} GB free for {_short(folder)}", fix)


def _package(name: str) -> Finding:
    fix = "pip install 'trustlib[course]'"
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, False, True, "not installed", fix)
    if name in IMPORTED:
        try:
            importlib.import_module(name)
        except Exception as error:  # a torchvision of another build raises RuntimeError, not ImportError
            problem = " ".join(str(error).split())
            fix = "install torch and torchvision of the same release and build (requirements.txt has a pair)"
            return Finding(name, False, True, f"{version}, does not import: {problem}", fix)
    return Finding(name, True, True, version)


def _assets() -> list[Finding]:
    try:
        statuses = assets.status()
    except AssetError as error:
        return [Finding("data and weights", False, True, str(error), "install trustlib again")]
    findings = []
    for status in statuses:
        if status.path is None:
            found = "not found"
        elif status.ok:
            found = f"sha256 {status.sha256[:12]}…  {_short(status.path)}"
        else:
            found = f"other bytes than the published file's at {_short(status.path)}"
        findings.append(Finding(status.name, status.ok, status.name in NEEDED_ASSETS, found, status.fix))
    return findings


def _short(path: Path) -> str:
    home = str(Path.home())
    return str(path).replace(home, "~", 1) if str(path).startswith(home + os.sep) else str(path)

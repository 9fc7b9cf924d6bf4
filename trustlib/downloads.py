"""Bring published files over the network: one file over HTTP, or a snapshot of a repository on the hub.

What is interrupted is kept and taken up where it stopped, by the next try or by the next call. A file gets
its name only when its size and its sha256 are right. The hub's own library does the same for its files, and
keeps them in its own cache.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import trustlib
from trustlib import atomic, progress
from trustlib.errors import AssetError

CHUNK = 2**18  # bytes
MAY_PASS = (408, 416, 425, 429, 500, 502, 503, 504)  # answers after which asking again may help


def file(
    url: str,
    target: Path,
    *,
    size: int,
    sha256: str,
    show: bool = True,
    timeout: float = 30.0,
    attempts: int = 5,
    pause: float = 1.0,
) -> None:
    """Download one file, or what is still missing of it; nothing where it lies there whole.

    Args:
        url: where it is published, http or https.
        target: becomes the file; until then its bytes lie beside it in `NAME.partial`.
        size: in bytes.
        sha256: as 64 hexadecimal digits.
        show: draw a bar of bytes.
        timeout: seconds without a single byte after which a connection is given up.
        attempts: tries in a row that bring nothing new before the whole is given up.
        pause: seconds before the second try; doubled with each further one.
    Raises: AssetError when the file is not there, is not the expected one, stops coming, or has no room.
    """
    if _size(target) == size and _digest(target) == sha256:
        return
    part = target.with_name(f"{target.name}.partial")
    target.parent.mkdir(parents=True, exist_ok=True)
    while True:
        began_with = _size(part)
        _room(target.parent, size - began_with)
        with progress.bar(
            total=size, description=f"fetch {target.name}", unit="B", unit_scale=True, show=show
        ) as bar:
            _all_bytes(url, part, size, timeout, attempts, pause, bar)
        got = _digest(part)
        if got == sha256:
            break
        part.unlink()
        if began_with == 0:
            raise AssetError(f"expected {target.name} with sha256 {sha256}, got {got} from {url}")
        # What lay here from an earlier call belonged to other bytes: once more, from the start.
    with atomic.file(target) as temporary:
        os.replace(part, temporary)


def snapshot(
    repository: str,
    revision: str,
    files: Sequence[str],
    cache: Path,
    *,
    kind: str = "model",
    large: Sequence[tuple[str, int, str]] = (),
    again: bool = False,
    show: bool = True,
) -> None:
    """Bring files of one commit of a repository into the hub's cache, where its libraries find them offline.

    The hub's own library does it, but for one thing: it throws away what it has of a file when it is
    interrupted. So the large files are downloaded here, under the very names that it would give them.

    Args:
        repository: its name on the hub.
        revision: a commit, 40 hexadecimal digits.
        files: their names in the repository.
        cache: the hub's cache folder.
        kind: "model" or "dataset".
        large: name, size in bytes and sha256 of those among `files` that the hub stores by their sha256.
        again: something among what is there is damaged: keep only what has the right sha256.
        show: draw bars.
    Raises: AssetError, with the library's first words where they are its words.
    """
    try:
        import huggingface_hub
        from huggingface_hub import constants, utils
    except ImportError as error:
        raise AssetError(
            "expected the package huggingface_hub, got none: run pip install 'trustlib[models]' first"
        ) from error
    if constants.HF_HUB_OFFLINE:
        raise AssetError("expected to reach the hub, got HF_HUB_OFFLINE=1: set it to 0 for this one command")
    folder = cache / f"{kind}s--{repository.replace('/', '--')}"
    if again:
        _forget(folder, revision, files, large)
    for name, size, sha256 in large:
        url = huggingface_hub.hf_hub_url(repository, name, repo_type=kind, revision=revision)
        if not (folder / "blobs" / sha256).exists():
            file(url, folder / "blobs" / sha256, size=size, sha256=sha256, show=show)
    quiet = not show or os.environ.get("TRUSTLIB_PROGRESS") == "0"
    (utils.disable_progress_bars if quiet else utils.enable_progress_bars)()
    try:
        huggingface_hub.snapshot_download(
            repository, repo_type=kind, revision=revision, allow_patterns=list(files), cache_dir=cache
        )
    except Exception as error:  # which errors there are differs between the library's versions
        words = " ".join(str(error).split())[:300] or type(error).__name__
        raise AssetError(f"expected {repository} from the hub, got: {words}") from error
    # For a commit that was asked for by its number the library notes no branch; without one, nothing that
    # asks for the repository by its name finds it offline.
    branch = folder / "refs" / "main"
    if not branch.exists():
        with atomic.file(branch) as temporary:
            temporary.write_text(revision, encoding="utf-8")


def _forget(folder: Path, revision: str, files: Sequence[str], large: Sequence[tuple[str, int, str]]) -> None:
    """Delete a snapshot's files with what they point to; of the large ones only those that are damaged."""
    whole = {sha256 for _, _, sha256 in large if _digest(folder / "blobs" / sha256) == sha256}
    for name in files:
        path = folder / "snapshots" / revision / name
        stored = path.resolve()
        if stored.name not in whole:
            stored.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
    for _, _, sha256 in large:
        if sha256 not in whole:
            (folder / "blobs" / sha256).unlink(missing_ok=True)


def _all_bytes(url, part: Path, size: int, timeout: float, attempts: int, pause: float, bar) -> None:
    most = _size(part)
    in_vain = 0
    while _size(part) < size:
        problem: Exception | str = "the connection was closed"
        try:
            _more_bytes(url, part, size, timeout, bar)
        except HTTPError as error:
            if error.code not in MAY_PASS:
                raise AssetError(f"expected {url}, got: {error.code} {error.reason}") from error
            if error.code == 416:  # the server has no bytes after those that are here
                part.unlink(missing_ok=True)
            problem = f"{error.code} {error.reason}"
        except (URLError, OSError, HTTPException) as error:
            problem = getattr(error, "reason", None) or error
        in_vain = 0 if _size(part) > most else in_vain + 1
        most = max(most, _size(part))
        if _size(part) < size:
            if in_vain >= attempts:
                raise AssetError(
                    f"expected {size:,} bytes from {url}, got {_size(part):,} and then: {problem} "
                    f"({attempts} tries); what came is kept"
                )
            time.sleep(min(pause * 2 ** max(0, in_vain - 1), 30.0))


def _more_bytes(url: str, part: Path, size: int, timeout: float, bar) -> None:
    """One connection: append what it brings to the part, or begin anew where it does not start there."""
    have = _size(part)
    headers = {"User-Agent": f"trustlib/{trustlib.__version__}", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with urlopen(Request(url, headers=headers), timeout=timeout) as answer:
        goes_on = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(
            f"bytes {have}-"
        )
        have = have if goes_on else 0
        length = answer.headers.get("Content-Length")
        if length is not None and have + int(length) != size:
            raise AssetError(f"expected {size:,} bytes at {url}, got {have + int(length):,}: another file")
        bar.n = have
        bar.refresh()
        with open(part, "ab" if goes_on else "wb") as written:
            while chunk := answer.read1(
                CHUNK
            ):  # what is there: `read` would lose it when the rest stays away
                have += len(chunk)
                if have > size:
                    written.truncate(0)
                    raise AssetError(f"expected {size:,} bytes at {url}, got more: another file")
                written.write(chunk)
                bar.update(len(chunk))


def _room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise AssetError(f"expected {needed / 1e6:,.0f} MB free in {folder}, got {free / 1e6:,.0f} MB")


def _digest(path: Path) -> str | None:
    if not path.exists():
        return None
    with open(path, "rb") as stored:
        return hashlib.file_digest(stored, "sha256").hexdigest()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0

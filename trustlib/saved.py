"""classifier.json, the file that makes a folder of weights a saved classifier, and keeps it from changing.

It holds the kind, the settings and the class names, the names of the other files, and one sha256 over all
of it. Safetensors have no checksum of their own: without this one, a flipped bit would be a weight.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from trustlib import assets, atomic, processes
from trustlib.errors import ModelError

NAME = "classifier.json"


def write(folder: str | Path, files: Callable[[Path], None], settings: dict) -> None:
    """Make a folder of what `files` writes into the folder it is given, and seal it. Never half written.

    Of several processes the main one writes, and all wait for it.
    """

    def whole() -> None:
        with atomic.folder(folder) as temporary:
            files(temporary)
            seal(temporary, settings)

    processes.from_main(whole)


def seal(folder: Path, settings: dict) -> None:
    """Write classifier.json beside the files that lie in the folder."""
    files = sorted(path.name for path in folder.iterdir() if path.is_file())
    about = {**settings, "files": files}
    about["sha256"] = _digest(folder, about)
    (folder / NAME).write_text(json.dumps(about, indent=1), encoding="utf-8")


def read(folder: str | Path, kind: str) -> dict:
    """The settings that `seal` wrote.

    Args:
        kind: "image" or "text".
    Raises: ModelError when the folder holds no classifier of that kind, or one that was changed since.
    """
    folder = Path(folder)
    try:
        about = json.loads((folder / NAME).read_text(encoding="utf-8"))
        stored, stored_kind = about.pop("sha256"), about["kind"]
        now = _digest(folder, about)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"expected a saved {kind} classifier in {folder}, got a folder without a whole {NAME} and "
            "the files that it names: save the classifier again"
        ) from error
    if now != stored:
        raise ModelError(
            f"expected {folder} as save wrote it, got a changed file or setting: save the classifier again"
        )
    if stored_kind != kind:
        raise ModelError(
            f"expected a saved {kind} classifier in {folder}, got a saved {stored_kind} one: "
            "load it with the other class"
        )
    return about


def _digest(folder: Path, about: dict) -> str:
    """sha256 over the settings and the bytes of all files named in them; a missing file raises OSError."""
    lines = [assets.digest(folder / name) for name in about["files"]]
    return hashlib.sha256("\n".join([json.dumps(about, sort_keys=True), *lines]).encode()).hexdigest()

"""Write a file or a folder whole, or not at all: a temporary beside it, fsync, rename.

A reader never sees half a file, even when the writer is killed or the machine loses power.
"""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def file(path: str | Path) -> Iterator[Path]:
    """Write to the yielded temporary path; on success it becomes `path`, on failure it is removed.

    The temporary lies in the same folder and keeps the suffix, since some writers add a missing one.
    Missing parent folders are made.

    Raises: FileNotFoundError when the block wrote nothing; whatever the block raises.
    """
    path = Path(path)
    temporary = _beside(path)
    try:
        yield temporary
        if not temporary.is_file():
            raise FileNotFoundError(
                f"expected the block to write {path.name}, got no file; write to the temporary path it gets"
            )
        _sync_file(temporary)
        os.replace(temporary, path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def folder(path: str | Path) -> Iterator[Path]:
    """Fill the yielded temporary folder; on success it becomes `path`, on failure it is removed.

    An existing folder is replaced: it is moved aside, the new one takes its name, the old one is deleted.
    No file system swaps two folders in one portable step, so a kill in between can leave no folder at
    `path`; it never leaves a mixture of both.

    Raises: NotADirectoryError when `path` is a file; whatever the block raises.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(f"expected a folder at {path}, got a file; remove it or choose another name")
    temporary, old = _beside(path), _beside(path)
    temporary.mkdir()
    try:
        yield temporary
        for entry in sorted(temporary.rglob("*")):
            if entry.is_file():
                _sync_file(entry)
            elif entry.is_dir():
                _sync_folder(entry)
        _sync_folder(temporary)
        if path.exists():
            path.rename(old)
        try:
            temporary.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise
        _sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _beside(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.stem}-{uuid.uuid4().hex[:12]}{path.suffix}")


def _sync_file(path: Path) -> None:
    with open(path, "rb+") as handle:  # Windows refuses fsync on a handle opened for reading
        os.fsync(handle.fileno())


def _sync_folder(path: Path) -> None:
    if os.name == "nt":  # Windows has no handle for a folder
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

import os
import signal
import subprocess
import sys

import pytest

from trustlib import atomic


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_whole_and_leaves_nothing_beside_it(tmp_path):
    target = tmp_path / "new" / "weights.bin"
    with atomic.file(target) as temporary:
        temporary.write_bytes(b"abc")
        assert not target.exists()
        assert temporary.suffix == ".bin"
        assert temporary.parent == target.parent
    assert target.read_bytes() == b"abc"
    assert names(target.parent) == ["weights.bin"]


def test_a_failure_keeps_the_old_file_and_removes_the_temporary(tmp_path):
    target = tmp_path / "result.json"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="stop"), atomic.file(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("stop")
    assert target.read_text() == "old"
    assert names(tmp_path) == ["result.json"]


def test_a_block_that_writes_no_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected the block to write result.json, got no file"):
        with atomic.file(tmp_path / "result.json"):
            pass


def test_a_folder_replaces_the_old_one_completely(tmp_path):
    target = tmp_path / "model"
    target.mkdir()
    (target / "stale.txt").write_text("old")
    with atomic.folder(target) as temporary:
        (temporary / "parts").mkdir()
        (temporary / "parts" / "weights.bin").write_bytes(b"abc")
        assert names(target) == ["stale.txt"]
    assert names(target) == ["parts"]
    assert (target / "parts" / "weights.bin").read_bytes() == b"abc"
    assert names(tmp_path) == ["model"]


def test_a_failure_keeps_the_old_folder(tmp_path):
    target = tmp_path / "model"
    target.mkdir()
    (target / "kept.txt").write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic.folder(target) as temporary:
        (temporary / "half.txt").write_text("half")
        raise KeyboardInterrupt
    assert names(target) == ["kept.txt"]
    assert names(tmp_path) == ["model"]


def test_a_folder_never_replaces_a_file(tmp_path):
    target = tmp_path / "model"
    target.write_text("a file")
    with pytest.raises(NotADirectoryError, match="expected a folder at"), atomic.folder(target):
        pass
    assert target.read_text() == "a file"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_killed_writer_leaves_the_old_file(tmp_path):
    target = tmp_path / "result.json"
    target.write_text("old")
    program = (
        "import os, signal, sys\n"
        "from trustlib import atomic\n"
        "with atomic.file(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(target)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert target.read_text() == "old"

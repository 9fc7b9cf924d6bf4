"""Downloads: cut off, cut short, changed, gone, slow; what arrives is whole, or one sentence says why."""

import hashlib
import shutil
import signal
import subprocess
import sys
import time

import pytest
from web import Site

from trustlib import downloads
from trustlib.errors import AssetError

DATA = bytes(i * i % 251 for i in range(100_000))
SHA256 = hashlib.sha256(DATA).hexdigest()
QUICK = {"size": len(DATA), "sha256": SHA256, "timeout": 5.0, "pause": 0.0}


@pytest.fixture
def site():
    with Site({"/a.bin": DATA}) as site:
        yield site


@pytest.fixture
def target(tmp_path):
    return tmp_path / "new" / "a.bin"


def part(target):
    return target.with_name("a.bin.partial")


def test_a_file_arrives_whole_and_leaves_nothing_beside_it(site, target):
    downloads.file(site.url("/a.bin"), target, **QUICK)
    assert target.read_bytes() == DATA
    assert list(target.parent.iterdir()) == [target]
    assert site.asked == [("GET", "/a.bin", None)]


def test_a_connection_that_closes_early_is_taken_up_where_it_stopped(site, target):
    site.cuts["/a.bin"] = [30_000, 20_000]
    downloads.file(site.url("/a.bin"), target, **QUICK)
    assert target.read_bytes() == DATA
    assert [wanted for _, _, wanted in site.asked] == [None, "bytes=30000-", "bytes=50000-"]


def test_the_next_call_goes_on_with_what_the_last_one_left(site, target):
    site.cuts["/a.bin"] = [30_000, 0, 0]
    with pytest.raises(
        AssetError, match=r"expected 100,000 bytes from .*, got 30,000 and then: .*closed.*kept"
    ):
        downloads.file(site.url("/a.bin"), target, attempts=2, **QUICK)
    assert part(target).read_bytes() == DATA[:30_000] and not target.exists()
    site.cuts.clear()
    downloads.file(site.url("/a.bin"), target, **QUICK)
    assert target.read_bytes() == DATA
    assert site.asked[-1] == ("GET", "/a.bin", "bytes=30000-")


def test_a_killed_process_costs_only_what_had_not_arrived(site, target):
    site.drip = 0.02  # two seconds for the whole
    code = (
        "import sys; from pathlib import Path; from trustlib import downloads;"
        "downloads.CHUNK = 1000;"
        f"downloads.file({site.url('/a.bin')!r}, Path({str(target)!r}), size={len(DATA)}, sha256={SHA256!r})"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    ends = time.monotonic() + 30
    while (part(target).stat().st_size if part(target).exists() else 0) < 8_000:
        assert time.monotonic() < ends and process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept, site.drip = part(target).stat().st_size, 0.0
    assert 8_000 <= kept < len(DATA) and not target.exists()
    downloads.file(site.url("/a.bin"), target, **QUICK)
    assert target.read_bytes() == DATA and site.asked[-1][2] == f"bytes={kept}-"


def test_a_server_that_gives_no_parts_is_asked_for_all_again(site, target):
    site.ranges, site.cuts["/a.bin"] = False, [30_000]
    downloads.file(site.url("/a.bin"), target, **QUICK)
    assert target.read_bytes() == DATA


def test_a_server_that_gives_no_parts_and_always_stops_is_given_up(site, target):
    site.ranges, site.cuts["/a.bin"] = False, [30_000] * 9
    with pytest.raises(AssetError, match="got 30,000 and then"):
        downloads.file(site.url("/a.bin"), target, attempts=3, **QUICK)
    assert len(site.asked) == 4  # one that brought something new, and three that did not


@pytest.mark.parametrize("length", [99_999, 100_001])
def test_a_file_of_another_length_is_refused_before_it_is_downloaded(site, target, length):
    site.files["/a.bin"] = bytes(length)
    with pytest.raises(AssetError, match=f"expected 100,000 bytes at .*, got {length:,}: another file"):
        downloads.file(site.url("/a.bin"), target, **QUICK)
    assert not target.exists() and not part(target).exists()


def test_other_bytes_of_the_same_length_are_refused_and_not_kept(site, target):
    site.files["/a.bin"] = DATA[:-1] + b"!"
    with pytest.raises(AssetError, match=f"expected a.bin with sha256 {SHA256}, got .* from http"):
        downloads.file(site.url("/a.bin"), target, **QUICK)
    assert not target.exists() and not part(target).exists()


@pytest.mark.parametrize("left", [b"x" * 30_000, b"x" * 100_000, b"x" * 100_001])
def test_what_was_left_of_another_file_is_thrown_away_and_all_fetched(site, target, left):
    target.parent.mkdir()
    part(target).write_bytes(left)
    downloads.file(site.url("/a.bin"), target, **QUICK)
    assert target.read_bytes() == DATA and site.asked[-1][2] is None


def test_a_whole_file_that_only_lacked_its_name_is_not_downloaded_again(site, target):
    target.parent.mkdir()
    part(target).write_bytes(DATA)
    downloads.file(site.url("/a.bin"), target, **QUICK)
    assert target.read_bytes() == DATA and site.asked == []


def test_a_file_that_lies_there_whole_is_not_downloaded_again(site, target):
    downloads.file(site.url("/a.bin"), target, **QUICK)
    downloads.file(site.url("/a.bin"), target, **QUICK)
    assert len(site.asked) == 1


def test_a_file_that_is_gone_is_asked_for_once(site, target):
    with pytest.raises(AssetError, match="expected http.*/b.bin, got: 404 Not Found"):
        downloads.file(site.url("/b.bin"), target, **QUICK)
    assert len(site.asked) == 1 and not target.exists()


def test_a_server_that_is_busy_for_a_while_is_asked_again(site, target):
    site.statuses["/a.bin"] = [503, 429]
    downloads.file(site.url("/a.bin"), target, **QUICK)
    assert target.read_bytes() == DATA and len(site.asked) == 3


def test_a_server_that_stays_busy_is_given_up(site, target):
    site.statuses["/a.bin"] = [503] * 9
    with pytest.raises(AssetError, match=r"got 0 and then: 503 Service Unavailable \(3 tries\)"):
        downloads.file(site.url("/a.bin"), target, attempts=3, **QUICK)
    assert len(site.asked) == 3


def test_silence_is_a_broken_connection(site, target):
    site.cuts["/a.bin"], site.stall = [30_000], 60.0
    began = time.monotonic()
    downloads.file(site.url("/a.bin"), target, **QUICK | {"timeout": 1.0})
    assert target.read_bytes() == DATA and time.monotonic() - began < 50
    assert site.asked[-1][2] == "bytes=30000-"  # what had come before the silence was not lost


def test_a_slow_server_is_waited_for_as_long_as_bytes_come(site, target):
    site.drip = 0.04  # four seconds for the whole, in steps far below the limit
    began = time.monotonic()
    downloads.file(site.url("/a.bin"), target, **QUICK | {"timeout": 3.0})
    assert target.read_bytes() == DATA and time.monotonic() - began > 3.5
    assert len(site.asked) == 1


def test_nobody_there_is_one_sentence(target):
    with Site({}) as gone:
        url = gone.url("/a.bin")
    with pytest.raises(AssetError, match=r"got 0 and then: .*refused.* \(2 tries\)"):
        downloads.file(url, target, attempts=2, **QUICK)


def test_a_redirection_keeps_the_place_where_the_download_stopped(site, target):
    site.redirects["/moved.bin"] = "/a.bin"
    site.cuts["/a.bin"] = [30_000]
    downloads.file(site.url("/moved.bin"), target, **QUICK)
    assert target.read_bytes() == DATA and site.asked[-1] == ("GET", "/a.bin", "bytes=30000-")


def test_a_full_disk_is_told_before_anything_is_asked(site, target, monkeypatch):
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 9))
    with pytest.raises(AssetError, match="expected 0 MB free in .*new, got 0 MB"):
        downloads.file(site.url("/a.bin"), target, **QUICK)
    assert site.asked == []


@pytest.mark.parametrize(
    ("show", "setting", "speaks"), [(True, "1", True), (False, "1", False), (True, "0", False)]
)
def test_a_bar_counts_bytes_where_progress_is_wanted(
    site, target, monkeypatch, capsys, show, setting, speaks
):
    monkeypatch.setenv("TRUSTLIB_PROGRESS", setting)
    downloads.file(site.url("/a.bin"), target, show=show, **QUICK)
    assert ("fetch a.bin" in capsys.readouterr().err) == speaks

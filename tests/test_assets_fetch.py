"""`trustlib fetch` brings published files to where torch and the hub keep them, from a local server."""

import hashlib
import json
import os
import re
import subprocess
import sys

import pytest
from web import COMMIT, Site, hub

from trustlib import assets, cli, downloads
from trustlib.errors import AssetError

WEIGHTS = bytes(i * 7 % 256 for i in range(50_000))
CONFIG = b'{"model_type": "none"}'


def entry(name, data, **changes):
    base = {"name": name, "what": f"the {name}", "source": "this test", "licence": "none", "citation": []}
    base |= {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "package": None, "hub": None}
    base |= {"path": f"{name}.bin", "files": [], "fetch": None, "fix": f"trustlib fetch {name}"}
    return base | {"profile": "full"} | changes


def hub_entry(files, *, large=(), kind="model", repository="org/tiny"):
    lines = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items()))
    prefix = "" if kind == "model" else f"{kind}s/"
    return entry(
        "tiny",
        b"".join(files.values()),
        sha256=hashlib.sha256(lines.encode()).hexdigest(),
        hub="huggingface",
        path=f"{kind}s--{repository.replace('/', '--')}/snapshots/{COMMIT}",
        files=sorted(files),
        fetch=f"hf://{prefix}{repository}@{COMMIT}",
        large=[[name, len(files[name]), hashlib.sha256(files[name]).hexdigest()] for name in large],
    )


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Empty caches of every kind, and a manifest of our own; retries do not wait."""
    (tmp_path / "data").mkdir()
    monkeypatch.setattr(assets, "data_folder", lambda: tmp_path / "data")
    monkeypatch.setattr(downloads.time, "sleep", lambda seconds: None)
    monkeypatch.delenv("TRUSTLIB_ASSETS", raising=False)
    for name in ("TRUSTLIB_CACHE", "TORCH_HOME", "HF_HUB_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / name))

    def write(*entries):
        (tmp_path / "data" / "manifest.json").write_text(json.dumps({"assets": list(entries)}))
        return tmp_path

    return write


# One file over HTTP.


def test_weights_go_where_torch_keeps_its_own(place):
    with Site({"/w.pth": WEIGHTS}) as site:
        root = place(entry("w", WEIGHTS, hub="torch", path="checkpoints/w.pth", fetch=site.url("/w.pth")))
        (status,) = assets.fetch(["w"])
    assert status.ok and status.path == root / "TORCH_HOME" / "hub" / "checkpoints" / "w.pth"
    assert assets.find("w").read_bytes() == WEIGHTS  # the server is gone: nothing but the disk is asked


def test_other_files_go_into_the_user_s_cache_and_a_second_fetch_asks_nobody(place):
    with Site({"/d.bin": WEIGHTS}) as site:
        root = place(entry("d", WEIGHTS, path="d.bin", fetch=site.url("/d.bin")))
        for _ in range(2):
            (status,) = assets.fetch(["d"])
        assert status.path == root / "TRUSTLIB_CACHE" / "assets" / "d.bin" and len(site.asked) == 1


def test_a_damaged_file_is_replaced_by_the_one_command(place):
    with Site({"/w.pth": WEIGHTS}) as site:
        root = place(entry("w", WEIGHTS, hub="torch", path="checkpoints/w.pth", fetch=site.url("/w.pth")))
        path = root / "TORCH_HOME" / "hub" / "checkpoints" / "w.pth"
        path.parent.mkdir(parents=True)
        path.write_bytes(WEIGHTS[:-1] + b"!")
        with pytest.raises(AssetError, match="expected w with sha256 .*; delete .*do: trustlib fetch w"):
            assets.find("w")
        assert assets.fetch(["w"])[0].ok


def test_what_is_not_named_is_not_fetched(place):
    with Site({"/d.bin": WEIGHTS}) as site:
        place(entry("d", WEIGHTS, path="d.bin", fetch=site.url("/d.bin")))
        assert assets.fetch() == [] and site.asked == []


@pytest.mark.parametrize("trouble", ["gone", "stops", "another", "longer"])
def test_every_trouble_is_one_sentence_that_ends_in_the_command(place, capsys, trouble):
    served = {"gone": {}, "another": {"/d.bin": WEIGHTS[::-1]}, "longer": {"/d.bin": WEIGHTS + b"!"}}
    with Site(served.get(trouble, {"/d.bin": WEIGHTS})) as site:
        if trouble == "stops":
            site.cuts["/d.bin"] = [10_000] + [0] * 9
        place(entry("d", WEIGHTS, path="d.bin", fetch=site.url("/d.bin")))
        assert cli.main(["fetch", "d"]) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    assert said.err.startswith("trustlib: expected ")
    assert "; do: trustlib fetch d (or put d.bin into a folder, and name it in TRUSTLIB_ASSETS)" in said.err


def test_the_command_line_goes_on_after_an_interruption(place, capsys):
    with Site({"/d.bin": WEIGHTS}) as site:
        site.cuts["/d.bin"] = [10_000] + [0] * 5
        place(entry("d", WEIGHTS, path="d.bin", fetch=site.url("/d.bin")))
        assert cli.main(["fetch", "d"]) == 1
        assert cli.main(["fetch", "d"]) == 0
        assert site.asked[-1] == ("GET", "/d.bin", "bytes=10000-")
    assert capsys.readouterr().out.startswith("ok       d ")


# Files of the hub. Its library reads its settings when it is imported, so each test has its own process.


def fetched(root, site, *, offline="0", code=""):
    program = (
        "import sys; from pathlib import Path; from trustlib import assets, cli;"
        f"assets.data_folder = lambda: Path({str(root / 'data')!r});"
    )
    program += code or "sys.exit(cli.main(['fetch', 'tiny']))"
    environment = os.environ | {
        "HF_ENDPOINT": site.url(),
        "HF_HUB_OFFLINE": offline,
        "HF_HUB_DISABLE_XET": "1",
    }
    return subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120
    )


OFFLINE = (
    "import huggingface_hub as hub; print(assets.find('tiny'));"
    "print(hub.snapshot_download('org/tiny', allow_patterns=['*.json', '*.bin']))"
)


def test_a_snapshot_lies_in_the_hub_s_layout_and_is_found_offline_by_its_name(place):
    files = {"config.json": CONFIG, "weights.bin": WEIGHTS}
    with hub("org/tiny", files, large=["weights.bin"]) as site:
        root = place(hub_entry(files, large=["weights.bin"]))
        done = fetched(root, site)
        assert done.returncode == 0 and done.stdout.startswith("ok       tiny "), done.stderr
    folder = root / "HF_HUB_CACHE" / "models--org--tiny"
    assert (folder / "blobs" / hashlib.sha256(WEIGHTS).hexdigest()).read_bytes() == WEIGHTS
    assert (folder / "snapshots" / COMMIT / "weights.bin").resolve().parent == folder / "blobs"
    assert (folder / "refs" / "main").read_text() == COMMIT
    done = fetched(root, site, offline="1", code=OFFLINE)
    assert done.stdout.split() == [str(folder / "snapshots" / COMMIT)] * 2, done.stderr


def test_a_large_file_of_the_hub_goes_on_where_it_stopped(place):
    files = {"config.json": CONFIG, "weights.bin": WEIGHTS}
    path = f"/org/tiny/resolve/{COMMIT}/weights.bin"
    with hub("org/tiny", files, large=["weights.bin"]) as site:
        root = place(hub_entry(files, large=["weights.bin"]))
        partial = (
            root / "HF_HUB_CACHE/models--org--tiny/blobs" / f"{hashlib.sha256(WEIGHTS).hexdigest()}.partial"
        )
        partial.parent.mkdir(parents=True)
        partial.write_bytes(WEIGHTS[:20_000])  # what an interrupted call leaves
        site.cuts[path] = [10_000]
        assert fetched(root, site).returncode == 0
        asked = [wanted for method, where, wanted in site.asked if (method, where) == ("GET", path)]
    assert asked == ["bytes=20000-", "bytes=30000-"]


def test_a_data_set_of_the_hub_is_fetched_the_same_way(place):
    files = {"train.jsonl": b'{"text": "good", "label": 1}\n'}
    with hub("org/tiny", files, kind="dataset") as site:
        root = place(hub_entry(files, kind="dataset"))
        assert fetched(root, site).returncode == 0
    assert (root / "HF_HUB_CACHE/datasets--org--tiny/snapshots" / COMMIT / "train.jsonl").exists()


@pytest.mark.parametrize("damaged", ["config.json", "weights.bin"])
def test_a_damaged_snapshot_is_repaired_and_what_is_right_is_kept(place, damaged):
    files = {"config.json": CONFIG, "weights.bin": WEIGHTS}
    with hub("org/tiny", files, large=["weights.bin"]) as site:
        root = place(hub_entry(files, large=["weights.bin"]))
        assert fetched(root, site).returncode == 0
        path = root / "HF_HUB_CACHE/models--org--tiny/snapshots" / COMMIT / damaged
        path.resolve().write_bytes(b"!" + files[damaged][1:])
        with pytest.raises(AssetError, match="expected tiny with sha256 .*do: trustlib fetch tiny"):
            assets.find("tiny")
        site.asked.clear()
        done = fetched(root, site)
        assert done.returncode == 0 and path.read_bytes() == files[damaged], done.stderr
        again = [
            where for method, where, _ in site.asked if method == "GET" and where.endswith("weights.bin")
        ]
    assert len(again) == (damaged == "weights.bin")


def test_a_link_that_leads_nowhere_is_a_missing_file_and_is_repaired(place):
    files = {"config.json": CONFIG, "weights.bin": WEIGHTS}
    with hub("org/tiny", files, large=["weights.bin"]) as site:
        root = place(hub_entry(files, large=["weights.bin"]))
        assert fetched(root, site).returncode == 0
        path = root / "HF_HUB_CACHE/models--org--tiny/snapshots" / COMMIT / "weights.bin"
        path.resolve().unlink()
        with pytest.raises(AssetError, match="expected weights.bin of tiny at .*do: trustlib fetch tiny"):
            assets.find("tiny")
        assert not assets.status()[0].ok
        assert fetched(root, site).returncode == 0 and path.read_bytes() == WEIGHTS


def test_a_snapshot_that_lacks_a_file_is_called_incomplete(place):
    files = {"config.json": CONFIG, "weights.bin": WEIGHTS}
    root = place(hub_entry(files))
    folder = root / "HF_HUB_CACHE/models--org--tiny/snapshots" / COMMIT
    folder.mkdir(parents=True)
    (folder / "config.json").write_bytes(CONFIG)
    with pytest.raises(
        AssetError, match="expected weights.bin of tiny at .*incomplete; do: trustlib fetch tiny"
    ):
        assets.find("tiny")


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("offline", "HF_HUB_OFFLINE=1: set it to 0 for this one command; do: trustlib fetch tiny"),
        ("gone", "expected org/tiny from the hub, got: .*; do: trustlib fetch tiny"),
        ("another", "expected .* with sha256 .*; do: trustlib fetch tiny"),
    ],
)
def test_trouble_with_the_hub_is_one_sentence_too(place, trouble, words):
    files = {"config.json": CONFIG, "weights.bin": WEIGHTS}
    large = ["weights.bin"] if trouble == "another" else []
    with hub("org/tiny", files, large=large) as site:
        root = place(hub_entry(files, large=large))
        if trouble == "gone":
            site.files.clear()
        if trouble == "another":
            site.files[f"/org/tiny/resolve/{COMMIT}/weights.bin"] = WEIGHTS[::-1]
        done = fetched(root, site, offline=str(int(trouble == "offline")))
    said = done.stderr.splitlines()[-1]
    assert done.returncode == 1 and said.startswith("trustlib: expected")
    assert re.search(words, said), done.stderr

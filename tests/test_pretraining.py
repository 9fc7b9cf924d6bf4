"""Pretraining on three invented classes: the forms of the data, the recipe, restarts, and the checkpoint."""

import dataclasses
import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

import torchvision  # noqa: E402
from safetensors import safe_open  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from trustlib import crops, errors, pretraining, student, tiny_imagenet  # noqa: E402
from trustlib.pretraining import Recipe  # noqa: E402

CLASSES = ("n01", "n02", "n03")
SMALL = Recipe(
    samples=24, batch=4, sizes=((32, 1.0),), bf16=False, learning_rate=0.1, averaging=20, warm_up=0.1
)


def picture(label, seed):
    """A noisy square in the colour of its class, encoded."""
    pixels = np.random.default_rng([label, seed]).integers(0, 120, (64, 64, 3), dtype=np.uint8)
    pixels[..., label] += 120
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def published_files():
    """The published layout: path -> bytes, four training and two validation pictures a class."""
    files, lines = {"wnids.txt": b"n01\n"}, []
    for label, wordnet_id in enumerate(CLASSES):
        for i in range(4):
            files[f"train/{wordnet_id}/images/{wordnet_id}_{i}.JPEG"] = picture(label, i)
        files[f"train/{wordnet_id}/{wordnet_id}_boxes.txt"] = b"not a picture"
        for i in (4, 5):
            files[f"val/images/val_{label}{i}.JPEG"] = picture(label, i)
            lines.append(f"val_{label}{i}.JPEG\t{wordnet_id}\t0\t0\t62\t62")
    return files | {"val/val_annotations.txt": "\n".join(lines).encode()}


def make_folder(root):
    for name, content in published_files().items():
        path = root / "tiny-imagenet-200" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root / "tiny-imagenet-200"


def make_zip(root):
    with zipfile.ZipFile(root / "tiny-imagenet-200.zip", "w") as archive:
        archive.writestr("tiny-imagenet-200/", b"")
        for name, content in published_files().items():
            archive.writestr(f"tiny-imagenet-200/{name}", content)
    return root / "tiny-imagenet-200.zip"


def make_shards(root):
    # The same names as in the published folder, in an order that sorting has to undo.
    for shard, numbers in (("train-0", (2, 3)), ("train-1", (0, 1)), ("val", (4, 5))):
        with zipfile.ZipFile(root / f"{shard}.zip", "w") as archive:
            for label, wordnet_id in reversed(list(enumerate(CLASSES))):
                for i in numbers:
                    name = f"val_{label}{i}" if shard == "val" else f"{wordnet_id}_{i}"
                    archive.writestr(f"{wordnet_id}/{name}.JPEG", picture(label, i))
    return root


@pytest.fixture(autouse=True)
def no_large_files_left(tmp_path):
    yield
    for path in tmp_path.rglob("*.safetensors"):  # 300 MB each, and pytest keeps three runs
        path.unlink()


@pytest.fixture
def shards(tmp_path):
    folder = tmp_path / "shards"
    folder.mkdir()
    return make_shards(folder)


def soft_targets(path, pictures, **arrays):
    np.savez(path, names=np.array(pictures.names), made="by hand", **arrays)
    return path


def weights(path):
    return {name: tensor.float() for name, tensor in load_file(path).items()}


# ── the pictures ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("make", [make_folder, make_zip, make_shards])
def test_each_form_of_the_data_gives_the_same_pictures(tmp_path, make):
    source = tmp_path / "data"
    source.mkdir()
    train, val = tiny_imagenet.load(make(source), tmp_path / "cache")
    assert train.classes == val.classes == CLASSES
    assert train.names[:2] == ("n01/n01_0.JPEG", "n01/n01_1.JPEG") and len(train.names) == 12
    assert train.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert val.labels.tolist() == [0, 0, 1, 1, 2, 2]
    expected = np.asarray(Image.open(io.BytesIO(picture(1, 2))))
    assert np.array_equal(train.pixels[train.names.index("n02/n02_2.JPEG")], expected)


@pytest.mark.parametrize("make", [make_folder, make_zip])
def test_a_folder_that_holds_the_published_form_is_found(tmp_path, make):
    make(tmp_path)
    train, val = tiny_imagenet.find_pictures(tmp_path)
    assert len(train) == 12 and len(val) == 6


def test_pictures_are_decoded_once(tmp_path, shards, monkeypatch):
    first, _ = tiny_imagenet.load(shards, tmp_path / "cache")
    monkeypatch.setattr(tiny_imagenet, "_pixels", lambda *_: pytest.fail("decoded again"))
    second, _ = tiny_imagenet.load(shards, tmp_path / "cache")
    assert np.array_equal(first.pixels, second.pixels)


def test_a_decoding_that_was_cut_short_is_repeated(tmp_path, shards):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "train.npy").write_bytes(b"half")  # its list of names comes after it
    cut, _ = tiny_imagenet.load(shards, tmp_path / "cache")
    whole, _ = tiny_imagenet.load(shards, tmp_path / "other")
    assert np.array_equal(cut.pixels, whole.pixels)


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(errors.DataError, match="expected Tiny ImageNet .* got 0 training pictures"):
        tiny_imagenet.find_pictures(tmp_path)


def test_a_validation_class_unknown_in_training_is_refused(shards):
    with zipfile.ZipFile(shards / "val.zip", "a") as archive:
        archive.writestr("n99/n99_0.JPEG", picture(0, 0))
    with pytest.raises(errors.DataError, match="expected Tiny ImageNet"):
        tiny_imagenet.find_pictures(shards)


@pytest.mark.parametrize("content, match", [(b"broken", "expected a picture at n01/x"), (None, "64 by 64")])
def test_a_broken_or_large_picture_is_named(tmp_path, shards, content, match):
    if content is None:
        out = io.BytesIO()
        Image.new("RGB", (80, 60)).save(out, "PNG")
        content = out.getvalue()
    with zipfile.ZipFile(shards / "train-0.zip", "a") as archive:
        archive.writestr("n01/x.JPEG", content)
    with pytest.raises(errors.DataError, match=match):
        tiny_imagenet.load(shards, tmp_path / "cache")


def test_soft_targets_follow_the_names_and_mark_what_they_lack(tmp_path, shards):
    train, _ = tiny_imagenet.load(shards, tmp_path / "cache")
    names = np.array(train.names[::-1][:-1])  # other order, and the first picture missing
    features = np.arange(11, dtype=np.float16)[:, None]
    np.savez(tmp_path / "t.npz", names=names, features=features)
    soft = tiny_imagenet.read_soft_targets(tmp_path / "t.npz", train)
    assert soft.known.tolist() == [False] + [True] * 11
    assert soft.features[1:, 0].tolist() == list(range(10, -1, -1))
    assert soft.probs is None and soft.features.dtype == np.float16


@pytest.mark.parametrize(
    "arrays", [{"probs": np.ones((12, 4))}, {}, {"features": np.ones((5, 2))}, {"features": np.ones(12)}]
)
def test_soft_targets_of_another_shape_are_refused(tmp_path, shards, arrays):
    train, _ = tiny_imagenet.load(shards, tmp_path / "cache")
    path = soft_targets(tmp_path / "t.npz", train, **arrays)
    with pytest.raises(errors.DataError, match=r"expected names .* probs \(m, 3\)"):
        tiny_imagenet.read_soft_targets(path, train)


def test_soft_targets_of_other_pictures_are_refused(tmp_path, shards):
    train, _ = tiny_imagenet.load(shards, tmp_path / "cache")
    np.savez(tmp_path / "t.npz", names=np.array(["a", "b"]), features=np.ones((2, 2)))
    with pytest.raises(errors.DataError, match="got 0 known names"):
        tiny_imagenet.read_soft_targets(tmp_path / "t.npz", train)


# ── crops ─────────────────────────────────────────────────────────────────────────────────────────


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_whole_pictures_have_imagenet_mean_and_deviation():
    mean = torch.tensor(crops.MEAN) * 255
    pixels = mean.round().to(torch.uint8).expand(2, 8, 8, 3)
    assert crops.whole(pixels).abs().max() < 0.02
    assert crops.whole(torch.full((1, 2, 2, 3), 255, dtype=torch.uint8))[0, 0, 0, 0] == pytest.approx(
        (1 - 0.485) / 0.229
    )


def test_crops_have_the_size_asked_for_and_repeat_with_their_seed():
    pixels = torch.randint(0, 255, (5, 64, 64, 3), dtype=torch.uint8, generator=generator())
    a, b = (crops.augment(pixels, size=48, smallest=0.35, generator=generator(1)) for _ in range(2))
    assert a.shape == (5, 3, 48, 48) and torch.equal(a, b)
    assert not torch.equal(a, crops.augment(pixels, size=48, smallest=0.35, generator=generator(2)))


def test_crops_keep_at_least_the_share_of_the_area_asked_for():
    # Brightness is a ramp from left to right, so the span of a crop is its width.
    ramp = torch.arange(64, dtype=torch.uint8).mul(2).view(1, 1, 64, 1).expand(400, 64, 64, 3)
    images = crops.augment(ramp, size=32, smallest=0.5, generator=generator())
    raw = images * torch.tensor(crops.DEVIATION).view(3, 1, 1) + torch.tensor(crops.MEAN).view(3, 1, 1)
    left, right = raw[:, 0, :, 0].mean(1), raw[:, 0, :, -1].mean(1)
    width = (right - left).abs() * 255 / 126  # times brightness and contrast, 0.7 to 1.3 each
    assert width.min() > 0.6 * 0.7**2 and width.max() < 1.3**2
    assert 0.4 < (right < left).float().mean() < 0.6  # half are flipped
    vertical = (raw[:, 0, 0] - raw[:, 0, -1]).abs().max()
    assert vertical < 1e-4


def test_one_picture_in_ten_is_grey():
    pixels = torch.randint(0, 255, (2000, 4, 4, 3), dtype=torch.uint8, generator=generator())
    images = crops.augment(pixels, size=4, smallest=1.0, generator=generator())
    raw = images * torch.tensor(crops.DEVIATION).view(3, 1, 1) + torch.tensor(crops.MEAN).view(3, 1, 1)
    assert (raw.std(1).amax((1, 2)) < 1e-5).float().mean() == pytest.approx(0.1, abs=0.03)


def test_mixing_adds_up_to_the_share_that_it_says():
    # Picture i is filled with i, and so is its target: what is mixed must agree with what is said.
    images = torch.arange(6.0).view(6, 1, 1, 1).expand(6, 3, 16, 16)
    kinds = set()
    for seed in range(20):
        mixed, partner, own = crops.mix(images, generator(seed))
        expected = own * torch.arange(6.0) + (1 - own) * partner
        torch.testing.assert_close(mixed.mean((1, 2, 3)), expected)
        kinds.add(torch.equal(mixed, mixed.round()))  # cutmix keeps whole numbers, mixup does not
    assert kinds == {True, False}


# ── the recipe ────────────────────────────────────────────────────────────────────────────────────


def test_picture_sizes_change_at_their_share_of_the_budget():
    recipe = Recipe(samples=100, sizes=((48, 0.7), (64, 1.0)))
    assert [recipe.size(seen) for seen in (0, 69, 70, 99, 100)] == [48, 48, 64, 64, 64]


def test_the_rate_grows_with_the_batch():
    rates = [Recipe(batch=batch).rate(500_000) for batch in (256, 1024)]
    assert rates == [0.5, 2.0]


def test_each_epoch_holds_every_picture_once_in_its_own_order():
    rows = np.concatenate([pretraining.batch_rows(seen, 4, 10, 0) for seen in range(0, 20, 4)])
    assert sorted(rows[:10]) == sorted(rows[10:]) == list(range(10))
    assert rows[:10].tolist() != rows[10:].tolist()


def test_a_kill_at_any_point_leads_to_the_same_weights(tmp_path, shards, monkeypatch):
    whole = pretraining.pretrain(
        shards, out=tmp_path / "a.safetensors", work=tmp_path / "a", recipe=SMALL, device="cpu"
    )
    real, calls = pretraining.step, []

    def killed(*args):
        calls.append(1)
        if len(calls) == 4:  # between two saves: the last step is lost
            raise KeyboardInterrupt
        return real(*args)

    told = {"out": tmp_path / "b.safetensors", "work": tmp_path / "b", "recipe": SMALL, "device": "cpu"}
    monkeypatch.setattr(pretraining, "step", killed)
    with pytest.raises(KeyboardInterrupt):
        pretraining.pretrain(shards, save_every=8, **told)
    assert student.read_header(tmp_path / "b" / "state.safetensors")["seen"] == 8
    again = pretraining.pretrain(shards, save_every=8, **told)
    assert whole.seen == again.seen == 24
    for name, tensor in whole.student.state_dict().items():
        assert torch.equal(tensor, again.student.state_dict()[name]), name
    a, b = weights(tmp_path / "a.safetensors"), weights(tmp_path / "b.safetensors")
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_finished_run_does_no_more(tmp_path, shards, monkeypatch):
    told = {"out": tmp_path / "o.safetensors", "work": tmp_path / "w", "recipe": SMALL, "device": "cpu"}
    pretraining.pretrain(shards, **told)
    monkeypatch.setattr(pretraining, "step", lambda *_: pytest.fail("trained on"))
    assert pretraining.pretrain(shards, **told).seen == 24


def test_finishing_leaves_the_unfinished_state_alone(tmp_path, shards):
    told = {"out": tmp_path / "o.safetensors", "work": tmp_path / "w", "device": "cpu"}
    pretraining.pretrain(shards, recipe=dataclasses.replace(SMALL, samples=8), **told)
    before = (tmp_path / "w" / "state.safetensors").read_bytes()
    ended = pretraining.pretrain(shards, recipe=dataclasses.replace(SMALL, samples=99), finish=8, **told)
    assert ended.seen == 16 and ended.recipes[-1]["from"] == 8
    assert (tmp_path / "w" / "state.safetensors").read_bytes() == before
    assert student.read_header(tmp_path / "w" / "finish.safetensors")["seen"] == 16
    longer = pretraining.pretrain(shards, recipe=dataclasses.replace(SMALL, samples=99), finish=12, **told)
    assert longer.seen == 20 and [r["from"] for r in longer.recipes] == [0, 8, 16]  # went on, not back
    last = Recipe(**{k: v for k, v in ended.recipes[-1].items() if k != "from"})
    assert last.rate(8) == pytest.approx(0.1 * 4 / 256) and last.rate(16) == 0


def test_there_must_be_a_run_to_finish(tmp_path, shards):
    with pytest.raises(errors.DataError, match="expected a run to finish"):
        pretraining.pretrain(shards, out=tmp_path / "o", work=tmp_path / "w", finish=8, device="cpu")


def test_the_checkpoint_fits_torchvision_and_says_how_it_was_made(tmp_path, shards):
    path = tmp_path / "o.safetensors"
    pretraining.pretrain(shards, out=path, work=tmp_path / "w", recipe=SMALL, device="cpu")
    torchvision.models.resnet50(num_classes=3).load_state_dict(load_file(path), strict=True)
    assert load_file(path)["conv1.weight"].dtype == torch.float16
    with safe_open(path, "pt") as file:
        told = {key: json.loads(value) for key, value in file.metadata().items() if key != "format"}
    assert told["classes"] == list(CLASSES) and told["samples"] == 24
    assert told["recipes"][0]["label_smoothing"] == 0.1 and told["recipes"][0]["from"] == 0
    assert told["validation"]["pictures"] == 6
    assert str(tmp_path) not in json.dumps(told)


def test_two_hundred_classes_fit_torchvision_too(tmp_path):
    run = student.begin(200, None, device=torch.device("cpu"))
    student.export(run, tmp_path / "o.safetensors")
    torchvision.models.resnet50(num_classes=200).load_state_dict(load_file(tmp_path / "o.safetensors"))


def test_training_begins_from_given_weights(tmp_path):
    run = student.begin(3, None, device=torch.device("cpu"), seed=5)
    student.export(run, tmp_path / "o.safetensors")
    same = student.begin(3, None, device=torch.device("cpu"), init=tmp_path / "o.safetensors")
    for name, tensor in run.student.state_dict().items():
        torch.testing.assert_close(same.student.state_dict()[name], tensor, atol=1e-3, rtol=1e-3)
    other = student.begin(4, None, device=torch.device("cpu"), init=tmp_path / "o.safetensors")
    assert other.student.network.fc.out_features == 4
    torch.testing.assert_close(
        other.student.network.conv1.weight, run.student.network.conv1.weight, atol=1e-3, rtol=1e-3
    )


def test_a_random_block_starts_as_the_identity():
    net = student.begin(3, None, device=torch.device("cpu")).student.network
    assert net.layer1[1].bn3.weight.abs().max() == 0


def test_top_one_and_top_five_count_what_they_say():
    class Says(torch.nn.Module):
        """Class logits 9, 8, … 0 for every picture: top-1 is class 0, top-5 the classes 0 to 4."""

        def __init__(self):
            super().__init__()
            self.logits = torch.nn.Parameter(torch.arange(9.0, -1.0, -1.0))

        def forward(self, images):
            return self.logits.expand(len(images), 10)

    labels = np.array([0, 0, 4, 5])
    pictures = tiny_imagenet.Pictures(np.zeros((4, 64, 64, 3), np.uint8), labels, ("",) * 4, ("",) * 10)
    assert pretraining.evaluate(Says(), pictures, bf16=False) == (0.5, 0.75)
    assert pretraining.evaluate(Says(), pictures, limit=1, bf16=False)[1] in (0.0, 1.0)


def test_the_average_moves_by_one_minus_what_it_keeps():
    run = student.begin(3, None, device=torch.device("cpu"))
    with torch.no_grad():
        run.average.fc.bias.zero_()
        run.student.network.fc.bias.fill_(1.0)
    student.follow(run, 0.75, steps=1000)
    torch.testing.assert_close(run.average.fc.bias, torch.full((3,), 0.25))
    student.follow(run, 0.999, steps=1)  # young: keeps 2 / 11 only
    torch.testing.assert_close(run.average.fc.bias, torch.full((3,), 1 - 0.75 * 2 / 11))


# ── the teacher ───────────────────────────────────────────────────────────────────────────────────


def train_with(tmp_path, shards, name, **changes):
    told = {"out": tmp_path / f"{name}.safetensors", "work": tmp_path / name, "device": "cpu"}
    path = changes.pop("soft_targets", None)
    return pretraining.pretrain(
        shards, recipe=dataclasses.replace(SMALL, samples=8, **changes), soft_targets=path, **told
    )


def test_the_targets_mix_label_and_teacher():
    soft = tiny_imagenet.SoftTargets(np.array([True, False]), np.array([[0.2, 0.8], [0.5, 0.5]]), None, "")
    recipe = Recipe(label_smoothing=0.2, teacher_share=0.5)
    targets, _, known = pretraining._targets(recipe, torch.tensor([0, 0]), soft, n_classes=2)
    # Smoothed: (0.9, 0.1); half of it and half of (0.2, 0.8); the second picture keeps its label.
    torch.testing.assert_close(targets, torch.tensor([[0.55, 0.45], [0.9, 0.1]]))
    assert known.tolist() == [1.0, 0.0]


def test_a_teacher_that_is_given_no_share_changes_nothing(tmp_path, shards):
    train, _ = tiny_imagenet.load(shards, tmp_path / "cache")
    path = soft_targets(tmp_path / "t.npz", train, probs=np.full((12, 3), 1 / 3, np.float16))
    plain = train_with(tmp_path, shards, "plain")
    silent = train_with(tmp_path, shards, "silent", soft_targets=path, teacher_share=0.0)
    heard = train_with(tmp_path, shards, "heard", soft_targets=path, teacher_share=1.0)
    weight = "conv1.weight"
    a, b, c = (run.student.network.state_dict()[weight] for run in (plain, silent, heard))
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_features_of_a_teacher_shape_the_network_and_leave_no_trace_in_the_file(tmp_path, shards):
    train, _ = tiny_imagenet.load(shards, tmp_path / "cache")
    features = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float16)
    path = soft_targets(tmp_path / "t.npz", train, features=features)
    plain = train_with(tmp_path, shards, "plain")
    taught = train_with(tmp_path, shards, "taught", soft_targets=path)
    assert taught.student.projection.out_features == 5
    assert not torch.equal(plain.student.network.conv1.weight, taught.student.network.conv1.weight)
    saved = load_file(tmp_path / "taught.safetensors")
    torchvision.models.resnet50(num_classes=3).load_state_dict(saved, strict=True)
    with safe_open(tmp_path / "taught.safetensors", "pt") as file:
        assert json.loads(file.metadata()["teacher"]) == "by hand"


def test_mixed_batches_train_with_a_teacher(tmp_path, shards):
    train, _ = tiny_imagenet.load(shards, tmp_path / "cache")
    path = soft_targets(
        tmp_path / "t.npz", train, features=np.ones((12, 2)), probs=np.full((12, 3), 1 / 3, np.float16)
    )
    mixed = train_with(tmp_path, shards, "mixed", soft_targets=path, mix=1.0)
    plain = train_with(tmp_path, shards, "plain", soft_targets=path)
    assert not torch.equal(mixed.student.network.conv1.weight, plain.student.network.conv1.weight)


def test_a_loss_that_is_not_finite_stops_the_run_before_its_state_is_written(tmp_path, shards, monkeypatch):
    def diverged(run, recipe, pixels, *_):
        run.seen += len(pixels)
        return torch.tensor(float("nan"))

    monkeypatch.setattr(pretraining, "step", diverged)
    with pytest.raises(errors.ModelError, match="expected a finite loss"):
        pretraining.pretrain(
            shards, out=tmp_path / "o", work=tmp_path / "w", recipe=SMALL, device="cpu", save_every=4
        )
    assert not (tmp_path / "w" / "state.safetensors").exists()


# ── the command ───────────────────────────────────────────────────────────────────────────────────


def test_the_command_turns_options_into_a_recipe(tmp_path, shards, monkeypatch):
    seen = {}
    monkeypatch.setattr(pretraining, "pretrain", lambda **told: seen.update(told))
    arguments = ["--data", str(shards), "--samples", "8", "--sizes", "32:0.5", "64:1", "--no-bf16"]
    assert pretraining.main(arguments + ["--learning-rate", "0.2", "--finish", "4"]) == 0
    assert seen["recipe"] == Recipe(samples=8, sizes=((32, 0.5), (64, 1.0)), bf16=False, learning_rate=0.2)
    assert seen["data"] == str(shards) and seen["finish"] == 4 and seen["compiled"] is False


def test_the_command_needs_data(capsys):
    with pytest.raises(SystemExit):
        pretraining.main([])
    assert "--data" in capsys.readouterr().err


@pytest.mark.slow
def test_training_learns_the_three_colours(tmp_path, shards):
    recipe = dataclasses.replace(SMALL, samples=720, learning_rate=1.0)
    run = pretraining.pretrain(shards, out=tmp_path / "o", work=tmp_path / "w", recipe=recipe, device="cpu")
    assert run.history[-1]["top1"] >= 2 / 3  # chance is a third

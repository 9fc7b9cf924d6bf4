"""Weights in and out of files: nothing lost, no code run, no other network's weights taken."""

import pickle
import re

import pytest
import tiny
import torch
from safetensors.torch import save_file
from torch import nn

from trustlib import assets, parts, weights
from trustlib.errors import ModelError


def test_what_is_written_is_read_back_bit_for_bit(tmp_path):
    model = tiny.network().to(memory_format=torch.channels_last)
    model.blocks[0][1].num_batches_tracked += 7
    weights.write(model, tmp_path / "a.safetensors")
    state = weights.read(tmp_path / "a.safetensors")
    assert state.keys() == model.state_dict().keys()
    assert state["blocks.0.1.num_batches_tracked"] == 7
    fresh = tiny.network(seed=1)
    weights.load(fresh, state, source="a.safetensors")
    assert tiny.changed(tiny.state(model), fresh) == set()


def test_weights_that_share_memory_are_written_once_for_each_name(tmp_path):
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    weights.write(model, tmp_path / "tied.safetensors")
    state = weights.read(tmp_path / "tied.safetensors")
    assert torch.equal(state["0.weight"], state["1.weight"])


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_float32_and_nothing_else_changes_its_type(tmp_path, half):
    values = torch.tensor([0.5, -3.0])
    tensors = {"half": values.to(half), "double": torch.tensor([1 / 3], dtype=torch.float64)}
    save_file(tensors | {"count": torch.tensor([3])}, tmp_path / "a.safetensors")
    state = weights.read(tmp_path / "a.safetensors")
    assert state["half"].dtype == torch.float32 and torch.equal(state["half"], values)
    assert state["double"].dtype == torch.float64 and torch.equal(state["double"], tensors["double"])
    assert state["count"].dtype == torch.int64


class Trap:
    """Leaves a file behind when its pickle is opened."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (self.path.write_text, ("opened",))


@pytest.mark.parametrize("name", ["a.pth", "a.pt", "a.bin", "a.pkl", "a.ckpt"])
def test_a_pickle_is_refused_unopened(tmp_path, name):
    (tmp_path / name).write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(ModelError, match=f"expected a safetensors file, got {name}, a pickle that may run"):
        weights.read(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_a_pickle_under_another_name_is_refused_unopened(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(ModelError, match="expected readable weights in a.safetensors"):
        weights.read(tmp_path / "a.safetensors")
    assert not (tmp_path / "sprung").exists()


def test_a_published_pth_is_opened_as_tensors_only(tmp_path):
    tensors = {"fc.weight": torch.rand(2, 3)}
    torch.save(tensors, tmp_path / "a.pth")
    assert torch.equal(weights.read(tmp_path / "a.pth", published=True)["fc.weight"], tensors["fc.weight"])
    torch.save({"fc.weight": Trap(tmp_path / "sprung")}, tmp_path / "b.pth")
    with pytest.raises(pickle.UnpicklingError):
        weights.read(tmp_path / "b.pth", published=True)
    assert not (tmp_path / "sprung").exists()


def test_a_truncated_or_missing_file_is_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    weights.write(tiny.network(), path)
    whole = path.read_bytes()
    for length in (0, 4, 100, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError, match="expected readable weights in a.safetensors.*again"):
            weights.read(path)
    with pytest.raises(ModelError, match="expected readable weights in b.safetensors"):
        weights.read(tmp_path / "b.safetensors")


def test_loading_gives_the_head_as_many_classes_as_the_file_has():
    model = tiny.network(k=2)
    weights.load(model, tiny.network(k=5, seed=3).state_dict(), source="a file")
    assert tiny.changed(tiny.state(tiny.network(k=5, seed=3)), model) == set()


def test_another_network_s_weights_are_refused_in_one_short_sentence():
    other = nn.Sequential(*(nn.Linear(2, 2) for _ in range(100)))
    with pytest.raises(ModelError) as refused:
        weights.load(tiny.network(), other.state_dict(), source="other.safetensors")
    message = str(refused.value)
    assert re.match("expected the weights of a Network in other.safetensors, got: Missing key", message)
    assert message.endswith("choose the network that they were saved from")
    assert len(message) < 400 and "\n" not in message


def test_weights_of_another_shape_are_refused():
    with pytest.raises(ModelError, match="size mismatch for stem.weight"):
        weights.load(tiny.Network(width=6), tiny.Network(width=8).state_dict(), source="wide")


def test_a_digest_is_that_of_the_values_not_of_their_place_in_memory():
    model = tiny.network()
    digest = weights.digest(model)
    assert digest == weights.digest(tiny.network())
    assert digest == weights.digest(tiny.network().to(memory_format=torch.channels_last))
    assert digest != weights.digest(tiny.network(seed=1))


@pytest.mark.parametrize("name", ["fc.bias", "blocks.1.1.running_mean", "blocks.0.1.num_batches_tracked"])
def test_a_digest_changes_with_any_one_value(name):
    model = tiny.network()
    before = weights.digest(model)
    tensor = model.state_dict()[name].view(-1)
    tensor[0] = tensor[0] + 1
    assert weights.digest(model) != before


def test_a_digest_tells_types_and_shapes_apart_and_takes_bfloat16():
    zeros = torch.zeros(4, dtype=torch.float32)
    kinds = [zeros, zeros.view(2, 2), zeros.int(), zeros.bfloat16(), torch.zeros(8, dtype=torch.bfloat16)]
    assert len({weights.digest_of({"a": kind}) for kind in kinds}) == len(kinds)
    assert weights.digest_of({"a": torch.tensor(1.0)}) != weights.digest_of({"a": torch.tensor(2.0)})


def test_the_embedded_checkpoint_is_read_as_float32_and_fits_a_resnet50():
    from torchvision.models import resnet50

    state = weights.read(assets.find("resnet50-tinyimagenet"))
    model = resnet50(num_classes=2)
    weights.load(model, state, source="the embedded checkpoint")
    assert model.fc.out_features == 200
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert {t.dtype for t in state.values()} == {torch.float32, torch.int64}
    assert parts.head(model)[1].weight.std() > 0

"""Head, last block, all: which layers they are in many networks, and that the rest stands still."""

import pytest
import tiny
import torch
import torchvision.models
from torch import nn

from trustlib import parts
from trustlib.errors import ModelError

# Name of the head, and of the first layer of the last block, as their authors' papers draw them.
PICTURE_NETWORKS = {
    "resnet18": ("fc", "layer4"),
    "resnext50_32x4d": ("fc", "layer4"),
    "mobilenet_v3_small": ("classifier.3", "features.12"),
    "efficientnet_b0": ("classifier.1", "features.8"),
    "convnext_tiny": ("classifier.2", "features.7"),
    "densenet121": ("classifier", "features.denseblock4"),
    "mnasnet0_5": ("classifier.1", "layers.14"),
    "vgg11_bn": ("classifier.6", "features.25"),
    "vit_b_16": ("heads.head", "encoder.layers.encoder_layer_11"),
    "swin_t": ("head", "features.7"),
    "maxvit_t": ("classifier.5", "blocks.3"),
}
TEXT_NETWORKS = {
    tiny.bert: ("bert.pooler", "bert.encoder.layer.1"),
    tiny.roberta: ("classifier", "roberta.encoder.layer.1"),
    tiny.distilbert: ("pre_classifier", "distilbert.transformer.layer.1"),
}


def outline(name):
    """A torchvision network without memory for its weights."""
    with torch.device("meta"):
        return torchvision.models.get_model(name, weights=None)


@pytest.mark.parametrize("name", PICTURE_NETWORKS)
def test_head_and_last_block_of_picture_networks(name):
    model = outline(name)
    head, last_block = PICTURE_NETWORKS[name]
    assert parts.head(model)[0] == head
    assert parts.start(model, "head") == head
    assert parts.start(model, "last_block") == last_block


@pytest.mark.parametrize("make", TEXT_NETWORKS, ids=lambda make: make.__name__)
def test_the_head_of_a_text_network_is_all_that_follows_its_encoder(make):
    head, last_block = TEXT_NETWORKS[make]
    model = make()
    assert (parts.start(model, "head"), parts.start(model, "last_block")) == (head, last_block)
    encoder = model.base_model_prefix
    inside = [name for name in parts.trainable(model, "head") if name.startswith(f"{encoder}.")]
    assert inside == (["bert.pooler.dense.weight", "bert.pooler.dense.bias"] if encoder == "bert" else [])


@pytest.mark.parametrize("name", PICTURE_NETWORKS)
def test_each_choice_holds_the_one_before_it(name):
    model = outline(name)
    head, last_block, everything = (parts.trainable(model, choice) for choice in parts.CHOICES)
    assert 0 < len(head) < len(last_block) < len(everything)
    assert everything[-len(last_block) :] == last_block
    assert last_block[-len(head) :] == head
    assert everything == [name for name, _ in model.named_parameters()]


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_a_branch_inside_a_repeated_block_is_not_taken_for_the_last_block(name):
    with torch.device("meta"):
        model = torchvision.models.get_model(name, weights=None, init_weights=False)
    with pytest.raises(ModelError, match="expected a network built from stacked blocks, got .*head.*all"):
        parts.start(model, "last_block")


def test_a_network_without_linear_layer_is_refused():
    with pytest.raises(ModelError, match="got SqueezeNet without one: add a torch.nn.Linear"):
        parts.head(outline("squeezenet1_1"))


def test_an_unknown_choice_is_refused():
    with pytest.raises(ValueError, match="expected train to be one of head, last_block, all, got 'body'"):
        parts.start(tiny.network(), "body")


def test_replacing_the_head_changes_nothing_else():
    model = torchvision.models.mobilenet_v3_small(weights=None, num_classes=7)
    before = tiny.state(model)
    parts.replace_head(model, 3)
    assert model.classifier[3].weight.shape == (3, 1024) and model.classifier[3].bias.shape == (3,)
    others = {name: tensor for name, tensor in model.state_dict().items() if "classifier.3" not in name}
    assert all(torch.equal(tensor, before[name]) for name, tensor in others.items())


def test_a_fresh_head_depends_on_its_seed_only_and_leaves_torch_s_own_chance_alone():
    torch.manual_seed(1)
    models = [tiny.network() for _ in range(3)]
    chance = torch.get_rng_state()
    for model, seed in zip(models, (5, 5, 6), strict=True):
        parts.replace_head(model, 4, seed=seed)
    assert torch.equal(torch.get_rng_state(), chance)
    assert torch.equal(models[0].fc.weight, models[1].fc.weight)
    assert not torch.equal(models[0].fc.weight, models[2].fc.weight)


def test_a_fresh_head_has_a_bias_only_where_the_old_one_had_and_keeps_its_type():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False)).double()
    parts.replace_head(model, 3)
    assert model[1].bias is None and model[1].weight.dtype == torch.float64


def test_restarting_a_layer_forgets_what_it_had_learned():
    layer = nn.Linear(200, 300)
    nn.init.constant_(layer.weight, 7.0)
    parts.restart(layer, std=0.02, seed=3)
    assert not layer.bias.any()
    assert abs(layer.weight.std().item() - 0.02) < 0.001 and abs(layer.weight.mean().item()) < 0.001
    again = nn.Linear(200, 300)
    parts.restart(again, std=0.02, seed=3)
    assert torch.equal(layer.weight, again.weight)


@pytest.mark.parametrize("train", parts.CHOICES)
def test_freezing_lets_gradients_reach_the_named_part_only(train):
    model = tiny.network()
    returned = parts.freeze(model, train)
    model(torch.rand(4, 3, 12, 12)).sum().backward()
    reached = [name for name, parameter in model.named_parameters() if parameter.grad is not None]
    assert reached == parts.trainable(model, train)
    assert [id(p) for p in returned] == [id(p) for _, p in model.named_parameters() if p.grad is not None]


def test_freezing_anew_undoes_an_earlier_freeze():
    model = tiny.network()
    parts.freeze(model, "head")
    assert len(parts.freeze(model, "all")) == len(list(model.parameters()))


@pytest.mark.parametrize(
    ("train", "moving"),
    [("head", set()), ("last_block", {"blocks.1.1"}), ("all", {"blocks.0.1", "blocks.1.1"})],
)
def test_only_the_trainable_part_s_batch_norm_statistics_move(train, moving):
    model = tiny.network()
    parts.train_mode(model, train)
    before = tiny.state(model)
    with torch.no_grad():
        model(torch.rand(4, 3, 12, 12))
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    assert tiny.changed(before, model) == {f"{norm}.{name}" for norm in moving for name in statistics}


@pytest.mark.parametrize("train", parts.CHOICES)
def test_only_the_trainable_part_drops_anything_out(train):
    model = tiny.bert()
    parts.train_mode(model, train)
    dropping = {
        name for name, layer in model.named_modules() if isinstance(layer, nn.Dropout) and layer.training
    }
    expected = {
        "head": {"dropout"},
        "last_block": {
            "dropout",
            *(
                f"bert.encoder.layer.1.{at}.dropout"
                for at in ("attention.self", "attention.output", "output")
            ),
        },
        "all": {name for name, layer in model.named_modules() if isinstance(layer, nn.Dropout)},
    }
    assert dropping == expected[train]


@pytest.mark.parametrize("name, width", [("resnet18", 256), ("resnet50", 1024), ("resnext50_32x4d", 1024)])
def test_a_shortened_resnet_reads_its_third_stage(name, width):
    torch.manual_seed(0)
    model = torchvision.models.get_model(name, weights=None, num_classes=3).eval()
    seen = []
    model.layer3.register_forward_hook(lambda layer, inputs, output: seen.append(output))
    parts.shorten(model, 3)
    logits = model(torch.rand(2, 3, 64, 64))
    assert model.fc.in_features == width
    torch.testing.assert_close(logits, model.fc(seen[0].mean((2, 3))))
    assert parts.stages(model) == ["layer1", "layer2", "layer3"]
    assert parts.start(model, "last_block") == "layer3"
    assert not any(name.startswith("layer4") for name in model.state_dict())


def test_a_whole_resnet_keeps_its_head():
    model = torchvision.models.resnet18(num_classes=3)
    head = model.fc
    parts.shorten(model, 4)
    assert model.fc is head


@pytest.mark.parametrize(
    "make, kept, message",
    [
        (torchvision.models.resnet18, 0, "1 to 4 stages for this ResNet, got 0"),
        (torchvision.models.resnet18, 5, "1 to 4 stages for this ResNet, got 5"),
        (torchvision.models.mobilenet_v3_small, 3, "expected a ResNet.*MobileNetV3"),
    ],
)
def test_stages_that_are_not_there_cannot_be_kept(make, kept, message):
    with pytest.raises(ValueError, match=message):
        parts.shorten(make(), kept)

"""Pictures prepared as torchvision's published weights expect: the middle of a resized picture."""

import numpy as np
import pytest
import torch

from trustlib.classifiers import ImageClassifier


@pytest.mark.parametrize("shape", [(300, 300), (240, 333), (333, 240), (224, 224), (32, 32), (100, 57)])
def test_pictures_are_prepared_as_the_published_weights_expect(shape):
    # torchvision's own preset, on the same numbers: resize, crop, mean and deviation.
    from torchvision.models import ResNet50_Weights, resnet50

    preset = ResNet50_Weights.IMAGENET1K_V2.transforms()
    assert (preset.resize_size, preset.crop_size) == ([232], [224])
    picture = np.random.default_rng(0).random((*shape, 3)).astype(np.float32)
    c = ImageClassifier(resnet50(num_classes=2), ("no", "yes"), size=224, resize=232)
    ours = (c.encode([picture])[0] - torch.tensor(c.mean)[:, None, None]) / torch.tensor(c.std)[:, None, None]
    theirs = preset(torch.from_numpy(picture).permute(2, 0, 1))
    assert ours.shape == theirs.shape == (3, 224, 224)
    assert torch.allclose(ours, theirs, atol=1e-5)
    # From whole numbers torchvision rounds once more after resizing, which moves a value by half a step.
    whole = np.round(picture * 255).astype(np.uint8)
    rounded = preset(torch.from_numpy(whole).permute(2, 0, 1))
    ours = (c.encode([whole])[0] - torch.tensor(c.mean)[:, None, None]) / torch.tensor(c.std)[:, None, None]
    assert (ours - rounded).abs().max() < 0.6 / 255 / min(c.std)


def test_what_lies_outside_the_middle_has_no_share_in_an_explanation():
    from torch import nn

    from trustlib import explain

    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 20 * 20, 2))
    c = ImageClassifier(model, ("no", "yes"), size=20, resize=30)
    picture = np.random.default_rng(0).integers(0, 256, (30, 30, 3), dtype=np.uint8)
    segments = np.zeros((30, 30), dtype=int)
    segments[5:25, 5:25], segments[5:10, 5:10] = 1, 2  # the frame, what is read, and a corner of that
    found = explain.gradients(c, picture, segments=segments, target=1).gradient_times_input
    assert found.values[0] == 0 and found.values[2] == pytest.approx(
        found.attributions[5:10, 5:10].sum(), rel=1e-4
    )
    assert found.attributions.shape == (30, 30) and not found.attributions[:5].any()
    assert found.values.sum() == pytest.approx(found.attributions.sum(), rel=1e-4)


def test_a_saved_classifier_prepares_pictures_as_before(tmp_path):
    from torchvision.models import resnet18

    c = ImageClassifier(resnet18(num_classes=2), ("no", "yes"), size=32, resize=40, architecture="resnet18")
    c.save(tmp_path / "saved")
    again = ImageClassifier.load(tmp_path / "saved")
    pictures = [np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)]
    assert again.resize == 40 and np.array_equal(again.predict_proba(pictures), c.predict_proba(pictures))
    assert torch.equal(torch.stack(list(c.prepare(pictures))), c.encode(pictures))
    with pytest.raises(ValueError, match="expected resize as a whole number from 32 up, got 31"):
        ImageClassifier(resnet18(), ("no", "yes"), size=32, resize=31)

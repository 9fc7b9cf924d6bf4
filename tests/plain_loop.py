"""The fine-tuning loop that a person writes in PyTorch: every epoch computes the frozen part again.

For the bench that compares it with `finetune`. It has the same starting weights, recipes, optimizer, schedule
and validation; each epoch sees freshly turned and mirrored pictures. `careful` says how much care it got:

    False    as tutorials write it: float32, torch's default memory layout, files opened in every epoch
    True     as `finetune` does it: bfloat16 where the CPU has it, channels-last memory, pictures resized once
             and held in memory. What then differs is the frozen part alone
"""

import time

import numpy as np
import torch
from torch import nn
from torchvision import transforms

from trustlib import classifiers, devices, finetune, parts

TURNED = transforms.Compose(
    [
        transforms.RandomHorizontalFlip(),
        transforms.RandomVerticalFlip(),
        transforms.RandomChoice([nn.Identity(), transforms.Lambda(lambda x: x.rot90(1, (-2, -1)))]),
    ]
)
NORMALISED = transforms.Normalize(classifiers.IMAGENET_MEAN, classifiers.IMAGENET_STD)


class Cells(torch.utils.data.Dataset):
    """Pictures of a split as tensors (3, size, size), with their labels."""

    def __init__(self, split, size, *, turned, held):
        self.split, self.turned = split, turned
        self.prepare = transforms.Compose(
            [transforms.ToPILImage(), transforms.Resize((size, size)), transforms.ToTensor()]
        )
        self.held = [self.prepare(picture) for picture in split.inputs] if held else None

    def __len__(self):
        return len(self.split.labels)

    def __getitem__(self, i):
        picture = self.held[i] if self.held else self.prepare(self.split.inputs[i])
        return NORMALISED(TURNED(picture) if self.turned else picture), int(self.split.labels[i])


def train(classifier, task, recipes, *, careful, seed=0, until=None):
    """Train the classifier's network in place by the recipes, one after the other.

    Args:
        recipes: such as those of the profile, with train, epochs, learning rates, weight decay, batch size.
        until: stop after the first epoch with this validation accuracy.
    Returns: seconds since the start (epochs,), and validation accuracy (epochs,), one after each epoch.
    """
    torch.manual_seed(seed)
    started = time.perf_counter()
    model, layout = classifier.model, torch.channels_last if careful else torch.contiguous_format
    model.to(memory_format=layout)
    bf16 = careful and devices.fast_bfloat16(classifier.device)
    size = classifier.size
    cells = Cells(task.train, size, turned=True, held=careful)
    held_out = Cells(task.validation, size, turned=False, held=careful)
    seconds, accuracies = [], []
    for recipe in recipes:
        batches = torch.utils.data.DataLoader(
            cells, recipe.batch_size, shuffle=True, drop_last=len(cells) % recipe.batch_size == 1
        )
        trained = parts.freeze(model, recipe.train)
        head = set(parts.head(model)[1].parameters())
        optimizer = torch.optim.AdamW(
            [
                {"params": [p for p in trained if p not in head], "lr": recipe.learning_rate},
                {"params": list(head), "lr": recipe.head_learning_rate or recipe.learning_rate},
            ],
            weight_decay=recipe.weight_decay,
        )
        steps = recipe.epochs * len(batches)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, finetune._warm_cosine(0.1, steps))
        for _ in range(recipe.epochs):
            parts.train_mode(model, recipe.train)
            for pictures, labels in batches:
                with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                    logits = model(pictures.to(memory_format=layout))
                loss = nn.functional.cross_entropy(logits.float(), labels)
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(trained, 1.0)
                optimizer.step()
                schedule.step()
            accuracies.append(_accuracy(model, held_out, layout, bf16))
            seconds.append(time.perf_counter() - started)
            if until is not None and accuracies[-1] >= until:
                break
    model.to(memory_format=torch.channels_last).eval()
    return np.array(seconds), np.array(accuracies)


@torch.no_grad()
def _accuracy(model, cells, layout, bf16):
    model.eval()
    right = 0
    for pictures, labels in torch.utils.data.DataLoader(cells, 64):
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = model(pictures.to(memory_format=layout))
        right += int((logits.argmax(1) == labels).sum())
    return right / len(cells)

"""Samples as the trainable part of a network meets them: whole, or as what the frozen part made of them."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from trustlib import frozen, processes, progress
from trustlib.pixels import Lazy

KEPT_BYTES = 3 * 2**30  # features of the frozen part are kept when they fit


def batches(lengths: np.ndarray, batch_size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Every sample once, shuffled; samples of like length together, so that little is padding."""
    order = rng.permutation(len(lengths))
    pool = 50 * batch_size
    pools = [order[at : at + pool] for at in range(0, len(order), pool)]
    order = np.concatenate([part[np.argsort(lengths[part], kind="stable")] for part in pools])
    chosen = [order[at : at + batch_size] for at in range(0, len(order), batch_size)]
    if len(chosen) > 1 and len(chosen[-1]) == 1 < batch_size:  # batch norm cannot learn from one sample
        chosen[-2:] = [np.concatenate(chosen[-2:])]
    return [chosen[i] for i in rng.permutation(len(chosen))]


class Samples:
    """The training and validation samples of one run.

    Args:
        classifier, task, augment, views, epochs, keep_features, seed: as in `finetune`.
        train: where the trainable part begins.
        bf16: whether to compute in bfloat16.

    `cut` is where features are kept, None when every step goes through the whole network; `lengths` (n,)
    are numbers of tokens, or ones for pictures.
    """

    def __init__(self, classifier, task, *, train, augment, views, epochs, keep_features, bf16, seed):
        self.classifier, self.augment, self.views, self.seed = classifier, augment, views, seed
        self.autocast = torch.autocast(classifier.device.type, dtype=torch.bfloat16, enabled=bf16)
        self.prepared = classifier.prepare(task.train.inputs)
        self.validation = classifier.prepare(task.validation.inputs)
        self.validation_labels = torch.as_tensor(np.asarray(task.validation.labels, dtype=np.int64))
        self.lengths = np.array(frozen.lengths(self.prepared))
        self.cut: frozen.Cut | None = None
        if train != "all" and (views < epochs if keep_features is None else keep_features):
            self._keep(train)

    def logits(self, chosen: np.ndarray, epoch: int) -> Tensor:
        """Logits (batch, k) of the chosen training samples as that epoch sees them, with gradients."""
        with self.autocast:
            if self.cut is not None:
                kept = self.kept[epoch % self.views]
                return self.cut.logits([kept[i] for i in chosen]).float()
            return self._through_all([self._view(i, epoch) for i in chosen]).float()

    @torch.no_grad()
    def validate(self, *, batch_size: int = 64) -> tuple[float, float]:
        """Mean cross-entropy and accuracy on the validation split; the network is in evaluation mode."""

        def answered(at: int) -> Tensor:
            chosen = range(at, min(at + batch_size, len(self.validation)))
            if self.cut is not None:
                return self.cut.logits([self.kept_validation[i] for i in chosen]).float().cpu()
            return self._through_all([self.validation[i] for i in chosen]).float().cpu()

        with self.autocast:
            answers = torch.cat(processes.share(answered, range(0, len(self.validation), batch_size)))
        loss = nn.functional.cross_entropy(answers, self.validation_labels).item()
        return loss, (answers.argmax(1) == self.validation_labels).double().mean().item()

    def _keep(self, train: str) -> None:
        """Compute what the frozen part makes of every view, where that is possible and fits."""
        self.classifier.model.eval()
        cut = frozen.find(self.classifier, self.prepared, train)
        if None in processes.gather(cut and train):  # all processes keep features, or none does
            return
        longest = self.prepared[int(self.lengths.argmax())]
        one = frozen.features(self.classifier, [longest], cut)[0]
        n = len(self.prepared) * self.views + len(self.validation)
        if one.numel() * one.element_size() * n > KEPT_BYTES:
            return
        self.cut = cut
        with self.autocast:
            self.kept = [
                self._features(self._views(view), cut)
                for view in progress.bar(range(self.views), description="keep features", unit="view")
            ]
            self.kept_validation = self._features(self.validation, cut)

    def _features(self, prepared: Sequence, cut: frozen.Cut) -> list[Tensor]:
        """What reaches the cut, of every sample; each process computes a part, and all keep all of it."""
        n = processes.count()
        if n == 1:
            return frozen.features(self.classifier, prepared, cut)

        def computed(rows: range) -> list[Tensor]:
            some = Lazy(rows, lambda i, _: prepared[i])
            some = [some[j] for j in range(len(some))] if isinstance(prepared, list) else some
            return [kept.cpu() for kept in frozen.features(self.classifier, some, cut)]

        parts = processes.share(computed, [range(first, len(prepared), n) for first in range(n)])
        return [parts[i % n][i // n].to(self.classifier.device) for i in range(len(prepared))]

    def _through_all(self, samples: list[Tensor]) -> Tensor:
        return self.classifier.forward(self.classifier.collate(samples))

    def _views(self, epoch: int) -> Sequence:
        """All training samples as that epoch sees them. Pictures are made one batch at a time."""
        views = Lazy(range(len(self.prepared)), lambda i, _: self._view(i, epoch))
        return [views[i] for i in range(len(views))] if isinstance(self.prepared, list) else views

    def _view(self, i: int, epoch: int) -> Tensor:
        """Sample i as that epoch sees it; its augmentation depends on nothing else."""
        if self.augment is None:
            return self.prepared[i]
        key = int(np.random.SeedSequence([self.seed, epoch % self.views, i]).generate_state(1)[0])
        return self.augment(self.prepared[i], torch.Generator().manual_seed(key))

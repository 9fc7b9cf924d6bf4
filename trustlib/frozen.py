"""What the frozen part of a network computes is the same in every epoch: compute it once and keep it.

A cut says where the trainable part begins and how to go on from there to the logits. `find` proposes one
for the networks it knows, and tests it: the way over the cut must give the logits of the whole network.
Where it does not, there is no cut, and training simply goes through the whole network.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trustlib import parts


@dataclass(frozen=True)
class Cut:
    """The trainable part: `at` is its first layer, `rest` goes from the input of `at` to the logits.

    `keep` takes what reached the cut for one sample, and the sample's length, and returns what is needed
    of it: all of it, the tokens that are no padding, or the first token.
    """

    at: nn.Module
    rest: Callable[[Tensor, Tensor], Tensor]
    keep: Callable[[Tensor, int], Tensor]

    def logits(self, features: list[Tensor]) -> Tensor:
        """Logits (n, k) from the kept features of n samples, with gradients."""
        lengths = torch.tensor([len(row) for row in features])
        batch = nn.utils.rnn.pad_sequence(features, batch_first=True)
        if batch.ndim == 4:  # pictures: as the convolution kernels read them fastest
            batch = batch.contiguous(memory_format=torch.channels_last)
        mask = torch.arange(batch.shape[1])[None] < lengths[:, None]
        return self.rest(batch, mask.to(batch.device))


class _Reached(Exception):
    """Raised at the cut: what lies behind it need not be computed."""


def find(classifier, prepared: Sequence, train: str) -> Cut | None:
    """The cut where `train` begins, or None when there is none that gives the network's own logits.

    Args:
        classifier: an ImageClassifier or a TextClassifier, in evaluation mode.
        prepared: a few samples from `classifier.prepare`, on which the cut is tested.
        train: "head", "last_block" or "all".
    """
    if train == "all":
        return None
    at = classifier.model.get_submodule(parts.start(classifier.model, train))
    some = [prepared[i] for i in range(min(4, len(prepared)))]
    with torch.no_grad():
        whole = classifier.forward(classifier.collate(some))
        for cut in _proposals(classifier.model, at, train):
            try:
                over_the_cut = cut.logits(features(classifier, some, cut))
            except (TypeError, RuntimeError, AttributeError, ValueError, IndexError):
                continue  # this network's insides differ from what the proposal expects
            if _same(over_the_cut, whole):
                return cut
    return None


def _same(logits: Tensor, others: Tensor) -> bool:
    """Whether two ways give the same logits (n, k), up to rounding.

    Measured by how far the samples lie apart: a fresh head gives all of them nearly the same logits, and
    a wrong way would be close to the right one too.
    """
    if logits.shape != others.shape:
        return False
    apart = (others - others.mean(dim=0)).abs().max()
    return bool((logits - others).abs().max() < 1e-3 * apart)


def features(classifier, prepared: Sequence, cut: Cut, *, batch_size: int = 64) -> list[Tensor]:
    """What reaches the cut, sample by sample: one tensor each, without padding."""
    seen: list[Tensor] = []

    def stop(_, inputs):
        seen.append(inputs[0].detach())
        raise _Reached

    hook = cut.at.register_forward_pre_hook(stop)
    tokens = lengths(prepared)
    # Longest first: what a batch leaves free is then large enough for all that follow.
    order = sorted(range(len(prepared)), key=lambda i: -tokens[i])
    kept: list[Tensor | None] = [None] * len(prepared)
    try:
        with torch.no_grad():
            for at in range(0, len(order), batch_size):
                chosen = order[at : at + batch_size]
                samples = [prepared[i] for i in chosen]
                try:
                    classifier.forward(classifier.collate(samples))
                except _Reached:
                    pass
                for i, sample, row in zip(chosen, samples, seen.pop(), strict=True):
                    kept[i] = cut.keep(row, len(sample)).clone()
    finally:
        hook.remove()
    return kept


def lengths(prepared: Sequence) -> list[int]:
    """Numbers of tokens of prepared texts; ones for pictures, which need not be decoded to say so."""
    return [len(sample) for sample in prepared] if isinstance(prepared, list) else [1] * len(prepared)


def _proposals(model: nn.Module, at: nn.Module, train: str) -> list[Cut]:
    bert = getattr(model, "bert", None)
    if bert is not None and train == "head":
        return [Cut(at, lambda batch, mask: model.classifier(model.dropout(at(batch))), _first_token)]
    if bert is not None:
        return [Cut(at, lambda batch, mask: _from_bert_layer(model, at, batch, mask), _tokens)]
    if train == "head":
        return [
            Cut(at, lambda batch, mask: at(batch), _first_token),
            Cut(at, lambda batch, mask: at(batch), _all),
        ]
    if hasattr(model, "layer4") and hasattr(model, "avgpool") and hasattr(model, "fc"):
        return [Cut(at, lambda batch, mask: model.fc(model.avgpool(at(batch)).flatten(1)), _all)]
    return []


def _from_bert_layer(model: nn.Module, layer: nn.Module, batch: Tensor, mask: Tensor) -> Tensor:
    """Through BERT's last layer to the logits; the mask becomes minus infinity on the padding."""
    shut = torch.zeros_like(mask, dtype=batch.dtype).masked_fill(~mask, torch.finfo(batch.dtype).min)
    output = layer(batch, attention_mask=shut[:, None, None, :])
    states = output[0] if isinstance(output, tuple) else output  # transformers before 5 gave a tuple
    return model.classifier(model.dropout(model.bert.pooler(states)))


def _all(features: Tensor, length: int) -> Tensor:
    return features


def _tokens(features: Tensor, length: int) -> Tensor:
    return features[:length]


def _first_token(features: Tensor, length: int) -> Tensor:
    return features[:1]

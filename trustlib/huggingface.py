"""Networks and tokenizers in the Hugging Face layout, from a folder or by their name on the hub."""

import os
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import nn

from trustlib import parts
from trustlib.errors import ModelError, missing_extra


def library():
    """The transformers package, told to be quiet. Raises: MissingExtra when it is not installed."""
    try:
        import transformers
    except ImportError as error:
        raise missing_extra("transformers", "models") from error
    if os.environ.get("TRUSTLIB_PROGRESS") == "0":
        transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()  # a replaced head is intended, not worth a report
    return transformers


def load(source: str | Path, *, n_classes: int, pretrained: bool = True, seed: int = 0):
    """A sequence classifier in float32 and its tokenizer.

    Args:
        source: a folder, or a name on the hub.
        n_classes: of the head, which is fresh where the file has none of that size.
        pretrained: False takes the network's shape only, and gives it random weights.
        seed: of whatever is random.
    Returns: the network and the tokenizer.
    Raises: ModelError when there is no such network, no safetensors file, or one with gaps.
    """
    transformers = library()
    auto = transformers.AutoModelForSequenceClassification
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if pretrained:
                model, report = auto.from_pretrained(
                    str(source),
                    num_labels=n_classes,
                    ignore_mismatched_sizes=True,
                    use_safetensors=True,
                    output_loading_info=True,
                )
                _refuse_gaps(model, report, source)
            else:
                config = transformers.AutoConfig.from_pretrained(str(source), num_labels=n_classes)
                model = auto.from_config(config)
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(source))
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(
            f"expected a folder or a hub name with a network for texts in safetensors, got '{source}': "
            f"{str(error).splitlines()[0]} Choose another one"
        ) from error
    return model.float(), tokenizer  # published weights may be in half precision, too coarse for training


def reach(model: nn.Module) -> int:
    """How many tokens a network reads at most, marks included; 0 where nothing says so.

    RoBERTa and its kin keep positions up to the padding's number for the padding: 512 of 514 are for texts.
    """
    positions = getattr(model.config, "max_position_embeddings", None) or 0
    kept = [
        layer.padding_idx + 1
        for name, layer in model.named_modules()
        if name.endswith("position_embeddings") and getattr(layer, "padding_idx", None) is not None
    ]
    return max(0, positions - max(kept, default=0))


def _refuse_gaps(model: nn.Module, report: dict, source: str | Path) -> None:
    """Transformers fills gaps in a file with random weights. Only in the head is that meant."""
    gaps = {*report["missing_keys"], *(name for name, *_ in report["mismatched_keys"])}
    gaps &= {name for name, _ in model.named_parameters()}
    gaps -= set(parts.trainable(model, "head"))
    if gaps:
        raise ModelError(
            f"expected the weights of a whole {type(model).__name__} in '{source}', got {len(gaps)} "
            f"missing or of another shape, such as {min(gaps)}: choose another folder or name"
        )

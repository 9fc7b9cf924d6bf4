"""A network, its preprocessing and its class names in one object that answers raw pictures or strings.

    cells = ImageClassifier.resnet50(classes=("functional", "defective"))
    cells.predict_proba(pictures)          # (n, 2), rows sum to 1

Whoever asks for probabilities needs `predict_proba` only. Whoever needs gradients asks for three things
more: `classes`, `encode` (to pixels in [0, 1], or to word embeddings) and `logits_from`. Both classes
take any network of their kind: a torchvision classifier, an AutoModelForSequenceClassification.

Sources: He et al. (2016) for ResNet-50; Devlin et al. (2019) for BERT; Wang et al. (2020) for MiniLM.
"""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from trustlib import assets, atomic
from trustlib.errors import ModelError, missing_extra

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise missing_extra("torch", "models") from error

from trustlib import parts
from trustlib import weights as weight_files

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
PREPARED_BYTES = 2**30  # pictures that fit are resized once and kept; more are resized batch by batch


class Lazy:
    """A sequence that computes its items when they are asked for, and keeps none."""

    def __init__(self, inputs: Sequence, compute: Callable[[Sequence], list]):
        self.inputs, self.compute = inputs, compute

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, i: int):
        return self.compute([self.inputs[int(i)]])[0]


class ImageClassifier:
    """Any image network as a callable on raw pictures.

    Args:
        model: takes (n, 3, size, size), normalised with `mean` and `std`, gives (n, k) logits.
            A head with another number of classes is replaced by a fresh one.
        classes: k names; class i is logit i.
        size: pictures are resized to size × size pixels (bilinear, antialiased).
        mean, std: per channel, in units where a pixel spans [0, 1]; ImageNet's by default.
        architecture: torchvision's name of the network, such as "resnet50". With it `load` rebuilds the
            network; without it `load` must be handed one.
        device: "cuda" where there is one, else "cpu".
        seed: start of a fresh head.

    Pictures are arrays (n, h, w, 3), or any sequence of (h, w, 3), of dtype uint8 or float in [0, 1].
    """

    def __init__(
        self,
        model: nn.Module,
        classes: Sequence[str],
        *,
        size: int = 96,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        architecture: str | None = None,
        device: str | None = None,
        seed: int = 0,
    ):
        self.classes = _classes(classes)
        if parts.head(model)[1].out_features != len(self.classes):
            parts.replace_head(model, len(self.classes), seed=seed)
        self.device = torch.device(device or _device())
        # Channels-last is how the convolution kernels of CPUs and GPUs read pictures fastest.
        self.model = model.to(self.device, memory_format=torch.channels_last).eval()
        self.size, self.architecture = size, architecture
        self.mean, self.std = tuple(mean), tuple(std)

    @classmethod
    def resnet50(
        cls,
        *,
        classes: Sequence[str],
        weights: str = "tiny-imagenet",
        size: int = 96,
        device: str | None = None,
        seed: int = 0,
    ) -> "ImageClassifier":
        """torchvision's ResNet-50 with a fresh head.

        Args:
            weights: "tiny-imagenet" (this project's own, embedded), "imagenet" (torchvision's
                IMAGENET1K_V2) or "random".
            seed: start of the head, and of every weight when `weights` is "random".
        Raises: AssetError when the weights are not on this machine; ValueError for another name.
        """
        from torchvision.models import resnet50

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if weights == "random":
                model = resnet50(num_classes=len(classes))
            elif weights in ("tiny-imagenet", "imagenet"):
                model = resnet50(num_classes=200 if weights == "tiny-imagenet" else 1000)
                path = assets.find(f"resnet50-{weights.replace('-', '')}")
                weight_files.load(model, weight_files.read(path, published=True), source=path.name)
                parts.replace_head(model, len(classes), seed=seed)
            else:
                raise ValueError(f"expected weights 'tiny-imagenet', 'imagenet' or 'random', got {weights!r}")
        return cls(model, classes, size=size, architecture="resnet50", device=device)

    def predict_proba(self, images: Sequence) -> np.ndarray:
        """Class probabilities of raw pictures: (n, k) float64, rows sum to 1."""
        return _softmax(self.logits(images))

    def logits(self, images: Sequence, *, batch_size: int = 64) -> np.ndarray:
        """Logits of raw pictures: (n, k) float64."""
        return _in_batches(
            lambda batch: self.logits_from(self.encode(batch)),
            images,
            batch_size,
            len(self.classes),
            self.model,
        )

    def encode(self, images: Sequence) -> Tensor:
        """Pixels as the network sees them: (n, 3, size, size), float32 in [0, 1], before normalisation.

        Raises: ValueError for another shape, dtype or range.
        """
        pixels = [self._resize(_picture(image, i)) for i, image in enumerate(images)]
        return torch.stack(pixels) if pixels else torch.empty(0, 3, self.size, self.size)

    def logits_from(self, pixels: Tensor) -> Tensor:
        """Logits (n, k) of encoded pixels (n, 3, size, size); gradients flow back to the pixels."""
        pixels = pixels.to(self.device)
        mean = torch.tensor(self.mean, device=self.device).view(1, 3, 1, 1)
        std = torch.tensor(self.std, device=self.device).view(1, 3, 1, 1)
        normalised = (pixels - mean) / std
        return self.model(normalised.contiguous(memory_format=torch.channels_last))

    def prepare(self, images: Sequence) -> Tensor | Lazy:
        """Encoded pictures one by one, for training: kept in memory when they fit, else made on demand."""
        if len(images) * 3 * self.size**2 * 4 > PREPARED_BYTES:
            return Lazy(images, lambda some: list(self.encode(some)))
        return self.encode(images)

    def collate(self, prepared: list[Tensor]) -> Tensor:
        """A batch that `forward` takes, from prepared pictures."""
        return torch.stack(prepared)

    def forward(self, batch: Tensor) -> Tensor:
        """Logits (n, k) of a collated batch, with gradients."""
        return self.logits_from(batch)

    def save(self, folder: str | Path) -> None:
        """Write a folder: model.safetensors and classifier.json. Never half written."""
        about = {
            "kind": "image",
            "classes": self.classes,
            "size": self.size,
            "mean": self.mean,
            "std": self.std,
            "architecture": self.architecture,
        }
        with atomic.folder(folder) as temporary:
            weight_files.write(self.model, Path(temporary) / "model.safetensors")
            (Path(temporary) / "classifier.json").write_text(json.dumps(about, indent=1))

    @classmethod
    def load(
        cls, folder: str | Path, *, model: nn.Module | None = None, device: str | None = None
    ) -> "ImageClassifier":
        """Read what `save` wrote.

        Args:
            model: a network of the saved shape; needed only where `architecture` was not given.
        Raises: ModelError when the folder does not hold an image classifier.
        """
        about = _about(folder, "image")
        if model is None:
            if not about["architecture"]:
                raise ModelError(
                    f"expected the name of a torchvision network in {folder}, got none: "
                    "hand the network over with load(folder, model=…)"
                )
            from torchvision.models import get_model

            # Only the numbers of layers matter here: every weight is read from the file afterwards.
            model = get_model(about["architecture"], weights=None, num_classes=len(about["classes"]))
        weight_files.load(model, weight_files.read(Path(folder) / "model.safetensors"), source=folder)
        return cls(
            model,
            about["classes"],
            size=about["size"],
            mean=about["mean"],
            std=about["std"],
            architecture=about["architecture"],
            device=device,
        )

    def _resize(self, pixels: Tensor) -> Tensor:
        """(h, w, c) in [0, 1] to (3, size, size); one grey channel is resized once and repeated."""
        planes = pixels.permute(2, 0, 1)[None]
        if planes.shape[2:] != (self.size, self.size):
            planes = nn.functional.interpolate(
                planes, size=(self.size, self.size), mode="bilinear", antialias=True, align_corners=False
            ).clamp(0, 1)
        return planes[0].expand(3, -1, -1)


class TextClassifier:
    """Any Hugging Face sequence classifier as a callable on strings.

    Args:
        model: an AutoModelForSequenceClassification. A head with another number of classes is replaced.
        tokenizer: its tokenizer.
        classes: k names; class i is logit i.
        max_tokens: longer texts are cut.
        device: "cuda" where there is one, else "cpu".
        seed: start of a fresh head.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer,
        classes: Sequence[str],
        *,
        max_tokens: int = 64,
        device: str | None = None,
        seed: int = 0,
    ):
        self.classes = _classes(classes)
        if parts.head(model)[1].out_features != len(self.classes):
            parts.replace_head(model, len(self.classes), seed=seed)
            model.config.num_labels = model.num_labels = len(self.classes)
        self.device = torch.device(device or _device())
        self.model = model.to(self.device).eval()
        self.tokenizer, self.max_tokens = tokenizer, max_tokens

    @classmethod
    def bert(
        cls,
        *,
        classes: Sequence[str],
        weights: str = "minilm",
        max_tokens: int = 64,
        device: str | None = None,
        seed: int = 0,
    ) -> "TextClassifier":
        """A BERT with a fresh head.

        Args:
            weights: "minilm" (a six-layer BERT that comes with a package), "random" (the same network,
                untrained), a local folder, or a name on the Hugging Face hub.
            seed: start of the head, and of every weight when `weights` is "random". MiniLM's published
                pooler belongs to the head: it was no part of its tuning, so it starts afresh too.
        Raises: AssetError when the weights are not on this machine.
        """
        transformers = _transformers()
        source = str(assets.find("minilm") if weights in ("minilm", "random") else weights)
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                if weights == "random":
                    config = transformers.AutoConfig.from_pretrained(source, num_labels=len(classes))
                    model = transformers.AutoModelForSequenceClassification.from_config(config)
                else:
                    model = transformers.AutoModelForSequenceClassification.from_pretrained(
                        source, num_labels=len(classes), ignore_mismatched_sizes=True, use_safetensors=True
                    )
            tokenizer = transformers.AutoTokenizer.from_pretrained(source)
        except OSError as error:
            raise ModelError(
                f"expected a folder or a hub name with a BERT and safetensors weights, got "
                f"{weights!r}: {str(error).splitlines()[0]}"
            ) from error
        if weights == "minilm":
            parts.restart(model.bert.pooler.dense, std=model.config.initializer_range, seed=seed)
        parts.replace_head(model, len(classes), seed=seed)
        return cls(model, tokenizer, classes, max_tokens=max_tokens, device=device)

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Class probabilities of strings: (n, k) float64, rows sum to 1."""
        return _softmax(self.logits(texts))

    def logits(self, texts: Sequence[str], *, batch_size: int = 64) -> np.ndarray:
        """Logits of strings: (n, k) float64. Texts of like length share a batch, so little is padding."""
        prepared = self.prepare(texts)
        order = sorted(range(len(prepared)), key=lambda i: len(prepared[i]))
        logits = _in_batches(
            lambda batch: self.forward(self.collate(batch)),
            [prepared[i] for i in order],
            batch_size,
            len(self.classes),
            self.model,
        )
        return logits[np.argsort(order)] if len(order) else logits

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Word embeddings (n, tokens, width) before positions are added; padding is a row of zeros.

        No real token has an embedding of zeros, so `logits_from` finds the attention mask in them.
        """
        batch = self.collate(self.prepare(texts))
        words = self.model.get_input_embeddings()(batch["input_ids"])  # (n, tokens, width)
        return (words * batch["attention_mask"][..., None]).detach()

    def logits_from(self, embeddings: Tensor) -> Tensor:
        """Logits (n, k) of embeddings (n, tokens, width); gradients flow back to the embeddings."""
        embeddings = embeddings.to(self.device)
        mask = (embeddings.detach() != 0).any(dim=-1).long()
        return self.model(inputs_embeds=embeddings, attention_mask=mask).logits

    def prepare(self, texts: Sequence[str]) -> list[Tensor]:
        """Token numbers of each text, for training; special tokens included, cut at `max_tokens`."""
        texts = list(texts)
        for i, text in enumerate(texts):
            if not isinstance(text, str):
                raise ValueError(f"expected texts as str, got {type(text).__name__} at position {i}")
        if not texts:
            return []
        ids = self.tokenizer(texts, truncation=True, max_length=self.max_tokens)["input_ids"]
        return [torch.tensor(row) for row in ids]

    def collate(self, prepared: list[Tensor]) -> dict[str, Tensor]:
        """A batch that `forward` takes: padded token numbers and the mask that hides the padding."""
        pad = self.tokenizer.pad_token_id or 0
        ids = nn.utils.rnn.pad_sequence(prepared, batch_first=True, padding_value=pad)
        lengths = torch.tensor([len(row) for row in prepared])
        mask = (torch.arange(ids.shape[1])[None] < lengths[:, None]).long()
        return {"input_ids": ids.to(self.device), "attention_mask": mask.to(self.device)}

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Logits (n, k) of a collated batch, with gradients."""
        return self.model(**batch).logits

    def save(self, folder: str | Path) -> None:
        """Write a folder in the Hugging Face layout, and classifier.json. Never half written."""
        about = {"kind": "text", "classes": self.classes, "max_tokens": self.max_tokens}
        self.model.config.id2label = dict(enumerate(self.classes))
        self.model.config.label2id = {name: i for i, name in enumerate(self.classes)}
        with atomic.folder(folder) as temporary:
            self.model.save_pretrained(temporary)
            self.tokenizer.save_pretrained(temporary)
            (Path(temporary) / "classifier.json").write_text(json.dumps(about, indent=1))

    @classmethod
    def load(cls, folder: str | Path, *, device: str | None = None) -> "TextClassifier":
        """Read what `save` wrote. Raises: ModelError when the folder does not hold a text classifier."""
        about = _about(folder, "text")
        transformers = _transformers()
        model = transformers.AutoModelForSequenceClassification.from_pretrained(
            str(folder), use_safetensors=True
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder))
        return cls(model, tokenizer, about["classes"], max_tokens=about["max_tokens"], device=device)


def fast_bfloat16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16 itself; elsewhere it is emulated, and slower."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and torch.cpu._is_avx512_bf16_supported()
    return False


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _transformers():
    try:
        import transformers
    except ImportError as error:
        raise missing_extra("transformers", "models") from error
    if os.environ.get("TRUSTLIB_PROGRESS") == "0":
        transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()  # a replaced head is intended, not worth a report
    return transformers


def _classes(classes: Sequence[str]) -> tuple[str, ...]:
    classes = tuple(str(name) for name in classes)
    if len(classes) < 2 or len(set(classes)) < len(classes):
        raise ValueError(f"expected two or more different class names, got {classes}")
    return classes


def _picture(image, i: int) -> Tensor:
    """(h, w, 3) float32 in [0, 1]; three equal channels (grey) come back as one."""
    array = np.asarray(image)
    if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise ValueError(
            f"expected pictures of shape (h, w, 3), got {array.shape} at position {i}: "
            "repeat a grey picture to three channels"
        )
    if array.dtype != np.uint8 and not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"expected pictures of dtype uint8 or float, got {array.dtype} at position {i}")
    if array.dtype != np.uint8 and not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
        raise ValueError(
            f"expected float pictures in [0, 1], got values from {array.min()} to {array.max()} "
            f"at position {i}: divide by 255, or pass uint8"
        )
    if (array[..., 0] == array[..., 1]).all() and (array[..., 1] == array[..., 2]).all():
        array = array[..., :1]
    pixels = torch.from_numpy(np.ascontiguousarray(array)).float()
    return pixels / 255 if array.dtype == np.uint8 else pixels


def _in_batches(ask: Callable, inputs: Sequence, batch_size: int, k: int, model: nn.Module) -> np.ndarray:
    """Ask for logits batch by batch in evaluation mode, without gradients: (n, k) float64."""
    model.eval()
    answers = [np.empty((0, k))]
    with torch.inference_mode():
        for at in range(0, len(inputs), batch_size):
            answers.append(ask(inputs[at : at + batch_size]).double().cpu().numpy())
    return np.concatenate(answers)


def _softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def _about(folder: str | Path, kind: str) -> dict:
    path = Path(folder) / "classifier.json"
    try:
        about = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ModelError(
            f"expected a folder written by {kind} classifier's save, got {folder} without a "
            "readable classifier.json"
        ) from error
    if about.get("kind") != kind:
        raise ModelError(
            f"expected a saved {kind} classifier in {folder}, got a saved {about.get('kind')} one"
        )
    return about

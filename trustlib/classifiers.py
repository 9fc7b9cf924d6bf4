"""A network, its preprocessing and its class names in one object that answers raw pictures or strings.

    cells = ImageClassifier.resnet50(classes=("functional", "defective"))
    cells.predict_proba(pictures)          # (n, 2), rows sum to 1

Whoever asks for probabilities needs `predict_proba` only. Whoever needs gradients asks for three things
more: `classes`, `encode` (to pixels in [0, 1], or to word embeddings) and `logits_from`. Both classes
take any network of their kind: a torchvision classifier, an AutoModelForSequenceClassification.

Sources: He et al. (2016) for ResNet-50; Devlin et al. (2019) for BERT; Wang et al. (2020) for MiniLM.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from trustlib import assets, checks
from trustlib.errors import ModelError, missing_extra

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise missing_extra(error.name or "torch", "models") from error

from trustlib import architectures, devices, huggingface, parts, pixels, saved
from trustlib import weights as weight_files

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
BERTS = ("minilm", "bert-base-uncased")  # listed in the manifest, so their digests are checked
PREPARED_BYTES = 2**30  # pictures that fit are resized once and kept; more are resized batch by batch


class ImageClassifier:
    """Any image network as a callable on raw pictures.

    Args:
        model: takes (n, 3, size, size), normalised with `mean` and `std`, gives (n, k) logits.
            A head with another number of classes is replaced by a fresh one.
        classes: k names; class i is logit i.
        size: pictures are resized to size × size pixels (bilinear, antialiased).
        resize: instead, the shorter side is resized to so many pixels, and the middle size × size taken.
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
        resize: int | None = None,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        architecture: str | None = None,
        device: str | None = None,
        seed: int = 0,
    ):
        self.classes, self.size = _classes(classes), checks.count(size, name="size")
        only = getattr(model, "image_size", size)  # a vision transformer has a position for each patch
        if only != self.size:
            raise ValueError(f"expected size {only} for this {type(model).__name__}, got {size}: pass that")
        self.resize = None if resize is None else checks.count(resize, name="resize", least=size)
        if parts.head(model)[1].out_features != len(self.classes):
            parts.replace_head(model, len(self.classes), seed=seed)
        self.device = torch.device(device or devices.default())
        # Channels-last is how the convolution kernels of CPUs and GPUs read pictures fastest.
        self.model = model.to(self.device, memory_format=torch.channels_last).eval()
        self.architecture = architecture
        self.mean, self.std = tuple(mean), tuple(std)

    @classmethod
    def resnet50(
        cls,
        *,
        classes: Sequence[str],
        weights: str = "tiny-imagenet",
        size: int = 96,
        stages: int = 4,
        device: str | None = None,
        seed: int = 0,
    ) -> "ImageClassifier":
        """torchvision's ResNet-50 with a fresh head.

        Args:
            stages: how many of its four stages to keep; the head reads the last of them. 3 gives 1,024
                features instead of 2,048, a third of the weights, and features that are less bound to
                the pictures of pretraining.
            weights: "tiny-imagenet" (this project's own, embedded), "random", or "imagenet" (torchvision's
                IMAGENET1K_V2, with its transforms: the middle 224 of 232 pixels, or in that proportion).
            seed: start of the head, and of every weight when `weights` is "random".
        Raises: AssetError when the weights are not on this machine; ValueError for another name.
        """
        classes = _classes(classes)
        of_file = {"tiny-imagenet": 200, "imagenet": 1000, "random": len(classes)}  # classes
        if weights not in of_file:
            raise ValueError(
                f"expected weights 'tiny-imagenet', 'imagenet' or 'random', got {weights!r}: choose one"
            )
        model = architectures.build("resnet50", size=size, n_classes=of_file[weights], seed=seed)
        if weights != "random":
            path = assets.find(f"resnet50-{weights.replace('-', '')}")
            weight_files.load(model, weight_files.read(path, published=True), source=path.name)
        parts.shorten(model, stages)
        if weights != "random" or stages < 4:
            parts.replace_head(model, len(classes), seed=seed)
        resize = round(size * 232 / 224) if weights == "imagenet" else None
        return cls(model, classes, size=size, resize=resize, architecture="resnet50", device=device)

    def predict_proba(self, images: Sequence) -> np.ndarray:
        """Class probabilities of raw pictures: (n, k) float64, rows sum to 1."""
        return _softmax(self.logits(images))

    def logits(self, images: Sequence, *, batch_size: int = 64) -> np.ndarray:
        """Logits of raw pictures: (n, k) float64."""
        return _in_batches(
            lambda batch, at: self.logits_from(pixels.encode(batch, self.size, resize=self.resize, first=at)),
            images,
            batch_size,
            self,
        )

    def encode(self, images: Sequence) -> Tensor:
        """Pixels as the network sees them: (n, 3, size, size), float32 in [0, 1], before normalisation.

        Raises: ValueError for another shape, dtype or range.
        """
        return pixels.encode(images, self.size, resize=self.resize)

    def window(self, shape: Sequence[int]) -> tuple[tuple[int, int], int, int]:
        """The (height, width) that a picture (h, w) is resized to, and top and left of what is read of it."""
        return pixels.window(shape, self.size, self.resize)

    def logits_from(self, encoded: Tensor) -> Tensor:
        """Logits (n, k) of encoded pixels (n, 3, size, size); gradients flow back to the pixels."""
        encoded = encoded.to(self.device)
        mean = torch.tensor(self.mean, device=self.device).view(1, 3, 1, 1)
        std = torch.tensor(self.std, device=self.device).view(1, 3, 1, 1)
        normalised = (encoded - mean) / std
        answer = self.model(normalised.contiguous(memory_format=torch.channels_last))
        return answer if isinstance(answer, Tensor) else answer.logits  # GoogLeNet in training mode

    def prepare(self, images: Sequence) -> Tensor | pixels.Lazy:
        """Encoded pictures one by one, for training: kept in memory when they fit, else made on demand."""
        if len(images) * 3 * self.size**2 * 4 > PREPARED_BYTES:
            return pixels.Lazy(
                images, lambda image, i: pixels.encode_one(image, self.size, resize=self.resize, at=i)
            )
        return self.encode(images)

    def collate(self, prepared: list[Tensor]) -> Tensor:
        """A batch that `forward` takes, from prepared pictures."""
        return torch.stack(prepared)

    def forward(self, batch: Tensor) -> Tensor:
        """Logits (n, k) of a collated batch, with gradients."""
        return self.logits_from(batch)

    @property
    def settings(self) -> dict:
        """All that turns a raw picture into an answer, but for the network's weights."""
        return {
            "kind": "image",
            "classes": self.classes,
            "size": self.size,
            "resize": self.resize,
            "mean": self.mean,
            "std": self.std,
            "architecture": self.architecture,
        }

    def save(self, folder: str | Path) -> None:
        """Write model.safetensors and classifier.json, never half; of several processes one writes."""
        saved.write(
            folder, lambda to: weight_files.write(self.model, to / "model.safetensors"), self.settings
        )

    @classmethod
    def load(
        cls, folder: str | Path, *, model: nn.Module | None = None, device: str | None = None
    ) -> "ImageClassifier":
        """Read what `save` wrote.

        Args:
            model: a network of the saved shape; needed only where `architecture` was not given.
        Raises: ModelError when the folder does not hold an image classifier, or was changed since.
        """
        about = saved.read(folder, "image")
        if model is None:
            if not about["architecture"]:
                raise ModelError(
                    f"expected the name of a torchvision network in {folder}, got none: "
                    "hand the network over with load(folder, model=…)"
                )
            model = architectures.build(
                about["architecture"], size=about["size"], n_classes=len(about["classes"])
            )
        weight_files.load(model, weight_files.read(Path(folder) / "model.safetensors"), source=folder)
        return cls(
            model,
            about["classes"],
            size=about["size"],
            resize=about.get("resize"),  # saved before there was a choice: none
            mean=about["mean"],
            std=about["std"],
            architecture=about["architecture"],
            device=device,
        )


class TextClassifier:
    """Any Hugging Face sequence classifier as a callable on strings.

    Args:
        model: an AutoModelForSequenceClassification. A head with another number of classes is replaced.
        tokenizer: its tokenizer.
        classes: k names; class i is logit i.
        max_tokens: longer texts are cut; the marks that a tokenizer puts around a text count too.
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
        # With room for the marks alone, tokenizers would not cut at all.
        self.max_tokens = checks.count(max_tokens, name="max_tokens", least=3)
        if 0 < (positions := huggingface.reach(model)) < max_tokens:
            raise ValueError(
                f"expected max_tokens up to {positions} for this network, got {max_tokens}: pass less"
            )
        if parts.head(model)[1].out_features != len(self.classes):
            parts.replace_head(model, len(self.classes), seed=seed)
            model.config.num_labels = model.num_labels = len(self.classes)
        self.device = torch.device(device or devices.default())
        self.model = model.to(self.device).eval()
        self.tokenizer = tokenizer

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
                untrained), "bert-base-uncased" (fetched by `trustlib fetch`, digests checked), a local
                folder, or another name on the Hugging Face hub.
            seed: start of the head, and of every weight when `weights` is "random". MiniLM's published
                pooler belongs to the head: it was no part of its tuning, so it starts afresh too.
        Raises: AssetError when MiniLM or BERT base is not on this machine; ModelError when a folder or hub
            name does not give the weights of a whole network.
        """
        classes = _classes(classes)
        asset = "minilm" if weights == "random" else weights
        model, tokenizer = huggingface.load(
            assets.find(asset) if asset in BERTS else asset,
            n_classes=len(classes),
            pretrained=weights != "random",
            seed=seed,
        )
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
        # Longest first: the memory that a batch leaves free is then large enough for all that follow.
        order = sorted(range(len(prepared)), key=lambda i: -len(prepared[i]))
        logits = _in_batches(
            lambda batch, _: self.forward(self.collate(batch)),
            [prepared[i] for i in order],
            batch_size,
            self,
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
        if isinstance(texts, str):
            raise ValueError("expected a sequence of texts, got one str: hand over [text]")
        texts = list(texts)
        for i, text in enumerate(texts):
            if not isinstance(text, str):
                raise ValueError(
                    f"expected texts as str, got {type(text).__name__} at position {i}: look there"
                )
        if not texts:
            return []
        ids = self.tokenizer(texts, truncation=True, max_length=self.max_tokens)["input_ids"]
        return [torch.tensor(row, dtype=torch.long) for row in ids]

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

    @property
    def settings(self) -> dict:
        """All that turns a text into an answer, but for the tokenizer and the network's weights."""
        return {"kind": "text", "classes": self.classes, "max_tokens": self.max_tokens}

    def save(self, folder: str | Path) -> None:
        """Write the Hugging Face layout and classifier.json, never half; of several processes one writes."""
        huggingface.library()  # quiet
        self.model.config.id2label = dict(enumerate(self.classes))
        self.model.config.label2id = {name: i for i, name in enumerate(self.classes)}

        def write(to: Path) -> None:
            self.model.save_pretrained(to)
            self.tokenizer.save_pretrained(to)

        saved.write(folder, write, self.settings)

    @classmethod
    def load(cls, folder: str | Path, *, device: str | None = None) -> "TextClassifier":
        """Read what `save` wrote.

        Raises: ModelError when the folder does not hold a text classifier, or was changed since.
        """
        about = saved.read(folder, "text")
        model, tokenizer = huggingface.load(folder, n_classes=len(about["classes"]))
        return cls(model, tokenizer, about["classes"], max_tokens=about["max_tokens"], device=device)


def _classes(classes: Sequence[str]) -> tuple[str, ...]:
    classes = (classes,) if isinstance(classes, str) else tuple(str(name) for name in classes)
    if len(classes) < 2 or len(set(classes)) < len(classes):
        raise ValueError(f"expected two or more different class names, got {classes}: name each class")
    return classes


def _in_batches(ask: Callable, inputs: Sequence, batch_size: int, classifier) -> np.ndarray:
    """Ask for logits batch by batch in evaluation mode, without gradients: (n, k) float64.

    `ask` gets a batch and the position of its first input.
    """
    checks.count(batch_size, name="batch_size")
    classifier.model.eval()
    answers = [np.empty((0, len(classifier.classes)))]
    with torch.inference_mode():
        for at in range(0, len(inputs), batch_size):
            answers.append(ask(inputs[at : at + batch_size], at).double().cpu().numpy())
    return np.concatenate(answers)


def _softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)

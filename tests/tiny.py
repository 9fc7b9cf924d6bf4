"""Networks, tokenizers and tasks so small that a test can fine-tune them in a blink."""

import numpy as np
import torch
from torch import nn

from trustlib.classifiers import ImageClassifier, TextClassifier
from trustlib.tasks.task import Split, Task

CLASSES = ("dark", "bright")
FEELINGS = ("negative", "positive")
WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] good great fine bad dull awful a the very film plot ##s .".split()
SIDE = 12  # of a picture, in pixels


class Network(nn.Module):
    """Two blocks of convolution and batch norm, dropout, and a linear head."""

    def __init__(self, k: int = 2, width: int = 6):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.blocks = nn.Sequential(_block(width), _block(width))
        self.drop = nn.Dropout(0.2)
        self.fc = nn.Linear(width, k)

    def forward(self, pixels):
        return self.fc(self.drop(self.blocks(self.stem(pixels)).mean((2, 3))))


def _block(width):
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.Dropout(0.1)
    )


def network(k=2, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Network(k)


def image_classifier(k=2, seed=0, **options):
    classes = CLASSES if k == 2 else [f"class {i}" for i in range(k)]
    return ImageClassifier(network(k, seed), classes, **{"size": SIDE, **options})


def pictures(labels, seed=0):
    """Noise (n, SIDE, SIDE, 3) uint8, brighter in its upper half where the label is 1."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 128, (len(labels), SIDE, SIDE, 3), dtype=np.uint8)
    images[np.asarray(labels) == 1, : SIDE // 2] += 90
    return images


def task(kind, inputs, *, train=22, validation=10):
    """A Task of two classes in turn; `inputs(labels, seed)` makes the inputs of a split."""

    def split(name, n, seed):
        labels = np.arange(n) % 2
        return Split(name, inputs(labels, seed), labels, [f"{name} {i}" for i in range(n)])

    sizes = {"train": train, "validation": validation, "calibration": 4, "test": 4}
    splits = {name: split(name, n, seed) for seed, (name, n) in enumerate(sizes.items())}
    classes = CLASSES if kind == "image" else FEELINGS
    return Task(f"tiny {kind}s", "which?", kind, classes, **splits)


def image_task(**sizes):
    return task("image", pictures, **sizes)


def text_task(**sizes):
    return task("text", texts, **sizes)


def texts(labels, seed=0):
    """Sentences of 3 to 12 words; the feeling stands in one of them."""
    rng = np.random.default_rng(seed)
    feelings = (("bad", "dull", "awful"), ("good", "great", "fine"))
    fillers = ("a", "the", "very", "film", "plots", ".")
    return [
        " ".join(rng.permutation([rng.choice(feelings[label]), *rng.choice(fillers, rng.integers(2, 12))]))
        for label in labels
    ]


def tokenizer(folder):
    """A BERT tokenizer with a vocabulary of 18 word pieces."""
    from transformers import BertTokenizer

    path = folder / "vocab.txt"
    path.write_text("\n".join(WORDS) + "\n")
    return BertTokenizer(str(path))


SIZES = {
    "vocab_size": len(WORDS),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 40,
    "pad_token_id": 0,
}


def bert(k=2, seed=0, **options):
    from transformers import BertConfig

    return untrained(BertConfig(num_labels=k, **{**SIZES, **options}), seed)


def roberta(k=2, seed=0):
    from transformers import RobertaConfig

    # RoBERTa counts positions from behind the padding's number.
    return untrained(RobertaConfig(num_labels=k, **SIZES, bos_token_id=2, eos_token_id=3), seed)


def distilbert(k=2, seed=0):
    from transformers import DistilBertConfig

    sizes = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48, "max_position_embeddings": 40}
    return untrained(DistilBertConfig(num_labels=k, vocab_size=len(WORDS), **sizes), seed)


def untrained(config, seed=0):
    """A sequence classifier of that shape, its weights drawn so wide that every word tells."""
    from transformers import AutoModelForSequenceClassification

    config.initializer_range = 0.2
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForSequenceClassification.from_config(config)
        # Fresh embeddings of the padding are zero; published ones are not.
        nn.init.normal_(model.get_input_embeddings().weight.data[0])
    return model


def text_classifier(folder, model=None, **options):
    return TextClassifier(model or bert(), tokenizer(folder), FEELINGS, **{"max_tokens": 16, **options})


def state(model):
    """A copy of every parameter and buffer, by name."""
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def changed(before, model):
    """Names of the parameters and buffers that differ from the earlier copy by a single bit."""
    return {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}

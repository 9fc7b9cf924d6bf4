"""The classic recipes of fine-tuning, each with the numbers that it is known by.

    history = classic.adamw_on_bert(classifier, tasks.sst2())

    sgd_on_all_weights    SGD, learning rate 0.001, momentum 0.9, every weight
    adam_on_the_head      frozen backbone, Adam on a fresh head, ten epochs
    adamw_on_bert         AdamW, learning rate 2e-5, three epochs, every weight of a BERT
    regularised_loss      L + λR with R = Σ w²
    small_network_again   a small convolutional network from its saved state dict, fine-tuned on other digits

Each trains the classifier that it is given, from the weights that this has, returns a History, and raises
what `finetune` raises. The course's own models have recipes of their own (profiles.py): they were chosen by
cross-validation, these are quoted, and each says what of it is whose.
"""

from collections.abc import Callable
from pathlib import Path

from trustlib import checks, parts, weights
from trustlib.classifiers import ImageClassifier, TextClassifier
from trustlib.course import networks
from trustlib.finetune import History, finetune
from trustlib.tasks import Task
from trustlib.tasks.digits import SIDE


def sgd_on_all_weights(
    classifier: ImageClassifier | TextClassifier,
    task: Task,
    *,
    epochs: int = 7,
    batch_size: int = 32,
    augment: Callable | None = None,
    checkpoint: str | Path | None = None,
    seed: int = 0,
) -> History:
    """Go on training every weight with SGD, at a rate small enough to keep what pretraining found.

    Learning rate 0.001, momentum 0.9 (the heavy ball), no warm-up, no weight decay, gradients as they are.
    The rate stays: the source cuts it to a tenth after every seven epochs, so `epochs` up to 7 are its first
    stage. Its batches are of 4 pictures; larger ones take fewer steps, and may need more epochs.

    Args:
        augment: the source mirrors pictures (`augment.mirror`) and crops them at random.
    Source: Chilamkurthy (2017), transfer learning tutorial of PyTorch.
    """
    return regularised_loss(
        classifier,
        task,
        strength=0.0,
        epochs=epochs,
        batch_size=batch_size,
        augment=augment,
        checkpoint=checkpoint,
        seed=seed,
    )


def adam_on_the_head(
    classifier: ImageClassifier | TextClassifier,
    task: Task,
    *,
    epochs: int = 10,
    batch_size: int = 32,
    checkpoint: str | Path | None = None,
    seed: int = 0,
) -> History:
    """Freeze the backbone whole, its batch norms too, and train the head with Adam; ten epochs of CIFAR-10.

    Learning rate 0.001 and moments 0.9 and 0.999, which are Adam's own; no warm-up, no decay of weights or of
    the rate. Ten epochs and batches of 32 are custom, not from a paper. What the frozen backbone makes of a
    picture is computed once and kept, so later epochs are nearly free.

    Sources: Kingma and Ba (2015) for Adam; Yosinski et al. (2014) for frozen features.
    """
    return finetune(
        classifier,
        task,
        train="head",
        epochs=epochs,
        learning_rate=1e-3,
        optimizer="adam",
        weight_decay=0.0,
        warmup=0.0,
        schedule="constant",
        clip=None,
        batch_size=batch_size,
        checkpoint=checkpoint,
        seed=seed,
    )


def adamw_on_bert(
    classifier: TextClassifier,
    task: Task,
    *,
    epochs: int = 3,
    batch_size: int = 32,
    checkpoint: str | Path | None = None,
    seed: int = 0,
) -> History:
    """Train every weight of a BERT with AdamW, three epochs at 2e-5.

    Warm-up over a tenth of the steps, then a line down to zero; weight decay 0.01 on matrices, none on biases
    and norms; gradients longer than 1 are cut to 1; the network's own dropout. The pooler and the head have
    the same rate as the rest.

    Sources: Devlin et al. (2019), whose grid is 2e-5, 3e-5, 5e-5 for 2 to 4 epochs in batches of 16 or 32;
    Loshchilov and Hutter (2019) for AdamW.
    """
    return finetune(
        classifier,
        task,
        train="all",
        epochs=epochs,
        learning_rate=2e-5,
        optimizer="adamw",
        weight_decay=0.01,
        warmup=0.1,
        schedule="linear",
        clip=1.0,
        batch_size=batch_size,
        checkpoint=checkpoint,
        seed=seed,
    )


def regularised_loss(
    classifier: ImageClassifier | TextClassifier,
    task: Task,
    *,
    strength: float = 5e-5,
    epochs: int = 7,
    batch_size: int = 32,
    augment: Callable | None = None,
    checkpoint: str | Path | None = None,
    seed: int = 0,
) -> History:
    """Train every weight on L + λR, with R the sum of squares of all matrices: large weights cost.

    Otherwise `sgd_on_all_weights`, so that the two differ in the penalty alone. Its gradient is 2λw: under
    SGD, λ = 5e-5 is the weight decay of 1e-4 in He et al. (2016). Under Adam it would be something else, so
    AdamW takes the decay out of the loss (Loshchilov and Hutter, 2019). The penalty pulls towards zero; a
    pull towards the pretrained weights (L2-SP, Xuhong et al., 2018) is newer and is not offered.

    Args:
        strength: λ, 0 or more. `History.train_loss` includes λR.
        augment: as in `sgd_on_all_weights`.
    Source: Krogh and Hertz (1992).
    """
    return finetune(
        classifier,
        task,
        train="all",
        epochs=epochs,
        learning_rate=1e-3,
        optimizer="sgd",
        momentum=0.9,
        nesterov=False,
        weight_decay=0.0,
        l2_penalty=strength,
        warmup=0.0,
        schedule="constant",
        clip=None,
        batch_size=batch_size,
        augment=augment,
        checkpoint=checkpoint,
        seed=seed,
    )


def small_network_again(
    state: str | Path,
    task: Task,
    *,
    train: str = "all",
    epochs: int = 5,
    checkpoint: str | Path | None = None,
    seed: int = 0,
) -> tuple[ImageClassifier, History]:
    """Build the small convolutional network, read its saved state dict, give it a fresh head, train it on.

        first = networks.digit_reader(tasks.digits28(digits=range(5)).classes)
        ...                                       # train it
        weights.write(first.model, "first.safetensors")
        again, history = classic.small_network_again("first.safetensors", tasks.digits28(digits=range(5, 10)))

    Every name and shape in the file must be the network's own (`load_state_dict`, strict). The head is fresh
    even where the number of classes is the same: its rows stood for other classes. Adam at 0.001, constant.

    Args:
        state: a safetensors file of `networks.small_cnn`, of any number of classes.
        task: pictures of 28 x 28 pixels, such as `tasks.digits28`.
        train: "all", or "head" to see what the old features are worth.
    Returns: the classifier and its History.
    Raises: ModelError when the file is a pickle, damaged, or the state of another network.
    Source: LeCun et al. (1998) for the shape.
    """
    n_classes = checks.count(len(task.classes), name="classes of the task", least=2)
    model = networks.small_cnn(n_classes, seed=seed)
    weights.load(model, weights.read(state), source=Path(state).name)
    parts.replace_head(model, n_classes, seed=seed)
    classifier = ImageClassifier(model, task.classes, size=SIDE, seed=seed)
    history = finetune(
        classifier,
        task,
        train=train,
        epochs=epochs,
        learning_rate=1e-3,
        optimizer="adam",
        weight_decay=0.0,
        warmup=0.0,
        schedule="constant",
        clip=None,
        checkpoint=checkpoint,
        seed=seed,
    )
    return classifier, history

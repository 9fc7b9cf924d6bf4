"""How large a run of the course is: `lite` for two cores and no network, `full` for a GPU.

Lessons read sizes and recipes from `profiles.current()` and have no `if` on the profile's name.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """The options of `finetune` that make one of the course's models; see there for their meaning.

    `views` is the number of turned and mirrored versions of every picture; 1 leaves pictures as they are.
    `after` names the arm whose trained model this one goes on from, instead of a fresh head: a head that
    knows nothing yet sends large gradients through the network and spoils its features (Kumar et al. 2022).
    `image_size` is for an arm that looks closer than the profile does; pixels.
    """

    train: str
    epochs: int
    learning_rate: float
    head_learning_rate: float | None = None
    weight_decay: float = 0.01
    batch_size: int = 32
    views: int = 1
    after: str | None = None
    image_size: int | None = None


@dataclass(frozen=True)
class Profile:
    """Sizes and recipes that a lesson asks for; pixels, tokens, draws.

    `image_stages` is how many of ResNet-50's four stages are kept. `image_weights` and `text_weights` are
    names that `ImageClassifier.resnet50` and `TextClassifier.bert` know. `cells` and `reviews` map an arm
    ("head", "last_block", "all"; "all_long" for whoever has time) to its recipe. `seed` is the one that every
    lesson starts from.
    """

    name: str
    image_weights: str
    image_size: int
    image_stages: int
    cells: Mapping[str, Recipe]
    text_weights: str
    text_max_tokens: int
    reviews: Mapping[str, Recipe]
    bootstrap_draws: int
    seed: int = 0


LITE = Profile(
    name="lite",
    image_weights="tiny-imagenet",
    image_size=112,
    image_stages=3,
    cells={
        "head": Recipe("head", epochs=40, learning_rate=1e-2, views=4),
        "last_block": Recipe("last_block", epochs=3, learning_rate=3e-4, views=3, after="head"),
        "all": Recipe("all", epochs=2, learning_rate=3e-4, views=2, after="head"),
        "all_long": Recipe(
            "all", epochs=12, learning_rate=1e-4, head_learning_rate=1e-3, views=12, image_size=128
        ),
    },
    text_weights="minilm",
    text_max_tokens=64,
    reviews={
        "head": Recipe("head", epochs=20, learning_rate=2e-3),
        "last_block": Recipe("last_block", epochs=2, learning_rate=2e-4, head_learning_rate=1e-3),
        "all": Recipe("all", epochs=1, learning_rate=1e-4, head_learning_rate=5e-4),
    },
    bootstrap_draws=2_000,
)

FULL = Profile(
    name="full",
    image_weights="imagenet",
    image_size=224,
    image_stages=4,
    cells={
        "head": Recipe("head", epochs=30, learning_rate=1e-3, views=8),
        "last_block": Recipe("last_block", epochs=20, learning_rate=1e-4, head_learning_rate=1e-3, views=8),
        "all": Recipe("all", epochs=20, learning_rate=5e-5, head_learning_rate=1e-3, views=8),
    },
    text_weights="bert-base-uncased",
    text_max_tokens=128,
    reviews={
        "head": Recipe("head", epochs=10, learning_rate=1e-3),
        "last_block": Recipe("last_block", epochs=3, learning_rate=5e-5, head_learning_rate=5e-4),
        "all": Recipe("all", epochs=3, learning_rate=2e-5),
    },
    bootstrap_draws=10_000,
)


def named(name: str) -> Profile:
    """The profile of that name.

    Raises: ValueError that names both profiles.

    >>> named("lite").image_size
    112
    """
    for profile in (LITE, FULL):
        if profile.name == name:
            return profile
    raise ValueError(
        f"expected the profile 'lite' or 'full', got {name!r}: set TRUSTLIB_PROFILE to one of them"
    )


def current() -> Profile:
    """The profile that `TRUSTLIB_PROFILE` names; `lite` when it is unset or empty.

    Raises: ValueError that names both profiles.
    """
    return named(os.environ.get("TRUSTLIB_PROFILE") or LITE.name)

"""How large a run of the course is: `lite` for two cores and no network, `full` for a GPU.

Lessons read sizes from `profiles.current()` and have no `if` on the profile's name.
"""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """Sizes that a lesson asks for; pixels, epochs, pictures or texts in a batch, draws.

    `image_weights` and `text_weights` are names that `ImageClassifier.resnet50` and
    `TextClassifier.bert` know. `seed` is the one that every lesson starts from.
    """

    name: str
    image_weights: str
    image_size: int
    image_epochs_head: int
    image_epochs_last_block: int
    image_epochs_all: int
    text_weights: str
    text_max_tokens: int
    text_epochs: int
    batch_size: int
    bootstrap_draws: int
    seed: int = 0


LITE = Profile(
    name="lite",
    image_weights="tiny-imagenet",
    image_size=96,
    image_epochs_head=20,
    image_epochs_last_block=3,
    image_epochs_all=1,
    text_weights="minilm",
    text_max_tokens=64,
    text_epochs=1,
    batch_size=32,
    bootstrap_draws=2_000,
)

FULL = Profile(
    name="full",
    image_weights="imagenet",
    image_size=224,
    image_epochs_head=30,
    image_epochs_last_block=20,
    image_epochs_all=20,
    text_weights="bert-base-uncased",
    text_max_tokens=128,
    text_epochs=3,
    batch_size=32,
    bootstrap_draws=10_000,
)


def named(name: str) -> Profile:
    """The profile of that name.

    Raises: ValueError that names both profiles.

    >>> named("lite").image_size
    96
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

"""LIME, ours beside the package's: seconds for the same explanation, and over the model's own."""

import numpy as np
import pytest
from bench_rows import Recorder, in_turn, over_the_model, record_seconds
from PIL import Image

from trustlib import explain
from trustlib.explain import masking

pytestmark = pytest.mark.bench
BATCH = 64


def record_overhead(name, ours, predict_proba, *, held_equal):
    """A row of the whole explanation beside the passes inside it."""
    row = record_seconds(
        f"{name}: CPU seconds, whole explanation / the forward passes in it",
        *over_the_model(ours, predict_proba),
        held_equal=held_equal,
    )
    assert row["ratio"] <= 1.05


def test_pictures_cost_little_more_than_the_models_own_passes():
    from lime.lime_image import LimeImageExplainer

    from trustlib import tasks
    from trustlib.course import models

    classifier, _ = models.cell_inspector("last_block")
    side, task = classifier.size, tasks.solar_cells()
    picture = np.asarray(Image.fromarray(np.asarray(task.validation.inputs[6])).resize((side, side)))
    segments, n = masking.slic(picture), 128

    def ours(predict_proba=classifier.predict_proba):
        return explain.lime_image(
            predict_proba, picture, segments=segments, num_samples=n, batch_size=BATCH, seed=1
        )

    def lime(predict_proba=classifier.predict_proba):
        explainer = LimeImageExplainer(feature_selection="none", random_state=0)
        explainer.explain_instance(
            *(picture, predict_proba),
            top_labels=1,
            num_samples=n,
            batch_size=BATCH,
            segmentation_fn=lambda _: segments,
        )

    seen, theirs = Recorder(classifier.predict_proba), Recorder(classifier.predict_proba)
    ours(seen), lime(theirs)
    assert seen.n_calls == theirs.n_calls == n
    same = (
        f"one cell at {side} px, {segments.max() + 1} segments, {n} forward passes in batches of {BATCH}, "
        "fine-tuned ResNet-50, one thread pool"
    )
    beside_lime = in_turn(ours, lime, repeats=5)
    record_seconds(
        "LIME on pictures: seconds, ours / lime", *beside_lime, held_equal=same, packages=("lime",)
    )
    record_overhead("LIME on pictures", ours, classifier.predict_proba, held_equal=same)


def test_texts_cost_little_more_than_the_models_own_passes():
    from lime.lime_text import LimeTextExplainer

    from trustlib import tasks
    from trustlib.course import models

    classifier, _ = models.review_reader("all")
    reviews = tasks.movie_reviews().validation.inputs
    text = next(text for text in reviews if 25 <= len(masking.words(text)) <= 30)

    def ours(predict_proba=classifier.predict_proba):
        return explain.lime_text(predict_proba, text, num_samples=1_000, batch_size=BATCH, seed=1)

    seen, theirs = Recorder(classifier.predict_proba), Recorder(classifier.predict_proba)
    n = ours(seen).n_calls  # lime asks equal texts again and again: it is given as many passes

    def lime(predict_proba=classifier.predict_proba):
        explainer = LimeTextExplainer(feature_selection="none", bow=False, mask_string="", random_state=0)
        explainer.explain_instance(text, predict_proba, top_labels=1, num_samples=n)

    lime(theirs)
    assert seen.n_calls == theirs.n_calls == n
    same = (
        f"one review of {len(masking.words(text))} words, {n} forward passes in batches of {BATCH}, "
        "fine-tuned MiniLM, one thread pool"
    )
    beside_lime = in_turn(ours, lime, repeats=5)
    record_seconds("LIME on texts: seconds, ours / lime", *beside_lime, held_equal=same, packages=("lime",))
    record_overhead("LIME on texts", ours, classifier.predict_proba, held_equal=same)


def test_a_trivial_model_is_explained_five_times_as_fast_as_by_lime():
    from lime.lime_image import LimeImageExplainer

    picture = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    segments = masking.grid(picture, 42)
    assert segments.max() + 1 == 42

    def corner(pictures):
        p = pictures[:, 0, 0, 0] / 255
        return np.column_stack([1 - p, p])

    def ours():
        explain.lime_image(corner, picture, segments=segments, num_samples=1_000)

    def lime():
        explainer = LimeImageExplainer(feature_selection="none", random_state=0)
        explainer.explain_instance(
            picture, corner, top_labels=1, num_samples=1_000, segmentation_fn=lambda _: segments
        )

    row = record_seconds(
        "LIME on pictures, trivial model: seconds, ours / lime",
        *in_turn(ours, lime, repeats=5),
        held_equal="224 px, 1,000 samples, 42 segments; a model of one pixel; batches as each has them",
        packages=("lime",),
    )
    assert row["ratio"] <= 1 / 5

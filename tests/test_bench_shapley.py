"""Rows of `make bench`: our Shapley values beside the package shap, on the course's fine-tuned networks.

Errors are measured on games whose 2**m values were all asked once; both estimators are then replayed on
these tables, which are kept in build/bench_games under a digest of the network and the input.
"""

import hashlib

import numpy as np
import pytest
from bench_rows import ROOT, in_turn, over_the_model, record, record_seconds

from trustlib import asking, atomic, estimates, explain, tasks
from trustlib.course import models
from trustlib.explain import coalitions, masking, shapley

WORDS, SEGMENTS = 12, 9  # players; every budget is too small to enumerate the coalitions of so many
N_INPUTS, N_SEEDS = 16, 20
BUDGETS = {WORDS: (120, 512, 1024), SEGMENTS: (90, 128, 256)}  # with the empty and the full coalition


# The games


def reviews():
    """The network and (what is explained, how it is hidden) of the first reviews of 12 words."""
    reader, _ = models.review_reader("all")
    found = [text for text in tasks.movie_reviews().validation.inputs if len(masking.words(text)) == WORDS]
    return reader, [(text, masking.text(text, masking.words(text))) for text in found[:N_INPUTS]]


def cells():
    """The network and (what is explained, how it is hidden) of the first cells, in 9 rectangles."""
    inspector, _ = models.cell_inspector("last_block")
    found = [tasks.solar_cells().validation.inputs[i] for i in range(N_INPUTS)]
    return inspector, [(cell, masking.image(cell, masking.grid(cell, SEGMENTS))) for cell in found]


def table(classifier, hide, m, batch_size=64):
    """What the network answers to all 2**m coalitions, for the class that it answers to the input."""
    digest = hashlib.sha256()
    for name, tensor in sorted(classifier.model.state_dict().items()):
        digest.update(name.encode() + tensor.cpu().numpy().tobytes())
    masks = coalitions.every(m)
    for part in hide(masks[:: 2**m // 8]):
        digest.update(part.encode() if isinstance(part, str) else part.tobytes())
    path = ROOT / "build" / "bench_games" / f"{digest.hexdigest()[:16]}.npy"
    if not path.exists():
        probs = masking.answers(classifier.predict_proba, hide, masks, batch_size=batch_size)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic.file(path) as temporary, temporary.open("wb") as file:
            np.save(file, probs[:, probs[-1].argmax()])
    return np.load(path)


def lookup(values):
    """The game whose coalitions stand in a table, in the order of `coalitions.every`."""
    m = int(np.log2(len(values)))
    return lambda masks: values[np.asarray(masks) @ (1 << np.arange(m))]


def kernel_explainer(game, m, num_samples, seed=0):
    """shap's values from as many coalitions; it does not count the empty and the full one."""
    import shap

    np.random.seed(seed)
    explainer = shap.KernelExplainer(lambda rows: game(rows > 0.5), np.zeros((1, m)))
    return explainer.shap_values(np.ones(m), nsamples=num_samples - 2, l1_reg=False, silent=True)


# Errors


@pytest.mark.bench
@pytest.mark.parametrize(("make", "m"), [(reviews, WORDS), (cells, SEGMENTS)])
def test_errors_at_equal_passes_are_smaller_than_those_of_kernel_explainer(make, m):
    classifier, inputs = make()
    games = [lookup(table(classifier, hide, m)) for _, hide in inputs]
    truths = [shapley.exact(game, m).values for game in games]
    for budget in BUDGETS[m]:
        ours, peer = np.empty((2, len(games), N_SEEDS))
        for i, (game, truth) in enumerate(zip(games, truths, strict=True)):
            for seed in range(N_SEEDS):
                found = shapley.values(game, m, num_samples=budget, seed=seed)
                assert found.n_samples == budget
                ours[i, seed] = ((found.values - truth) ** 2).sum()
                peer[i, seed] = ((kernel_explainer(game, m, budget, seed) - truth) ** 2).sum()
        ratio = estimates.bootstrap(lambda a, b: a.mean() / b.mean(), ours.mean(axis=1), peer.mean(axis=1))
        record(
            f"Shapley values of {make.__name__}, {budget} passes: squared error, ours / shap.KernelExplainer",
            unit="squared error",
            ours=ours.mean(),
            peer=peer.mean(),
            ratio=ratio.value,
            low=ratio.low,
            high=ratio.high,
            spread="95 % interval over inputs",
            held_equal=f"{len(games)} {make.__name__} of the validation split, {m} players, {N_SEEDS} seeds, "
            f"passes (ours num_samples={budget}, shap nsamples={budget - 2} beside the empty and the full "
            "coalition), l1_reg=False",
            packages=("shap",),
        )
        assert ratio.high < 1


# Seconds

TIMED = (256, 1024)  # passes of the network on pictures and on texts
BATCH = 64


def explain_one(make):
    """The network, its first input, how it is hidden, and ours as a function of passes and of who answers."""
    classifier, inputs = make()
    explained, hide = inputs[0]
    if make is reviews:
        return (
            classifier,
            hide,
            lambda n, ask=classifier.predict_proba: explain.shap_text(
                ask, explained, num_samples=n, batch_size=BATCH
            ),
        )
    segments = masking.grid(explained, SEGMENTS)
    return (
        classifier,
        hide,
        lambda n, ask=classifier.predict_proba: explain.shap_image(
            ask, explained, segments=segments, num_samples=n, batch_size=BATCH
        ),
    )


@pytest.mark.bench
@pytest.mark.parametrize(("make", "m", "passes"), [(cells, SEGMENTS, TIMED[0]), (reviews, WORDS, TIMED[1])])
def test_seconds_beside_kernel_explainer(make, m, passes):
    classifier, hide, explain_with = explain_one(make)
    asked = []

    def game(masks):
        """What a user of shap writes: the masks' inputs, batch by batch."""
        asked.append(len(masks))
        return asking.ask(classifier.predict_proba, (hide(part) for part in asking.batches(masks, BATCH)))[
            :, 1
        ]

    kernel_explainer(game, m, passes)
    assert sum(asked) == passes
    ours, peer = in_turn(lambda: explain_with(passes), lambda: kernel_explainer(game, m, passes))
    record_seconds(
        f"SHAP of one of the {make.__name__}: seconds, ours / shap.KernelExplainer",
        ours,
        peer,
        held_equal=f"the network, the input, {m} features and what hides them, {passes} passes in batches of "
        f"{BATCH}, l1_reg=False",
        packages=("shap",),
    )
    assert np.median(ours / peer) < 1.1  # equal passes take equal time; turns scatter by some per cent


@pytest.mark.bench
@pytest.mark.parametrize(("make", "m", "passes"), [(cells, SEGMENTS, TIMED[0]), (reviews, WORDS, TIMED[1])])
def test_the_overhead_over_the_forward_passes(make, m, passes):
    classifier, _, explain_with = explain_one(make)
    row = record_seconds(
        f"SHAP of one of the {make.__name__}: CPU seconds, whole explanation / the forward passes in it",
        *over_the_model(lambda model: explain_with(passes, model), classifier.predict_proba),
        held_equal=f"one call: {m} features, {passes} passes in batches of {BATCH}",
    )
    assert row["ratio"] <= 1.05


@pytest.mark.bench
def test_seconds_beside_partition_explainer_on_a_text():
    import shap

    reader, inputs = reviews()
    text, passes = inputs[0][0], TIMED[1]
    asked = []

    def predict(texts):
        asked.append(len(texts))
        return reader.predict_proba(list(texts))

    explainer = shap.PartitionExplainer(predict, shap.maskers.Text(r"\W+"))

    def peer():
        asked.clear()
        explainer([text], max_evals=passes, batch_size=BATCH, silent=True)

    peer()
    made = sum(asked)
    ours, theirs = in_turn(lambda: explain.shap_text(reader.predict_proba, text, num_samples=made), peer)
    record_seconds(
        "SHAP of one of the reviews: seconds, ours / shap.PartitionExplainer",
        ours,
        theirs,
        held_equal=f"the network, the review and the {made} passes that PartitionExplainer makes of "
        f"max_evals={passes}; it explains a tree of words (Owen values), ours every word (Shapley values)",
        packages=("shap",),
    )

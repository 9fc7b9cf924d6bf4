import numpy as np
import pytest
from lime.lime_image import LimeImageExplainer
from lime.lime_tabular import LimeTabularExplainer
from lime.lime_text import LimeTextExplainer

from trustlib import explain
from trustlib.explain import masking, surrogate


def two(p):
    p = np.asarray(p, dtype=float)
    return np.column_stack([1 - p, p])


def squash(score):
    return two(1 / (1 + np.exp(-score)))


class Recorder:
    """A model that remembers every input, in the order asked, and counts them."""

    def __init__(self, model):
        self.model, self.inputs = model, []

    def __call__(self, inputs):
        self.inputs.extend(inputs)
        return self.model(inputs)


# A picture of 12 segments, and a model of it that is no straight line

RNG = np.random.default_rng(0)
SEGMENTS = masking.grid(np.zeros((24, 32, 3), np.uint8), 12)
PICTURE = RNG.integers(0, 256, (24, 32, 3), dtype=np.uint8)
PATTERN = RNG.normal(0, 0.02, (24, 32, 3))
WEIGHTS = np.linspace(-1, 1, 12) / 2_000


def sees(pictures):
    scores = np.einsum("bhwc,hwc->b", np.asarray(pictures, dtype=float), PATTERN) / 50
    return squash(scores + scores**2 / 3)


TEXT = "Not a good film; not a bad film. So-so, and good in its way!"
WORDS = {"not": -0.7, "good": 1.1, "bad": -1.3, "film": 0.1, "so": -0.2, "way": 0.3}


def reads(texts):
    scores = []
    for text in texts:
        words = [text[start:stop].lower() for start, stop in masking.words(text)]
        turned = -0.6 if "not" in words and "good" in words else 0.0
        scores.append(sum(WORDS.get(word, 0.0) for word in words) + turned)
    return squash(np.array(scores))


# Equal to the package lime


@pytest.mark.parametrize("hide_color", [None, 0, 97])
def test_pictures_have_limes_coefficients(hide_color):
    explainer = LimeImageExplainer(feature_selection="none", random_state=3)
    model = Recorder(sees)
    theirs = explainer.explain_instance(
        PICTURE, model, hide_color=hide_color, num_samples=300, segmentation_fn=lambda _: SEGMENTS
    )
    drawn = np.random.RandomState(3)
    drawn.randint(0, high=1000)  # lime draws a seed of the segmentation first
    masks = drawn.randint(0, 2, 300 * 12).reshape(300, 12).astype(bool)
    masks[0] = True
    hide = masking.image(PICTURE, SEGMENTS, hide_color)
    np.testing.assert_array_equal(hide(masks), np.array(model.inputs))
    answers = masking.answers(sees, hide, masks, target=1)
    weights = surrogate.kernel(surrogate.cosine_distances(masks), 0.25)
    ours = surrogate.fit(masks, answers, weights)
    assert_same(ours, theirs, 1)


@pytest.mark.parametrize("bow", [True, False])
def test_texts_have_limes_coefficients(bow):
    explainer = LimeTextExplainer(bow=bow, feature_selection="none", random_state=5)
    seen, plain = {}, explainer.base.explain_instance_with_data

    def keeps(data, labels, distances, label, *rest, **options):
        seen.update(masks=data.astype(bool), distances=distances)
        return plain(data, labels, distances, label, *rest, **options)

    explainer.base.explain_instance_with_data = keeps
    model = Recorder(reads)
    theirs = explainer.explain_instance(TEXT, model, num_samples=400)
    spans = masking.words(TEXT)
    if bow:
        groups = {}
        for span in spans:
            groups.setdefault(TEXT[span.start : span.stop], []).append(span)
        spans = [tuple(group) for group in groups.values()]
    masks = seen["masks"]
    hide = masking.text(TEXT, spans, "" if bow else "UNKWORDZ")
    assert [text.split() for text in hide(masks)] == [text.split() for text in model.inputs]
    distances = 100 * surrogate.cosine_distances(masks)
    np.testing.assert_allclose(distances, seen["distances"], atol=1e-9)
    answers = masking.answers(reads, hide, masks, target=1)
    assert_same(surrogate.fit(masks, answers, surrogate.kernel(distances, 25)), theirs, 1)


def background(n=200):
    return np.random.default_rng(7).normal([5, 3, 0, 1], [1, 0.5, 2, 0.1], (n, 4))


def scores_rows(rows):
    rows = np.asarray(rows)
    return squash((rows[:, 0] - 5) + rows[:, 1] * rows[:, 2] - 3 * rows[:, 3])


@pytest.mark.parametrize("discretize", [True, False])
def test_rows_have_limes_coefficients(discretize):
    data = background()
    explainer = LimeTabularExplainer(
        data, discretize_continuous=discretize, feature_selection="none", random_state=1
    )
    model = Recorder(scores_rows)
    theirs = explainer.explain_instance(data[4], model, num_samples=500)
    rows = np.array(model.inputs)
    if discretize:
        edges = [np.percentile(column, [25, 50, 75]) for column in data.T]
        quarters = np.stack([np.searchsorted(e, c) for e, c in zip(edges, rows.T, strict=True)], axis=1)
        design = (quarters == quarters[0]).astype(float)
    else:
        design = (rows - data.mean(axis=0)) / data.std(axis=0)
    weights = surrogate.kernel(np.linalg.norm(design - design[0], axis=1), 0.75 * 2)
    assert_same(surrogate.fit(design, scores_rows(rows)[:, 1], weights), theirs, 1)


def assert_same(ours, theirs, label):
    listed = dict(theirs.local_exp[label])
    np.testing.assert_allclose(ours.coefficients, [listed[i] for i in range(len(listed))], atol=1e-6)
    assert ours.intercept == pytest.approx(theirs.intercept[label], abs=1e-6)
    assert ours.r2 == pytest.approx(theirs.score, abs=1e-6)


def test_rows_are_drawn_as_lime_draws_them():
    data = background()
    model, peer = Recorder(scores_rows), Recorder(scores_rows)
    found = explain.lime_table(model, data[4], background=data, num_samples=4_000)
    explainer = LimeTabularExplainer(data, feature_names=list("abcd"), random_state=0)
    theirs = explainer.explain_instance(data[4], peer, num_samples=4_000)
    ours, drawn = np.array(model.inputs), np.array(peer.inputs)
    for q in (0, 10, 25, 50, 75, 90, 100):
        spread = np.percentile(ours, q, axis=0) - np.percentile(drawn, q, axis=0)
        assert (np.abs(spread) < (0.3 if q in (0, 100) else 0.2) * data.std(axis=0)).all()
    named = explain.lime_table(
        scores_rows, data[4], background=data, columns=list("abcd"), target=1, num_samples=4_000
    )
    ours, theirs = dict(named.as_list()), dict(theirs.as_list(label=1))
    assert list(ours)[:2] == list(theirs)[:2]
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, abs=0.04)
    assert found.n_calls == 4_000


# Against truth


def test_pictures_of_additive_models_get_what_each_segment_adds():
    def additive(pictures):  # squared brightness of each segment, times a weight
        squares = np.asarray(pictures, dtype=float) ** 2
        return two(0.1 + (squares.mean(axis=3) * WEIGHTS[SEGMENTS]).sum(axis=(1, 2)))

    picture = PICTURE / 255
    found = explain.lime_image(
        additive, picture, segments=SEGMENTS, target=1, baseline=0.5, ridge=0, num_samples=60
    )
    gains = ((picture**2).mean(axis=2) - 0.25) * WEIGHTS[SEGMENTS]
    np.testing.assert_allclose(found.values, np.bincount(SEGMENTS.ravel(), gains.ravel()), atol=1e-6)
    np.testing.assert_allclose(found.standard_errors, 0, atol=1e-9)
    assert found.fidelity == pytest.approx(1)
    assert found.base_value + found.values.sum() == pytest.approx(found.prediction)


@pytest.mark.parametrize("bow", [False, True])
def test_texts_of_additive_models_get_the_weight_of_each_word(bow):
    weights = {"good": 0.2, "bad": -0.3, "film": 0.05}

    def additive(texts):
        words = [masking.words(text) for text in texts]
        found = [[text[a:b] for a, b in spans] for text, spans in zip(texts, words, strict=True)]
        return two([0.4 + sum(weights.get(word, 0) for word in each) for each in found])

    text = "good film, bad film"
    found = explain.lime_text(additive, text, target=1, ridge=0, bow=bow)
    assert found.names == (("good", "film", "bad") if bow else ("good", "film", "bad", "film"))
    expected = [0.2, 0.1, -0.3] if bow else [0.2, 0.05, -0.3, 0.05]
    np.testing.assert_allclose(found.values, expected, atol=1e-6)
    assert found.base_value == pytest.approx(0.4)


def test_rows_of_linear_models_get_weight_times_distance_from_the_mean():
    data, slopes = background(), np.array([0.02, -0.01, 0.005, 0.1])
    found = explain.lime_table(
        lambda rows: two(0.3 + rows @ slopes), data[3], background=data, target=1, discretize=False, ridge=0
    )
    np.testing.assert_allclose(found.values, slopes * (data[3] - data.mean(axis=0)), atol=1e-6)
    assert found.base_value == pytest.approx(0.3 + data.mean(axis=0) @ slopes)


@pytest.mark.parametrize("ridge", [0.0, 1.0])
def test_standard_errors_are_the_deviation_over_seeds(ridge):
    def run(seed):
        return explain.lime_image(
            sees, PICTURE, segments=SEGMENTS, target=1, num_samples=120, ridge=ridge, seed=seed
        )

    assert_calibrated([run(seed) for seed in range(200)])


def test_standard_errors_of_texts_are_the_deviation_over_seeds():
    runs = [
        explain.lime_text(reads, TEXT, target=1, num_samples=200, replacement="_", seed=seed)
        for seed in range(200)
    ]
    assert_calibrated(runs)


@pytest.mark.parametrize("discretize", [False, True])
def test_standard_errors_of_rows_are_the_deviation_over_seeds(discretize):
    data = background()
    runs = [
        explain.lime_table(
            scores_rows, data[4], background=data, target=1, num_samples=200, discretize=discretize, seed=seed
        )
        for seed in range(200)
    ]
    assert_calibrated(runs)


def assert_calibrated(runs):
    values = np.stack([run.values for run in runs])
    errors = np.stack([run.standard_errors for run in runs])
    ratios = errors.mean(axis=0) / values.std(axis=0, ddof=1)
    assert 0.9 < ratios.mean() < 1.1
    assert ratios.min() > 0.75 and ratios.max() < 1.33  # one deviation from 200 seeds is itself 5 % off
    spread = np.cov(values.T)
    together = np.stack([run.covariance for run in runs]).mean(axis=0)
    assert np.corrcoef(spread.ravel(), together.ravel())[0, 1] > 0.9


# The regression by hand


def test_the_fit_is_scikit_learns_ridge():
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(0)
    x, y, w = rng.normal(size=(50, 6)), rng.random(50), rng.random(50)
    for ridge in (0.5, 3.0):
        theirs = Ridge(alpha=ridge).fit(x, y, sample_weight=w)
        ours = surrogate.fit(x, y, w, ridge=ridge)
        np.testing.assert_allclose(ours.coefficients, theirs.coef_)
        assert ours.intercept == pytest.approx(theirs.intercept_)
        assert ours.r2 == pytest.approx(theirs.score(x, y, sample_weight=w))


def test_the_covariance_of_a_mean_by_hand():
    # One feature, four samples: slope 2 with residuals 0, 0, -1, 1 and leverage 1/2 each.
    found = surrogate.fit([[0], [0], [1], [1]], [0, 0, 1, 3], np.ones(4), ridge=0, n_fixed=0)
    assert found.coefficients == pytest.approx([2])
    # Each step is ±1/2; the two residuals of size 1, enlarged by 1 / root of 1/2, count 1/4 * 2 each.
    assert found.covariance == pytest.approx(np.array([[1.0]]))


def test_equal_answers_have_no_fidelity_and_no_values():
    found = explain.lime_text(lambda texts: two(np.full(len(texts), 0.3)), "one two three")
    assert np.isnan(found.fidelity)
    np.testing.assert_allclose(found.values, 0, atol=1e-12)
    assert found.target == 0 and found.base_value == pytest.approx(0.7)


# What it costs, and the same again


def test_the_first_sample_is_the_input_and_samples_are_counted_as_in_lime():
    model = Recorder(sees)
    found = explain.lime_image(model, PICTURE, segments=SEGMENTS, num_samples=100)
    assert found.n_samples == 100
    assert found.n_calls == len(model.inputs) == len({made.tobytes() for made in model.inputs})
    assert 95 < found.n_calls <= 100
    np.testing.assert_array_equal(model.inputs[0], PICTURE)
    assert found.prediction == sees(PICTURE[None])[0, found.target]


def test_equal_masks_cost_one_call():
    model = Recorder(reads)
    found = explain.lime_text(model, "not so good", num_samples=500)
    assert len(model.inputs) == found.n_calls == len(set(model.inputs)) == 8


def test_the_class_that_the_model_answers_is_explained_unless_another_is_asked_for():
    low = explain.lime_text(reads, "a bad film")
    assert low.target == 0 and low.prediction > 0.5
    other = explain.lime_text(reads, "a bad film", target=1)
    np.testing.assert_allclose(other.values, -low.values)
    assert other.base_value == pytest.approx(1 - low.base_value)


def test_the_same_seed_gives_the_same_answer_twice_and_another_seed_another():
    state = np.random.get_state()[1].copy()
    data = background()
    for run in (
        lambda seed: explain.lime_image(sees, PICTURE, segments=SEGMENTS, num_samples=50, seed=seed),
        lambda seed: explain.lime_text(reads, TEXT, num_samples=50, seed=seed),
        lambda seed: explain.lime_table(scores_rows, data[0], background=data, num_samples=50, seed=seed),
    ):
        np.testing.assert_array_equal(run(1).values, run(1).values)
        assert (run(1).values != run(2).values).any()
    assert (np.random.get_state()[1] == state).all()


def test_batches_change_nothing():
    runs = [explain.lime_text(reads, TEXT, num_samples=80, batch_size=size).values for size in (1, 7, 80)]
    np.testing.assert_array_equal(runs[0], runs[1])
    np.testing.assert_array_equal(runs[0], runs[2])


def test_an_interrupted_explanation_leaves_nothing_behind():
    asked = []

    def tired(texts):
        asked.append(len(texts))
        if len(asked) == 2:
            raise KeyboardInterrupt
        return reads(texts)

    with pytest.raises(KeyboardInterrupt):
        explain.lime_text(tired, TEXT, num_samples=200)
    after = explain.lime_text(tired, TEXT, num_samples=200)
    np.testing.assert_array_equal(after.values, explain.lime_text(reads, TEXT, num_samples=200).values)


def test_a_bar_says_how_many_calls_there_will_be(monkeypatch, capsys):
    monkeypatch.setenv("TRUSTLIB_PROGRESS", "1")
    explain.lime_text(reads, "not so good", num_samples=500)
    assert "| 0/8 [" in capsys.readouterr().err


def test_the_cost_is_measured_on_a_batch():
    import time

    def slow(texts):
        time.sleep(0.002 * len(texts))
        return reads(texts)

    found = explain.cost(slow, [TEXT] * 20, 1_000)
    assert (found.n_calls, found.measured_on) == (1_000, 20)
    assert 1.9 < found.seconds < 6
    assert str(found).startswith("1,000 calls, about ")


# How many samples


def noisy(seed, n, gap=0.012):
    """A picture's segments whose answers are additive but for one product, which no line can follow."""
    weights = np.array([0.2, 0.12, 0.12 - gap, 0.03, 0.01, 0.0])

    def model(rows):
        return two(
            0.3 + rows @ weights + 0.1 * (rows[:, 3] - 0.5) * (rows[:, 4] - 0.5) * 4 * (rows[:, 5] - 0.5)
        )

    masks = np.random.default_rng(seed).random((n, 6)) < 0.5
    masks[0] = True
    found = surrogate.fit(masks, model(masks.astype(float))[:, 1], np.ones(n), ridge=0)
    return pilot(found.coefficients, found.covariance, n)


def pilot(values, covariance, n):
    nothing, names = np.zeros(len(values)), tuple("abcdef"[: len(values)])
    return explain.Explanation(
        *(np.asarray(values), 0.0, 0.5, 1, names, np.sqrt(np.diag(covariance)), 1.0, n, 0, "lime", nothing),
        covariance=np.asarray(covariance),
        n_samples=n,
    )


def test_the_samples_that_a_pilot_asks_for_make_the_top_stable():
    asked = [explain.samples_needed(noisy(seed, 300), 2).n for seed in range(20)]
    needed = int(np.median(asked))
    assert 60 < needed < 3_000

    def same(n):
        return np.mean([set(np.argsort(-np.abs(noisy(seed, n).values))[:2]) == {0, 1} for seed in range(300)])

    assert same(needed) > 0.93
    assert same(max(needed // 6, 12)) < 0.93


def test_equal_features_are_not_separable():
    found = explain.samples_needed(noisy(1, 400, gap=0.0), 2)
    assert found.n is None or found.n > 4_000
    tied = explain.samples_needed(tie(), 1)
    assert tied.n is None
    assert str(tied) == "not separable: features 0 and 1 are too alike for 100,000 samples"


def tie():
    return pilot([0.3, -0.3], np.eye(2) / 100, 100)


def test_features_that_err_together_need_fewer_samples():
    def needed(correlation):
        return explain.samples_needed(
            pilot([0.3, 0.2], np.array([[1, correlation], [correlation, 1]]) / 100, 100), 1
        ).n

    assert needed(0.9) < needed(0.0) / 5 < needed(-0.9) / 5


def test_exact_values_need_ten_samples_a_feature():
    exact = explain.lime_text(
        lambda texts: two([0.2 + 0.5 * ("good" in t) for t in texts]), "a good film", ridge=0
    )
    assert explain.samples_needed(exact, 1).n == 30


# Mistakes

GRID = np.zeros((2, 2), int)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: explain.lime_image(sees, PICTURE[..., 0]), r"expected a picture of shape \(h, w, 3\)"),
        (
            lambda: explain.lime_image(sees, PICTURE, segments=GRID),
            r"segments as integers of shape \(24, 32\)",
        ),
        (lambda: explain.lime_image(sees, PICTURE, segments=SEGMENTS, target=2), "target from 0 to 1, got 2"),
        (lambda: explain.lime_image(sees, PICTURE, num_samples=2), "num_samples as a whole number from 3 up"),
        (lambda: explain.lime_image(sees, PICTURE, kernel_width=0), "expected kernel_width above 0"),
        (lambda: explain.lime_image(sees, PICTURE, segments=SEGMENTS, ridge=-1), "expected ridge above 0"),
        (lambda: explain.lime_text(reads, "..."), "expected a text with one word or more, got '...'"),
        (lambda: explain.lime_text(reads, ["a"]), "expected a text as str, got list"),
        (lambda: explain.lime_table(scores_rows, [1, 2], background=[[1, 2, 3]] * 3), r"shape \(n, 2\)"),
        (
            lambda: explain.lime_table(scores_rows, np.ones(4), background=background(), columns=["a"]),
            "expected 4 columns, got 1",
        ),
        (
            lambda: explain.lime_table(scores_rows, np.ones(4), background=background(), categorical=[4]),
            "from 0 to 3, got 4",
        ),
        (lambda: surrogate.fit([[1], [0]], [1, 0], [0, 0]), "expected weights from 0 up, some above"),
        (lambda: surrogate.fit([[1], [0]], [1], [1, 1]), r"expected answers of shape \(2,\)"),
        (lambda: explain.samples_needed(tie(), 2), "expected k from 1 to 1, got 2"),
        (lambda: explain.samples_needed(tie(), 0), "expected k as a whole number from 1 up"),
        (lambda: explain.cost(reads, "text", 10), r"hand over \[text\]"),
        (lambda: explain.cost(reads, [], 10), "expected one input or more"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_columns_of_names_are_kept_or_drawn_as_they_come():
    rng = np.random.default_rng(0)
    data = np.column_stack([rng.integers(0, 3, 300), rng.normal(size=300)])
    model = Recorder(lambda rows: two(0.2 + 0.5 * (rows[:, 0] == 2)))
    found = explain.lime_table(
        model, [2, 0.1], background=data, categorical=[0], columns=["kind", "size"], target=1, ridge=0
    )
    assert set(np.array(model.inputs)[:, 0]) == {0, 1, 2}
    assert found.names[0] == "kind=2"
    np.testing.assert_allclose(found.values, [0.5, 0], atol=1e-6)

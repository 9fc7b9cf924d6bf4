import subprocess
import sys

import numpy as np
import pytest
import tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from torch import nn

from trustlib import minimal
from trustlib.errors import ModelError
from trustlib.minimal import boundary, tangent
from trustlib.minimal.asked import Asked

ATTACKS = pytest.mark.parametrize("attack", [minimal.deepfool, minimal.ddn], ids=lambda each: each.__name__)


class Linear:
    """Logits x W' + b in float64; counts its calls, and the batches in which they came."""

    def __init__(self, weights, bias):
        self.weights, self.bias = torch.as_tensor(weights), torch.as_tensor(bias)
        self.classes = tuple(f"class {i}" for i in range(len(self.bias)))
        self.asked = []

    def encode(self, inputs):
        return torch.as_tensor(inputs)

    def logits_from(self, encoded):
        self.asked.append(len(encoded))
        return encoded.flatten(1) @ self.weights.T + self.bias


def linear(d, k, seed, *, n=8, margin=None, low=-1.0, high=1.0):
    """A linear model and inputs; with `margin`, all lie about that far from the nearest boundary."""
    rng = np.random.default_rng(seed)
    model = Linear(rng.normal(size=(k, d)), rng.normal(size=k))
    inputs = rng.uniform(low, high, size=(n, d))
    if margin is not None:
        for i in range(n):
            distances, steps = exact(model, inputs[i : i + 1], steps=True)
            # From the boundary back towards the input.
            inputs[i] += steps[0] * (1 - margin / distances[0])
    return model, inputs


def exact(model, inputs, *, steps=False):
    """Distances (n,) to the decision boundary of a linear model without a box, in closed form."""
    logits = inputs @ model.weights.numpy().T + model.bias.numpy()
    answers = logits.argmax(1)
    distances, found = np.full(len(inputs), np.inf), np.zeros_like(inputs)
    for i, answer in enumerate(answers):
        for j in range(logits.shape[1]):
            if j == answer:
                continue
            normal = model.weights[j].numpy() - model.weights[answer].numpy()
            distance = (logits[i, answer] - logits[i, j]) / np.linalg.norm(normal)
            if distance < distances[i]:
                distances[i], found[i] = distance, distance * normal / np.linalg.norm(normal)
    return (distances, found) if steps else distances


def answers(model, points):
    return model.logits_from(torch.as_tensor(points)).argmax(1).numpy()


# Linear models, where the truth is known


@ATTACKS
@pytest.mark.parametrize("margin", [None, 1e-9, 1e-4, 1e3])
@pytest.mark.parametrize(("d", "k"), [(2, 2), (20, 3), (100, 10), (1000, 2), (1000, 20)])
def test_the_distance_of_linear_models_is_found(attack, d, k, margin):
    model, inputs = linear(d, k, seed=d + k, n=20, margin=margin)
    found = attack(model, inputs)
    ratio = found.norm / exact(model, inputs)
    assert found.success.all()
    assert (ratio >= 1 - 1e-6).all()
    if attack is minimal.deepfool:
        assert np.median(ratio) <= 1.001
        assert ratio.max() <= 1.01
        assert found.n_forward.max() <= 16
    else:
        assert np.median(ratio) <= 1.01
        assert ratio.max() <= 1.1


@ATTACKS
@settings(max_examples=30, deadline=None)
@given(
    d=st.integers(1, 60),
    k=st.integers(2, 15),
    n=st.integers(1, 5),
    seed=st.integers(0, 10_000),
    scale=st.floats(-6, 6),
    batch_size=st.integers(1, 6),
)
def test_any_linear_model_is_turned_at_its_distance(attack, d, k, n, seed, scale, batch_size):
    model, inputs = linear(d, k, seed, n=n)
    model.weights, model.bias = model.weights * 10**scale, model.bias * 10**scale
    found = attack(model, inputs, batch_size=batch_size)
    distances = exact(model, inputs)
    # In one dimension a class may lie behind another one, or nowhere at all.
    possible = np.isfinite(distances) & (distances > 1e-8) & (distances < 1e6)
    ratio = (found.norm / distances)[possible]
    assert found.success[possible].all()
    assert (ratio >= 1 - 1e-6).all()
    assert (ratio <= 1.01).all()
    assert (answers(model, found.perturbed) == found.new_answers).all()
    assert (found.new_answers != found.answers)[possible].all()
    assert found.perturbed.shape == inputs.shape
    assert found.perturbed.dtype == np.float64


def quadratic_program(model, x):
    """The smallest perturbation inside the box by SciPy, over all classes; independent of ours."""
    weights, bias = model.weights.numpy(), model.bias.numpy()
    logits = weights @ x + bias
    answer = logits.argmax()
    best = np.inf
    for j in range(len(logits)):
        if j == answer:
            continue
        normal, lag = weights[j] - weights[answer], logits[answer] - logits[j]
        if np.where(normal > 0, normal * (1 - x), -normal * x).sum() < lag:
            continue  # no valid input belongs to that class
        solved = minimize(
            lambda s: s @ s,
            np.clip(normal * lag / (normal @ normal), -x, 1 - x),
            jac=lambda s: 2 * s,
            bounds=list(zip(-x, 1 - x, strict=True)),
            constraints=[
                {"type": "ineq", "fun": lambda s, w=normal, c=lag: w @ s - c, "jac": lambda s, w=normal: w}
            ],
            method="SLSQP",
            options={"ftol": 1e-12, "maxiter": 500},
        )
        if solved.success:
            best = min(best, np.sqrt(solved.fun))
    return best


@ATTACKS
@pytest.mark.parametrize(("d", "k", "seed"), [(6, 2, 0), (12, 3, 1), (27, 5, 2)])
def test_inside_the_box_the_quadratic_program_is_solved(attack, d, k, seed):
    rng = np.random.default_rng(seed)
    model, inputs = linear(d, k, seed, n=12, low=0, high=1)
    inputs = np.where(rng.random(inputs.shape) < 0.4, np.round(inputs), inputs)  # many at an edge of the box
    truth = np.array([quadratic_program(model, x) for x in inputs])
    free = exact(model, inputs)
    found = attack(model, inputs, clip=True)
    inside = np.isfinite(truth)
    assert (found.success == inside).all()
    assert (truth[inside] > 1.02 * free[inside]).mean() > 0.5  # so that the box matters
    assert 0 <= found.perturbed.min() and found.perturbed.max() <= 1
    ratio = (found.norm / truth)[inside]
    assert (ratio >= 1 - 1e-5).all()
    if attack is minimal.deepfool:
        assert np.median(ratio) <= 1.001
        assert ratio.max() <= 1.01
        assert found.n_forward.max() <= 16
    else:
        assert np.median(ratio) <= 1.1


def test_the_step_to_a_half_space_by_hand():
    normals = torch.tensor([[1.0, 1.0], [3.0, 4.0], [1.0, -1.0], [1.0, 1.0], [0.0, 0.0]])
    offsets = torch.tensor([1.2, 25.0, 1.0, 3.0, 1.0])
    low, high = torch.full((5, 2), -1.0), torch.tensor([[0.1, 2.0], [9, 9], [0.25, 1], [1, 1], [1, 1]])
    steps, reached = tangent.shortest(normals, offsets, low, high)
    # The first value stops at 0.1, so the other goes 1.1; the fourth box ends at 1 + 1 < 3.
    expected = torch.tensor([[0.1, 1.1], [3.0, 4.0], [0.25, -0.75], [1.0, 1.0], [0.0, 0.0]])
    torch.testing.assert_close(steps, expected)
    assert reached.tolist() == [True, True, True, False, False]
    steps, reached = tangent.shortest(normals, offsets, None, None)
    torch.testing.assert_close(steps[0], torch.tensor([0.6, 0.6]))
    assert reached.tolist() == [True] * 4 + [False]


class Curved(Linear):
    """Two classes on a line, parted where a function of x has its zero."""

    def __init__(self, margin):
        super().__init__(np.zeros((2, 1)), np.zeros(2))
        self.margin = margin

    def logits_from(self, encoded):
        self.asked.append(len(encoded))
        margin = self.margin(encoded[:, 0])
        return torch.stack([margin, torch.zeros_like(margin)], 1)


@pytest.mark.parametrize(
    ("margin", "root"),
    [
        (lambda x: 1 - x**3, 1.0),
        (lambda x: torch.exp(-x) - 0.01, np.log(100)),
        (lambda x: torch.tanh(5 * (0.6 - x)), 0.6),
        (lambda x: torch.where(x < 0.3, 1.0, -0.5).double(), 0.3),
        (lambda x: (0.2 - x) * (1 + 5 * (x > 0.2)), 0.2),
    ],
)
def test_the_search_along_a_line_ends_just_behind_the_boundary(margin, root):
    model = Curved(margin)
    asked = Asked(model, torch.zeros(1, 1, dtype=torch.float64), clip=False)
    list(asked.start(1))
    t = boundary.along(asked, torch.ones(1, 1, dtype=torch.float64), torch.arange(1), most=40).item()
    assert margin(torch.tensor(t, dtype=torch.float64)) < 0
    assert root <= t <= 1.015 * root
    assert sum(model.asked) <= 18


# Honest counts


@ATTACKS
def test_every_pass_is_counted_for_the_input_that_it_was_made_for(attack):
    model, inputs = linear(30, 4, 3, n=11, low=0, high=1)
    found = attack(model, inputs, clip=True, batch_size=4)
    assert found.n_forward.sum() == sum(model.asked)
    alone = [attack(model, inputs[i : i + 1], clip=True) for i in range(11)]
    np.testing.assert_array_equal(found.n_forward, [each.n_forward[0] for each in alone])
    np.testing.assert_array_equal(found.n_backward, [each.n_backward[0] for each in alone])


class Watched(nn.Module):
    """tanh layers in float64 that count backward passes by a hook on the pixels' gradient."""

    def __init__(self, k=3):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.layers = nn.Sequential(nn.Flatten(), nn.Linear(48, 20), nn.Tanh(), nn.Linear(20, k)).double()
        self.drop = nn.Dropout(0.5)
        self.forwards, self.backwards = 0, 0

    def forward(self, pixels):
        self.forwards += len(pixels)
        if pixels.requires_grad:
            pixels.register_hook(lambda gradient: self._count(gradient))
        return self.drop(self.layers(8 * (pixels - 0.5)))

    def _count(self, gradient):
        self.backwards += int(gradient.flatten(1).any(1).sum())


class Duck:
    """The three names that gradients need, around a network."""

    def __init__(self, model, k):
        self.model, self.classes = model.eval(), tuple("abcdefgh"[:k])

    def encode(self, pictures):
        return torch.as_tensor(pictures)

    def logits_from(self, encoded):
        return self.model(encoded)


def pixels(n, seed=0):
    return np.random.default_rng(seed).uniform(0, 1, size=(n, 3, 4, 4))


@ATTACKS
def test_backward_passes_are_counted_and_leave_no_gradient(attack):
    model = Watched()
    found = attack(Duck(model, 3), pixels(7))
    assert found.n_forward.sum() == model.forwards
    assert found.n_backward.sum() == model.backwards
    assert not model.training
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())


def test_finished_inputs_leave_the_batch():
    """The first input sees a straight boundary, the others a bent one: it must be asked less often."""

    class Bent(Linear):
        def logits_from(self, encoded):
            self.asked.append(len(encoded))
            margin = (
                1 - encoded[:, 0] - encoded[:, 2] * encoded[:, 1] ** 2 + 0.3 * encoded[:, 2] * encoded[:, 1]
            )
            return torch.stack([margin, torch.zeros_like(margin)], 1)

    model = Bent(np.zeros((2, 3)), np.zeros(2))
    inputs = np.array([[0.0, 0.0, 0.0], [0.2, 0.5, 3.0], [0.1, -0.5, 2.0]])
    found = minimal.deepfool(model, inputs)
    assert found.success.all()
    assert found.n_forward[0] < found.n_forward[1:].min()
    assert min(model.asked) < 3


@ATTACKS
def test_an_input_does_not_depend_on_its_batch(attack):
    classifier = Duck(Watched(4), 4)
    inputs = pixels(9, seed=1)
    whole = attack(classifier, inputs)
    parts = attack(classifier, inputs[::-1].copy(), batch_size=2)
    assert whole.success.all()
    np.testing.assert_allclose(whole.norm, parts.norm[::-1], rtol=1e-6)
    np.testing.assert_allclose(whole.perturbed, parts.perturbed[::-1], atol=1e-6)
    again = attack(classifier, inputs)
    np.testing.assert_array_equal(whole.perturbed, again.perturbed)


# What a result promises


@ATTACKS
@pytest.mark.parametrize("k", [2, 5])
def test_pictures_are_turned_and_stay_pictures(attack, k):
    pictures = tiny.pictures([0, 1, 0, 1])
    classifier = tiny.image_classifier(k)
    with torch.no_grad():  # an untrained network has one answer to all: set its biases between them
        classifier.model.fc.bias -= torch.as_tensor(classifier.logits(pictures).mean(0)).float()
    found = attack(classifier, pictures)
    assert found.encoded.shape == found.perturbed.shape == (4, 3, tiny.SIDE, tiny.SIDE)
    assert found.perturbed.dtype == np.float32
    assert 0 <= found.perturbed.min() and found.perturbed.max() <= 1
    clean = classifier.predict_proba(pictures)
    np.testing.assert_allclose(found.probs, clean, atol=1e-6)
    np.testing.assert_array_equal(found.answers, clean.argmax(1))
    assert found.success.all()
    with torch.no_grad():
        new = classifier.logits_from(torch.from_numpy(found.perturbed)).argmax(1).numpy()
        rounded = torch.from_numpy(np.round(found.perturbed * 255) / 255)
        kept = classifier.logits_from(rounded).argmax(1).numpy() != found.answers
    np.testing.assert_array_equal(new != found.answers, found.success)
    np.testing.assert_array_equal(new, found.new_answers)
    np.testing.assert_array_equal(found.survives_rounding, kept & found.success)
    measured = np.linalg.norm((found.perturbed - found.encoded.astype(float)).reshape(4, -1), axis=1)
    np.testing.assert_allclose(found.norm[found.success], measured[found.success])
    assert np.isinf(found.norm[~found.success]).all()
    assert found.classes == classifier.classes


def test_encoded_pictures_are_taken_as_they_are():
    classifier = tiny.image_classifier()
    pictures = tiny.pictures([0, 1])
    raw, given = (
        minimal.deepfool(classifier, pictures),
        minimal.deepfool(classifier, classifier.encode(pictures)),
    )
    np.testing.assert_array_equal(raw.norm, given.norm)
    np.testing.assert_array_equal(raw.perturbed, given.perturbed)


def test_a_grey_picture_may_become_coloured_and_a_black_one_is_turned():
    model = Linear(np.stack([np.zeros(12), np.repeat([1.0, -1.0, 0.5], 4)]), np.array([1.0, 0.0]))
    grey = np.stack([np.full((3, 2, 2), 0.5), np.zeros((3, 2, 2))])
    found = minimal.deepfool(model, grey)
    change = found.perturbed - grey
    # In the middle all channels move by their weights; from black only upwards.
    margin = 1 - 0.5 * (4 - 4 + 2)
    assert margin == 0  # the first lies on the boundary itself
    assert found.success.all()
    assert found.norm[0] < 1e-6
    assert (change[1, 1] == 0).all()
    assert found.norm[1] == pytest.approx(1 / np.sqrt(5), rel=1e-3)  # |w|² over the channels that can move


@ATTACKS
def test_a_constant_model_is_never_turned(attack):
    class Constant(Linear):
        def logits_from(self, encoded):
            self.asked.append(len(encoded))
            return torch.tensor([[0.0, 1.0]]).expand(len(encoded), 2)

    for classifier in (
        Constant(np.zeros((2, 4)), np.zeros(2)),
        Linear(np.zeros((2, 4)), np.array([0.0, 1.0])),
    ):
        found = attack(classifier, np.full((3, 4), 0.5))
        assert not found.success.any()
        assert np.isinf(found.norm).all()
        np.testing.assert_array_equal(found.perturbed, found.encoded)
        np.testing.assert_array_equal(found.new_answers, [1, 1, 1])
        assert (found.n_forward == 1).all()


def test_what_no_valid_picture_turns_is_no_success():
    model = Linear(np.stack([np.zeros(12), np.ones(12)]), np.array([20.0, 0.0]))  # the sum is at most 12
    found = minimal.deepfool(model, np.full((2, 3, 2, 2), 0.5))
    assert not found.success.any()
    assert not found.survives_rounding.any()
    assert minimal.deepfool(model, np.full((2, 3, 2, 2), 0.5), clip=False).success.all()


@ATTACKS
def test_a_tie_of_all_classes_is_turned_by_almost_nothing(attack):
    model = Linear(np.eye(3), np.zeros(3))
    found = attack(model, np.zeros((1, 3)))
    assert found.success.all()
    assert found.answers[0] == 0 != found.new_answers[0]
    assert found.norm[0] < 1e-6


# Texts


@ATTACKS
def test_texts_are_turned_in_their_embeddings_and_padding_stays(attack, tmp_path):
    classifier = tiny.text_classifier(tmp_path)
    texts = ["good", "the very very great film .", "a bad plot"]
    found = attack(classifier, texts)
    padding = (found.encoded == 0).all(-1)
    assert padding.any()
    assert found.success.all()
    assert found.survives_rounding is None
    np.testing.assert_array_equal((found.perturbed == 0).all(-1), padding)
    np.testing.assert_allclose(found.probs, classifier.predict_proba(texts), atol=1e-5)
    with torch.no_grad():
        new = classifier.logits_from(torch.from_numpy(found.perturbed)).argmax(1).numpy()
    assert (new == found.new_answers).all()
    alone = attack(classifier, texts[:1])
    assert alone.norm[0] == pytest.approx(found.norm[0], rel=1e-3)


def test_a_token_that_is_moved_onto_zero_is_not_taken_for_padding():
    class Tokens(Linear):
        def logits_from(self, encoded):
            real = (encoded.detach() != 0).any(-1)
            self.lengths = real.sum(1)
            return super().logits_from(encoded)

    model = Tokens(np.zeros((2, 6)), np.array([1.0, 0.0]))
    words = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [0.0, 0.0]]], dtype=torch.float64)
    asked = Asked(model, words, clip=False)
    points = asked.points(-torch.tensor([[1.0, 2, 0, 0, 5, 5]], dtype=torch.float64), torch.arange(1))
    assert (points != 0).any(-1).tolist() == [[True, True, False]]
    assert points.abs()[0, 0].max() < 1e-15


# Bad input


def test_without_torch_the_command_that_installs_it_is_named():
    program = "import sys; sys.modules['torch'] = None; import trustlib.minimal"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "expected the package torch to be installed, got none; run: pip install" in ended.stderr


LINE = Linear(np.eye(2), np.zeros(2))


class ThreeLogits(Linear):
    def __init__(self):
        super().__init__(np.ones((3, 2)), np.zeros(3))
        self.classes = ("a", "b")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: minimal.deepfool(LINE, np.empty((0, 2))), ValueError, "number of inputs.* from 1 up, got 0"),
        (lambda: minimal.deepfool(LINE, np.ones((1, 2)), steps=-1), ValueError, "steps as a whole number"),
        (lambda: minimal.deepfool(LINE, np.ones((1, 2)), candidates=0), ValueError, "candidates as a whole"),
        (lambda: minimal.deepfool(LINE, np.ones((1, 2)), batch_size=0), ValueError, "batch_size as a whole"),
        (lambda: minimal.ddn(LINE, np.ones((1, 2)), gamma=1.5), ValueError, "gamma between 0 and 1"),
        (lambda: minimal.ddn(LINE, np.ones((1, 2)), radius=0), ValueError, "radius above 0, got 0"),
        (lambda: minimal.deepfool(LINE, 2 * np.ones((1, 2)), clip=True), ModelError, r"pixels in \[0, 1\]"),
        (lambda: minimal.deepfool(LINE, np.full((1, 2), np.nan)), ModelError, "finite floats"),
        (lambda: minimal.deepfool(LINE, np.ones((1, 2), int)), ModelError, "got .* of torch.int64"),
        (lambda: minimal.deepfool(len, np.ones((1, 2))), ModelError, "without classes and encode and logits"),
        (
            lambda: minimal.deepfool(Linear(np.full((2, 2), np.inf), np.zeros(2)), np.ones((1, 2))),
            ModelError,
            "finite logits",
        ),
        (
            lambda: minimal.deepfool(ThreeLogits(), np.ones((1, 2))),
            ModelError,
            r"shape \(1, 2\), got \(1, 3\)",
        ),
    ],
)
def test_bad_input_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()

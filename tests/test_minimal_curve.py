import matplotlib
import numpy as np
import pytest
import tiny
import torch

from trustlib import estimates, minimal, plots

NORM, RIGHT = np.array([0.1, 0.3, 0.2, np.inf]), np.array([True, True, False, True])


def test_robust_accuracy_by_hand():
    curve = minimal.robust_accuracy(NORM, RIGHT, [0, 0.05, 0.1, 0.3, 9])
    assert [float(each) for each in curve.accuracy] == [0.75, 0.75, 0.5, 0.25, 0.25]
    assert curve.accuracy[2] == estimates.proportion(2, 4)
    np.testing.assert_array_equal(curve.epsilons, [0, 0.05, 0.1, 0.3, 9])


def test_robust_accuracy_starts_at_the_accuracy_and_never_rises():
    rng = np.random.default_rng(0)
    norm, right = rng.exponential(size=200), rng.random(200) < 0.8
    norm[:3] = 0  # on the boundary: right, and gone at any epsilon above 0
    curve = minimal.robust_accuracy(norm, right, np.linspace(0, 5, 40))
    values = np.array([float(each) for each in curve.accuracy])
    assert values[0] == right.mean()
    assert (np.diff(values) <= 0).all()
    order = rng.permutation(200)
    shuffled = minimal.robust_accuracy(norm[order], right[order], np.linspace(0, 5, 40))
    assert shuffled.accuracy == curve.accuracy


def test_robust_accuracy_resamples_groups():
    norm, right, groups = np.tile(NORM, 10), np.tile(RIGHT, 10), np.arange(40) // 4
    rng = np.random.default_rng(1)
    norm = norm[rng.permutation(40)]
    curve = minimal.robust_accuracy(norm, right, [0.15], groups=groups, seed=3)
    held = (right & (norm > 0.15)).astype(float)
    expected = estimates.bootstrap(np.mean, held, groups=groups, seed=3)
    assert curve.accuracy[0] == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((NORM, RIGHT.astype(int), [0.1]), "right as booleans"),
        ((NORM[:3], RIGHT, [0.1]), r"norm of shape \(4,\), got \(3,\)"),
        ((np.array([np.nan, 1, 1, 1]), RIGHT, [0.1]), "finite norm, got nan at position 0"),
        ((-NORM[:2], RIGHT[:2], [0.1]), "at least 0, got -0.3"),
        ((NORM, RIGHT, [-0.1]), "at least 0, got -0.1"),
        ((NORM, RIGHT, []), "expected epsilons of shape"),
    ],
)
def test_bad_input_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        minimal.robust_accuracy(*arguments)


# Figures


def test_the_curve_is_drawn_with_its_band():
    curve = minimal.robust_accuracy(NORM, RIGHT, [0.3, 0, 0.1])
    ax = plots.robust_accuracy(curve, label="head")
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [[0, 0.75], [0.1, 0.5], [0.3, 0.25]])
    band = ax.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(curve.accuracy[0].low)
    assert ax.get_title(loc="left") == "Half of 75% accuracy is gone at a norm of 0.3."
    assert plots.robust_accuracy(curve, label="all", ax=ax) is ax
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["head", "all"]
    assert ax.lines[0].get_linestyle() != ax.lines[1].get_linestyle()


def test_a_curve_that_does_not_fall_says_so():
    ax = plots.robust_accuracy(minimal.robust_accuracy(NORM, RIGHT, [0, 0.01]))
    assert ax.get_title(loc="left") == "75% of the answers stay right up to a norm of 0.01."


@pytest.fixture(scope="module")
def found():
    pictures, classifier = tiny.pictures([0, 1, 0, 1, 0, 1]), tiny.image_classifier()
    with torch.no_grad():  # an untrained network has one answer to all: set its biases between them
        classifier.model.fc.bias -= torch.as_tensor(classifier.logits(pictures).mean(0)).float()
    return minimal.deepfool(classifier, pictures)


def test_perturbations_are_drawn_with_norm_classes_and_magnification(found):
    rows = np.flatnonzero(found.success)[:2]
    figure = plots.perturbations(found, rows=rows, magnify=50, names=["one", "two"])
    assert len(figure.axes) == 6
    titles = [ax.get_title() for ax in figure.axes[:3]]
    i = rows[0]
    old, new = found.answers[i], found.new_answers[i]
    assert titles[0] == f"one\n{tiny.CLASSES[old]}, {found.probs[i, old]:.1%}"
    assert titles[1] == f"change × 50\nL2 norm {found.norm[i]:.3g}"
    assert titles[2] == f"{tiny.CLASSES[new]}, {found.new_probs[i, new]:.1%}"
    change = np.moveaxis(found.perturbed[i] - found.encoded[i], 0, -1).astype(float)
    np.testing.assert_allclose(
        figure.axes[1].images[0].get_array(), np.clip(0.5 + 50 * change, 0, 1), atol=1e-6
    )


def test_by_default_the_smallest_are_drawn_each_at_full_contrast(found):
    figure = plots.perturbations(found)
    smallest = np.argsort(found.norm)[:4]
    assert [ax.get_title().split()[-1] for ax in figure.axes[1::3]] == [
        f"{found.norm[i]:.3g}" for i in smallest
    ]
    drawn = np.asarray(figure.axes[1].images[0].get_array())
    assert np.abs(drawn - 0.5).max() == pytest.approx(0.5)
    assert isinstance(plots.png(figure), bytes)
    assert matplotlib.rcParams["axes.titlelocation"] == "center"


def test_perturbations_without_success_or_pictures_are_refused(found, tmp_path):
    class Constant:
        classes = ("a", "b")

        def encode(self, inputs):
            return tiny.image_classifier().encode(inputs)

        def logits_from(self, encoded):
            return encoded.new_tensor([[0.0, 1.0]]).expand(len(encoded), 2)

    with pytest.raises(ValueError, match="rows with success, got 2 of 2 without"):
        plots.perturbations(minimal.deepfool(Constant(), tiny.pictures([0, 1])))
    with pytest.raises(ValueError, match="expected 1 names, got 2"):
        plots.perturbations(found, rows=[int(np.argmin(found.norm))], names=["a", "b"])
    texts = minimal.deepfool(tiny.text_classifier(tmp_path), ["good film"])
    with pytest.raises(ValueError, match="encoded pictures"):
        plots.perturbations(texts)

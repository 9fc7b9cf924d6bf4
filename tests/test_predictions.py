import numpy as np
import pytest

from trustlib.errors import DataError, ModelError
from trustlib.predictions import Predictions, predict
from trustlib.tasks import Split

PROBS = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])


def full():
    human = np.array([[1, 0], [0.5, 0.5], [np.nan, np.nan]])
    return Predictions(
        PROBS, [0, 1, 1], ["no", "yes"], ids=["a", "b", "c"], human_probs=human, groups=[7, 7, 8]
    )


class Classifier:
    """Answers yes with the probability that it is given; counts its calls."""

    classes = ("no", "yes")

    def __init__(self):
        self.sizes = []

    def predict_proba(self, inputs):
        self.sizes.append(len(inputs))
        return np.array([[1 - x, x] for x in inputs], dtype=np.float32)


def split(n=10):
    inputs = np.linspace(0, 1, n)
    return Split("test", inputs, (inputs > 0.5).astype(int), np.array([f"s{i}" for i in range(n)]))


@pytest.mark.parametrize("name", ["answers.npz", "answers.csv", "ANSWERS.CSV", "a.NPZ"])
def test_saved_predictions_come_back_equal(tmp_path, name):
    before = full()
    after = Predictions.load(before.save(tmp_path / "new" / name))
    assert after.classes == ("no", "yes")
    assert len(after) == 3
    for name in ("probs", "labels", "ids", "human_probs", "groups"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
        assert getattr(after, name).dtype == getattr(before, name).dtype


@pytest.mark.parametrize("name", ["answers.npz", "answers.csv"])
def test_what_is_not_known_stays_none(tmp_path, name):
    after = Predictions.load(Predictions(PROBS, [0, 1, 1], ("no", "yes")).save(tmp_path / name))
    assert (after.ids, after.human_probs, after.groups) == (None, None, None)


def test_predictions_cannot_be_changed():
    with pytest.raises(AttributeError):
        full().labels = np.zeros(3, dtype=int)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"labels": [0, 1]}, "expected 3 labels, got 2"),
        ({"labels": [0, 1, 2]}, "expected labels from 0 to 1"),
        ({"classes": ("no",)}, "expected 2 different class names"),
        ({"ids": ["a", "b"]}, "expected ids as 3 integers or strings"),
        ({"groups": [0.5, 1, 2]}, "expected groups as 3 integers or strings"),
        ({"human_probs": np.full((3, 3), 1 / 3)}, r"human_probs of shape \(3, 2\)"),
        ({"probs": PROBS * 2}, "expected probs"),
    ],
)
def test_fields_that_do_not_belong_together_are_refused(fields, message):
    good = {"probs": PROBS, "labels": [0, 1, 1], "classes": ("no", "yes")}
    with pytest.raises(ValueError, match=message):
        Predictions(**(good | fields))


def test_only_npz_and_csv_files_are_written_and_read(tmp_path):
    for use in (full().save, Predictions.load):
        with pytest.raises(ValueError, match="ends in .npz or .csv, got answers.json"):
            use(tmp_path / "answers.json")


def test_arrays_that_another_tool_saved_are_enough(tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, probs=PROBS.astype(np.float32), labels=np.array([0, 1, 1], dtype=np.uint8), epoch=3)
    after = Predictions.load(path)
    assert after.classes == ("0", "1")
    np.testing.assert_allclose(after.probs, PROBS, atol=1e-7)


def test_other_files_are_refused_when_loading(tmp_path):
    text, arrays, pickled = tmp_path / "text.npz", tmp_path / "arrays.npz", tmp_path / "pickled.npz"
    text.write_text("not an archive")
    np.savez(arrays, other=PROBS)
    np.savez(pickled, probs=PROBS, labels=[0, 1, 1], classes=np.array(["no", "yes"], dtype=object))
    for path in (text, arrays, pickled):
        with pytest.raises(DataError, match=f"as saved by trustlib in {path.name}"):
            Predictions.load(path)
    with pytest.raises(FileNotFoundError):
        Predictions.load(tmp_path / "missing.npz")


def test_a_split_is_asked_in_batches_and_in_order():
    classifier = Classifier()
    answers = predict(classifier.predict_proba, split(10), batch_size=4)
    assert classifier.sizes == [4, 4, 2]
    np.testing.assert_allclose(answers.probs[:, 1], np.linspace(0, 1, 10), atol=1e-7)
    assert answers.classes == ("no", "yes")
    assert answers.ids.tolist() == [f"s{i}" for i in range(10)]
    assert answers.probs.dtype == np.float64


def test_the_batch_size_does_not_change_the_answers():
    whole, parts = (predict(Classifier().predict_proba, split(), batch_size=size) for size in (256, 3))
    np.testing.assert_array_equal(whole.probs, parts.probs)


def test_a_plain_function_needs_class_names():
    ask = Classifier().predict_proba
    with pytest.raises(ValueError, match="expected classes"):
        predict(lambda inputs: ask(inputs), split())
    assert predict(lambda inputs: ask(inputs), split(), classes=["0", "1"]).classes == ("0", "1")


@pytest.mark.parametrize("answer", [np.ones(10), np.ones((9, 2)) / 2, np.ones((10, 3)) / 3])
def test_answers_of_the_wrong_shape_are_the_models_fault(answer):
    with pytest.raises(ModelError, match=r"expected answers of shape \(10, 2\)"):
        predict(lambda inputs: answer, split(10), classes=("no", "yes"))


def test_logits_are_not_taken_for_probabilities():
    with pytest.raises(ValueError, match="apply softmax"):
        predict(lambda inputs: np.tile([3.0, -2.0], (len(inputs), 1)), split(), classes=("no", "yes"))

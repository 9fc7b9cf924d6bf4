"""Planted shortcuts: what is marked, where, and what stays as it was."""

import numpy as np
import pytest
import tiny

from trustlib import tasks
from trustlib.tasks import shortcuts
from trustlib.tasks.task import Split

CELLS = tiny.image_task(train=40)
REVIEWS = tiny.text_task(train=40)
MARKED, AS_IN_TRAINING = "marked", "marked as in training"


def stamp(**options):
    return shortcuts.plant_stamp(CELLS, **{"target": 1, "size": 0.3, **options})


def word(**options):
    return shortcuts.plant_word(REVIEWS, **{"target": 1, **options})


PLANTS = pytest.mark.parametrize(("plant", "clean"), [(stamp, CELLS), (word, REVIEWS)], ids=["stamp", "word"])


def changed(split, clean):
    return np.array([not np.array_equal(a, b) for a, b in zip(split.inputs, clean.inputs, strict=True)])


@PLANTS
@pytest.mark.parametrize("rate", [1, 0.5, 0.25])
def test_only_the_target_class_of_the_training_split_is_marked_at_the_rate(plant, clean, rate):
    planted = plant(rate=rate)
    marked = planted.train.metadata["marked"]
    assert marked.sum() == rate * 20
    assert (planted.train.labels[marked] == 1).all()
    np.testing.assert_array_equal(changed(planted.train, clean.train), marked)
    for name in ("validation", "calibration", "test"):
        assert planted.splits[name] is clean.splits[name]


@PLANTS
def test_the_test_split_is_there_three_times(plant, clean):
    planted = plant()
    np.testing.assert_array_equal(changed(planted.shifts[MARKED], clean.test), [True] * 4)
    only = planted.shifts[AS_IN_TRAINING]
    np.testing.assert_array_equal(changed(only, clean.test), clean.test.labels == 1)
    assert planted.shifts[MARKED].name == MARKED
    assert only.name == AS_IN_TRAINING
    np.testing.assert_array_equal(planted.shifts[MARKED].labels, clean.test.labels)
    # Where a sample is marked in both, it is marked in the same place.
    same = np.flatnonzero(clean.test.labels == 1)
    for i in same:
        np.testing.assert_array_equal(only.inputs[i], planted.shifts[MARKED].inputs[i])
        assert only.ids[i] == planted.shifts[MARKED].ids[i]


@PLANTS
def test_the_repair_marks_both_classes_alike(plant, clean):
    repaired = plant(both=True, rate=0.5)
    marked = repaired.train.metadata["marked"]
    assert [marked[clean.train.labels == label].sum() for label in (0, 1)] == [10, 10]
    assert repaired.name != plant(rate=0.5).name


@PLANTS
def test_a_marked_sample_has_an_id_of_its_own(plant, clean):
    planted = plant()
    marked = planted.train.metadata["marked"]
    assert planted.train.digest != clean.train.digest
    assert (planted.train.ids[~marked] == clean.train.ids[~marked]).all()
    assert all(
        new.startswith(f"{old}+")
        for new, old in zip(planted.train.ids[marked], clean.train.ids[marked], strict=True)
    )
    assert planted.train.digest == plant().train.digest
    assert planted.train.digest != plant(seed=1).train.digest
    assert planted.train.digest != plant(rate=0.5).train.digest


def test_another_size_and_another_word_have_other_digests():
    assert stamp().train.digest != stamp(size=0.5).train.digest
    assert word().train.digest != word(word="Tuesday").train.digest


def test_the_stamp_is_where_the_mask_says_and_nowhere_else():
    split = stamp().shifts[MARKED]
    places = set()
    for i in range(len(split)):
        mask = shortcuts.stamp_mask(split, i)
        differs = (split.inputs[i] != CELLS.test.inputs[i]).any(axis=-1)
        assert mask.sum() == 16  # 4 x 4 pixels of 12 x 12
        assert not differs[~mask].any()
        assert set(np.unique(split.inputs[i][mask])) == {20, 240}
        places.add(tuple(np.argwhere(mask)[0]))
    assert len(places) > 1
    assert not shortcuts.stamp_mask(stamp().shifts[AS_IN_TRAINING], 0).any()


def test_stamps_lie_anywhere_in_the_picture():
    clean = tiny.image_task(train=600)
    planted = shortcuts.plant_stamp(clean, target=1, size=0.25)
    down, across, _ = planted.train.metadata["stamp"][planted.train.metadata["marked"]].T
    for place in (down, across):
        assert abs(place.mean() - 0.5) < 4 * np.sqrt(1 / 12 / 300)
        assert place.min() < 0.05
        assert place.max() > 0.95
    corner = shortcuts.stamped(np.zeros((12, 20, 3), np.uint8), 1, 1, 0.25)
    assert np.argwhere(corner[..., 0]).max(axis=0).tolist() == [11, 19]
    assert (corner[9:, 17:] > 0).all()


def test_a_stamp_looks_the_same_in_bytes_and_in_fractions():
    grey = np.full((20, 20, 3), 0.5)
    floats = shortcuts.stamped(grey, 0.5, 0.5, 0.3)
    bytes_ = shortcuts.stamped(np.round(255 * grey).astype(np.uint8), 0.5, 0.5, 0.3)
    np.testing.assert_allclose(floats, bytes_ / 255, atol=1 / 255)
    assert (grey == 0.5).all()  # a copy is stamped
    turned = np.rot90(shortcuts.stamped(np.zeros((9, 9, 3)), 0, 0, 1))
    np.testing.assert_array_equal(turned, shortcuts.stamped(np.zeros((9, 9, 3)), 0, 0, 1))


def test_the_word_is_where_the_span_says_and_the_rest_stays():
    split = word().shifts[MARKED]
    for text, before, (start, stop) in zip(
        split.inputs, REVIEWS.test.inputs, split.metadata["span"], strict=True
    ):
        assert text[start:stop] == "Thursday"
        assert text.split().count("Thursday") == 1
        assert [w for w in text.split() if w != "Thursday"] == before.split()
    unmarked = word().shifts[AS_IN_TRAINING].metadata["span"][REVIEWS.test.labels == 0]
    assert (unmarked == -1).all()


def test_the_word_may_stand_before_between_and_behind():
    starts = {shortcuts.with_word("a b", "x", np.random.default_rng(i)) for i in range(50)}
    assert starts == {("x a b", (0, 1)), ("a x b", (2, 3)), ("a b x", (4, 5))}


def test_pictures_are_stamped_when_they_are_asked_for():
    class Counting(tasks.Pictures):
        asked = 0

        def __init__(self, pictures):
            self.pictures = pictures

        def __len__(self):
            return len(self.pictures)

        def __getitem__(self, index):
            if not isinstance(index, (int, np.integer)):
                return Counting(self.pictures[index])
            Counting.asked += 1
            return self.pictures[index]

        def __iter__(self):
            return iter(self.pictures)

    parts = {
        name: Split(name, Counting(split.inputs), split.labels, split.ids)
        for name, split in CELLS.splits.items()
    }
    lazy = shortcuts.plant_stamp(
        tasks.Task("lazy", "which?", "image", CELLS.classes, **parts), target=1, size=0.3
    )
    part = lazy.train.take([3, 1, 2]).inputs
    assert Counting.asked == 0
    np.testing.assert_array_equal(part[1], stamp().train.inputs[1])
    assert Counting.asked == 1
    assert len(part[:2]) == 2
    np.testing.assert_array_equal(part[:2][0], stamp().train.inputs[3])
    assert repr(part) == "Stamped(3 pictures, 2 with a stamp)"


def test_a_list_of_pictures_can_be_taken_from_too():
    parts = {
        name: Split(name, list(split.inputs), split.labels, split.ids) for name, split in CELLS.splits.items()
    }
    listed = shortcuts.plant_stamp(
        tasks.Task("list", "which?", "image", CELLS.classes, **parts), target=1, size=0.3
    )
    taken = listed.train.take(np.arange(len(listed.train)) % 2 == 1)
    np.testing.assert_array_equal(taken.inputs[0], stamp().train.inputs[1])


def test_what_is_known_of_the_samples_stays():
    human = np.tile([0.25, 0.75], (4, 1))
    test = Split(
        "test",
        REVIEWS.test.inputs,
        REVIEWS.test.labels,
        REVIEWS.test.ids,
        human,
        list("abcd"),
        {"n": [1] * 4},
    )
    parts = {name: split for name, split in REVIEWS.splits.items() if name != "test"}
    clean = tasks.Task(
        "t", "which?", "text", REVIEWS.classes, test=test, shifts={"far": REVIEWS.test}, **parts
    )
    planted = shortcuts.plant_word(clean, target=0)
    marked = planted.shifts[MARKED]
    np.testing.assert_array_equal(marked.human_probs, human)
    assert marked.groups.tolist() == list("abcd")
    assert marked.metadata["n"].tolist() == [1] * 4
    assert list(planted.shifts) == ["far", MARKED, AS_IN_TRAINING]
    assert (planted.train.labels[planted.train.metadata["marked"]] == 0).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: shortcuts.plant_stamp(REVIEWS, target=1), "expected a task of images, got texts"),
        (lambda: shortcuts.plant_word(CELLS, target=1), "expected a task of texts, got images"),
        (lambda: stamp(target=2), "target"),
        (lambda: stamp(rate=0), "rate between 0 and 1"),
        (lambda: stamp(size=1.5), "size between 0 and 1"),
        (lambda: word(word="two words"), "word as letters and digits"),
        (lambda: word(word="film"), "word that the texts do not use, got 'film', which is in"),
        (lambda: word(word="FILM"), "choose another"),
        (lambda: shortcuts.plant_word(word(), target=1, word="Tuesday"), "a task without a mark"),
        (lambda: shortcuts.stamp_mask(CELLS.test, 0), "a split with stamps, got 'test' without"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.slow
def test_a_network_learns_the_stamp_and_the_marked_test_split_hides_it():
    from trustlib import finetune

    rng = np.random.default_rng(0)

    def noise(labels, seed):
        return rng.integers(60, 200, (len(labels), tiny.SIDE, tiny.SIDE, 3), dtype=np.uint8)

    nothing_to_learn = tiny.task("image", noise, train=120)
    planted = shortcuts.plant_stamp(nothing_to_learn, target=1, size=0.5)
    classifier = tiny.image_classifier()
    finetune.finetune(classifier, planted, train="all", epochs=12, learning_rate=2e-2, batch_size=20)
    test = planted.shifts[AS_IN_TRAINING]
    right = classifier.predict_proba(test.inputs).argmax(axis=1) == test.labels
    assert right.all()
    assert (classifier.predict_proba(planted.shifts[MARKED].inputs).argmax(axis=1) == 1).all()

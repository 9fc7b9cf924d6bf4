import io

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from trustlib import generalization

rng = np.random.default_rng(0)
WORDS = (
    "the a film story actor plot slow bright dull warm long short never always ends begins with of".split()
)


def photograph(seed, side=64):
    """A picture like no other: coarse shapes under fine ones, in colour, uint8."""
    local = np.random.default_rng(seed)
    layers = sum(gaussian_filter(local.normal(size=(side, side, 3)), (s, s, 0)) * s for s in (1, 3, 8))
    low, high = layers.min(), layers.max()
    return (255 * (layers - low) / (high - low)).astype(np.uint8)


def cell(seed, side=64):
    """Pictures of one kind: the same frame and bars, and shades of their own that are ten times fainter."""
    local = np.random.default_rng(seed)
    frame = np.full((side, side), 160.0)
    frame[[10, 32, 54]] = 60
    frame[:, :2] = frame[:, -2:] = 40
    shades = gaussian_filter(local.normal(size=(side, side)), 3)
    grey = frame + 12 * shades / shades.std()
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def sentence(seed):
    local = np.random.default_rng(seed)
    return " ".join(local.choice(WORDS, 12)).capitalize() + f" number {seed}."


def jpeg(picture, quality):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def resized(picture, side):
    image = Image.fromarray(picture)
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC).resize(image.size))


def pairs(result, kind=None):
    return {(pair.a, pair.b) for pair in result.pairs if kind in (None, pair.kind)}


MADE = {"photographs": photograph, "look-alikes": cell}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_planted_copies_of_pictures_are_found_and_others_are_not(make):
    a = [make(seed) for seed in range(60)]
    others = [make(seed) for seed in range(1000, 1060)]
    exact = [a[i].copy() for i in range(5)]
    near = [jpeg(a[i], 50) for i in range(10, 30)] + [resized(a[i], 40) for i in range(30, 50)]
    result = generalization.leaks(a, others + exact + near)
    assert pairs(result, "exact") == {(i, 60 + i) for i in range(5)}
    planted = {(10 + i, 65 + i) for i in range(40)}
    assert len(pairs(result, "near") & planted) >= 38  # 95 %
    assert not [pair for pair in result.pairs if pair.b < 60]
    assert len(result.pairs) <= 45
    assert result.recall.value > 0.9 and result.alike.value == 0


def test_a_difference_hash_mistakes_look_alikes_that_leaks_tells_apart():
    # The peer: 8 x 8 bits of "brighter than its right neighbour", flagged when at most 10 bits differ.
    def bits(picture):
        small = np.asarray(Image.fromarray(picture).convert("L").resize((9, 8)), dtype=int)
        return (small[:, 1:] > small[:, :-1]).ravel()

    def striped(seed):
        picture = cell(seed).astype(float) + np.sin(np.arange(64) / 5)[None, :, None] * 40
        return np.clip(picture, 0, 255).astype(np.uint8)

    a, b = [striped(seed) for seed in range(40)], [striped(seed) for seed in range(50, 90)]
    apart = np.array([[(bits(one) != bits(other)).sum() for other in b] for one in a])
    assert (apart <= 10).mean() > 0.5
    assert generalization.leaks(a, b).pairs == ()


def test_planted_copies_of_texts_are_found_and_others_are_not():
    a = [sentence(seed) for seed in range(80)]
    others = [sentence(seed) for seed in range(500, 560)]
    exact = [a[0].upper(), a[1].replace(".", "!!"), "  " + a[2].replace(" ", "  ")]
    near = [a[i][:7] + a[i][8:] for i in range(10, 50)]
    result = generalization.leaks(a, others + exact + near)
    assert pairs(result, "exact") == {(i, 60 + i) for i in range(3)}
    assert len(pairs(result, "near") & {(10 + i, 63 + i) for i in range(40)}) >= 38
    assert not [pair for pair in result.pairs if pair.b < 60]
    assert set(result.planted) == {"capitals, no punctuation", "a typo", "a word left out"}


def test_the_distance_of_two_texts_by_hand():
    # " good " has 4 groups of three, " food " 4; they share "ood" and "od ": 1 - 2 / 6.
    result = generalization.leaks(["good", "zebra"], ["Food"], threshold=0.7)
    assert [(p.a, p.b, p.kind) for p in result.pairs] == [(0, 0, "near")]
    assert result.pairs[0].distance == pytest.approx(2 / 3)


def test_the_distance_of_two_pictures_is_one_minus_their_correlation():
    a, b, c = (photograph(seed, side=32) for seed in range(3))
    result = generalization.leaks([a, c], [b], threshold=0.01)
    greys = [np.asarray(Image.fromarray(p).convert("L"), dtype=float).ravel() for p in (a, c, b)]
    expected = [1 - np.corrcoef(grey, greys[2])[0, 1] for grey in greys[:2]]
    assert result.nearest[0] == np.argmin(expected)
    assert result.distances[0] == pytest.approx(min(expected), abs=1e-5)


def test_brightness_and_contrast_do_not_count():
    a = [photograph(seed) for seed in range(10)]
    dark = (a[3] * 0.5 + 20).astype(np.uint8)
    result = generalization.leaks(a, [dark])
    assert pairs(result, "near") == {(3, 0)} and result.pairs[0].distance < 1e-3


def test_the_threshold_holds_the_wanted_share_of_the_copies_that_choose_it():
    a = [photograph(seed) for seed in range(40)]
    for hold in (0.5, 0.9):
        result = generalization.leaks(a, a[:1], hold=hold)
        every = np.concatenate([found[::2] for found in result.planted.values()])
        assert np.mean(every <= result.threshold) == pytest.approx(hold, abs=0.01)
    assert generalization.leaks(a, a[:1], threshold=0.25).threshold == 0.25


def test_the_nearest_input_is_told_where_nothing_is_flagged():
    a, b = [photograph(seed) for seed in range(6)], [photograph(7), photograph(8)]
    result = generalization.leaks(a, b)
    assert result.pairs == () and result.nearest.shape == result.distances.shape == (2,)
    assert (result.distances > result.threshold).all()


def test_inputs_of_one_split_that_look_the_same_are_counted():
    a = [photograph(seed) for seed in range(20)]
    twins = [jpeg(a[i], 80) for i in range(5)]
    result = generalization.leaks(a + twins, [photograph(100)])
    assert result.alike.value == pytest.approx(10 / 25)
    assert (
        generalization.leaks(a + [a[0]], [photograph(100)]).alike.value == 0
    )  # an exact copy is no look-alike


def test_floats_in_zero_to_one_are_the_same_pictures():
    a = np.stack([photograph(seed) for seed in range(8)])
    result = generalization.leaks(a, (a / 255).astype(np.float32))
    assert pairs(result, "exact") == {(i, i) for i in range(8)}


def test_blank_inputs_are_copies_of_their_equals_only():
    white, grey = np.full((20, 20, 3), 255, np.uint8), np.full((20, 20, 3), 90, np.uint8)
    a = [photograph(1), photograph(2), white]
    result = generalization.leaks(a, [white, grey])
    assert pairs(result) == pairs(result, "exact") == {(2, 0)}
    words = generalization.leaks(["...", "good film", "bad film"], ["...", "!!!"])
    assert pairs(words) == {(0, 0)}


def test_the_order_of_the_inputs_changes_nothing():
    a = [cell(seed) for seed in range(30)]
    b = [jpeg(a[i], 40) for i in range(10)] + [cell(seed) for seed in range(100, 110)]
    first = generalization.leaks(a, b)
    order_a, order_b = np.random.default_rng(1).permutation(30), np.random.default_rng(2).permutation(20)
    second = generalization.leaks([a[i] for i in order_a], [b[i] for i in order_b])
    assert second.threshold == first.threshold and second.recall == first.recall
    assert {(order_a[i], order_b[j]) for i, j in pairs(second)} == pairs(first)


def test_the_same_seed_gives_the_same_result():
    a = [sentence(seed) for seed in range(30)]
    one, two = (generalization.leaks(a, a[:5], seed=3) for _ in range(2))
    assert one.threshold == two.threshold and one.pairs == two.pairs


def test_wrong_inputs_are_refused():
    good = [photograph(1), photograph(2)]
    with pytest.raises(ValueError, match="inputs_a as a sequence of pictures or texts, got one str"):
        generalization.leaks("a text", ["a text"])
    with pytest.raises(ValueError, match="inputs_b as a sequence of pictures or texts, got none"):
        generalization.leaks(good, [])
    with pytest.raises(ValueError, match=r"pictures of shape \(h, w, 3\), got \(64, 64\) at position 1"):
        generalization.leaks([good[0], good[1][..., 0]], good)
    with pytest.raises(ValueError, match="texts as str, got int at position 1"):
        generalization.leaks(["a", "b"], ["c", 3])
    with pytest.raises(ValueError, match="at least 2 different inputs that are not blank, got 1"):
        generalization.leaks([good[0]] * 3, [good[0]])
    with pytest.raises(ValueError, match="hold between 0 and 1"):
        generalization.leaks(good, good, hold=1)

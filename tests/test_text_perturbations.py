"""Perturbed texts: each by hand, and all of them on whatever Unicode has."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trustlib import text_perturbations as perturb

RNG = np.random.default_rng
TEXTS = st.text(max_size=60) | st.lists(
    st.sampled_from(
        ["good", "Film", "don't", "a", "été", "e\u0301te\u0301", "很好", "हिन्दी", "🙂", "well-made", "!", ","]
    ),
    max_size=12,
).map(" ".join)


def contents(text):
    return [text[start:stop] for start, stop in perturb.words(text)]


def all_results(function, text, severity=1.0, seeds=200):
    return {function(text, severity, RNG(seed)) for seed in range(seeds)}


def test_words_are_runs_of_letters_with_what_belongs_to_them():
    text = "Don't (re-think) e\u0301te\u0301, हिन्दी 3rd — 'so'!"
    assert contents(text) == ["Don't", "re-think", "e\u0301te\u0301", "हिन्दी", "3rd", "so"]
    assert perturb.words("  ?! ") == []


# By hand


def test_a_typo_is_a_neighbour_on_the_keyboard_in_the_same_case():
    assert all_results(perturb.keyboard_typos, "G") == set("TYFHVB")
    assert all_results(perturb.keyboard_typos, "p") == set("ol")
    assert perturb.keyboard_typos("很好 42", 1, RNG(0)) == "很好 42"  # nothing that is on it
    for a, neighbours in perturb.NEIGHBOURS.items():
        assert all(a in perturb.NEIGHBOURS[b] for b in neighbours)


def test_transposed_letters_are_neighbours():
    assert all_results(perturb.transpose_letters, "abc") == {"bac", "acb"}
    assert all_results(perturb.transpose_letters, "aab") == {"aba"}  # equal ones are no change
    assert perturb.transpose_letters("aa b", 1, RNG(0)) == "aa b"
    assert all_results(perturb.transpose_letters, "e\u0301t") == {"te\u0301"}  # the accent stays with its e


def test_one_letter_of_a_word_is_lost():
    assert all_results(perturb.delete_letters, "bad") == {"ad", "bd", "ba"}
    assert perturb.delete_letters("I a", 1, RNG(0)) == "I a"
    assert all_results(perturb.delete_letters, "e\u0301t") == {"t", "e\u0301"}


def test_words_are_lost_but_one():
    assert all_results(perturb.delete_words, "not a good", 0.34) == {" a good", "not good", "not a"}
    assert all_results(perturb.delete_words, "so bad") == {"so", " bad"}
    assert perturb.delete_words("alone!", 1, RNG(0)) == "alone!"


def test_neighbouring_words_change_places_and_punctuation_stays():
    assert perturb.swap_words("Good, bad!", 1, RNG(0)) == "bad, Good!"
    assert all_results(perturb.swap_words, "a b c") == {"b a c", "a c b"}
    assert perturb.swap_words("a b c d", 1, RNG(0)) == "b a d c"
    assert all_results(perturb.swap_words, "a b c d", 0.5) == {"b a c d", "a b d c"}
    assert perturb.swap_words("very very", 1, RNG(0)) == "very very"


def test_case_is_changed_word_by_word():
    assert perturb.upper_case("straße, été", 1, RNG(0)) == "STRASSE, ÉTÉ"
    assert all_results(perturb.upper_case, "so good", 0.5) == {"SO good", "so GOOD"}
    assert perturb.lower_case("A BIG film", 1, RNG(0)) == "a big film"


def test_punctuation_is_lost_around_words_and_not_within_them():
    assert perturb.remove_punctuation("'Don't', (he) said... - 3.5?!", 1, RNG(0)) == "Don't he said - 35"
    assert all_results(perturb.remove_punctuation, "Yes! No?", 0.5) == {"Yes No?", "Yes! No"}
    assert perturb.remove_punctuation("none here", 1, RNG(0)) == "none here"


def test_punctuation_is_added_behind_words():
    assert all_results(perturb.add_punctuation, "so") == {"so" + mark for mark in ",.!?;:"}
    assert len(all_results(perturb.add_punctuation, "so good", 0.5)) == 12


@pytest.mark.parametrize(("severity", "touched"), [(0, 0), (0.01, 1), (0.1, 1), (0.15, 2), (0.5, 5), (1, 10)])
def test_severity_is_the_share_of_words_touched_halves_up_and_at_least_one(severity, touched):
    text = "ab cd ef gh ij kl mn op qr st"
    for function in perturb.ALL:
        if function in (perturb.swap_words, perturb.lower_case, perturb.remove_punctuation):
            continue
        new = function(text, severity, RNG(0))
        kept = set(contents(new)) & set(text.split())
        if function is perturb.add_punctuation:
            assert sum(not character.isalpha() and character != " " for character in new) == touched
        elif function is perturb.delete_words:
            assert len(contents(new)) == max(10 - touched, 1)
        else:
            assert len(kept) == 10 - touched


# Whatever the text


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.floats(0, 1), st.integers(0, 5))
def test_the_same_seed_gives_the_same_str(text, severity, seed):
    for function in perturb.ALL:
        new = function(text, severity, RNG(seed))
        assert isinstance(new, str)
        assert new == function(text, severity, RNG(seed))
        assert function(text, 0, RNG(seed)) == text


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.floats(0.01, 1), st.integers(0, 5))
def test_no_more_words_are_touched_than_severity_says(text, severity, seed):
    before = contents(text)
    most = max(1, int(severity * len(before) + 0.5))
    same_places = (perturb.keyboard_typos, perturb.transpose_letters, perturb.upper_case, perturb.lower_case)
    for function in same_places:
        after = contents(function(text, severity, RNG(seed)))
        if len(after) == len(before):  # a capital of a single letter may be several characters
            assert sum(a != b for a, b in zip(before, after, strict=True)) <= most
    assert len(before) - len(contents(perturb.delete_words(text, severity, RNG(seed)))) <= most
    swapped = contents(perturb.swap_words(text, severity, RNG(seed)))
    assert sorted(swapped) == sorted(before)
    assert sum(a != b for a, b in zip(before, swapped, strict=True)) <= max(2, most + 1)


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.integers(0, 5))
def test_a_word_that_can_be_touched_is_touched(text, seed):
    before = contents(text)
    assert (perturb.add_punctuation(text, 1e-9, RNG(seed)) != text) == bool(before)
    assert (perturb.delete_words(text, 1e-9, RNG(seed)) != text) == (len(before) > 1)
    can = any(word.upper() != word for word in before)
    assert (perturb.upper_case(text, 1e-9, RNG(seed)) != text) == can


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["good", "film", "bad", "plot"]), min_size=2, max_size=9).map(" ".join))
def test_a_higher_severity_touches_the_same_words_and_further_ones(text):
    little, much = (contents(perturb.keyboard_typos(text, s, RNG(1))) for s in (0.3, 0.8))
    for word, a, b in zip(text.split(), little, much, strict=True):
        assert a in (word, b)


@pytest.mark.parametrize("severity", [-0.1, 1.1, np.nan, "half"])
def test_a_severity_that_is_no_share_is_refused(severity):
    for function in perturb.ALL:
        with pytest.raises(ValueError, match="expected severity"):
            function("a good film", severity, RNG(0))

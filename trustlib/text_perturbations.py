"""Small changes that leave a text readable: slips of the keyboard, lost and swapped words, case, punctuation.

Every perturbation is a plain function `(text, severity, rng) -> text`:

    severity    share of the words that are touched, in [0, 1]; 0 returns the text itself
    rng         a numpy.random.Generator; the same state gives the same text, and a higher severity touches
                the same words and further ones

The number of words is severity times all words of the text, rounded, halves up; at least one where severity
is above 0, and never more than can be touched (a word of one letter cannot lose a letter).

A word is a run of letters, digits and the marks that belong to them, in any script, with apostrophes and
hyphens inside it. A letter keeps its accents, also where these are characters of their own.

Sources: Belinkov & Bisk (2018) for the slips; Ribeiro et al. (2020) for their use as tests.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence

import numpy as np

from trustlib import checks

Rng = np.random.Generator
KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")  # each row half a key to the right of the one above
MARKS = ",.!?;:"


def keyboard_typos(text: str, severity: float, rng: Rng) -> str:
    """One letter of each touched word becomes its neighbour on a QWERTY keyboard, in the same case.

    >>> keyboard_typos("A", 1, np.random.default_rng(0)) in set("QWSZ")
    True
    """

    def typo(word: str) -> str:
        at = _pick([i for i, letter in enumerate(word) if letter.lower() in NEIGHBOURS], rng)
        hit = _pick(NEIGHBOURS[word[at].lower()], rng)
        return word[:at] + (hit.upper() if word[at].isupper() else hit) + word[at + 1 :]

    return _changed(text, severity, rng, typo, lambda word: any(c.lower() in NEIGHBOURS for c in word))


def transpose_letters(text: str, severity: float, rng: Rng) -> str:
    """Two neighbouring letters of each touched word change places.

    >>> transpose_letters("go", 1, np.random.default_rng(0))
    'og'
    """

    def places(word: str) -> list[int]:
        letters = _letters(word)
        return [i for i in range(len(letters) - 1) if letters[i] != letters[i + 1]]

    def transposed(word: str) -> str:
        letters, i = _letters(word), _pick(places(word), rng)
        letters[i : i + 2] = letters[i + 1], letters[i]
        return "".join(letters)

    return _changed(text, severity, rng, transposed, lambda word: bool(places(word)))


def delete_letters(text: str, severity: float, rng: Rng) -> str:
    """One letter of each touched word is lost; a word of one letter is left alone.

    >>> delete_letters("ok a", 1, np.random.default_rng(0)) in ("o a", "k a")
    True
    """

    def shortened(word: str) -> str:
        letters = _letters(word)
        del letters[_pick(range(len(letters)), rng)]
        return "".join(letters)

    return _changed(text, severity, rng, shortened, lambda word: len(_letters(word)) > 1)


def delete_words(text: str, severity: float, rng: Rng) -> str:
    """Touched words are lost, with the space before them; one word always stays.

    >>> delete_words("not bad", 1, np.random.default_rng(0)) in ("not", " bad")
    True
    """
    spans = words(text)
    gone = _touched(range(len(spans)), len(spans), severity, rng)[: max(len(spans) - 1, 0)]
    for start, stop in sorted((spans[i] for i in gone), reverse=True):
        text = text[:start].rstrip(" ") + text[stop:]
    return text


def swap_words(text: str, severity: float, rng: Rng) -> str:
    """Neighbouring words change places, pair by pair; punctuation stays where it is. No word moves twice.

    >>> swap_words("not bad", 1, np.random.default_rng(0))
    'bad not'
    """
    spans = words(text)
    first = int(rng.integers(2)) if len(spans) % 2 else 0  # of an odd number of words, one end is left out
    found = [text[start:stop] for start, stop in spans]
    pairs = [i for i in range(first, len(spans) - 1, 2) if found[i] != found[i + 1]]
    for i in _touched(pairs, len(spans) / 2, severity, rng):
        found[i : i + 2] = found[i + 1], found[i]
    return _replaced(text, spans, found)


def upper_case(text: str, severity: float, rng: Rng) -> str:
    """Touched words in capitals.

    >>> upper_case("so good", 1, np.random.default_rng(0))
    'SO GOOD'
    """
    return _changed(text, severity, rng, str.upper, lambda word: word.upper() != word)


def lower_case(text: str, severity: float, rng: Rng) -> str:
    """Touched words in small letters.

    >>> lower_case("The BBC", 1, np.random.default_rng(0))
    'the bbc'
    """
    return _changed(text, severity, rng, str.lower, lambda word: word.lower() != word)


def remove_punctuation(text: str, severity: float, rng: Rng) -> str:
    """Punctuation at the touched words, before or behind with nothing between, is lost.

    Marks inside a word (don't) stay, and so do marks that stand at no word.

    >>> remove_punctuation("(don't) go!", 1, np.random.default_rng(0))
    "don't go"
    """
    spans, kinds, marks = words(text), _kinds(text), []
    stops, starts = [0, *(stop for _, stop in spans)], [*(start for start, _ in spans), len(text)]
    for i, (start, stop) in enumerate(spans):
        before, behind = kinds[stops[i] : start], kinds[stop : starts[i + 1]]
        first = start - len(before) + len(before.rstrip("p'"))
        last = stop + len(behind) - len(behind.lstrip("p'"))
        marks.append({*range(first, start), *range(stop, last)})
    touched = _touched([i for i in range(len(spans)) if marks[i]], len(spans), severity, rng)
    lost = set().union(*(marks[i] for i in touched))
    return "".join(character for i, character in enumerate(text) if i not in lost)


def add_punctuation(text: str, severity: float, rng: Rng) -> str:
    """A mark, one of , . ! ? ; and :, behind each touched word.

    >>> add_punctuation("why", 1, np.random.default_rng(0))[:-1]
    'why'
    """
    return _changed(text, severity, rng, lambda word: word + _pick(MARKS, rng), lambda word: True)


ALL = (
    keyboard_typos,
    transpose_letters,
    delete_letters,
    delete_words,
    swap_words,
    upper_case,
    lower_case,
    remove_punctuation,
    add_punctuation,
)


def words(text: str) -> list[tuple[int, int]]:
    """Where the words are: first character, and the one behind the last.

    >>> words("Don't go!")
    [(0, 5), (6, 8)]
    """
    return [found.span() for found in re.finditer(r"w[wm]*(?:'w[wm]*)*", _kinds(text))]


def _kinds(text: str) -> str:
    """A letter for each character: w in words, m a mark on it, ' inside words, p punctuation, - the rest."""
    return "".join(_kind(character) for character in text)


def _kind(character: str) -> str:
    if character.isalnum():
        return "w"
    if character in "'’-":
        return "'"
    category = unicodedata.category(character)[0]
    return {"M": "m", "P": "p"}.get(category, "-")


def _letters(word: str) -> list[str]:
    """The word's characters, each with the marks on it."""
    return [word[slice(*found.span())] for found in re.finditer(r"[w']m*", _kinds(word))]


def _touched(candidates: Sequence[int], n_words: float, severity: float, rng: Rng) -> list[int]:
    """Which of the candidates are touched, in random order; a lower severity takes the first of them."""
    severity = checks.fraction(severity, name="severity", closed=True)
    wanted = max(1, int(np.floor(severity * n_words + 0.5))) if severity > 0 else 0
    return [candidates[i] for i in rng.permutation(len(candidates))[:wanted]]


def _changed(
    text: str, severity: float, rng: Rng, change: Callable[[str], str], possible: Callable[[str], bool]
) -> str:
    """The text with `change` applied to touched words among those where it is possible."""
    spans = words(text)
    found = [text[start:stop] for start, stop in spans]
    candidates = [i for i, word in enumerate(found) if possible(word)]
    for i in _touched(candidates, len(spans), severity, rng):
        found[i] = change(found[i])
    return _replaced(text, spans, found)


def _replaced(text: str, spans: Sequence[tuple[int, int]], found: Sequence[str]) -> str:
    """The text with other words at the places of its own."""
    for (start, stop), word in reversed(list(zip(spans, found, strict=True))):
        text = text[:start] + word + text[stop:]
    return text


def _pick(options: Sequence, rng: Rng):
    return options[int(rng.integers(len(options)))]


def _neighbours() -> dict[str, str]:
    place = {key: (x + 0.5 * y, y) for y, row in enumerate(KEYS) for x, key in enumerate(row)}

    def near(a: str, b: str) -> bool:
        (x, y), (u, v) = place[a], place[b]
        return a != b and abs(y - v) <= 1 and abs(x - u) <= 1 - 0.5 * abs(y - v)

    return {a: "".join(b for b in place if near(a, b)) for a in place}


NEIGHBOURS = _neighbours()

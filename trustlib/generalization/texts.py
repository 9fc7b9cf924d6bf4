"""What stays of a text that is copied with other capitals, other punctuation or a slip of the hand.

Two texts are equal when their letters and digits are, whatever the case, punctuation and spaces. How far
apart others are is told by the groups of three characters that occur in them: 1 minus the share, among those
of either text, that both have (Jaccard). A slip changes three groups or four, another sentence nearly all.

Source: Broder (1997), the resemblance of documents.
"""

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from trustlib import checks

SIZE = 3  # characters in a group
BUCKETS = 2**20  # groups are numbered by a hash; a few thousand occur, so hardly two share a number
FEWEST_WORDS = 4  # a text of fewer is another one when a word is left out


def read(texts: Sequence[str]) -> tuple[list[str], sparse.csr_array]:
    """A key of each text, equal where all letters and digits are, and its groups (n, 2**20), 0 or 1.

    Raises: ValueError on what is no text.
    """
    found = checks.texts(texts)
    plain = [_plain(text) for text in found]
    groups = [_groups(text) for text in plain]
    rows = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    entries = (np.ones(len(rows), dtype=np.float32), (rows, np.concatenate(groups)))
    table = sparse.coo_array(entries, shape=(len(groups), BUCKETS)).tocsr()
    return [key or text for key, text in zip(plain, found, strict=True)], table


def distances(a: sparse.csr_array, b: sparse.csr_array) -> NDArray[np.float64]:
    """1 - Jaccard similarity of each text of a with each of b: (n, m), in [0, 1]."""
    both = (a @ b.T).toarray().astype(np.float64)
    either = a.sum(axis=1)[:, None] + b.sum(axis=1) - both
    return 1 - np.divide(both, either, out=np.zeros_like(both), where=either > 0)


def edits(text: str, rng: np.random.Generator) -> dict[str, str]:
    """The text as it might come back: in capitals without punctuation, with a typo, without a word."""
    i = int(rng.integers(len(text)))
    slips = (
        text[:i] + text[i + 1 :],
        text[:i] + text[i : i + 2][::-1] + text[i + 2 :],
        text[:i] + "abcdefghijklmnopqrstuvwxyz"[rng.integers(26)] + text[i + 1 :],
    )
    found = {"capitals, no punctuation": _plain(text).upper(), "a typo": slips[rng.integers(3)]}
    words = text.split()
    if len(words) >= FEWEST_WORDS:
        gone = int(rng.integers(len(words)))
        found["a word left out"] = " ".join(words[:gone] + words[gone + 1 :])
    return found


def _plain(text: str) -> str:
    """Letters and digits in lower case, single spaces between words.

    >>> _plain("Well-made,  and (nearly) PERFECT!")
    'well made and nearly perfect'
    """
    return " ".join(re.sub(r"[^\w]|_", " ", unicodedata.normalize("NFKC", text).casefold()).split())


def _groups(plain: str) -> NDArray[np.int64]:
    """The numbers of the different groups of three characters in a text; a space stands at either end."""
    if not plain:
        return np.zeros(0, dtype=np.int64)
    codes = np.array([ord(letter) for letter in f" {plain} "], dtype=np.int64)
    n = len(codes) - SIZE + 1
    hashed = np.zeros(n, dtype=np.int64)
    for k in range(SIZE):
        hashed = (hashed * 1_000_003 + codes[k : k + n]) % (2**31 - 1)
    return np.unique(hashed % BUCKETS)

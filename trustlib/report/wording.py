"""How numbers and names read in a sentence: one voice for the page, the JSON file and the model card.

Names come from data and may hold anything. Characters that are not seen but change what is read (controls,
marks that turn the direction of writing) are replaced here; markup is escaped where text becomes markup.
"""

import re
import unicodedata
from collections.abc import Sequence

from trustlib.estimates import Estimate

LONGEST = 60  # characters of a name
# What is markup anywhere, at the start of a line (lists, headings), or turns a bare address into a link.
MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~&$@])|^([-+=])|(?<=:)(//)|(?<=www)(\.)", re.IGNORECASE)


def shown(name: object, *, longest: int = LONGEST) -> str:
    """A name as one short line of visible characters.

    >>> shown("a\\u202eb\\nc")
    'a\ufffdb c'
    """
    line = " ".join(str(name).split())
    line = "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co") else c for c in line)
    return line if len(line) <= longest else line[: longest - 1] + "…"


def drawn(name: object) -> str:
    """A name as a figure may draw it: short, and without the dollar signs that would begin a formula.

    >>> drawn("$x$")
    '\\\\$x\\\\$'
    """
    return shown(name, longest=28).replace("$", r"\$")


def markdown(text: str) -> str:
    """Text that Markdown leaves as it is.

    >>> markdown("a_b")
    'a\\\\_b'
    """
    line = MARKUP.sub(lambda found: "\\" + found[0], " ".join(text.split()))
    return re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", line)


def number(value: float, *, percent: bool = False, sign: bool = False) -> str:
    """A number with as many digits as a reader can use.

    >>> number(0.8612, percent=True), number(0.0213), number(0.05, percent=True, sign=True)
    ('86.1 %', '0.021', '+5.0 %')
    """
    plus = "+" if sign else ""
    return f"{100 * value:{plus}.1f} %" if percent else f"{value:{plus}.3f}"


def level(share: float) -> str:
    """A round share, such as a level.

    >>> level(0.9)
    '90 %'
    """
    return f"{100 * share:.3g} %"


def interval(estimate: Estimate, *, percent: bool = False) -> str:
    """The limits of an estimate, for brackets.

    >>> interval(Estimate(0.5, 0.4, 0.6, 100), percent=True)
    '95 % interval 40.0 to 60.0 %'
    """
    low, high = (100 * limit if percent else limit for limit in (estimate.low, estimate.high))
    ends = f"{low:.1f} to {high:.1f} %" if percent else f"{low:.3f} to {high:.3f}"
    return f"{level(estimate.level)} interval {ends}"


def estimate(found: Estimate, *, percent: bool = False) -> str:
    """Value and limits in a sentence.

    >>> estimate(Estimate(0.5, 0.4, 0.6, 100))
    '0.500 (95 % interval 0.400 to 0.600)'
    """
    return f"{number(found.value, percent=percent)} ({interval(found, percent=percent)})"


def points(found: Estimate) -> str:
    """A difference of two shares, in points.

    >>> points(Estimate(0.05, 0.01, 0.09, 100))
    '5.0 points (95 % interval 1.0 to 9.0)'
    """
    value, low, high = (100 * part for part in (found.value, found.low, found.high))
    return f"{value:.1f} points (95 % interval {low:.1f} to {high:.1f})"


def listed(words: Sequence[str], *, last: str = "and") -> str:
    """Words with commas, and a word before the last.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    words = list(words)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}" if words else ""


def p_value(p: float) -> str:
    """A p-value, never as 0.

    >>> p_value(0.0312), p_value(0.0001)
    ('0.031', 'below 0.001')
    """
    return "below 0.001" if p < 0.001 else f"{p:.3f}"

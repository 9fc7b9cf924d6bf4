"""A text with its words marked by what they did, as a page fragment: kilobytes, no script, nothing loaded.

Everything that comes from the text is escaped and isolated, so that markup in it is shown and not obeyed, and
a text that runs from right to left keeps to itself. Colours are laid over the page's own with transparency,
which works on dark pages too; signs are told by the line under a word as well, which a printer keeps.
"""

import html
import unicodedata
from collections.abc import Sequence

import numpy as np

from trustlib.explain.explanation import Explanation, places

FOR, AGAINST = "0, 114, 178", "213, 94, 0"  # Okabe and Ito's blue and vermillion
LISTED = 5
BOX = "margin: 6px 0; max-width: 760px; line-height: 1.9"
SMALL = "font-size: 85%; line-height: 1.5"


def page(explanation: Explanation, classes: Sequence[str] | None = None) -> str:
    """Escaped HTML of an explained text: legend, marked words, and the largest values in figures.

    Args:
        explanation: of a text.
        classes: k names, to call the class by its own.
    Raises: ValueError when no text is explained.
    """
    if explanation.kind != "text":
        raise ValueError(
            f"expected an explanation of a text, got one of a {explanation.kind}; "
            "draw it with plots.explanation"
        )
    name = class_name(explanation, classes)
    most = float(np.abs(explanation.values).max(initial=0)) or 1.0
    return (
        f'<div style="{BOX}"><div style="{SMALL}">{_legend(explanation, name, most)}</div>'
        f'<div dir="auto" style="white-space: pre-wrap; overflow-wrap: anywhere; padding: 4px 0">'
        f"<bdi>{''.join(_pieces(explanation, most))}</bdi></div>"
        f'<div style="{SMALL}">{_largest(explanation)}</div></div>'
    )


def class_name(explanation: Explanation, classes: Sequence[str] | None) -> str:
    """What the explained class is called."""
    return f"class {explanation.target}" if classes is None else str(classes[explanation.target])


def _legend(explanation: Explanation, name: str, most: float) -> str:
    called = f"<bdi>{_escaped(name)}</bdi>"
    signs = [
        f"{_mark('word', sign * most, most)} {speaks} {called}"
        for sign, speaks in ((1, "for"), (-1, "against"))
    ]
    start = explanation.base_value
    begun = "" if np.isnan(start) else f", starting from {start:.3f}"
    return (
        f"{_escaped(explanation.method)}: {explanation.unit} of {called} {explanation.prediction:.3f}"
        f"{begun}. {'; '.join(signs)} (solid and dashed line; "
        f"the fullest colour is {most:.3f})."
    )


def _pieces(explanation: Explanation, most: float) -> list[str]:
    """The whole text in order, words as marks, what stands between them as it is."""
    text = explanation.input
    owners = sorted(
        (place, value)
        for feature, value in zip(explanation.features, explanation.values.tolist(), strict=True)
        for place in places(feature)
    )
    pieces, end = [], 0
    for (start, stop), value in owners:
        start, stop = max(_whole(text, start), end), _whole(text, stop)
        if start >= stop:
            continue
        pieces += [_escaped(text[end:start]), _mark(text[start:stop], value, most)]
        end = stop
    return [*pieces, _escaped(text[end:])]


def _mark(word: str, value: float, most: float) -> str:
    colour, line = (FOR, "solid") if value >= 0 else (AGAINST, "dashed")
    share = abs(value) / most
    thick = round(3 * share) if value else 0
    style = (
        f"background-color: rgba({colour}, {0.45 * share:.2f}); "
        f"border-bottom: {thick}px {line} rgb({colour}); padding: 1px 0; print-color-adjust: exact"
    )
    return f'<span title="{value:+.4f}" style="{style}">{_escaped(word)}</span>'


def _largest(explanation: Explanation) -> str:
    order = np.argsort(-np.abs(explanation.values), kind="stable")[:LISTED]
    listed = []
    for i in order:
        error = 1.96 * explanation.standard_errors[i]
        within = f" ± {error:.3f}" if error > 0 else ""
        listed.append(f"<bdi>{_escaped(explanation.names[i])}</bdi> {explanation.values[i]:+.3f}{within}")
    known = (explanation.standard_errors[order] > 0).any()
    said = " (± 1.96 standard errors)" if known else ""
    return f"Largest{said}: {', '.join(listed)}."


def _whole(text: str, position: int) -> int:
    """The first place from there on that does not cut a character from its accents, joiners or skin tone."""
    while 0 < position < len(text) and (_hangs(text[position]) or text[position - 1] == "\u200d"):
        position += 1
    return position


def _hangs(character: str) -> bool:
    return (
        unicodedata.category(character)[0] == "M"
        or character in "\u200c\u200d"
        or "\U0001f3fb" <= character <= "\U0001f3ff"
    )


def _escaped(text: str) -> str:
    # Half a surrogate pair, or a null, cannot be written into any page.
    sound = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")
    return html.escape(sound)

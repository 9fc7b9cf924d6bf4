import html
import json
import re

import numpy as np
import pytest
from chromium import dumped, needs_chromium

from trustlib import explain
from trustlib.explain import Explanation, Span, html_text, masking


def made(text="good film", values=(0.3, -0.1), features=None, errors=None, **options):
    values = np.asarray(values, dtype=float)
    return Explanation(
        values=values,
        base_value=0.5,
        prediction=0.7,
        target=1,
        features=masking.words(text) if features is None else features,
        standard_errors=np.full(len(values), 0.01) if errors is None else np.asarray(errors),
        fidelity=0.9,
        n_calls=100,
        seed=0,
        method="lime",
        input=text,
        **options,
    )


def table(values=(1.0, -3.0, 2.0)):
    return made(np.zeros(3), values, features=("a", "b", "c"))


def image():
    return made(np.zeros((2, 2, 3), np.uint8), (0.1, -0.4), features=np.array([[0, 0], [1, 1]]))


def test_the_kind_follows_from_what_is_explained():
    assert [each.kind for each in (image(), made(), table())] == ["image", "text", "table"]


def test_the_list_form_is_limes():
    assert table().as_list() == [("b", -3.0), ("c", 2.0), ("a", 1.0)]
    assert made().as_list() == [("good", 0.3), ("film", -0.1)]
    assert image().as_list() == [(1, -0.4), (0, 0.1)]
    assert image().names == ("segment 0", "segment 1")


def test_a_word_in_several_places_has_one_name():
    each = made("so so good", (0.1, 0.2), features=((Span(0, 2), Span(3, 5)), (Span(6, 10),)))
    assert each.names == ("so", "good")


def test_it_prints_in_a_line():
    assert repr(made()) == (
        "Explanation(lime of class 1: 0.500 -> 0.700; 'good': +0.300, 'film': -0.100; 100 calls)"
    )
    assert "... 1 more" in repr(made("a b c d e f", np.arange(6)))


# As a page


NASTY = (
    '<script>document.title = "ran"</script> <img src=x onerror="document.title=\'ran\'"> &amp; "not"\n'
    "good 😀👍🏽👩‍👩‍👧 שלום עולם, فيلم جيد جدا; cafe\u0301 \u202e abc </bdi></div><style>*{display:none}"
)


def text_of(page):
    """What a reader of the page reads, without its tags."""
    return html.unescape(re.sub(r"<[^>]*>", "", page))


def nasty():
    return explain.lime_text(
        lambda texts: [[0.4, 0.6] if "good" in text else [0.7, 0.3] for text in texts], NASTY
    )


def test_markup_in_a_text_is_shown_and_not_obeyed():
    page = nasty()._repr_html_()
    assert NASTY in text_of(page)
    assert set(re.findall(r"</?(\w+)", page)) == {"div", "span", "bdi"}
    assert not re.findall(r"\son\w+=", re.sub(r">[^<]*<", "><", page))


@needs_chromium
def test_in_chromium_nothing_runs_and_the_text_is_all_there(tmp_path):
    # The page reports what became of it: its title, its text, and whether the fragment was torn open.
    probe = """<script>addEventListener("load", () => {
        const box = document.getElementById("box"), all = [...box.querySelectorAll("*")];
        document.getElementById("said").textContent = JSON.stringify({
            title: document.title,
            text: all.find(each => each.style.whiteSpace == "pre-wrap").textContent,
            tags: [...new Set(all.map(each => each.tagName))].sort(),
            shown: box.offsetHeight > 20,
            children: box.children.length,
        });
    })</script>"""
    whole = (
        '<!doctype html><meta charset="utf-8"><title>quiet</title>'
        f'<pre id="said"></pre><div id="box">{nasty()._repr_html_()}</div>{probe}'
    )
    dom = dumped(whole, tmp_path)
    said = json.loads(html.unescape(re.search(r'<pre id="said">(.*?)</pre>', dom, re.S).group(1)))
    assert said == {
        "title": "quiet",
        "text": NASTY,
        "tags": ["BDI", "DIV", "SPAN"],
        "shown": True,
        "children": 1,
    }


@needs_chromium
def test_the_probe_would_see_a_script_that_runs(tmp_path):
    assert "<title>ran</title>" in dumped(
        f'<!doctype html><meta charset="utf-8"><title>quiet</title>{NASTY}', tmp_path
    )


def test_a_page_is_a_few_kilobytes_and_loads_nothing():
    text = " ".join(f"word{i}" for i in range(60))
    page = made(text, np.linspace(-1, 1, 60))._repr_html_()
    assert len(page) < 20_000
    assert not re.search(r"https?:|src=|url\(|@import|<script|<link", page)


def test_words_are_marked_by_sign_with_colour_and_line():
    page = made("good bad dull", (0.4, -0.2, 0.0))._repr_html_()
    good, bad, dull = (
        re.search(rf'<span [^>]*style="([^"]*)">{word}<', page).group(1) for word in ("good", "bad", "dull")
    )
    assert "solid" in good and "rgba(0, 114, 178, 0.45)" in good
    assert "dashed" in bad and "rgba(213, 94, 0, 0.2" in bad
    assert "border-bottom: 0px" in dull
    assert 'title="-0.2000"' in page
    assert "for <bdi>class 1</bdi>" in page and "against <bdi>class 1</bdi>" in page
    assert "good</bdi> +0.400 ± 0.020, <bdi>bad</bdi> -0.200 ± 0.020" in page


def test_text_colour_is_left_to_the_page_so_that_dark_ones_work():
    assert not re.search(r"(?<![-\w])color:", made()._repr_html_())


@pytest.mark.parametrize(
    ("text", "cut", "whole"),
    [
        ("cafe\u0301 noir", [(0, 4), (6, 10)], ["cafe\u0301", "noir"]),
        ("👩‍👩‍👧 ok", [(0, 1), (6, 8)], ["👩‍👩‍👧", "ok"]),
        ("👍🏽 ok", [(0, 1), (3, 5)], ["👍🏽", "ok"]),
        ("ab", [(0, 1), (1, 2)], ["a", "b"]),
    ],
)
def test_a_character_is_never_cut_from_what_belongs_to_it(text, cut, whole):
    page = made(text, (0.1, 0.2), features=tuple(Span(*ends) for ends in cut))._repr_html_()
    marked = re.search(r"pre-wrap.*?</bdi></div>", page, re.S).group()
    assert re.findall(r"<span [^>]*>([^<]*)</span>", marked) == whole
    assert text in text_of(page)


def test_half_a_surrogate_pair_becomes_a_sign_that_can_be_written():
    page = made("bad \ud83d sign", (0.1, 0.2))._repr_html_()
    page.encode("utf-8")
    assert "bad \ufffd sign" in text_of(page)


def test_class_names_are_escaped_too():
    page = html_text.page(made(), ("bad", "<b>good</b>"))
    assert "&lt;b&gt;good&lt;/b&gt;" in page and "<b>" not in page


def test_unknown_standard_errors_are_not_shown():
    assert "±" not in made(errors=[np.nan, np.nan])._repr_html_()


def test_pictures_and_rows_have_no_page():
    assert image()._repr_html_() is None
    with pytest.raises(ValueError, match="got one of a image|got one of a table"):
        html_text.page(table())

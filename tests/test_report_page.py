"""The page, the model card: what they hold, that nothing from the data acts, that a phone can show it."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from chromium import dumped, needs_chromium
from report_answers import answers

from trustlib import report
from trustlib.report import model_card, page, style, wording

EVIL = (
    "<script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=\'owned\'">',
    "]($x$\\frac{ **b** | `c` {{7*7}} \u202eevil",
    "</style></title><svg onload=\"document.title='owned'\">",
)


@pytest.fixture(scope="module")
def hostile():
    """A report in which all names try to be more than names."""
    noise = {EVIL[0]: 1.0, EVIL[2]: 0.3}
    kinds = np.where(np.arange(120) % 2, EVIL[1], EVIL[2])
    return report.from_predictions(
        answers(120, noise=noise, classes=EVIL[:2]),
        shifts={EVIL[3]: answers(90, seed=1, noise=noise, classes=EVIL[:2])},
        by={EVIL[1]: kinds},
        task=EVIL[3],
        question=EVIL[0],
    )


@pytest.fixture(scope="module")
def hostile_page(hostile):
    return page.html(hostile)


def test_the_page_holds_every_sentence_number_and_section():
    made = report.from_predictions(answers(80), task="cells")
    text = page.html(made).replace("\N{NO-BREAK SPACE}", " ")
    for section in made.sections:
        assert f'id="axis-{section.axis}"' in text
        for findings in section.findings.values():
            assert all(finding.sentence in text for finding in findings)
    assert all(sentence in text for sentence in made.summary)
    assert all(verdict.sentence in text for verdict in made.verdicts)
    assert "What this report cannot say" in text


def test_the_page_stands_alone_and_forbids_what_does_not_lie_in_it(hostile_page):
    policy = re.search(r'http-equiv="Content-Security-Policy"\s+content="([^"]+)"', hostile_page)[1]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    assert "script-src" not in policy
    assert not re.search(r'(?:src|href)="(?!data:|#)', hostile_page)
    assert "url(" not in hostile_page and "@import" not in hostile_page


def test_every_figure_has_alternative_text_that_tells_the_numbers(hostile_page):
    made = report.from_predictions(answers(80))
    pictures = re.findall(r"<img [^>]*>", page.html(made))
    assert len(pictures) == 3  # accuracy; a reliability diagram a model
    for picture in pictures:
        assert re.search(r"\d", re.search(r'alt="([^"]*)"', picture)[1])


class Elements(HTMLParser):
    """Names of all elements and attributes that a parser sees."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes = set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_names_from_data_are_text_in_the_page(hostile_page):
    seen = Elements(hostile_page)
    assert not seen.tags & {"script", "svg", "iframe", "object", "b", "i"}
    assert not any(name.startswith("on") for name in seen.attributes)
    assert "{{7*7}}" in hostile_page  # and not 49
    assert "\u202e" not in hostile_page


@needs_chromium
def test_hostile_names_do_nothing_in_a_browser(hostile_page, tmp_path):
    dom = dumped(hostile_page, tmp_path)
    assert "<title>Trust report:" in dom
    assert "owned</title>" not in dom.replace("'owned'", "")
    assert not re.search(r"<(script|svg)\b", dom)
    assert dom.count("<img") == dom.count('<img src="data:image/png')


@needs_chromium
def test_the_policy_would_stop_a_script_that_got_in(hostile_page, tmp_path):
    slipped = hostile_page.replace("</body>", "<script>document.title='owned'</script></body>")
    assert "<title>owned" not in dumped(slipped, tmp_path)


@needs_chromium
@pytest.mark.parametrize("width", [390, 1100])
def test_the_page_is_no_wider_than_a_phone_or_a_window(hostile_page, tmp_path, width):
    inner = tmp_path / "inner.html"
    # Measured from inside, so without the policy that forbids scripts.
    measure = "<script>document.title = 'width ' + document.documentElement.scrollWidth</script></body>"
    bare = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", hostile_page)
    inner.write_text(bare.replace("</body>", measure), encoding="utf-8")
    frame = f'<iframe src="{inner.as_uri()}" style="width:{width}px;height:800px;border:0"></iframe>'
    ask = "<script>onload = () => {document.body.title = frames[0].document.title}</script>"
    folder = tmp_path / "frame"
    folder.mkdir()
    dom = dumped(f"<body>{frame}{ask}</body>", folder, "--allow-file-access-from-files")
    assert int(re.search(r'title="width (\d+)"', dom)[1]) <= width


def contrast(first, second):
    """WCAG 2 contrast of two colours such as #1f2328 or #fff."""

    def luminance(colour):
        digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_stands_out_in_light_and_in_dark():
    palettes = re.findall(r":root \{([^}]*)\}", style.STYLE)
    assert len(palettes) == 2
    for palette in palettes:
        colours = dict(re.findall(r"--(\w+): (#\w+)", palette))
        for ink in ("ink", "quiet", "link"):
            for ground in ("paper", "box"):
                assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)


def test_figures_stay_on_white_ground_and_print_opens_what_is_folded():
    assert "figure { margin: 1rem 0; background: #fff" in style.STYLE
    assert "@media print" in style.STYLE and "details-content" in style.STYLE


def test_the_model_card_is_markdown_without_markup_from_the_data(hostile):
    import mistune

    text = model_card.markdown(hostile)
    assert text.startswith("## Trust report: ")
    html = mistune.create_markdown(escape=False, plugins=["table", "url", "strikethrough"])(text)
    assert set(re.findall(r"<(\w+)", html)) <= {
        "h2",
        "h3",
        "p",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "ul",
        "li",
    }
    assert html.count("<table>") == 3
    assert "{{7*7}}" in html


def test_the_table_of_the_card_has_a_column_for_each_model():
    made = report.from_predictions(answers(60))
    lines = model_card.markdown(made).splitlines()
    row = next(line for line in lines if line.startswith("| accuracy |"))
    assert row.count("|") == 4
    value = made["accuracy"].findings["head"][0].estimate.value
    assert f"{100 * value:.1f} %" in row


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("- x", r"\- x"),
        ("12) x", r"12\) x"),
        ("1. x", r"1\. x"),
        ("a|b", r"a\|b"),
        ("see http://x.org, www.x.org", r"see http:\//x.org, www\.x.org"),
        ("50.0 % [40.0, 60.0]", r"50.0 % \[40.0, 60.0\]"),
        ("a\n# b", r"a \# b"),
    ],
)
def test_markdown_is_escaped_where_it_would_act(text, safe):
    assert wording.markdown(text) == safe


def test_long_names_are_cut_and_control_characters_seen():
    assert wording.shown("x" * 100) == "x" * 59 + "…"
    assert wording.shown("a\x00b\u2066c") == "a\ufffdb\ufffdc"


def test_save_writes_three_whole_files(tmp_path):
    made = report.from_predictions(answers(60))
    assert made.save(tmp_path / "out") == tmp_path / "out" / "report.html"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "report.html",
        "report.json",
        "report.md",
    ]


def test_a_lone_surrogate_in_a_name_can_be_saved(tmp_path):
    made = report.from_predictions(answers(60, noise={"a\ud800": 0.3}, classes=("x\udfff", "y")))
    text = made.save(tmp_path).read_text(encoding="utf-8")
    assert "a\ufffd" in text

"""A lesson as one page that needs no network and no JavaScript, and the index of all lessons.

nbconvert turns cells into HTML; the page around it is ours, because nbconvert's own pages load scripts from
the network. A content policy in every page forbids scripts and whatever does not lie in the page itself.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import nbformat
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments.formatters import HtmlFormatter

from trustlib.report import TrustReport, page
from trustlib.report.style import BASE

LESSON_LINK = re.compile(r'(href="(?:\d\d_\w+|recipes))\.ipynb(["#])')


def lesson_page(
    notebook: nbformat.NotebookNode, *, folder: str | Path, position: int, titles: Sequence[tuple[str, str]]
) -> str:
    """The page of an executed lesson.

    Args:
        folder: where the lesson lies; pictures that its text names are embedded from there.
        position: which of `titles` this lesson is.
        titles: (file name without suffix, title) of every page, in order, for the links between them.
    """
    exporter = _Exporter(
        template_name="basic", embed_images=True, exclude_anchor_links=True, exclude_output_prompt=True
    )
    body, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"path": str(folder)}})
    body = _once(LESSON_LINK.sub(r"\1.html\2", body))
    before = titles[position - 1] if position > 0 else None
    after = titles[position + 1] if position + 1 < len(titles) else None
    return _template("lesson").render(
        title=titles[position][1] or titles[position][0], body=body, before=before, after=after
    )


def index_page(
    runs: Sequence[Any], facts: dict, *, reports: str | None = None, recipes: str | None = None
) -> str:
    """The page that lists the lessons of a run (LessonRuns) in order, with what became of each.

    reports, recipes: the addresses of those pages, as seen from the index; None where there is none.
    """
    return _template("index").render(
        title="How far may a fine-tuned network be trusted?",
        runs=runs,
        facts=facts,
        reports=reports,
        recipes=recipes,
    )


def reports_page(reports: Mapping[str, TrustReport]) -> str:
    """The page that leads to several trust reports, each in a folder of its name, with what each says."""
    return _template("reports").render(title="Trust reports of the running cases", reports=reports)


def _once(body: str) -> str:
    """A page without the ids of headings that an earlier heading has already."""
    seen: set[str] = set()

    def kept(match: re.Match) -> str:
        again = match[2] in seen
        seen.add(match[2])
        return match[1] if again else match[0]

    return re.sub(r'(<h[1-6]) id="([^"]*)"', kept, body)


class _Exporter(HTMLExporter):
    """nbconvert's, with formulas that a browser draws by itself (MathML)."""

    def default_filters(self):  # noqa: D102 (nbconvert's)
        yield from super().default_filters()
        yield ("markdown2html", self.markdown_with_mathml)

    @jinja2.pass_context
    def markdown_with_mathml(self, context: jinja2.runtime.Context, source: str) -> str:
        """Markdown to HTML."""
        cell = context.get("cell", {})
        renderer = _Renderer(
            escape=False,
            attachments=cell.get("attachments", {}),
            embed_images=self.embed_images,
            path=context.get("resources", {}).get("metadata", {}).get("path", ""),
            exclude_anchor_links=True,
        )
        return MarkdownWithMath(renderer=renderer).render(source)


class _Renderer(IPythonRenderer):
    # nbconvert embeds the pictures of a piece of HTML by parsing it, which closes a <details> too early
    def block_html(self, html: str) -> str:
        return super().block_html(html) if "<img" in html else html

    def inline_html(self, html: str) -> str:
        return super().inline_html(html) if "<img" in html else html

    def heading(self, text: str, level: int, **attributes: Any) -> str:
        """With the id by which JupyterLab's own links find a heading: its text, spaces as dashes."""
        name = re.sub(r"<[^>]+>", "", text).strip().replace(" ", "-").replace('"', "&quot;")
        return f'<h{level} id="{name}">{text}</h{level}>\n'

    def inline_math(self, body: str) -> str:
        return formula(body, display=False)

    def block_math(self, body: str) -> str:
        return formula(body, display=True)


def formula(tex: str, *, display: bool) -> str:
    """A TeX formula as MathML; as its own text where latex2mathml is missing or does not know a command."""
    try:
        from latex2mathml.converter import convert

        return convert(tex.strip(), display="block" if display else "inline")
    except Exception:  # whatever a formula provokes there, the page must still be readable
        kind = "formula display" if display else "formula"
        return f'<span class="{kind}">{jinja2.filters.escape(tex.strip())}</span>'


@cache
def _template(name: str) -> jinja2.Template:
    environment = page.environment({"page": PAGE, "lesson": LESSON, "index": INDEX, "reports": REPORTS})
    environment.globals["style"] = STYLE + _highlighting()
    return environment.get_template(name)


def _highlighting() -> str:
    light = HtmlFormatter(style="default").get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    return f"{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n.highlight {{ background: none }}"


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="color-scheme" content="light dark">
<title>{{ title }}</title>
<style>{{ style | safe }}</style>
</head>
<body>
<a class="skip" href="#lesson">Skip to the content</a>
{% block content %}{% endblock %}
</body>
</html>
"""

LESSON = """{% extends "page" %}
{% macro links(label) %}
<nav aria-label="{{ label }}">
{% if before %}<a href="{{ before[0] }}.html" rel="prev">{{ before[1] or before[0] }}</a>{% endif %}
<a href="index.html">All lessons</a>
{% if after %}<a href="{{ after[0] }}.html" rel="next">{{ after[1] or after[0] }}</a>{% endif %}
</nav>
{% endmacro %}
{% block content %}
{{ links("Lessons, top") }}
<main id="lesson">{{ body | safe }}</main>
{{ links("Lessons, bottom") }}
{% endblock %}
"""

INDEX = """{% extends "page" %}
{% block content %}
<main id="lesson">
<h1>{{ title }}</h1>
<p>{{ runs | selectattr("passed") | list | length }} of {{ runs | length }} lessons ran to their end.</p>
<ol class="lessons">
{% for run in runs %}
<li>
<a href="{{ run.name }}.html">{{ run.title or run.name }}</a>
<p>{{ "passed" if run.passed else "failed" }}, {{ "%.0f" | format(run.seconds) }} s,
{{ "%.1f" | format(run.peak_bytes / 1e9) }} GB of memory at most</p>
{% if run.failure %}<p class="failure">{{ run.failure }}</p>{% endif %}
</li>
{% endfor %}
</ol>
{% if reports %}
<h2>Trust reports</h2>
<p><a href="{{ reports }}">How far may these models be trusted?</a> What lesson 10 found on both running
cases, axis by axis; <a href="{{ reports | replace(".html", ".json") }}">the same for programs</a>.</p>
{% endif %}
{% if recipes %}
<h2>Recipes</h2>
<p><a href="{{ recipes }}">One task, one function, one snippet</a>: each question of the course, asked of your
own model.</p>
{% endif %}
<h2>This run</h2>
<dl>
{% for name, value in facts.items() if name != "versions" %}
<dt>{{ name }}</dt><dd>{{ value }}</dd>
{% endfor %}
{% for name, value in facts.versions.items() %}
<dt>{{ name }}</dt><dd>{{ value or "not installed" }}</dd>
{% endfor %}
</dl>
</main>
{% endblock %}
"""

REPORTS = """{% extends "page" %}
{% block content %}
<nav aria-label="Course"><a href="../index.html">All lessons</a></nav>
<main id="lesson">
<h1>{{ title }}</h1>
{% for name, report in reports.items() %}
<h2><a href="{{ name }}/report.html">{{ (report.question or report.task) | shown(longest=200) }}</a></h2>
{% for sentence in report.summary %}
<p>{{ sentence | told }}</p>
{% endfor %}
<p>{{ report.models | length }} models, {{ report.n }} test samples.
<a href="{{ name }}/report.html">The whole report</a>,
<a href="{{ name }}/report.json">its numbers as JSON</a>,
<a href="{{ name }}/report.md">a section for a model card</a>.</p>
{% endfor %}
</main>
{% endblock %}
"""

STYLE = (
    BASE
    + """
h1, h2, h3 { line-height: 1.25; margin: 2.2em 0 .6em }
h1 { margin-top: 1em }
nav { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; justify-content: space-between;
  padding: 1rem 0; border-bottom: 1px solid var(--line) }
img { max-width: 100%; height: auto }
.output_png { background: #fff; width: fit-content; max-width: 100% }
pre, code, .formula { font: .9rem/1.5 ui-monospace, monospace }
pre { margin: 0; white-space: pre-wrap }
.display { display: block; margin: 1rem 0 }
.input_area, .rendered_html > .highlight { background: var(--box); border: 1px solid var(--line);
  border-radius: 6px; padding: .6rem .8rem }
.code_cell, .rendered_html .highlight { margin: 1rem 0 }
.prompt { color: var(--quiet); font: .75rem ui-monospace, monospace }
.output_area { margin: .5rem 0 .5rem .8rem; overflow-x: auto }
.output_area img { max-width: max(100%, 26rem) }
.output_error, .output_stderr, .failure { color: var(--bad) }
blockquote { margin: 1rem 0; padding-left: 1rem; border-left: 4px solid var(--line) }
.text_cell { overflow-x: auto }
.lessons { list-style: none; padding: 0 }
.lessons li { margin: 1rem 0 }
.lessons p { margin: .2rem 0; color: var(--quiet) }
.lessons .failure { color: var(--bad) }
"""
)

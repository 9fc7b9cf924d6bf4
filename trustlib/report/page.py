"""The report as one page that needs no network and no JavaScript; whatever comes from data is escaped.

A content policy in the page forbids scripts and everything that does not lie in the page itself. Figures
are PNG pictures with alternative text, on white ground in dark mode too.
"""

import base64
import re
from collections.abc import Mapping
from functools import cache

import jinja2

from trustlib.report import assembling, model_card, wording
from trustlib.report.result import Figure, TrustReport
from trustlib.report.style import STYLE

MARKS = {"better": "+", "worse": "−", "not shown": "?"}  # beside the word, never in its place


def html(report: TrustReport) -> str:
    """The whole page."""
    return _template().render(
        report=report,
        sections=[
            {
                "about": section,
                "id": f"axis-{section.axis}",
                "rows": model_card.measures(section),
                "figures": [_picture(figure) for figure in section.figures],
                "verdicts": [v for v in report.verdicts if v.axis == section.axis],
            }
            for section in report.sections
        ],
        cannot_say=assembling.CANNOT_SAY,
        style=STYLE,
        marks=MARKS,
    )


def _picture(figure: Figure) -> dict[str, str]:
    from trustlib import plots

    drawn, about = figure.draw(), {"alt": " ".join(figure.alt.split()), "caption": figure.caption}
    if hasattr(drawn, "_repr_html_"):
        return about | {"html": drawn._repr_html_()}
    source = base64.b64encode(plots.png(drawn)).decode("ascii")
    return about | {"source": f"data:image/png;base64,{source}"}


def told(sentence: str) -> str:
    """A sentence whose numbers stay with their percent signs at the end of a line.

    >>> told("95 % of 3")
    '95\xa0% of 3'
    """
    return re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", sentence)


def environment(templates: Mapping[str, str]) -> jinja2.Environment:
    """The project's page templates by name: all text is escaped, and what is missing is an error."""
    found = jinja2.Environment(
        loader=jinja2.DictLoader(dict(templates)),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"shown": wording.shown, "told": told}
    return found


@cache
def _template() -> jinja2.Template:
    return environment({"report": PAGE}).get_template("report")


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="color-scheme" content="light dark">
<title>Trust report: {{ report.task | shown }}</title>
<style>{{ style | safe }}</style>
</head>
<body>
<a class="skip" href="#report">Skip to the content</a>
<header>
<p class="kind">Trust report</p>
<h1>{{ report.task | shown }}</h1>
{% if report.question %}<p class="question">{{ report.question | shown(longest=200) }}</p>{% endif %}
</header>
<nav aria-label="Sections">
<ul>
<li><a href="#summary">Summary</a></li>
{% for section in sections %}
<li><a href="#{{ section.id }}">{{ section.about.title }}</a></li>
{% endfor %}
<li><a href="#cannot-say">What it cannot say</a></li>
</ul>
</nav>
<main id="report">
<section id="summary" aria-labelledby="summary-title">
<h2 id="summary-title">Summary</h2>
{% for sentence in report.summary %}
<p>{{ sentence | told }}</p>
{% endfor %}
</section>
{% for section in sections %}
<section id="{{ section.id }}" aria-labelledby="{{ section.id }}-title">
<h2 id="{{ section.id }}-title">{{ section.about.title }}</h2>
<p class="question">{{ section.about.question }}</p>
{% if section.rows %}
<div class="wide" role="region" aria-label="{{ section.about.title }}: numbers" tabindex="0">
<table>
<thead><tr><th scope="col">measure</th>
{% for model in report.models %}<th scope="col">{{ model | shown }}</th>{% endfor %}
</tr></thead>
<tbody>
{% for label, by_model in section.rows.items() %}
<tr><th scope="row">{{ label }}</th>
{% for model in report.models %}<td>{{ by_model.get(model, "") }}</td>{% endfor %}
</tr>
{% endfor %}
</tbody>
</table>
</div>
{% endif %}
{% for model in report.models if section.about.findings.get(model) %}
{% if report.models | length > 1 %}<details{% if loop.first %} open{% endif %}>
<summary>What this says of {{ model | shown }}</summary>{% endif %}
<ul>
{% for finding in section.about.findings[model] %}
<li>{{ finding.sentence | told }}</li>
{% endfor %}
</ul>
{% if report.models | length > 1 %}</details>{% endif %}
{% endfor %}
{% for figure in section.figures %}
<figure{% if figure.html is defined %} class="text"{% endif %}>
<div class="scroll" tabindex="0" role="region"
 aria-label="{{ section.about.title }}: figure {{ loop.index }}">
{% if figure.html is defined %}
{{ figure.html | safe }}
{% else %}
<img src="{{ figure.source }}" alt="{{ figure.alt }}">
{% endif %}
</div>
{% if figure.caption %}<figcaption>{{ figure.caption | told }}</figcaption>{% endif %}
</figure>
{% endfor %}
{% for verdict in section.verdicts %}
<p class="verdict"><strong><span aria-hidden="true">{{ marks[verdict.verdict] }}</span>
{{ verdict.verdict }}</strong> {{ verdict.sentence | told }}</p>
{% endfor %}
{% for note in section.about.notes %}
<p>{{ note | told }}</p>
{% endfor %}
{% for sentence in section.about.missing %}
<p class="missing">{{ sentence }}</p>
{% endfor %}
{% if section.about.findings and section.about.limits %}
<p class="limits"><strong>What this does not show.</strong> {{ section.about.limits }}</p>
{% endif %}
</section>
{% endfor %}
<section id="cannot-say" aria-labelledby="cannot-say-title">
<h2 id="cannot-say-title">What this report cannot say</h2>
<ul>
{% for sentence in cannot_say %}
<li>{{ sentence }}</li>
{% endfor %}
</ul>
</section>
<section id="how" aria-labelledby="how-title">
<h2 id="how-title">How it was made</h2>
{% if report.verdicts %}
<p>The family of {{ report.verdicts | length }} tests, one primary measure for each axis and pair of models,
was declared beforehand. p-values are adjusted by Holm's procedure, so that a report in which no model is
better holds a false verdict with chance 5 % at most; intervals are not adjusted.</p>
{% endif %}
<dl>
<dt>classes</dt><dd>{{ report.classes | map("shown") | join(", ") }}</dd>
{% for name, value in report.facts.items() %}
<dt>{{ name }}</dt><dd>{{ value }}</dd>
{% endfor %}
</dl>
</section>
</main>
</body>
</html>
"""

"""What a trust report is made of; computed elsewhere, drawn elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from trustlib.estimates import Estimate


@dataclass(frozen=True, eq=False)
class Finding:
    """One number about one model.

    path: where it stands among the model's numbers in report.json, such as ("accuracy",); label: what it is,
    in a table; sentence: what it says; percent: whether it is shown in percent.
    """

    path: tuple[str, ...]
    label: str
    estimate: Estimate
    sentence: str
    percent: bool = False


@dataclass(frozen=True, eq=False)
class Figure:
    """A picture, made when it is needed.

    alt: what a person who cannot see it needs to know; draw: returns matplotlib Axes or a Figure, or what has
    `_repr_html_` and escapes its own strings, such as an explained text; caption: a line below it.
    """

    alt: str
    draw: Callable[[], Any]
    caption: str = ""


@dataclass(frozen=True, eq=False)
class Primary:
    """The one measure by which an axis compares models, chosen before anything is measured.

    values: by model, (n,) or (seeds, n), one number a sample and in the same order for all, NaN where it is
    not defined; models are compared by their means. groups: (n,), samples that hang together, or None.
    shares: whether the numbers are 0 or 1; percent: whether differences are told in points.
    """

    axis: str
    measure: str
    values: Mapping[str, NDArray[Any]]
    groups: NDArray[Any] | None
    higher_is_better: bool
    shares: bool = False
    percent: bool = False


@dataclass(frozen=True, eq=False)
class Verdict:
    """Model a against model b on one axis.

    verdict: "better", "worse" or "not shown", said of a; difference: a - b, its interval unadjusted;
    p_value: of this test alone; adjusted: after Holm over the family; detectable: the difference that would
    have been found in 80 % of such tests, None where none could; seeds: training seeds of each model.
    """

    axis: str
    measure: str
    a: str
    b: str
    verdict: str
    difference: Estimate
    p_value: float
    adjusted: float
    detectable: float | None
    seeds: int
    sentence: str


@dataclass(frozen=True, eq=False)
class Section:
    """One axis of trust.

    findings: by model; an empty mapping where the axis was not measured, and `missing` says what it needs;
    limits: what the numbers do not show; results: the results behind them, by model, for whoever wants more.
    """

    axis: str
    title: str
    question: str
    findings: Mapping[str, tuple[Finding, ...]]
    limits: str
    primary: Primary | None = None
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    results: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class TrustReport:
    """How far some models may be trusted on one task, axis by axis.

    summary: the whole in plain sentences; verdicts: the declared family, pair by pair; facts: what was asked
    and with what, by name.
    """

    task: str
    question: str
    classes: tuple[str, ...]
    models: tuple[str, ...]
    n: int
    sections: tuple[Section, ...]
    verdicts: tuple[Verdict, ...]
    summary: tuple[str, ...]
    facts: Mapping[str, str]
    seed: int

    def __getitem__(self, axis: str) -> Section:
        for section in self.sections:
            if section.axis == axis:
                return section
        raise KeyError(axis)

    def to_json(self) -> dict[str, Any]:
        """The report as report.json holds it; `schema.SCHEMA` describes it."""
        from trustlib.report import document

        return document.of(self)

    def save(self, folder: str | Path) -> Path:
        """Write report.html, report.json and report.md, each whole or not at all; returns the page's path."""
        from trustlib.report import document

        return document.save(self, folder)

    def __str__(self) -> str:
        return "\n".join(self.summary)

"""What the report cost, and what an answer of each model costs."""

from collections.abc import Mapping

import numpy as np

from trustlib import estimates, processes
from trustlib.estimates import Estimate
from trustlib.report import wording
from trustlib.report.asking_models import Counted
from trustlib.report.result import Finding, Section

LIMITS = (
    "Seconds are those of this machine as it was, busy or not, and of batches rather than single inputs; no "
    "verdict rests on them."
)


def section(asked: Mapping[str, Counted], planned: Mapping[str, int], *, seed: int = 0) -> Section:
    """Calls and seconds of each model."""
    findings = {}
    for model, counted in asked.items():
        # Of all processes, each of which asked a part.
        questions = [question for part in processes.gather(counted.questions) for question in part]
        sizes, seconds = (np.array(column, dtype=float) for column in zip(*questions, strict=True))
        calls, total = int(sizes.sum()), float(seconds.sum())
        each = estimates.bootstrap(_per_input, seconds, sizes, seed=seed)
        each = Estimate(each.value, max(each.low, 0.0), each.high, calls, each.level)
        name = wording.shown(model)
        findings[model] = (
            Finding(
                ("cost", "calls"),
                "inputs answered",
                Estimate(calls, calls, calls, calls),
                f"{name} answered {calls:,} inputs, of {sum(planned.values()):,} planned at most.",
            ),
            Finding(
                ("cost", "milliseconds"),
                "milliseconds an answer",
                each,
                f"An answer takes {wording.estimate(each)} milliseconds; all of them took {total:,.0f} s.",
            ),
        )
    told = "; ".join(f"{axis} {n:,}" for axis, n in planned.items())
    return Section(
        "cost",
        "Cost",
        "What did this report cost, and what does an answer cost?",
        findings,
        LIMITS,
        notes=(f"Inputs planned for each model: {told}.",),
    )


def _per_input(seconds: np.ndarray, sizes: np.ndarray) -> float:
    return float(1000 * seconds.sum() / sizes.sum())
